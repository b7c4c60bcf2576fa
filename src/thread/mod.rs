//! Which messages of a request are new, and what they follow.
//!
//! A client sends everything that was said with every request, or only what is new, or something in
//! between that it edited, compacted or tried again. Every message gets a hash of itself and all
//! before it, so that the longest beginning which is stored already is found by its last message;
//! only what follows is stored, under that one.

mod append;
pub(crate) mod branch;
mod canon;
mod company;
mod facts;
mod look;
mod memory;
mod reminder;
mod said;
pub(crate) mod shown;
mod threader;

pub(crate) use self::{
    append::append,
    canon::{digest, hinted, prompt as prompt_hash, response as response_hash, scope},
    facts::Facts,
    reminder::spoken,
    said::Said,
    threader::{Asked, Hint, Placing, Session, Thread, Threader},
};

/// What keys all hashes of a database.
pub(crate) type Key = [u8; 32];
