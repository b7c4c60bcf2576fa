//! Contents of either direction, made of parts.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::wire::{self, Content, Function, Part};
use crate::{
    conversation::{Message, Role, ToolCall},
    decode::{
        blocks::Blocks,
        json::{self, Field, Kept, List},
        limits::MAX_MESSAGES,
    },
    outcome::Truncated,
};

/// Reads the contents of a request.
pub(super) struct Reader<'t> {
    pub(super) keep_media: bool,
    pub(super) truncated: &'t mut Truncated,
    pub(super) messages: Vec<Message>,
}

impl Reader<'_> {
    /// One content; each result of a function within becomes a message of its own.
    pub(super) fn content(&mut self, content: Content<'_>, role: Option<Role>) {
        let role = role.unwrap_or_else(|| speaker(&content.role, Role::User));
        let before = self.messages.len();
        let mut gathered = Blocks::of(&role);
        if let Field::Text(text) = content.text {
            gathered.text(text, Map::new());
        }
        if let Some(List { items, is_cut }) = content.parts {
            self.cut_if(is_cut);
            for mut part in items {
                if let Some(result) = part.result.take() {
                    if !gathered.is_empty() {
                        let said = std::mem::replace(&mut gathered, Blocks::of(&role));
                        self.push(said.finish(role.clone(), self.keep_media));
                    }
                    let message = self.result(result, part);
                    self.push(message);
                    continue;
                }
                // Clients name calls that the provider has given no name, and send that along.
                let named_by_client = part.call.as_mut().and_then(|call| match &call.id {
                    Field::Text(id) if !is_providers(id) => std::mem::take(&mut call.id).text(),
                    _ => None,
                });
                let whole = add(&mut gathered, part, &role, named_by_client.as_deref());
                self.cut_if(!whole);
            }
        }
        if !gathered.is_empty() || self.messages.len() == before {
            self.push(gathered.finish(role, self.keep_media));
        }
    }

    fn result(&mut self, result: Function<'_>, mut part: Part<'_>) -> Message {
        let mut gathered = Blocks::of(&Role::Tool);
        if let Some(response) = result.response {
            gathered.text(said(response.get()), Map::new());
        }
        if let Some(Value::Array(parts)) = result.parts.map(json::parsed) {
            parts.into_iter().for_each(|part| gathered.media(part));
        }
        let mut message = gathered.finish(Role::Tool, self.keep_media);
        message.tool_call_id = result.id.text().map(Cow::into_owned);
        message.other.extend(wire::members(result.rest));
        message.other.extend(part.take_rest());
        if let Some(name) = result.name.text() {
            message.other.insert("name".to_owned(), name.into());
        }
        message
    }

    fn cut_if(&mut self, is_cut: bool) {
        if is_cut {
            *self.truncated = Truncated::Cap;
        }
    }

    fn push(&mut self, message: Message) {
        let is_full = self.messages.len() >= MAX_MESSAGES;
        self.cut_if(is_full);
        if !is_full {
            self.messages.push(message);
        }
    }
}

/// The provider's `model` is the assistant of all others, and its `function` their tool.
pub(super) fn speaker(role: &Field<'_>, unstated: Role) -> Role {
    match role {
        Field::Text(role) => match role.as_ref() {
            "" => unstated,
            "model" | "MODEL" => Role::Assistant,
            "function" => Role::Tool,
            role => Role::from(role),
        },
        _ => unstated,
    }
}

/// Google's ids are short and of lower-case letters and digits, those of clients are not.
fn is_providers(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    id.len() <= 16 && id.bytes().all(is_plain) || id.starts_with("function-call-")
}

/// The text of a result: the one string in it, or its source.
fn said(source: &str) -> Cow<'_, str> {
    let one: Option<Map<String, Value>> = json::read(source);
    let mut members = one.unwrap_or_default().into_iter();
    match (members.next(), members.next()) {
        (Some((key, Value::String(text))), None)
            if matches!(
                key.as_str(),
                "output" | "result" | "content" | "return_value"
            ) =>
        {
            Cow::Owned(text)
        }
        _ => json::compact(source),
    }
}

/// Adds a part; false where something had to be left out.
pub(super) fn add(
    gathered: &mut Blocks,
    mut part: Part<'_>,
    role: &Role,
    named_by_client: Option<&str>,
) -> bool {
    if let Some(kept) = part.take_kept() {
        if kept.keys().any(|name| name != "thoughtSignature") {
            gathered.sent(Kept::Members(kept));
        }
        return true;
    }
    let mut more = part.take_rest();
    let is_thought = matches!(part.thought, Field::Other(Value::Bool(true)));
    if let Some(call) = part.call {
        more.extend(wire::members(call.rest));
        if let Some(id) = named_by_client {
            more.insert("client_id".to_owned(), id.into());
        }
        let call = ToolCall {
            id: call.id.text().map(Cow::into_owned),
            kind: "function_call".to_owned(),
            name: call.name.text().map(Cow::into_owned).unwrap_or_default(),
            arguments: json::compact(call.args.map_or("{}", |args| args.get())).into_owned(),
        };
        return gathered.call(call, more);
    }
    let signature = more.remove("thoughtSignature");
    let is_media = more.contains_key("inlineData") || more.contains_key("fileData");
    match part.text {
        Field::Text(text) if is_thought => {
            gathered.reasoning(text, signed(more, signature));
        }
        Field::Text(text) if !is_media && (more.is_empty() || !text.is_empty()) => {
            // A stream's last piece is often an empty one.
            if !text.is_empty() || signature.is_some() {
                gathered.text(text, signed(more, signature));
            }
        }
        _ if more.is_empty() => {}
        _ if is_media => {
            let mut more: Map<String, Value> = more.into_iter().map(respelt).collect();
            if *role == Role::Assistant && is_thought {
                more.insert("thought".to_owned(), true.into());
            }
            gathered.media(Value::Object(more));
        }
        _ => gathered.other(Value::Object(signed(more, signature))),
    }
    true
}

fn signed(mut more: Map<String, Value>, signature: Option<Value>) -> Map<String, Value> {
    more.extend(signature.map(|signature| ("thoughtSignature".to_owned(), signature)));
    more
}

fn respelt((key, value): (String, Value)) -> (String, Value) {
    let value = match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (wire::spelt(&key), value))
            .collect(),
        value => value,
    };
    (key, value)
}
