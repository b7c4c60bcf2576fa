//! The layer on real stacks, over real sockets, into real databases.

mod corpus;
mod support;
