//! What must not be stored is taken out of texts before anything is made of them.

mod card;
mod credentials;
mod patterns;
mod runs;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

pub use self::patterns::Patterns;
use crate::{
    conversation::{Message, Prompt, ProviderError, Reply},
    decode::Spoken,
    escape,
    json::{self, Kept},
};

/// Takes out of texts what must not be stored.
///
/// It is asked on a writer's thread, for every text of an exchange at least once: what was said, reasoning,
/// arguments of tools, their definitions, errors, bodies that nothing could decode, tags, and what
/// the API adds; before anything else is made of them, hashes and titles included. Names of models
/// and ids are not asked for.
///
/// A body that is not UTF-8 is kept in base64. It is asked for as text with U+FFFD for what is none, and
/// where it takes something out of that, the text is what is kept (`"encoding": "lossy"`).
///
/// The same text has to come out the same each time: a client sends with every request what was
/// said before, and what came out differently would be stored as new.
///
/// # Panics
/// An exchange whose redaction panics is not stored, counted in
/// [`Metrics::rejected`](crate::Metrics::rejected).
///
/// ```
/// use std::borrow::Cow;
///
/// use tower_recording::{RecordingLayer, Redact};
///
/// #[derive(Debug)]
/// struct Ssn;
///
/// impl Redact for Ssn {
///     fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
///         match text.contains("078-05-1120") {
///             true => text.replace("078-05-1120", "[redacted]").into(),
///             false => text.into(),
///         }
///     }
/// }
///
/// let layer = RecordingLayer::builder("sqlite::memory:").redact(Ssn).build();
/// # assert!(layer.is_ok());
/// ```
pub trait Redact: fmt::Debug + Send + Sync + 'static {
    /// The text as it may be stored.
    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str>;
}

/// Takes what must not be stored out of all that was said.
pub(crate) fn spoken(redact: &dyn Redact, spoken: &mut Spoken) {
    let Spoken { prompt, reply, .. } = spoken;
    let Prompt {
        instructions,
        tools,
        messages,
        ..
    } = prompt;
    if let Some(tools) = tools {
        text(redact, tools);
    }
    for message in instructions.iter_mut().chain(messages) {
        self::message(redact, message);
    }
    let Reply { choices, error, .. } = reply;
    for choice in choices {
        self::message(redact, &mut choice.message);
    }
    if let Some(ProviderError {
        message,
        code,
        kind,
        other,
    }) = error
    {
        text(redact, message);
        for other in other.values_mut() {
            value(redact, other);
        }
        for word in [code, kind].into_iter().flatten() {
            text(redact, word);
        }
    }
}

fn message(redact: &dyn Redact, message: &mut Message) {
    bytes(redact, message);
    text(redact, &mut message.content);
    let thoughts = [&mut message.reasoning, &mut message.refusal];
    for thought in thoughts.into_iter().flatten() {
        text(redact, thought);
    }
    for call in &mut message.tool_calls {
        text(redact, &mut call.arguments);
    }
    for other in message.other.values_mut() {
        value(redact, other);
    }
    for member in message.kept.values_mut() {
        kept(redact, member);
    }
}

/// Looks at what is kept; only what something has to be taken out of is parsed.
fn kept(redact: &dyn Redact, kept: &mut Kept) {
    match kept {
        Kept::Value(value) => self::value(redact, value),
        Kept::List(elements) => {
            for element in elements {
                self::kept(redact, element);
            }
        }
        Kept::Members(members) => {
            for member in members.values_mut() {
                self::kept(redact, member);
            }
        }
        Kept::Source(source) => {
            let is_redacted = |text: &str| redacted(redact, text).is_some();
            if json::any_text(source, is_redacted) {
                let mut parsed = json::value(source);
                value(redact, &mut parsed);
                *kept = Kept::Value(parsed);
            }
        }
    }
}

/// Looks at a body that is kept in base64 as text, with U+FFFD for what is none. Where something has to be
/// taken out of that, the text is kept in place of the bytes.
fn bytes(redact: &dyn Redact, message: &mut Message) {
    let encoding = message.other.get_mut("raw");
    let Some(encoding) = encoding.and_then(|raw| raw.get_mut("encoding")) else {
        return;
    };
    if encoding.as_str() != Some("base64") {
        return;
    }
    let Ok(bytes) = STANDARD.decode(&message.content) else {
        return;
    };
    // The digits that stand for a NUL would be a part of the word behind it.
    let shown = String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}");
    let shown = escape::text(shown.as_bytes());
    let redacted = redact.redact(&shown);
    if redacted != shown {
        *encoding = "lossy".into();
        message.content = redacted.into_owned();
    }
}

fn value(redact: &dyn Redact, value: &mut Value) {
    match value {
        Value::String(string) => text(redact, string),
        Value::Array(elements) => {
            for element in elements {
                self::value(redact, element);
            }
        }
        Value::Object(members) => {
            for member in members.values_mut() {
                self::value(redact, member);
            }
        }
        Value::Number(number) => {
            if let Some(redacted) = redacted(redact, &number.to_string()) {
                *value = Value::String(redacted);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Takes what must not be stored out of this text.
pub(crate) fn text(redact: &dyn Redact, text: &mut String) {
    if let Some(redacted) = redacted(redact, text) {
        *text = redacted;
    }
}

/// What is to stand in place of this text, where it is another.
fn redacted(redact: &dyn Redact, text: &str) -> Option<String> {
    match redact.redact(text) {
        Cow::Borrowed(same) if same == text => None,
        redacted => Some(redacted.into_owned()),
    }
}
