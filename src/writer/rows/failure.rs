//! The row of an exchange that failed.

use serde_json::{Map, Value};

use super::fit_role;
use crate::{
    conversation::{Prompt, Reply, Role},
    identity::fit,
    outcome::Outcome,
    store::{ErrorColumns, ExchangeColumns},
    thread::Thread,
    writer::other::{begun, json_text, whole},
};

pub(super) fn error_row(
    columns: &ExchangeColumns,
    thread: &Thread,
    prompt: Prompt,
    reply: Reply,
) -> ErrorColumns {
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
    put(
        "error",
        (!error.other.is_empty()).then(|| error.other.into()),
    );
    let last = prompt.messages.last().or(prompt.instructions.last());
    let (role, content) = last.map_or((Role::User, String::new()), |last| {
        (fit_role(&last.role), last.content.clone())
    });
    // What stands among the messages already is found through the parent.
    let instructions = prompt.instructions.into_iter();
    let unstored = instructions.filter(|_| thread.new_prompt.is_some());
    let new = prompt.messages.into_iter().skip(thread.known);
    let messages: Vec<Value> = unstored.chain(new).map(whole).collect();
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
        parent_id: thread.parent,
        message_id: response_id.as_deref().map(fit),
        role,
        error_code: columns.status.unwrap_or_default(),
        error_message,
        usage,
        content,
        other: json_text(details),
    }
}
