//! An item of a stream, growing delta by delta.

use serde_json::{Map, Value};

use super::{turn::Turn, wire::Item};
use crate::decode::{estimate, json};

/// One item so far.
#[derive(Debug, Default)]
pub(super) struct Growing {
    /// The item as it was announced, or as it is in the end.
    source: String,
    is_done: bool,
    text: String,
    refusal: String,
    reasoning: String,
    summary: String,
    /// What a tool is called with.
    arguments: String,
    annotations: Vec<Value>,
}

impl Growing {
    /// Sets the item, and adds to `held` what that takes in memory.
    pub(super) fn set(&mut self, source: &str, is_done: bool, held: &mut usize) {
        // What is said again in the end makes the pieces superfluous.
        if is_done || self.source.is_empty() {
            *held += estimate::text(source) + estimate::document(source, 0);
            self.is_done = is_done;
            self.source.clear();
            self.source.push_str(source);
        }
    }

    pub(super) fn annotate(&mut self, source: &str, held: &mut usize) {
        let annotation = json::value(source);
        *held += estimate::value(&annotation);
        self.annotations.push(annotation);
    }

    /// Adds a piece of this kind of event; false where that is no kind of text.
    pub(super) fn grow(&mut self, kind: &str, delta: &str, held: &mut usize) -> bool {
        let place = match kind {
            "response.output_text.delta" | "response.text.delta" => &mut self.text,
            "response.refusal.delta" => &mut self.refusal,
            "response.reasoning_text.delta" | "response.reasoning.delta" => &mut self.reasoning,
            "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => {
                &mut self.summary
            }
            "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta"
            | "response.mcp_call_arguments.delta"
            | "response.mcp_call.arguments_delta"
            | "response.code_interpreter_call_code.delta"
            | "response.code_interpreter_call.code.delta" => &mut self.arguments,
            _ => return false,
        };
        if !self.is_done {
            *held += estimate::text(delta);
            place.push_str(delta);
        }
        true
    }

    /// Adds the item to its turn, with what of it came in pieces.
    pub(super) fn finish(self, turn: &mut Turn) {
        let Self {
            source,
            is_done,
            text,
            refusal,
            reasoning,
            summary,
            arguments,
            annotations,
        } = self;
        let calls = turn.calls.len();
        let mut item: Item<'_> = json::document(&source).unwrap_or_default();
        if is_done {
            turn.add(item);
            return;
        }
        let called;
        let is_own = !matches!(
            item.kind(),
            "message" | "reasoning" | "function_call" | "custom_tool_call"
        );
        if is_own && !arguments.is_empty() {
            let name = match item.kind() {
                "code_interpreter_call" => "code",
                _ => "arguments",
            };
            let mut members: Map<String, Value> = item.whole();
            members.insert(name.to_owned(), arguments.clone().into());
            called = Value::Object(members).to_string();
            item = json::document(&called).unwrap_or_default();
        }
        if item.kind() == "message" && source.is_empty() && text.is_empty() && refusal.is_empty() {
            // Never announced: what was heard of it says what it is.
            item.kind = match (reasoning.is_empty() && summary.is_empty(), &arguments) {
                (false, _) => json::Field::Text("reasoning".into()),
                (true, arguments) if !arguments.is_empty() => {
                    json::Field::Text("function_call".into())
                }
                _ => json::Field::Null,
            };
        }
        item.content = json::Field::Null;
        item.parts = None;
        turn.add(item);
        turn.parts.text.push_str(&text);
        turn.parts.refusal.push_str(&refusal);
        turn.parts.reasoning.push_str(match reasoning.is_empty() {
            true => &summary,
            false => &reasoning,
        });
        turn.annotations.extend(annotations);
        if let Some(call) = turn.calls.get_mut(calls)
            && call.arguments.is_empty()
        {
            call.arguments = arguments;
        }
    }
}
