//! What the application has read, within the limits and in the form in which it is stored.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::{
    conversation::{Choice, Claims, Message, Prompt, ProviderError, Reply, Role, ToolCall, Usage},
    decode::limits::{MAX_CHOICES, MAX_MESSAGES, MAX_TOOL_CALLS},
    escape,
    outcome::Truncated,
};

pub(super) fn prompt(prompt: &mut Prompt) -> Truncated {
    let Prompt {
        model,
        instructions,
        tools,
        messages,
        stream: _,
        goes_on_from,
        is_kept: _,
        claims: Claims(claims),
    } = prompt;
    let mut truncated = first(instructions, MAX_MESSAGES).max(first(messages, MAX_MESSAGES));
    for message in instructions.iter_mut().chain(messages) {
        truncated = truncated.max(self::message(message));
    }
    texts([model, tools, goes_on_from]);
    for (name, value) in claims {
        text(name);
        text(value);
    }
    truncated
}

pub(super) fn reply(reply: &mut Reply) -> Truncated {
    let Reply {
        response_id,
        model,
        provider,
        choices,
        usage: Usage { raw, .. },
        error,
        streamed: _,
    } = reply;
    choices.sort_by_key(|choice| choice.index);
    let mut truncated = first(choices, MAX_CHOICES);
    for Choice {
        index: _,
        message,
        finish_reason,
    } in choices
    {
        truncated = truncated.max(self::message(message));
        texts([finish_reason]);
    }
    texts([response_id, model, provider, raw]);
    if let Some(ProviderError {
        message,
        code,
        kind,
        other,
    }) = error
    {
        text(message);
        members(other);
        texts([code, kind]);
    }
    truncated
}

fn message(message: &mut Message) -> Truncated {
    let Message {
        role,
        content,
        tool_calls,
        tool_call_id,
        reasoning,
        refusal,
        other,
        // Only what is read here has any.
        kept: _,
    } = message;
    if let Role::Other(word) = role {
        text(word);
        // A word of the crate's own is that, however it was given.
        *role = Role::from(word.as_str());
    }
    text(content);
    let truncated = first(tool_calls, MAX_TOOL_CALLS);
    for ToolCall {
        id,
        kind,
        name,
        arguments,
    } in tool_calls
    {
        if kind.is_empty() {
            "function".clone_into(kind);
        }
        for word in [kind, name, arguments] {
            text(word);
        }
        texts([id]);
    }
    texts([tool_call_id, reasoning, refusal]);
    members(other);
    truncated
}

fn value(value: &mut Value) {
    match value {
        Value::String(string) => text(string),
        Value::Array(elements) => elements.iter_mut().for_each(self::value),
        Value::Object(object) => members(object),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn members(object: &mut Map<String, Value>) {
    if object.keys().any(|key| is_changed(key)) {
        let members = std::mem::take(object).into_iter();
        object.extend(members.map(|(mut key, value)| {
            text(&mut key);
            (key, value)
        }));
    }
    object.values_mut().for_each(value);
}

fn is_changed(text: &str) -> bool {
    matches!(escape::text(text.as_bytes()), Cow::Owned(_))
}

fn texts<const N: usize>(texts: [&mut Option<String>; N]) {
    texts.into_iter().flatten().for_each(text);
}

fn text(text: &mut String) {
    if let Cow::Owned(stored) = escape::text(text.as_bytes()) {
        *text = stored;
    }
}

fn first<T>(list: &mut Vec<T>, most: usize) -> Truncated {
    let truncated = match list.len() > most {
        true => Truncated::Cap,
        false => Truncated::No,
    };
    list.truncate(most);
    truncated
}
