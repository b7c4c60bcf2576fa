//! The layer on real stacks, over real sockets, into real databases.

mod api;
mod bounds;
mod clients;
mod corpus;
mod gateway;
mod identity;
mod proxy;
mod shutdown;
mod support;
mod ways_in;
