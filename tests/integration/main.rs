//! The layer on real stacks, over real sockets, into real databases.

mod api;
mod clients;
mod corpus;
<<<<<<< HEAD
mod gateway;
mod proxy;
=======
mod identity;
>>>>>>> main
mod support;
mod ways_in;
