//! Records every LLM conversation that passes through a Tower stack.

pub mod conversation;
mod decode;
mod escape;
mod id;
mod outcome;
pub mod store;

pub use escape::unescape;
pub use id::{Id, ParseIdError};
pub use outcome::{Outcome, Truncated};
