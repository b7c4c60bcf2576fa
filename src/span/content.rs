//! What was said, in the form in which the conventions put it into attributes: JSON of messages and their
//! parts.

use serde_json::{Value, json};

use crate::conversation::{Choice, Message, Prompt, Reply, Role, ToolCall};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// What the application told the model before anybody spoke.
    pub(super) instructions: Option<String>,
    pub(super) input: String,
    pub(super) output: String,
}

impl Content {
    pub(super) fn of(prompt: &Prompt, reply: &Reply) -> Self {
        let instructions: Vec<Value> = prompt.instructions.iter().flat_map(parts).collect();
        let input = prompt.messages.iter().map(message);
        let output = reply.choices.iter().map(answer);
        Self {
            instructions: (!instructions.is_empty())
                .then(|| Value::Array(instructions).to_string()),
            input: Value::Array(input.collect()).to_string(),
            output: Value::Array(output.collect()).to_string(),
        }
    }

    pub(super) fn weight(&self) -> usize {
        let instructions = self.instructions.as_ref().map_or(0, String::len);
        instructions + self.input.len() + self.output.len()
    }
}

fn message(message: &Message) -> Value {
    json!({ "role": message.role.as_str(), "parts": parts(message) })
}

fn answer(choice: &Choice) -> Value {
    let mut answer = message(&choice.message);
    if let Some(reason) = &choice.finish_reason {
        answer["finish_reason"] = reason.as_str().into();
    }
    answer
}

fn parts(message: &Message) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut add = |kind: &str, text: &str| {
        if !text.is_empty() {
            parts.push(json!({ "type": kind, "content": text }));
        }
    };
    add(
        "reasoning",
        message.reasoning.as_deref().unwrap_or_default(),
    );
    if message.role != Role::Tool {
        add("text", &message.content);
    }
    add("text", message.refusal.as_deref().unwrap_or_default());
    if message.role == Role::Tool {
        parts.push(json!({
            "type": "tool_call_response",
            "id": message.tool_call_id,
            "response": message.content,
        }));
    }
    parts.extend(message.tool_calls.iter().map(call));
    parts
}

fn call(call: &ToolCall) -> Value {
    let arguments = serde_json::from_str(&call.arguments);
    json!({
        "type": "tool_call",
        "id": call.id,
        "name": call.name,
        // What is no JSON stands as it came.
        "arguments": arguments.unwrap_or_else(|_| Value::from(call.arguments.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_the_parts_of_the_conventions() {
        let mut asking = Message::new(Role::Assistant, "");
        asking.reasoning = Some("hm".into());
        asking.tool_calls = vec![ToolCall {
            id: Some("c1".into()),
            kind: "function".into(),
            name: "add".into(),
            arguments: r#"{"a":1}"#.into(),
        }];
        let mut told = Message::new(Role::Tool, "3");
        told.tool_call_id = Some("c1".into());
        let prompt = Prompt::new(vec![
            Message::new(Role::System, "be brief"),
            Message::new(Role::User, "what is 1 + 2?"),
            asking,
            told,
        ]);
        let mut reply = Reply::new(Message::new(Role::Assistant, "three"));
        reply.choices[0].finish_reason = Some("stop".into());
        let content = Content::of(&prompt, &reply);
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(
            json(content.instructions.as_deref().expect("instructions")),
            json!([{ "type": "text", "content": "be brief" }])
        );
        assert_eq!(
            json(&content.input),
            json!([
                { "role": "user", "parts": [{ "type": "text", "content": "what is 1 + 2?" }] },
                { "role": "assistant", "parts": [
                    { "type": "reasoning", "content": "hm" },
                    { "type": "tool_call", "id": "c1", "name": "add", "arguments": { "a": 1 } },
                ] },
                { "role": "tool", "parts": [
                    { "type": "tool_call_response", "id": "c1", "response": "3" },
                ] },
            ])
        );
        assert_eq!(
            json(&content.output),
            json!([{ "role": "assistant", "finish_reason": "stop",
                "parts": [{ "type": "text", "content": "three" }] }])
        );
    }
}
