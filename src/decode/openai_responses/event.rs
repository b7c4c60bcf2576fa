//! What an event is, told before it is parsed.

use std::borrow::Cow;

use crate::decode::{
    json::{self, Fault, Field, Members, Source},
    sse,
};

/// What an event is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Tells of the whole response before it is there.
    Begin,
    Piece,
    /// Says everything again.
    End,
    Error,
    Idle,
    Unknown,
}

impl Class {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled"
            | "response.done" => Self::End,
            "response.created" | "response.queued" | "response.in_progress" => Self::Begin,
            "error" => Self::Error,
            "ping" | "keepalive" => Self::Idle,
            kind if is_piece(kind) => Self::Piece,
            _ => Self::Unknown,
        }
    }
}

/// What the pieces of the output are about: the beginnings of the names of their events.
const PIECES: [&str; 20] = [
    "output_item.",
    "content_part.",
    "output_text.",
    "output_text_annotation.",
    "text.",
    "refusal.",
    "reasoning",
    "function_call",
    "custom_tool_call",
    "file_search_call.",
    "web_search_call.",
    "code_interpreter_call",
    "image_generation_call.",
    "mcp_",
    "tool_search_call.",
    "computer_call.",
    "local_shell_call.",
    "shell_call",
    "apply_patch_call",
    "audio.",
];

fn is_piece(kind: &str) -> bool {
    let about = kind.strip_prefix("response.");
    about.is_some_and(|about| PIECES.iter().any(|piece| about.starts_with(piece)))
}

/// The kind of an event: its name, or the type that it states where the name is none of OpenAI's.
pub(super) fn kind<'a>(event: &'a sse::Event<'_>) -> Cow<'a, str> {
    if event.name.starts_with("response.") || event.name == "error" {
        return Cow::Borrowed(event.name);
    }
    let data = event.data.trim_ascii_start();
    // It stands first almost always.
    let first = data
        .strip_prefix("{\"type\":\"")
        .or_else(|| data.strip_prefix("{\"type\": \""))
        .and_then(|rest| rest.split_once('"'));
    if let Some((kind, _)) = first {
        return Cow::Borrowed(kind);
    }
    match json::document::<Kind<'_>>(data) {
        Some(Kind(Field::Text(kind))) => kind,
        _ => Cow::Borrowed(event.name),
    }
}

#[derive(Default)]
struct Kind<'a>(Field<'a>);

impl<'de> Members<'de> for Kind<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "type" => self.0 = map.field()?,
            _ => map.skip()?,
        }
        Ok(())
    }
}
