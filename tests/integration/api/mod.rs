//! The history API over conversations that the layer recorded.

mod fixture;
mod history;
mod ownership;
mod refusals;
