//! Who speaks, and in which conversation: from the application's context, from headers, else made.

mod consent;
mod names;

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::{
    context::{Known, RecordingContext},
    conversation::Claims,
    escape,
    exchange::Exchange,
    id::Id,
    prefix::{FORWARDED, Prefix},
    thread::{Hint, Session},
};

pub use self::names::{DEFAULT_HINT_NAMES, DEFAULT_SESSION_NAMES, DEFAULT_USER_NAMES};
pub(crate) use self::{
    consent::{CONSENT_HEADERS, Consent},
    names::{AGENT, BODY, CODEX_CACHE_KEY, ORIGINATOR, PARENT_AGENT},
};

/// The longest name or external id that a text column holds, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// Tags of an exchange beyond this are left out: they stand on every one of its rows.
const MAX_TAGS: usize = 32;
/// Names and values of an exchange's tags together; what does not fit is left out.
const MAX_TAG_BYTES: usize = 2 << 10;
/// Hexadecimal digits of the digest that a cut name ends in.
const DIGEST_DIGITS: usize = 32;
/// Where a session id stands in the paths of the history API, this word says otherwise: none is so.
const RESERVED: &str = "user";
/// The user where neither a name nor an address is known.
const NOBODY: &str = "unknown";

/// Where identity is looked for.
#[derive(Clone, Debug)]
pub(crate) struct IdentityRules {
    /// In order of precedence.
    pub(crate) session_names: Vec<String>,
    pub(crate) user_names: Vec<String>,
    /// What only hints at a conversation.
    pub(crate) hint_names: Vec<String>,
    /// Whether clients may opt out.
    pub(crate) opt_out: bool,
    pub(crate) tag_prefix: String,
    /// How many proxies before the gateway append to `X-Forwarded-For`.
    pub(crate) trusted_proxies: usize,
}

/// Who speaks, and in which conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) session: Session,
    /// The conversation that this one was begun from, where the client says so.
    pub(crate) parent: Option<Id>,
    /// Whether clients that name their conversation like this send everything that was said.
    pub(crate) sends_history: bool,
    pub(crate) consent: Consent,
    pub(crate) tenant: String,
    /// A user by a name of his, not by an address.
    pub(crate) named_user: Option<String>,
    /// What those send, from one address, among whose conversations the history of a client without a
    /// name is looked for.
    pub(crate) hint: Option<Hint>,
    pub(crate) session_id: String,
    pub(crate) session_source: String,
    /// The named user, else the client's address. An address is no part of the scope.
    pub(crate) user_id: String,
    pub(crate) token_id: Option<String>,
    pub(crate) channel_id: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) tags: Option<String>,
}

impl Identity {
    /// Moves an exchange that is about the conversation, and not of it, into one of its own.
    pub(crate) fn set_aside(&mut self) {
        if let Session::Named(conversation) = self.session {
            self.parent = Some(conversation);
            self.session_id = fit(&format!("{}:task", self.session_id));
            let named = self.named_user.as_deref();
            self.session = Session::Named(Id::conversation(&self.tenant, named, &self.session_id));
        }
    }

    /// Whether Open WebUI sent it, which asks for titles, tags and the like under the chat's own id.
    pub(crate) fn is_open_webui(&self) -> bool {
        self.session_source == names::OPEN_WEBUI
    }
}

impl IdentityRules {
    /// Whom this exchange belongs to. `exchange_id` names the conversation where nothing else does.
    pub(crate) fn identify(
        &self,
        exchange: &Exchange,
        prefix: Prefix<'_>,
        claims: &Claims,
        exchange_id: Id,
    ) -> Identity {
        let contexts = [&exchange.response_context, &exchange.request_context];
        let known = |field: fn(&Known) -> &Option<String>| {
            contexts
                .into_iter()
                .flatten()
                .find_map(|context| field(RecordingContext::known(context)).as_deref())
                .map(told)
        };
        let tenant = known(|known| &known.tenant).unwrap_or_default();
        let named_user =
            known(|known| &known.user_id).or_else(|| names::user(prefix, claims, &self.user_names));
        let named =
            if let Some(id) = known(|known| &known.conversation_id).filter(|id| !id.is_empty()) {
                Some((id, "context".to_owned()))
            } else {
                names::session(prefix, claims, &self.session_names).filter(|(id, _)| id != RESERVED)
            };
        let scoped = |id: &str| Id::conversation(&tenant, named_user.as_deref(), id);
        let sends_history = matches!(&named, Some((_, source)) if names::sends_history(source));
        let (named, parent) = split_agent(prefix, named);
        let parent = parent.map(|id| scoped(&id));
        let ip = self
            .client_ip(prefix, exchange.peer)
            .map(|ip| ip.to_string());
        let hint = match (&named, &named_user) {
            (None, None) => names::hint(prefix, claims, &self.hint_names, ip.as_deref()),
            _ => None,
        };
        let (session, session_id, session_source) = match named {
            Some((id, source)) => (Session::Named(scoped(&id)), id, source),
            None => {
                let id = exchange_id.to_string();
                // Everybody behind one address would be taken for one user.
                let session = match named_user.is_some() || hint.is_some() {
                    true => Session::Inferred(scoped(&id)),
                    false => Session::New(scoped(&id)),
                };
                (session, id, "generated".to_owned())
            }
        };
        Identity {
            session,
            parent,
            hint,
            sends_history,
            consent: match claims.get("no-log") {
                Some("true") if self.opt_out => Consent::Nothing,
                _ => self.consent(prefix),
            },
            tenant,
            session_id,
            session_source,
            user_id: named_user
                .clone()
                .or_else(|| ip.clone())
                .unwrap_or_else(|| NOBODY.to_owned()),
            named_user,
            token_id: known(|known| &known.token_id),
            channel_id: known(|known| &known.channel_id),
            provider: known(|known| &known.provider),
            ip,
            trace_id: prefix.header("traceparent").and_then(trace_id),
            tags: self.tags(prefix),
        }
    }

    /// What the headers of a request allow.
    pub(crate) fn consent(&self, prefix: Prefix<'_>) -> Consent {
        match self.opt_out {
            true => consent::consent(prefix),
            false => Consent::Everything,
        }
    }

    /// Each trusted proxy appends the address that it was called from, so the client's is as many
    /// entries from the end as there are proxies. What stands before it is the client's own claim.
    fn client_ip(&self, prefix: Prefix<'_>, peer: Option<IpAddr>) -> Option<IpAddr> {
        let last = self.trusted_proxies.checked_sub(1);
        let forwarded = last.and_then(|last| {
            let values: Vec<&[u8]> = prefix
                .headers()
                .filter(|(name, _)| *name == FORWARDED)
                .map(|(_, value)| value)
                .collect();
            let list = values.join(&b","[..]);
            let list = std::str::from_utf8(&list).ok()?;
            list.rsplit(',').map(str::trim).nth(last).and_then(address)
        });
        forwarded.or(peer).map(|ip| ip.to_canonical())
    }

    fn tags(&self, prefix: Prefix<'_>) -> Option<String> {
        if self.tag_prefix.is_empty() {
            return None;
        }
        let mut room = MAX_TAG_BYTES;
        let tags: Map<String, Value> = prefix
            .headers()
            .filter(|(name, _)| {
                let is_one_of = |names: &[String]| names.iter().any(|listed| listed == name);
                !is_one_of(&self.session_names)
                    && !is_one_of(&self.user_names)
                    && !is_one_of(&self.hint_names)
            })
            .filter_map(|(name, value)| Some((name.strip_prefix(&self.tag_prefix)?, value)))
            .take(MAX_TAGS)
            .filter(
                |(tag, value)| match room.checked_sub(tag.len() + value.len()) {
                    Some(left) => {
                        room = left;
                        true
                    }
                    None => false,
                },
            )
            .map(|(tag, value)| (tag.to_owned(), escape::text(value).into()))
            .collect();
        (!tags.is_empty()).then(|| Value::Object(tags).to_string())
    }
}

/// A conversation's name, and where it came from.
type Named = Option<(String, String)>;

/// The conversation of an agent within a session, and the one that it was begun from: an agent's
/// talk with the model is its own.
fn split_agent(prefix: Prefix<'_>, named: Named) -> (Named, Option<String>) {
    match (named, header(prefix, names::AGENT)) {
        (Some((session, source)), Some(agent)) if source == names::CLAUDE_CODE => {
            let parent = match header(prefix, names::PARENT_AGENT) {
                Some(parent) if parent != agent => fit(&format!("{session}:{parent}")),
                _ => session.clone(),
            };
            let own = fit(&format!("{session}:{agent}"));
            (Some((own, source)), Some(parent))
        }
        (named, _) => (named, None),
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let socket = || {
        text.parse()
            .ok()
            .map(|address: std::net::SocketAddr| address.ip())
    };
    bare.parse().ok().or_else(socket)
}

/// Whether unnamed clients may bear this name too.
#[cfg(feature = "api")]
pub(crate) fn is_of_unnamed(user: &str) -> bool {
    let is_written_so = |address: IpAddr| address.to_string() == user;
    user == NOBODY || user.parse().is_ok_and(is_written_so)
}

/// A name that the application told: no word of it is a placeholder.
pub(crate) fn told(text: &str) -> String {
    fit(&escape::text(text.as_bytes()))
}

fn header(prefix: Prefix<'_>, wanted: &str) -> Option<String> {
    name(&escape::text(prefix.header(wanted)?))
}

/// A client's name that fits its column, or `None` for a placeholder.
pub(crate) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let placeholder = text.is_empty()
        || ["null", "undefined", "none"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
        || text.bytes().all(|byte| matches!(byte, b'0' | b'-'));
    (!placeholder).then(|| fit(text))
}

/// The text, or its beginning and a digest of the whole where it is too long for its column.
pub(crate) fn fit(text: &str) -> String {
    if text.len() <= MAX_NAME_BYTES {
        return text.to_owned();
    }
    let begin = escape::first_bytes(text, MAX_NAME_BYTES - 1 - DIGEST_DIGITS);
    let digest = blake3::hash(text.as_bytes()).to_hex();
    let (digest, _) = digest.split_at(DIGEST_DIGITS);
    format!("{begin}~{digest}")
}

/// The trace id of a `traceparent` header.
fn trace_id(value: &[u8]) -> Option<String> {
    let mut parts = std::str::from_utf8(value).ok()?.split('-');
    let (_version, id) = (parts.next()?, parts.next()?);
    let valid = id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0');
    valid.then(|| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_before_an_escape_that_would_not_fit() {
        let fitted = |before: usize| fit(&format!("{}␛00{}", "a".repeat(before), "b".repeat(300)));
        let room = MAX_NAME_BYTES - 1 - DIGEST_DIGITS;
        for before in room - 4..room {
            let fitted = fitted(before);
            let (begin, _) = fitted.split_once('~').expect("a digest");
            assert_eq!(begin, "a".repeat(before));
            assert!(fitted.len() <= MAX_NAME_BYTES);
        }
        assert!(fitted(room - 5).contains("␛00~"));
    }
}
