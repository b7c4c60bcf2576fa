//! The rows of an exchange: made once, then frozen.

#[cfg(test)]
mod tests;

use std::{
    mem,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{
    Workshop,
    other::{begun, json_text, other, whole},
    spoken,
};
use crate::{
    conversation::{Choice, Message, Prompt, Reply, Role, Usage},
    decode::Spoken,
    escape,
    exchange::Exchange,
    id::Id,
    identity::{Identity, fit},
    outcome::Outcome,
    prefix::Prefix,
    rules,
    store::{ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation},
};

/// The longest title, in characters.
const TITLE_CHARS: usize = 60;

/// Decodes an exchange and makes its rows.
pub(crate) fn make(workshop: &Workshop, exchange: &Exchange) -> ExchangeRows {
    let id = exchange
        .id
        .unwrap_or_else(|| Id::exchange(wall_nanos(exchange.started)));
    let (identity, spoken) = {
        let request = exchange.request.state();
        let prefix = Prefix::read(request.capture.prefix());
        let identity = workshop.identity.identify(exchange, prefix, id);
        let spoken = spoken::hear(workshop, exchange, &request, prefix);
        (identity, spoken)
    };
    assemble(exchange, id, identity, spoken)
}

/// The time of an instant, in nanoseconds since 1970 UTC.
fn wall_nanos(instant: Instant) -> u64 {
    rules::now().saturating_sub(instant.elapsed().as_nanos() as u64)
}

fn assemble(exchange: &Exchange, id: Id, identity: Identity, spoken: Spoken) -> ExchangeRows {
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

    let Identity {
        conversation_id,
        tenant,
        session_id,
        session_source,
        user_id,
        token_id,
        channel_id,
        provider: told_provider,
        ip,
        trace_id,
        tags,
    } = identity;
    let created_at = id.unix_ms();
    let conversation = NewConversation {
        id: conversation_id,
        tenant: tenant.clone(),
        session_id,
        user_identifier: user_id.clone(),
        title: title(&prompt),
        session_source: fit(&session_source),
        created_at,
        sends_history: false,
        parent_conversation_id: None,
    };
    let request_model = prompt.model.as_deref().map(fit);
    let columns = ExchangeColumns {
        conversation_id,
        created_at,
        exchange_id: id,
        tenant,
        user_id,
        token_id,
        channel_id,
        model_name: reply
            .model
            .as_deref()
            .map(fit)
            .or_else(|| request_model.clone()),
        request_model,
        provider: told_provider.or_else(|| provider.map(str::to_owned)),
        status: status.map(i64::from),
        is_stream: reply.streamed || (status.is_none() && prompt.stream),
        outcome,
        truncated,
        first_token_ms: exchange
            .first_byte
            .map(|at| millis(at.duration_since(exchange.started))),
        latency_ms: Some(millis(exchange.ended.duration_since(exchange.started))),
        ip,
        trace_id,
        tags,
    };
    let (messages, error) = if failed {
        (Vec::new(), Some(error_row(&columns, prompt, reply)))
    } else {
        (message_rows(&columns, prompt, reply), None)
    };
    ExchangeRows {
        conversation,
        exchange: columns,
        messages,
        error,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The first line of what the user said first.
fn title(prompt: &Prompt) -> Option<String> {
    let said =
        |message: &&Message| message.role == Role::User && !message.content.trim().is_empty();
    let first = prompt.messages.iter().find(said)?;
    title_of(&first.content)
}

/// The first line of a text, at most 60 characters.
pub(crate) fn title_of(text: &str) -> Option<String> {
    let line = text.trim().lines().next()?.trim();
    (!line.is_empty()).then(|| escape::first_chars(line, TITLE_CHARS).to_owned())
}

/// Says with the first choice which upstream a router chose.
fn name_upstream(reply: &mut Reply) {
    if let (Some(provider), Some(first)) = (reply.provider.take(), reply.choices.first_mut()) {
        let other = &mut first.message.other;
        other.entry("provider").or_insert(provider.into());
    }
}

/// The role, whose word fits its column.
fn fit_role(role: &Role) -> Role {
    match role {
        Role::Other(word) => Role::Other(fit(word)),
        known => known.clone(),
    }
}

fn message_rows(columns: &ExchangeColumns, prompt: Prompt, reply: Reply) -> Vec<MessageColumns> {
    let Reply {
        response_id,
        mut choices,
        mut usage,
        ..
    } = reply;
    let response_id = response_id.as_deref().map(fit);
    // What was stated of a reply without choices needs a row to stand on.
    if choices.is_empty() && (response_id.is_some() || usage != Usage::default()) {
        choices.push(Choice {
            index: 0,
            message: Message::new(Role::Assistant, ""),
            finish_reason: None,
        });
    }
    // Usage is of all choices together.
    let is_only = choices.len() == 1;
    let asked = prompt.messages.into_iter().map(|message| (None, message));
    let answered = choices
        .into_iter()
        .map(|choice| (Some((choice.index, choice.finish_reason)), choice.message));
    let mut rows = Vec::new();
    for (answer, mut message) in asked.chain(answered) {
        let (index, finish_reason) = answer.clone().unwrap_or_default();
        // Usage stands on one answer only, so that a sum over the rows is right.
        let usage = match answer {
            Some(_) => mem::take(&mut usage),
            None => Usage::default(),
        };
        rows.push(MessageColumns {
            id: columns.exchange_id.row(rows.len() + 1),
            parent_id: None,
            chain_hash: None,
            message_id: answer.and_then(|_| response_id.clone()),
            role: fit_role(&message.role),
            choice_index: index,
            token_count: usage.completion_tokens.filter(|_| is_only),
            usage,
            finish_reason: finish_reason.as_deref().map(fit),
            prompt_hash: None,
            updated_at: columns.created_at,
            other: json_text(other(&mut message)),
            content: message.content,
        });
    }
    rows
}

fn error_row(columns: &ExchangeColumns, prompt: Prompt, reply: Reply) -> ErrorColumns {
    let Reply {
        response_id,
        choices,
        usage,
        error,
        ..
    } = reply;
    let error = error.unwrap_or_default();
    let mut details = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            details.insert(name.to_owned(), value);
        }
    };
    put("code", error.code.map(Value::from));
    put("type", error.kind.map(Value::from));
    let last = prompt.messages.last();
    let (role, content) = last.map_or((Role::User, String::new()), |last| {
        (fit_role(&last.role), last.content.clone())
    });
    let messages: Vec<Value> = prompt.messages.into_iter().map(whole).collect();
    put("messages", Some(messages.into()));
    let begun: Vec<Value> = choices.into_iter().map(begun).collect();
    put("reply", (!begun.is_empty()).then(|| begun.into()));
    let error_message = match (error.message, columns.outcome) {
        (message, _) if !message.is_empty() => message,
        (_, Outcome::Panicked) => "the gateway's handler panicked".to_owned(),
        (_, Outcome::UpstreamError) => "the upstream failed".to_owned(),
        _ => String::new(),
    };
    ErrorColumns {
        id: columns.exchange_id.row(1),
        parent_id: None,
        message_id: response_id.as_deref().map(fit),
        role,
        error_code: columns.status.unwrap_or_default(),
        error_message,
        usage,
        content,
        other: json_text(details),
    }
}
