mod costs;
mod days;
mod drops;
mod encryption;
mod moves;
mod reads;
mod servers;

use crate::{
    id::Id,
    store::{
        ExchangeRows, Store, StoreOptions,
        tests::{
            Database as _,
            databases::mysql::{Database, Server, store},
            rows::*,
            writes::assert_round_trip,
        },
    },
};
