//! The history API: axum routes that read conversations, add to them, export and delete them.
//!
//! [`router`] can be merged into any axum application, or nested under a prefix. Every route but
//! `/healthz`, `/readyz`, `/docs` and `/openapi.json` needs `Authorization: Bearer <key>`; whose key that
//! is, an [`Authenticate`] says: [`StaticKeys`] is one for a list in a variable or in a file that may be read
//! again meanwhile, and a gateway with keys of its own writes its own. [`Cors`] lets web pages call the routes.
//!
//! - A user's key sees that user's conversations. Another user's answer 404, exactly as one that
//!   does not exist; naming another user in a path answers 403.
//! - An application's key acts for any user. Where several users call a conversation by the same
//!   session id it gets 409 with their ids, and may name one by its `id`.
//! - A request first waits, at most a second, for what this process had accepted before it, so that
//!   a history asked for right after a chat is there. Only `/metrics` does not, which would never see a
//!   queue, and it needs no turn either.
//! - Eight requests are answered at a time, each with a page of at most 16 MiB, unless one
//!   message alone is larger; a further one waits
//!   5 s at most, and then gets 503 with `Retry-After`. One principal has at most four requests here
//!   at a time, and for more gets 429. A body that does not come within 10 s gets 408, what is not
//!   answered within 10 s (a deletion: 10 min) gets 503, and who takes nothing of a large answer for 5 s loses its rest.
//!
//! Errors have the shape that OpenAI's clients parse, `{"error": {"message", "type", "param", "code"}}`.

mod router;
mod state;
mod settling;
mod health;
mod auth;
mod keys;
mod cors;
mod access;
mod turns;
mod received;
mod sent;
mod request;
mod conversations;
mod messages;
mod edit;
mod failures;
mod stats;
mod search;
mod export;
mod upkeep;
mod exposition;
mod sizes;
mod openapi;
mod json;
mod answer;
mod error;

pub use auth::{Authenticate, Principal};
pub use cors::{Cors, ParseOriginsError};
pub use keys::{KeyProblem, ParseKeysError, ReadKeysError, StaticKeys};
pub use router::router;
