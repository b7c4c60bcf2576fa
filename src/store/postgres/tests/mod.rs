mod days;
mod drop;
mod erase;
mod faults;
mod plans;
mod reads;
mod repartition;
mod secure;
mod stale;
mod writes;

use super::PostgresStore;
use crate::{
    id::Id,
    store::{
        ExchangeRows, Recall, Store, StoreOptions,
        tests::{
            Database as _,
            databases::postgres::{Database, Server, store},
            rows::*,
        },
    },
};
