mod cut;
mod days;
mod faults;
mod reads;
mod secure;
mod writes;

use crate::store::{
    ExchangeRows, Store, StoreOptions,
    tests::{
        Database as _,
        databases::postgres::{Database, Server, store},
        rows::*,
    },
};
