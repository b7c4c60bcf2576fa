//! The headers by which clients name a conversation and a user, in order of precedence.

use super::{Prefix, header, name};
use crate::{
    conversation::Claims,
    escape,
    prefix::{BY_CONVENTION, is_session_by_convention},
    thread::Hint,
};

/// The headers, and members of a request's body, that name a conversation, after the configured header.
/// The first usable value wins.
///
/// `body:metadata.session_id` is the member `session_id` of the body's `metadata`, and
/// `body:prompt_cache_key of codex` that member where the header `originator` says that Codex sent it:
/// everybody else's is a hint ([`DEFAULT_HINT_NAMES`]).
pub const DEFAULT_SESSION_NAMES: [&str; 38] = [
    "x-conversation-id",
    "conversation-id",
    "x-chat-id",
    "x-thread-id",
    "x-litellm-session-id",
    "body:litellm_session_id",
    "helicone-session-id",
    "x-bf-session-id",
    "body:tensorzero::episode_id",
    "x-openwebui-chat-id",
    "x-claude-code-session-id",
    CLAUDE_CODE_BODY,
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
    "body:conversation.id",
    "body:conversation",
    "body:session_id",
    "body:metadata.session_id",
    "body:metadata.conversation_id",
    "body:metadata.thread_id",
    "body:metadata.chat_id",
    "body:conversation_id",
    "body:thread_id",
    "body:chat_id",
    CODEX_CACHE_KEY,
    BAGGAGE,
];

/// The headers, and members of a request's body, that hint at a conversation and name none, in order.
///
/// A trace id often changes with every request, a window of an editor holds many conversations, and a
/// `prompt_cache_key` is often one an application. So they count only for a client without a name,
/// whose conversation would be a new one with every request: a history that it sends is then looked
/// for among the conversations of those who sent the same hint from the same address. Where no address
/// is known a hint says nothing; behind a proxy that is not [trusted] all have one.
///
/// [trusted]: crate::RecordingLayerBuilder::trusted_proxies
pub const DEFAULT_HINT_NAMES: [&str; 5] = [
    "x-litellm-trace-id",
    "body:litellm_trace_id",
    "x-portkey-trace-id",
    "vscode-sessionid",
    "body:prompt_cache_key",
];

/// The headers, and members of a request's body, that name a user, after `X-User-ID`.
pub const DEFAULT_USER_NAMES: [&str; 9] = [
    "x-openwebui-user-id",
    "x-litellm-end-user-id",
    "x-litellm-customer-id",
    "helicone-user-id",
    "x-portkey-metadata",
    BAGGAGE,
    "body:user",
    "body:safety_identifier",
    CLAUDE_CODE_BODY,
];

/// What the name of a body's member begins with.
pub(crate) const BODY: &str = "body:";
/// In which Claude Code names its session, and others a user.
const CLAUDE_CODE_BODY: &str = "body:metadata.user_id";
/// In which Codex names its session, and others whatever they share a cache by.
pub(crate) const CODEX_CACHE_KEY: &str = "body:prompt_cache_key of codex";
const CACHE_KEY: &str = "body:prompt_cache_key";
/// In which Codex says which of its programs it is.
pub(crate) const ORIGINATOR: &str = "originator";

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
const SEND_HISTORY: [&str; 13] = [
    OPEN_WEBUI,
    CLAUDE_CODE,
    CLAUDE_CODE_BODY,
    CODEX_CACHE_KEY,
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

/// The conversation that a request names, with the header it does so by.
pub(super) fn session(
    prefix: Prefix<'_>,
    claims: &Claims,
    names: &[String],
) -> Option<(String, String)> {
    names.iter().find_map(|wanted| match wanted.as_str() {
        CLAUDE_CODE_BODY => {
            let session = claude_code_session(claimed(claims, CLAUDE_CODE_BODY)?)?;
            Some((name(session)?, CLAUDE_CODE_BODY.to_owned()))
        }
        CODEX_CACHE_KEY => {
            let key = claimed(claims, CACHE_KEY).filter(|_| is_codex(prefix))?;
            Some((name(key)?, CODEX_CACHE_KEY.to_owned()))
        }
        wanted if wanted.starts_with(BODY) => {
            Some((name(claimed(claims, wanted)?)?, wanted.to_owned()))
        }
        BY_CONVENTION => by_convention(prefix),
        BAGGAGE => BAGGAGE_SESSIONS.iter().find_map(|member| {
            let value = baggage(prefix, member)?;
            Some((value, format!("{BAGGAGE} {member}")))
        }),
        wanted => Some((header(prefix, wanted)?, wanted.to_owned())),
    })
}

/// The user that a request names.
pub(super) fn user(prefix: Prefix<'_>, claims: &Claims, names: &[String]) -> Option<String> {
    names.iter().find_map(|wanted| match wanted.as_str() {
        wanted if wanted.starts_with(BODY) => {
            let value = claimed(claims, wanted)?;
            let is_session = wanted == CLAUDE_CODE_BODY && claude_code_session(value).is_some();
            name(value).filter(|_| !is_session)
        }
        BAGGAGE => baggage(prefix, BAGGAGE_USER),
        "x-portkey-metadata" => {
            let metadata: serde_json::Value =
                serde_json::from_slice(prefix.header("x-portkey-metadata")?).ok()?;
            name(&escape::text(metadata.get("_user")?.as_str()?.as_bytes()))
        }
        wanted => header(prefix, wanted),
    })
}

/// What a request from this address hints at its conversation with.
pub(super) fn hint(
    prefix: Prefix<'_>,
    claims: &Claims,
    names: &[String],
    address: Option<&str>,
) -> Option<Hint> {
    // Without an address, all who send the same hint would be one.
    let address = address?;
    names.iter().find_map(|wanted| {
        let value = match wanted.starts_with(BODY) {
            true => name(claimed(claims, wanted)?)?,
            false => header(prefix, wanted)?,
        };
        Some(Hint {
            name: wanted.clone(),
            value,
            address: address.to_owned(),
        })
    })
}

fn is_codex(prefix: Prefix<'_>) -> bool {
    let originator = prefix.header(ORIGINATOR).unwrap_or_default();
    let begin = originator.get(..b"codex".len()).unwrap_or_default();
    begin.eq_ignore_ascii_case(b"codex")
}

/// The value of a member such as `body:metadata.session_id`.
fn claimed<'a>(claims: &'a Claims, wanted: &str) -> Option<&'a str> {
    claims.get(wanted.strip_prefix(BODY)?)
}

/// The session in `user_<sha>_account_<uuid>_session_<uuid>`, or in a JSON text that has a `session_id`.
fn claude_code_session(user_id: &str) -> Option<&str> {
    if let Some((user, session)) = user_id.rsplit_once("_session_") {
        return user.starts_with("user_").then_some(session);
    }
    let (_, after) = user_id.split_once(r#""session_id""#)?;
    let value = after.trim_start().strip_prefix(':')?.trim_start();
    let (session, _) = value.strip_prefix('"')?.split_once('"')?;
    user_id.starts_with('{').then_some(session)
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
