//! The history API over conversations that the layer recorded.

mod deleting;
mod editing;
mod exports;
mod fixture;
mod matrix;
mod metrics;
mod searching;
mod upkeep;
mod health;
mod history;
mod load;
mod ownership;
mod refusals;
mod snapshots;
mod starving;
