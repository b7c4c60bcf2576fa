mod cuts;
mod reads;
mod servers;

use crate::store::{
    ExchangeRows, Store, StoreOptions,
    tests::{
        Database as _,
        databases::mysql::{Database, Server, store},
        rows::*,
        writes::assert_round_trip,
    },
};
