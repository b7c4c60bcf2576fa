mod crowds;
mod files;
mod reads;
mod retention;
mod writes;

use super::{Location, SqliteStore};
use crate::store::{
    Store, StoreOptions,
    tests::{Database as _, databases::sqlite::Database, rows::*, writes::assert_round_trip},
};
