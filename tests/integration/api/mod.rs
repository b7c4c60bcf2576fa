//! The history API over conversations that the layer recorded.

mod fixture;
mod health;
mod history;
mod load;
mod ownership;
mod refusals;
mod starving;
