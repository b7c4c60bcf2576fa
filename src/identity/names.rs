//! The headers by which clients name a conversation and a user, in order of precedence.

use super::{Prefix, header, name};
use crate::escape;

/// The headers that name a conversation, after the configured one. The first usable value wins.
///
/// Trace ids are not among them: they often change with every request.
pub const DEFAULT_SESSION_HEADERS: [&str; 24] = [
    "x-conversation-id",
    "conversation-id",
    "x-chat-id",
    "x-thread-id",
    "x-litellm-session-id",
    "helicone-session-id",
    "x-bf-session-id",
    "x-openwebui-chat-id",
    "x-claude-code-session-id",
    "session-id",
    "thread-id",
    "session_id",
    "conversation_id",
    "x-session-affinity",
    "x-opencode-session",
    "x-kilocode-taskid",
    "x-kilo-session",
    "x-interaction-id",
    "x-client-session-id",
    "agent-session-id",
    "x-coder-chat-id",
    "x-archestra-session-id",
    BY_CONVENTION,
    BAGGAGE,
];

/// The headers that name a user, after `X-User-ID`.
pub const DEFAULT_USER_HEADERS: [&str; 6] = [
    "x-openwebui-user-id",
    "x-litellm-end-user-id",
    "x-litellm-customer-id",
    "helicone-user-id",
    "x-portkey-metadata",
    BAGGAGE,
];

/// Any header `x-…-session-id` whose value looks like an id.
pub(crate) const BY_CONVENTION: &str = "x-*-session-id";
/// W3C baggage, for what OpenTelemetry applications put into it.
pub(crate) const BAGGAGE: &str = "baggage";
/// The agent that speaks within a session of Claude Code, and the one that it was begun by.
pub(crate) const AGENT: &str = "x-claude-code-agent-id";
pub(crate) const PARENT_AGENT: &str = "x-claude-code-parent-agent-id";
pub(crate) const CLAUDE_CODE: &str = "x-claude-code-session-id";
pub(crate) const OPEN_WEBUI: &str = "x-openwebui-chat-id";

/// Members of `baggage` that name a conversation.
const BAGGAGE_SESSIONS: [&str; 3] = [
    "session.id",
    "langfuse.session.id",
    "gen_ai.conversation.id",
];
const BAGGAGE_USER: &str = "user.id";
/// The shortest id that a convention alone makes one.
const SHORTEST_BY_CONVENTION: usize = 8;

/// Headers of clients that send everything that was said with every request.
const SEND_HISTORY: [&str; 11] = [
    OPEN_WEBUI,
    CLAUDE_CODE,
    "session-id",
    "thread-id",
    "session_id",
    "conversation_id",
    "x-session-affinity",
    "x-opencode-session",
    "x-kilocode-taskid",
    "x-kilo-session",
    "x-interaction-id",
];

/// Whether clients that name their conversation by this header send everything that was said.
pub(crate) fn sends_history(header: &str) -> bool {
    SEND_HISTORY.contains(&header)
}

/// Whether a header names a conversation by convention.
pub(crate) fn is_session_by_convention(header: &str) -> bool {
    // Asked of every header: few end like this, many begin like that.
    let middle = header
        .strip_suffix("-session-id")
        .and_then(|rest| rest.strip_prefix("x-"));
    middle.is_some_and(|middle| !middle.is_empty())
}

/// The conversation that a request names, with the header it does so by.
pub(super) fn session(prefix: Prefix<'_>, headers: &[String]) -> Option<(String, String)> {
    headers.iter().find_map(|wanted| match wanted.as_str() {
        BY_CONVENTION => by_convention(prefix),
        BAGGAGE => BAGGAGE_SESSIONS.iter().find_map(|member| {
            let value = baggage(prefix, member)?;
            Some((value, format!("{BAGGAGE} {member}")))
        }),
        wanted => Some((header(prefix, wanted)?, wanted.to_owned())),
    })
}

/// The user that a request names.
pub(super) fn user(prefix: Prefix<'_>, headers: &[String]) -> Option<String> {
    headers.iter().find_map(|wanted| match wanted.as_str() {
        BAGGAGE => baggage(prefix, BAGGAGE_USER),
        "x-portkey-metadata" => {
            let metadata: serde_json::Value =
                serde_json::from_slice(prefix.header("x-portkey-metadata")?).ok()?;
            name(&escape::text(metadata.get("_user")?.as_str()?.as_bytes()))
        }
        wanted => header(prefix, wanted),
    })
}

fn by_convention(prefix: Prefix<'_>) -> Option<(String, String)> {
    let is_id = |value: &[u8]| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        value.len() >= SHORTEST_BY_CONVENTION && value.iter().all(is_part)
    };
    let mut headers = prefix.headers();
    headers.find_map(|(header, value)| {
        let is_one = is_session_by_convention(header) && is_id(value);
        let id = name(&escape::text(value)).filter(|_| is_one)?;
        Some((id, header.to_owned()))
    })
}

fn baggage(prefix: Prefix<'_>, wanted: &str) -> Option<String> {
    let list = std::str::from_utf8(prefix.header(BAGGAGE)?).ok()?;
    list.split(',').find_map(|member| {
        let (key, value) = member.split(';').next()?.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim());
        let value = escape::text(&std::borrow::Cow::from(value)).into_owned();
        name(&value).filter(|_| key.trim() == wanted)
    })
}
