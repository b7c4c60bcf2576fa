//! What Cohere is asked.

use std::borrow::Cow;

use serde_json::Value;

use super::Calls;
use crate::{
    conversation::{Message, Prompt, Role},
    decode::{
        Read, claims, inputs,
        json::{self, Fault, Field, List, Members, Raw, Source, stated},
        limits::{MAX_MESSAGES, MAX_TOOL_CALLS},
        openai_chat,
    },
    outcome::Truncated,
};

/// Reads a request of either version, or for a completion; `None` where the document is none.
pub(in crate::decode) fn prompt(source: &str, keep_media: bool) -> Option<Read<Prompt>> {
    if let Some(read) = openai_chat::prompt(source, keep_media) {
        return Some(read);
    }
    let (request, claims) = claims::document::<Request<'_>>(source)?;
    let mut truncated = Truncated::No;
    let mut messages = Vec::new();
    if let Some(preamble) = request.preamble.text() {
        messages.push(Message::new(Role::System, preamble));
    }
    if let Some(history) = request.history {
        if history.is_cut {
            truncated = Truncated::Cap;
        }
        for turn in history.items {
            turn.add_to(&mut messages);
        }
    }
    let is_result = request.results.is_some();
    add_results(request.results, &mut messages);
    match (request.message, request.prompt) {
        // With the results of tools, the message was said before.
        (Field::Text(text), _) if text.is_empty() && is_result => {}
        (Field::Text(text), _) => messages.push(Message::new(Role::User, text)),
        (_, Some(prompt)) => {
            let (inputs, cut) = inputs::messages(prompt, keep_media);
            messages.extend(inputs);
            truncated = truncated.max(cut);
        }
        _ if is_result => {}
        _ => return None,
    }
    if let Some(last) = messages.last_mut() {
        for (name, source) in request.context {
            let value = json::parsed(source);
            last.other.insert(name.into_owned(), value);
        }
    }
    let value = Prompt {
        model: request.model.text().map(Cow::into_owned),
        claims,
        tools: request.tools.map(|tools| tools.get().to_owned()),
        stream: matches!(request.stream, Field::Other(Value::Bool(true))),
        ..Prompt::new(messages)
    };
    Some(Read::new(value, truncated))
}

#[derive(Default)]
struct Request<'a> {
    model: Field<'a>,
    stream: Field<'a>,
    preamble: Field<'a>,
    history: Option<List<Turn<'a>, MAX_MESSAGES>>,
    message: Field<'a>,
    results: Option<Results<'a>>,
    prompt: Option<Raw<'a>>,
    tools: Option<Raw<'a>>,
    /// What the message goes on from.
    context: Vec<(Cow<'a, str>, Raw<'a>)>,
}

impl<'de> Members<'de> for Request<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "model" => self.model = map.field()?,
            "stream" => self.stream = map.field()?,
            "preamble" => self.preamble = map.field()?,
            "chat_history" => json::list(map, &mut self.history)?,
            "message" => self.message = map.field()?,
            "tool_results" => json::list(map, &mut self.results)?,
            "prompt" => self.prompt = stated(map)?,
            "tools" => self.tools = stated(map)?,
            "conversation_id" | "documents" => {
                self.context.extend(stated(map)?.map(|value| (key, value)));
            }
            _ => map.skip()?,
        }
        Ok(())
    }
}

/// A turn of the history of the first version.
#[derive(Default)]
struct Turn<'a> {
    role: Field<'a>,
    message: Field<'a>,
    calls: Option<Calls<'a>>,
    results: Option<Results<'a>>,
}

impl<'de> Members<'de> for Turn<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "role" => self.role = map.field()?,
            "message" => self.message = map.field()?,
            "tool_calls" => json::list(map, &mut self.calls)?,
            "tool_results" => json::list(map, &mut self.results)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

impl Turn<'_> {
    fn add_to(self, messages: &mut Vec<Message>) {
        let role = match self.role.text().as_deref().map(str::to_ascii_lowercase) {
            None => Role::User,
            Some(word) if word == "chatbot" => Role::Assistant,
            Some(word) => Role::from(word.as_str()),
        };
        if role == Role::Tool {
            add_results(self.results, messages);
            return;
        }
        let text = self.message.text().map(Cow::into_owned);
        let mut message = Message::new(role, text.unwrap_or_default());
        let calls = self.calls.into_iter().flat_map(|calls| calls.items);
        message.tool_calls = calls.map(Into::into).collect();
        messages.push(message);
    }
}

type Results<'a> = List<Outcome<'a>, MAX_TOOL_CALLS>;

/// What a tool gave for a call, which is told again since it has no id.
#[derive(Default)]
struct Outcome<'a> {
    call: Option<Raw<'a>>,
    outputs: Option<Raw<'a>>,
}

impl<'de> Members<'de> for Outcome<'de> {
    fn member(&mut self, key: Cow<'de, str>, map: &mut Source<'de>) -> Result<(), Fault> {
        match key.as_ref() {
            "call" => self.call = stated(map)?,
            "outputs" => self.outputs = stated(map)?,
            _ => map.skip()?,
        }
        Ok(())
    }
}

fn add_results(results: Option<Results<'_>>, messages: &mut Vec<Message>) {
    for result in results.into_iter().flat_map(|results| results.items) {
        let outputs = result.outputs.map_or("", Raw::get);
        let mut message = Message::new(Role::Tool, outputs);
        if let Some(call) = result.call {
            let call = json::parsed(call);
            message.other.insert("call".to_owned(), call);
        }
        messages.push(message);
    }
}
