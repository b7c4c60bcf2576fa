//! Ollama's chat and its completions of a text: one document, or one a line.

mod known;
mod request;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt::Write};

use serde_json::Value;

use self::known::Known;
pub(super) use self::request::prompt;
use super::{
    Policy, Read, Unread,
    answer::Answer,
    failure,
    json::{self, Fault, Field, Members, Raw, Source, stated},
    lines,
    openai_chat::{Reader, wire},
    repair,
};
use crate::conversation::{Reply, Role, Usage};

/// Reads a response, whatever its form.
pub(super) fn reply(
    source: &str,
    is_line_stream: bool,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    let mut answer = Answer::new(policy.max_parsed_bytes);
    answer.reply.streamed = is_line_stream || lines::sniff(source);
    if answer.reply.streamed {
        let mut known = Known::default();
        for (line, ended) in lines::lines(source) {
            add_piece(&mut answer, &mut known, line, cut && !ended, policy);
        }
    } else {
        let source = source.trim_start_matches('\u{feff}');
        add_piece(&mut answer, &mut Known::default(), source, cut, policy);
    }
    answer.finish()
}

fn add_piece(answer: &mut Answer, known: &mut Known, source: &str, cut: bool, policy: &Policy) {
    if !answer.tally.admits(source) || known.add(answer, source) {
        return;
    }
    let done = add(answer, known, source, policy)
        || (cut && repair::close(source).is_some_and(|source| add(answer, known, &source, policy)));
    if !done {
        answer.tally.unread(source);
    }
}

/// Adds a document; false where it is none of Ollama's.
fn add(answer: &mut Answer, known: &mut Known, source: &str, policy: &Policy) -> bool {
    let Some(piece) = json::document::<Piece<'_>>(source) else {
        return false;
    };
    known.learn(source, &piece);
    if let Some(error) = piece.error {
        let error = failure::object(&json::parsed(error));
        answer.fail(error, source);
        return true;
    }
    if piece.message.is_none() && !matches!(piece.response, Field::Text(_)) {
        return false;
    }
    answer.know();
    if let Some(message) = piece.message {
        let reader = Reader {
            role: || Role::Assistant,
            joint: "",
            keep_media: policy.keep_media,
        };
        let mut truncated = crate::outcome::Truncated::No;
        let mut message = reader.read(message, &mut truncated);
        answer.cut(truncated != crate::outcome::Truncated::No);
        request::show_images(&mut message, policy.keep_media);
        answer.add(message);
    }
    if let Field::Text(text) = piece.response {
        answer.say(&text);
    }
    if let Field::Text(text) = piece.thinking {
        answer.think(&text);
    }
    if answer.reply.model.is_none() {
        answer.reply.model = piece.model.text().map(Cow::into_owned);
    }
    if let Some(reason) = piece.done_reason.text() {
        answer.finish_reason = Some(reason.into_owned());
    }
    if !piece.counts.is_empty() {
        let mut raw = String::new();
        for (key, source) in &piece.counts {
            let comma = if raw.is_empty() { "{" } else { "," };
            let _ = write!(raw, "{comma}\"{key}\":{}", source.get());
        }
        raw.push('}');
        answer.reply.usage = Usage {
            prompt_tokens: count(&piece.counts, "prompt_eval_count"),
            completion_tokens: count(&piece.counts, "eval_count"),
            raw: Some(raw),
            ..Usage::default()
        };
    }
    for (key, source) in piece.rest {
        let value = json::parsed(source);
        answer.tally.held += super::estimate::member(&key, source);
        answer.message.other.insert(key.into_owned(), value);
    }
    true
}

fn count(counts: &wire::Rest<'_>, name: &str) -> Option<i64> {
    let (_, source) = counts.iter().find(|(key, _)| key == name)?;
    json::read::<Value>(source.get())?.as_i64()
}

/// A whole response, or a piece of one.
#[derive(Default)]
struct Piece<'a> {
    model: Field<'a>,
    message: Option<wire::Message<'a>>,
    response: Field<'a>,
    thinking: Field<'a>,
    done_reason: Field<'a>,
    created_at: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    /// Tokens and times.
    counts: wire::Rest<'a>,
    rest: wire::Rest<'a>,
}

impl<'de> Members<'de> for Piece<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "message" => json::object(map, &mut self.message)?,
            "response" => self.response = map.field()?,
            "thinking" => self.thinking = map.field()?,
            "done_reason" => self.done_reason = map.field()?,
            "error" => self.error = stated(map)?,
            "prompt_eval_count"
            | "eval_count"
            | "total_duration"
            | "load_duration"
            | "prompt_eval_duration"
            | "eval_duration" => {
                self.counts.extend(stated(map)?.map(|value| (key, value)));
            }
            "created_at" => self.created_at = stated(map)?,
            // The conversation in tokens is the text once more.
            "context" | "done" | "logprobs" => {
                map.skip()?;
            }
            _ => self.rest.extend(stated(map)?.map(|value| (key, value))),
        }
        Ok(())
    }
}
