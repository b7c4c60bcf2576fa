//! The layer on real stacks, over real sockets, into real databases.

mod api;
mod backends;
mod bounds;
mod by_hand;
mod clients;
mod corpus;
mod cors;
mod delivery;
mod ends;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod faults;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod frozen;
mod gateway;
mod identity;
mod keys;
mod keys_file;
mod minimal;
mod naming;
mod passing;
mod proxy;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod replicas;
mod scripts;
mod servers;
mod shutdown;
mod silence;
mod stacks;
mod stopping;
mod support;
mod transparency;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod turns;
mod ways_in;
