//! From what was captured to who said what, where and when.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use percent_encoding::percent_decode;
use serde_json::Value;

use super::Workshop;
use crate::{
    capture::Capture,
    conversation::{Message, Prompt, ProviderError, Reply},
    decode::{self, Decode, Payload, Policy, Spoken},
    escape,
    exchange::{Exchange, RequestEnd, RpcFailure},
    id::Id,
    identity::{Consent, Identity, fit},
    outcome::{Outcome, Truncated},
    prefix::{Prefix, take},
    redact,
    rules::{self, speaks},
    settings::MAX_RAW_BYTES,
    span::Draft,
    store::ExchangeColumns,
};

/// An exchange in words, before its place in a conversation is known.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) id: Id,
    pub(crate) identity: Identity,
    /// The exchange's columns, but for the conversation.
    pub(crate) columns: ExchangeColumns,
    pub(crate) prompt: Prompt,
    pub(crate) reply: Reply,
    /// It stands among the errors.
    pub(crate) failed: bool,
    /// The inner service did not read the request to its end, or went on after the response had
    /// ended: what came until then is there.
    pub(crate) is_unread: bool,
    /// What was asked is not known: the client opted out of having it kept, or it could not be read.
    pub(crate) is_wordless: bool,
    /// Its place was looked for in vain before.
    pub(crate) is_second_look: bool,
    pub(crate) span: Draft,
}

/// What Open WebUI's requests for a title, tags or questions to follow begin with, and hold.
const TASK: &str = "### Task:";
const TASK_HISTORY: &str = "<chat_history>";

/// Decodes an exchange and says who speaks; `None` where the client opted out of being recorded.
pub(super) fn hear(workshop: &Workshop, exchange: &Exchange) -> Option<Heard> {
    let id = exchange
        .id
        .unwrap_or_else(|| Id::exchange(rules::unix_nanos(exchange.started_at)));
    let (mut identity, mut spoken, mut span) = {
        let request = exchange.request.capture();
        let prefix = Prefix::read(request.prefix());
        if workshop.identity.consent(prefix) == Consent::Nothing {
            return None;
        }
        let mut spoken = decode(workshop, exchange, &request, prefix);
        if let (Some(failure), None) = (&exchange.rpc_failure, &spoken.reply.error) {
            spoken.reply.error = Some(rpc_error(failure));
        }
        let claims = &spoken.prompt.claims;
        let identity = workshop.identity.identify(exchange, prefix, claims, id);
        (identity, spoken, Draft::of(exchange, prefix))
    };
    if identity.consent == Consent::Nothing {
        return None;
    }
    if identity.consent == Consent::Metadata {
        forget_content(&mut spoken);
    }
    redact::spoken(&*workshop.redact, &mut spoken);
    if let Some(tags) = &mut identity.tags {
        redact::text(&*workshop.redact, tags);
    }
    if identity.is_open_webui() && is_task(&spoken.prompt) {
        identity.set_aside();
    }
    let is_unread = exchange.request.end() != RequestEnd::Complete;
    if is_unread {
        workshop.channel.counters.unread_requests.add(1);
    }
    span.tell(&spoken, workshop.settings.span_content);
    Some(Heard {
        span,
        ..tell(exchange, id, identity, spoken, is_unread)
    })
}

fn is_task(prompt: &Prompt) -> bool {
    let [only] = &prompt.messages[..] else {
        return false;
    };
    only.content.starts_with(TASK) && only.content.contains(TASK_HISTORY)
}

/// Keeps how an exchange went, and nothing that was said in it.
fn forget_content(spoken: &mut Spoken) {
    let Prompt { model, stream, .. } = std::mem::take(&mut spoken.prompt);
    spoken.prompt = Prompt {
        model,
        stream,
        ..Prompt::default()
    };
    for choice in &mut spoken.reply.choices {
        let mut omitted = Message::new(choice.message.role.clone(), "");
        omitted.other.insert("content".into(), "omitted".into());
        choice.message = omitted;
    }
    if let Some(error) = &mut spoken.reply.error {
        error.message.clear();
        error.other.clear();
    }
}

pub(super) fn tell(
    exchange: &Exchange,
    id: Id,
    identity: Identity,
    spoken: Spoken,
    is_unread: bool,
) -> Heard {
    let Spoken {
        provider,
        prompt,
        mut reply,
        truncated,
        shed_bytes: _,
    } = spoken;
    name_upstream(&mut reply);
    let status = exchange.status;
    let error_in_stream = reply.error.is_some()
        && reply.streamed
        && exchange.outcome == Outcome::Complete
        && status.is_some_and(|status| status < 400);
    let outcome = if error_in_stream {
        Outcome::ErrorInStream
    } else {
        exchange.outcome
    };
    let failed = reply.error.is_some()
        || status.is_some_and(|status| status >= 400)
        || matches!(outcome, Outcome::UpstreamError | Outcome::Panicked);
    let is_wordless = identity.consent == Consent::Metadata || is_raw(&prompt);
    let request_model = prompt.model.as_deref().map(fit);
    let columns = ExchangeColumns {
        conversation_id: Id::default(),
        created_at: id.unix_ms(),
        exchange_id: id,
        tenant: identity.tenant.clone(),
        user_id: identity.user_id.clone(),
        token_id: identity.token_id.clone(),
        channel_id: identity.channel_id.clone(),
        model_name: reply
            .model
            .as_deref()
            .map(fit)
            .or_else(|| request_model.clone()),
        request_model,
        provider: identity
            .provider
            .clone()
            .or_else(|| provider.map(str::to_owned)),
        status: status.map(i64::from),
        is_stream: reply.streamed || (status.is_none() && prompt.stream),
        outcome,
        truncated,
        first_token_ms: exchange
            .first_byte
            .map(|at| millis(at.duration_since(exchange.started))),
        latency_ms: Some(millis(exchange.ended.duration_since(exchange.started))),
        ip: identity.ip.clone(),
        trace_id: identity.trace_id.clone(),
        tags: identity.tags.clone(),
    };
    Heard {
        id,
        identity,
        columns,
        prompt,
        reply,
        failed,
        is_unread,
        is_wordless,
        is_second_look: false,
        span: Draft::default(),
    }
}

/// Whether the body is kept as it came.
fn is_raw(prompt: &Prompt) -> bool {
    let only = match &prompt.messages[..] {
        [only] => only.other.get("raw"),
        _ => None,
    };
    only.is_some_and(Value::is_object)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Says with the first choice which upstream a router chose.
fn name_upstream(reply: &mut Reply) {
    if let (Some(provider), Some(first)) = (reply.provider.take(), reply.choices.first_mut()) {
        let other = &mut first.message.other;
        other.entry("provider").or_insert(provider.into());
    }
}

/// The failure that gRPC states beside the body.
fn rpc_error(failure: &RpcFailure) -> ProviderError {
    let RpcFailure { code, message } = failure;
    let message = Cow::from(percent_decode(message));
    let mut error = ProviderError::new(escape::text(&message));
    error.code = Some(escape::text(code).into_owned());
    error
}

/// Decodes both bodies, within this writer's part of the budget. Where decoding panics, they are kept as they came.
fn decode(
    workshop: &Workshop,
    exchange: &Exchange,
    request: &Capture,
    prefix: Prefix<'_>,
) -> Spoken {
    let Workshop {
        channel, settings, ..
    } = workshop;
    let header = |name| escape::text(prefix.header(name).unwrap_or_default());
    let (request_type, request_encoding) = (header("content-type"), header("content-encoding"));
    let (response_type, rest) = take(exchange.response.prefix()).unwrap_or_default();
    let (response_encoding, rest) = take(rest).unwrap_or_default();
    let (error_type, _) = take(rest).unwrap_or_default();
    let [response_type, response_encoding, error_type] =
        [response_type, response_encoding, error_type].map(escape::text);
    let request_segments: Vec<&[u8]> = request.segments().collect();
    let response_segments: Vec<&[u8]> = exchange.response.segments().collect();

    let max_bytes = settings.max_request_bytes.max(settings.max_response_bytes);
    let writers = channel.rings().len().max(1);
    let policy = Policy {
        max_decoded_bytes: max_bytes.min(channel.vault.max_expanded_bytes() / writers),
        max_parsed_bytes: channel.vault.max_parsed_bytes() / writers,
        max_raw_bytes: MAX_RAW_BYTES,
        keep_media: settings.keep_media,
    };
    let captured = (request.truncated()).max(exchange.response.truncated());
    let path = escape::text(prefix.path());
    let own = (workshop.own.iter().map(|own| &**own)).find(|own| speaks(*own, &path));
    let attempt = |own: Option<&dyn Decode>, path: &str| {
        let request = Payload {
            content_type: &request_type,
            content_encoding: &request_encoding,
            error_type: "",
            segments: &request_segments,
            truncated: request.truncated() != Truncated::No
                || exchange.request.end() != RequestEnd::Complete,
        };
        let response = Payload {
            content_type: &response_type,
            content_encoding: &response_encoding,
            error_type: &error_type,
            segments: &response_segments,
            truncated: exchange.response.truncated() != Truncated::No
                || exchange.outcome != Outcome::Complete,
        };
        let response = exchange.status.map(|status| (status, response));
        catch_unwind(AssertUnwindSafe(|| match own {
            Some(own) => decode::own_exchange(own, path, request, response, &policy),
            None => decode::exchange(path, request, response, &policy),
        }))
    };
    let spoken = attempt(own, &path).unwrap_or_else(|_| {
        channel.counters.decode_panics.add(1);
        // A path that is nobody's is kept as it came.
        attempt(None, "").unwrap_or_default()
    });
    channel.counters.shed_bytes.add(spoken.shed_bytes);
    // What was missing before is counted when the exchange is recycled.
    match spoken.truncated {
        Truncated::Budget if captured == Truncated::No => channel.counters.truncated_budget.add(1),
        Truncated::Cap if captured == Truncated::No => channel.counters.truncated_cap.add(1),
        _ => {}
    }
    Spoken {
        truncated: spoken.truncated.max(captured),
        ..spoken
    }
}
