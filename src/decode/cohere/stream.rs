//! A reply that arrives as a stream of events, of either version.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::{
    event::{CallDelta, Delta, Event, Piece},
    known::{Grown, Known},
    usage, whole,
};
use crate::{
    conversation::{Choice, Reply, Role, ToolCall},
    decode::{
        Policy, Read, Unread,
        answer::Answer,
        estimate, failure,
        json::{self, Field},
        openai_chat::wire,
        push_piece, repair,
    },
};

/// Reads a whole body of events, each with whether its end was there, unless none of them is Cohere's though
/// there are some.
pub(super) fn read<'a>(
    events: impl Iterator<Item = (Cow<'a, str>, bool)>,
    cut: bool,
    policy: &Policy,
) -> Result<Read<Reply>, Unread> {
    let mut stream = Stream {
        answer: Answer::new(policy.max_parsed_bytes),
        calls: BTreeMap::new(),
        plan: String::new(),
        known: Known::default(),
        ended: None,
        policy,
    };
    stream.answer.reply.streamed = true;
    for (event, ended) in events {
        let data = event.trim_ascii();
        if data.is_empty() || data == "[DONE]" || !stream.answer.tally.admits(data) {
            continue;
        }
        let done = stream.echo(data)
            || stream.event(data)
            || (cut && !ended && repair::close(data).is_some_and(|closed| stream.event(&closed)));
        if !done {
            stream.answer.tally.unread(data);
        }
    }
    stream.finish()
}

struct Stream<'p> {
    answer: Answer,
    /// The call of an index.
    calls: BTreeMap<i64, usize>,
    plan: String,
    known: Known,
    /// The answer as the first version says it again in the end.
    ended: Option<(Answer, Vec<Choice>)>,
    policy: &'p Policy,
}

impl Stream<'_> {
    /// Adds an event that is known but for its text; false where it is not.
    fn echo(&mut self, data: &str) -> bool {
        let Some((grown, text)) = self.known.text(data) else {
            return false;
        };
        let answer = &mut self.answer;
        match grown {
            Grown::Text => answer.say(&text),
            Grown::Thinking => answer.think(&text),
            Grown::Plan => {
                answer.tally.held += estimate::text(&text);
                self.plan.push_str(&text);
            }
            Grown::Arguments(index) => {
                let at = self.calls.get(&index);
                let call = at.and_then(|at| answer.message.tool_calls.get_mut(*at));
                let Some(call) = call else {
                    return false;
                };
                answer.tally.held += estimate::text(&text);
                push_piece(&mut call.arguments, &text);
            }
        }
        true
    }

    /// Adds an event; false where the text is none.
    fn event(&mut self, data: &str) -> bool {
        let Some(event) = json::document::<Event<'_>>(data) else {
            return false;
        };
        let kind = match &event.kind {
            Field::Text(kind) => kind.as_ref(),
            _ => "",
        };
        let is_failure = kind.ends_with("error") || (kind.is_empty() && event.error.is_some());
        if is_failure || (kind.is_empty() && matches!(event.message, Field::Text(_))) {
            let error = failure::of(&json::value(data));
            self.answer.fail(error, data);
            return true;
        }
        if kind.is_empty() {
            return false;
        }
        self.known.learn(data, kind, &event);
        let answer = &mut self.answer;
        answer.know();
        if answer.reply.response_id.is_none() {
            answer.reply.response_id = event.id.text().map(Cow::into_owned);
        }
        if let Some(reason) = event.finish_reason.text() {
            answer.finish_reason = Some(reason.into_owned());
        }
        if let Field::Text(text) = event.text {
            match kind {
                // The text before a call is its plan.
                "tool-calls-chunk" | "tool-calls-generation" => {}
                _ => answer.say(&text),
            }
        }
        for (key, source) in event.vendor {
            let value = json::parsed(source);
            answer.append(&key, value);
        }
        if let Some(calls) = event.calls {
            answer.cut(calls.is_cut);
            // Whole calls, also of those that came in pieces.
            answer.message.tool_calls.clear();
            for call in calls.items {
                answer.call(call.into());
            }
        }
        if let Some(delta) = event.call_delta {
            self.call_delta(delta);
        }
        if let Some(delta) = event.delta {
            self.delta(delta, event.index);
        }
        if let Some(response) = event.response {
            let mut whole_answer = Answer::new(self.policy.max_parsed_bytes);
            let choices = whole(&mut whole_answer, response.get(), self.policy);
            self.answer.tally.held += estimate::document(response.get(), 0);
            self.ended = choices.map(|choices| (whole_answer, choices));
        }
        true
    }

    fn delta(&mut self, delta: Delta<'_>, index: Option<i64>) {
        let answer = &mut self.answer;
        if let Some(reason) = delta.finish_reason.text() {
            answer.finish_reason = Some(reason.into_owned());
        }
        if delta.usage.is_some() {
            answer.reply.usage = usage(delta.usage);
        }
        if let Some(source) = delta.error {
            let error = failure::object(&json::parsed(source));
            answer.fail(error, source.get());
        }
        if let Some(piece) = delta.message {
            self.piece(piece, index);
        }
    }

    fn piece(&mut self, piece: Piece<'_>, index: Option<i64>) {
        let answer = &mut self.answer;
        if let Some(role) = piece.role.text() {
            answer.message.role = Role::from(role.as_ref());
        }
        if let Some(content) = piece.content {
            if let Field::Text(text) = content.text {
                answer.say(&text);
            }
            if let Field::Text(text) = content.thinking {
                answer.think(&text);
            }
        }
        if let Field::Text(plan) = piece.tool_plan {
            answer.tally.held += estimate::text(&plan);
            self.plan.push_str(&plan);
        }
        if let Some(citation) = piece.citation {
            answer.append("citations", json::parsed(citation));
        }
        if let Some(call) = piece.call {
            self.call(call, index);
        }
    }

    /// A call with a name begins, all else goes on.
    fn call(&mut self, mut call: wire::Call<'_>, index: Option<i64>) {
        let function = call.called();
        let known = index.and_then(|index| self.calls.get(&index).copied());
        let last = self.answer.message.tool_calls.len().checked_sub(1);
        let name = function.name.clone_text();
        let at = match (name, known.or(last.filter(|_| index.is_none()))) {
            (None, Some(at)) => at,
            (name, _) => {
                let begun = ToolCall {
                    id: call.id.text().map(Cow::into_owned),
                    kind: (call.kind.text()).map_or("function".to_owned(), Cow::into_owned),
                    name: name.unwrap_or_default(),
                    arguments: String::new(),
                };
                if !self.answer.call(begun) {
                    return;
                }
                self.answer.message.tool_calls.len() - 1
            }
        };
        if let Some(index) = index {
            self.calls.insert(index, at);
        }
        if let Some(call) = self.answer.message.tool_calls.get_mut(at) {
            self.answer.tally.held += function.append_arguments(&mut call.arguments);
        }
    }

    fn call_delta(&mut self, delta: CallDelta<'_>) {
        let index = delta.index.unwrap_or_default();
        let at = match self.calls.get(&index) {
            Some(at) => *at,
            None => {
                let begun = ToolCall {
                    kind: "function".to_owned(),
                    ..ToolCall::default()
                };
                if !self.answer.call(begun) {
                    return;
                }
                let at = self.answer.message.tool_calls.len() - 1;
                self.calls.insert(index, at);
                at
            }
        };
        let Some(call) = self.answer.message.tool_calls.get_mut(at) else {
            return;
        };
        for (place, field) in [
            (&mut call.name, delta.name),
            (&mut call.arguments, delta.parameters),
        ] {
            if let Field::Text(text) = field {
                self.answer.tally.held += estimate::text(&text);
                place.push_str(&text);
            }
        }
    }

    fn finish(self) -> Result<Read<Reply>, Unread> {
        let Self {
            mut answer,
            calls: _,
            plan,
            known: _,
            ended,
            policy: _,
        } = self;
        if !plan.is_empty() {
            let other = &mut answer.message.other;
            other.insert("tool_plan".to_owned(), Value::String(plan));
        }
        let Some((mut whole, choices)) = ended else {
            return answer.finish();
        };
        if whole.is_silent() {
            whole.message = std::mem::replace(&mut answer.message, whole.message);
        }
        // It counts what was passed over.
        answer.message = whole.message;
        answer.reply.usage = whole.reply.usage;
        let id = whole.reply.response_id;
        answer.reply.response_id = id.or(answer.reply.response_id);
        answer.finish_reason = whole.finish_reason.or(answer.finish_reason);
        let mut read = answer.finish()?;
        if !choices.is_empty() {
            read.value.choices = choices;
        }
        Ok(read)
    }
}
