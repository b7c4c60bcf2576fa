//! Bytes in, messages out. Nothing here knows of databases, threads or time.

mod encoding;
mod repair;
mod sse;

use crate::{
    conversation::{Prompt, Reply},
    outcome::Truncated,
};

/// A body as it was captured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Payload<'a> {
    /// The `content-type` header; empty where there was none.
    pub(crate) content_type: &'a str,
    /// The `content-encoding` header; empty where there was none.
    pub(crate) content_encoding: &'a str,
    /// The bytes, in the pieces in which they were kept.
    pub(crate) segments: &'a [&'a [u8]],
    /// Whether bytes are missing at the end.
    pub(crate) truncated: bool,
}

/// How much is decoded, and what is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// A compressed body is expanded to at most so many bytes.
    pub(crate) max_decoded_bytes: usize,
    /// A body that nothing can decode is kept to at most so many bytes.
    pub(crate) max_raw_bytes: usize,
    /// Keep base64 payloads instead of a stub with media type, size and SHA-256.
    pub(crate) keep_media: bool,
}

/// An exchange in words.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    /// Whose API was spoken; `None` where nothing could decode it and the bodies stand as they came.
    pub(crate) provider: Option<&'static str>,
    pub(crate) prompt: Prompt,
    pub(crate) reply: Reply,
    /// What decoding had to leave out.
    pub(crate) truncated: Truncated,
}
