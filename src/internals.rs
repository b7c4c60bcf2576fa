//! What this crate's own benchmarks and fuzz targets call. It may change with every release.

use http::HeaderMap;

use crate::{
    decode::{self, Payload, Policy},
    exchange::Exchange,
    id::Id,
    identity::{DEFAULT_HINT_NAMES, DEFAULT_SESSION_NAMES, DEFAULT_USER_NAMES, IdentityRules},
    prefix::{AllowList, Prefix},
};

/// Paths at which every dialect is spoken, and one at which none is.
pub const PATHS: [&str; 20] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/complete",
    "/v1beta/models/m:generateContent",
    "/v1beta/models/m:streamGenerateContent",
    "/v1beta/models/m:batchEmbedContents",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/v1/chat",
    "/v2/chat",
    "/v1/generate",
    "/model/m/converse",
    "/model/m/converse-stream",
    "/model/m/invoke",
    "/model/m/invoke-with-response-stream",
    "/",
];
/// The content types that make a difference.
pub const CONTENT_TYPES: [&str; 5] = [
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "",
];
/// The content encodings that are undone.
pub const ENCODINGS: [&str; 6] = ["", "gzip", "deflate", "br", "zstd", "gzip, br"];

/// What a body may expand to.
pub const MAX_DECODED_BYTES: usize = 1 << 20;
/// What is kept of a body that nothing can decode.
pub const MAX_RAW_BYTES: usize = 1 << 16;

/// A body, and how it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<'a> {
    /// The header of this name.
    pub content_type: &'a str,
    /// The header of this name.
    pub content_encoding: &'a str,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Whether bytes are missing at the end.
    pub is_cut: bool,
}

impl Body<'_> {
    fn payload<'a>(&'a self, segments: &'a [&'a [u8]]) -> Payload<'a> {
        Payload {
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            error_type: "",
            segments,
            truncated: self.is_cut,
        }
    }
}

/// What was read of an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Messages of the request, and answers.
    pub messages: usize,
    /// Bytes of all texts.
    pub text_bytes: usize,
    /// Whether it was in a known dialect.
    pub is_read: bool,
    /// Whether there was an error.
    pub is_failed: bool,
}

/// Reads an exchange within the limits that a writer has.
pub fn hear(path: &str, status: u16, request: Body<'_>, response: Body<'_>) -> Heard {
    let policy = Policy {
        max_decoded_bytes: MAX_DECODED_BYTES,
        max_parsed_bytes: 64 << 20,
        max_raw_bytes: MAX_RAW_BYTES,
        keep_media: false,
    };
    let (asked, answered) = ([request.bytes], [response.bytes]);
    let answer = Some((status, response.payload(&answered)));
    let spoken = decode::exchange(path, request.payload(&asked), answer, &policy);
    let choices = spoken.reply.choices.iter().map(|choice| &choice.message);
    let prompt = &spoken.prompt;
    let messages = prompt.instructions.iter().chain(&prompt.messages);
    let messages = messages.chain(choices);
    let (mut count, mut text_bytes) = (0, 0);
    for message in messages {
        count += 1;
        let arguments = message.tool_calls.iter().map(|call| &call.arguments);
        let texts = [&message.reasoning, &message.refusal];
        let texts = texts.into_iter().flatten().chain(arguments);
        text_bytes += message.content.len() + texts.map(String::len).sum::<usize>();
    }
    Heard {
        messages: count,
        text_bytes,
        is_read: spoken.provider.is_some(),
        is_failed: spoken.reply.error.is_some(),
    }
}

/// Names the conversation and the user of a request with these headers and this body, by the default names.
pub fn identify(headers: &HeaderMap, body: &str) -> [String; 2] {
    let names = |names: &[&str]| names.iter().copied().map(String::from).collect();
    let rules = IdentityRules {
        session_names: names(&DEFAULT_SESSION_NAMES),
        user_names: names(&DEFAULT_USER_NAMES),
        hint_names: names(&DEFAULT_HINT_NAMES),
        opt_out: true,
        tag_prefix: "x-tag-".to_owned(),
        trusted_proxies: 1,
    };
    let mut copy = Vec::new();
    AllowList::new(headers.keys().cloned(), "x-tag-").copy("/", headers, &mut copy);
    let claims = decode::claims(body);
    let exchange = Exchange::new();
    let identity = rules.identify(&exchange, Prefix::read(&copy), &claims, Id::exchange(1));
    [identity.session_id, identity.user_id]
}

/// The id of the conversation that this named user calls so.
pub fn conversation_id(user: &str, session_id: &str) -> Id {
    Id::conversation("", Some(user), session_id)
}
