//! Dialects that the application adds.

mod kept;
#[cfg(test)]
mod tests;

use std::fmt;

use super::{Dialect, Policy, Read, Unread, body::Body};
use crate::{
    conversation::{Prompt, Reply},
    identity::told,
};

/// A dialect that the application adds: how an API of its own is read.
///
/// Every `POST` whose path it [speaks](Self::speaks) is recorded, and read by it rather than by a
/// dialect of the crate. A body that it gives `None` for is kept as it came, up to 64 KiB. Strings may
/// hold anything; they are brought into the form in which they are stored. What was said before may be
/// in a request, and is recognized as it is of any other.
///
/// All but [`speaks`](Self::speaks) is called on a writer's thread, and [`provider`](Self::provider) also
/// where the layer is built.
///
/// # Panics
/// Where reading panics, both bodies are kept as they came, counted in
/// [`Metrics::decode_panics`](crate::Metrics::decode_panics).
///
/// # Examples
///
/// A service that is asked and answers in plain text. `examples/tonic` has one that speaks gRPC.
///
/// ```
/// use tower_recording::{
///     CapturedBody, Decode, RecordingLayer,
///     conversation::{Message, Prompt, Reply, Role},
/// };
///
/// #[derive(Debug)]
/// struct Plain;
///
/// impl Decode for Plain {
///     fn provider(&self) -> &'static str {
///         "plain"
///     }
///
///     fn speaks(&self, path: &str) -> bool {
///         path == "/ask"
///     }
///
///     fn prompt(&self, body: &CapturedBody<'_>) -> Option<Prompt> {
///         let question = std::str::from_utf8(body.bytes).ok()?;
///         Some(Prompt::new(vec![Message::new(Role::User, question)]))
///     }
///
///     fn reply(&self, _status: u16, body: &CapturedBody<'_>) -> Option<Reply> {
///         let answer = std::str::from_utf8(body.bytes).ok()?;
///         Some(Reply::new(Message::new(Role::Assistant, answer)))
///     }
/// }
///
/// let layer = RecordingLayer::builder("sqlite::memory:").decode(Plain).build();
/// # assert!(layer.is_ok());
/// ```
pub trait Decode: fmt::Debug + Send + Sync + 'static {
    /// Whose API it is: what stands in the column `provider`, always the same. The layer is not built where
    /// it is longer than 255 bytes, or has a U+0000 or a `␛` (U+241B).
    fn provider(&self) -> &'static str;

    /// Whether it is spoken at this path, without its query. It is called on the request's thread, for every
    /// `POST`: it has to be quick. One that panics speaks nothing.
    fn speaks(&self, path: &str) -> bool;

    /// Reads a request; `None` where it is not in this dialect.
    fn prompt(&self, body: &CapturedBody<'_>) -> Option<Prompt>;

    /// Reads a response, whole or streamed; `None` where it is not in this dialect.
    ///
    /// Where the status is 400 or above, it should state an [`error`](Reply::error); else the body becomes
    /// one.
    fn reply(&self, status: u16, body: &CapturedBody<'_>) -> Option<Reply>;
}

/// Whether what the application says of its API fits the column as it is.
pub(crate) fn fits(provider: &str) -> bool {
    provider == told(provider)
}

/// A body as it passed, without its content encoding.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CapturedBody<'a> {
    /// The path of the request, without its query.
    pub path: &'a str,
    /// The header `content-type`; empty where there was none.
    pub content_type: &'a str,
    /// All that was captured.
    pub bytes: &'a [u8],
    /// Whether bytes are missing at the end.
    pub is_cut: bool,
}

impl<'a> CapturedBody<'a> {
    /// A body of which no byte is missing, for the tests of a [`Decode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_recording::CapturedBody;
    ///
    /// let mut body = CapturedBody::new("/ask", "text/plain", b"What is it");
    /// assert!(!body.is_cut);
    /// body.is_cut = true;
    /// ```
    pub fn new(path: &'a str, content_type: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            path,
            content_type,
            bytes,
            is_cut: false,
        }
    }
}

/// Who reads an exchange.
#[derive(Clone, Copy)]
pub(super) enum Speech<'a> {
    Known(Dialect),
    /// And the path.
    Own(&'a dyn Decode, &'a str),
}

impl Speech<'_> {
    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::Known(dialect) => dialect.provider(),
            Self::Own(own, _) => own.provider(),
        }
    }

    pub(super) fn prompt(self, body: &Body<'_>, policy: &Policy) -> Result<Read<Prompt>, Unread> {
        match self {
            Self::Known(dialect) => dialect.prompt(body, policy),
            Self::Own(own, path) => {
                let captured = captured(path, body, policy)?;
                let mut prompt = own.prompt(&captured).ok_or(Unread::Unknown)?;
                let truncated = kept::prompt(&mut prompt);
                Ok(Read {
                    held: room_for(body),
                    ..Read::new(prompt, truncated)
                })
            }
        }
    }

    pub(super) fn reply(
        self,
        status: u16,
        body: &Body<'_>,
        policy: &Policy,
    ) -> Result<Read<Reply>, Unread> {
        match self {
            Self::Known(dialect) => dialect.reply(body, policy),
            Self::Own(own, path) => {
                let captured = captured(path, body, policy)?;
                let mut reply = own.reply(status, &captured).ok_or(Unread::Unknown)?;
                let truncated = kept::reply(&mut reply);
                Ok(Read::new(reply, truncated))
            }
        }
    }
}

/// What a body takes that is read: what is made of it is about as long, and it grows by doubling.
fn room_for(body: &Body<'_>) -> usize {
    body.bytes.len().saturating_mul(2)
}

fn captured<'a>(
    path: &'a str,
    body: &'a Body<'_>,
    policy: &Policy,
) -> Result<CapturedBody<'a>, Unread> {
    if room_for(body) > policy.max_parsed_bytes {
        return Err(Unread::TooLarge);
    }
    Ok(CapturedBody {
        path,
        content_type: body.content_type,
        bytes: &body.bytes,
        is_cut: body.cut,
    })
}
