//! What the demo model says.

use serde_json::{Map, Value, json};

/// One answer: a text, or a call of a tool.
pub(super) enum Answer {
    Text(String),
    ToolCall { name: String, arguments: String },
}

impl Answer {
    /// Its length in words.
    pub(super) fn tokens(&self) -> usize {
        match self {
            Self::Text(text) => words(text),
            Self::ToolCall { name, arguments } => words(name) + words(arguments),
        }
    }
}

/// The answers to these messages. The first tool is called when the user speaks of a `tool` and it
/// has not been called yet.
pub(super) fn to(messages: &[Value], tools: &Value, choices: u64) -> Vec<Answer> {
    let said = |role: &str| {
        messages
            .iter()
            .rev()
            .find(|message| message["role"] == role)
    };
    let question = said("user").map(text_of).unwrap_or_default();
    let last_role = messages.last().map(|message| &message["role"]);
    let called = last_role.is_some_and(|role| role == "tool");
    let tool = tools.get(0).map(|tool| &tool["function"]);
    let tool = tool.filter(|_| !called && question.contains("tool"));
    let quoted = match said("tool") {
        Some(result) if called => text_of(result),
        _ => question.clone(),
    };
    (1..=choices)
        .map(|number| match tool {
            Some(tool) => Answer::ToolCall {
                name: tool["name"].as_str().unwrap_or_default().to_owned(),
                arguments: arguments(tool, &question),
            },
            None => Answer::Text(text(&quoted, number)),
        })
        .collect()
}

/// The prompt's length in words.
pub(super) fn prompt_tokens(messages: &[Value]) -> usize {
    messages
        .iter()
        .map(|message| words(&text_of(message)))
        .sum()
}

fn text(quoted: &str, number: u64) -> String {
    let mut text = if quoted.chars().any(is_cjk) {
        format!(
            "你好！我是演示模型 officeai。你刚才说：“{quoted}”。设置 UPSTREAM_URL 之后，这里会由真正的模型来回答。"
        )
    } else {
        format!(
            "Hello! I am officeai, the demo model. You said: \"{quoted}\". \
             Set UPSTREAM_URL, and a real model answers here."
        )
    };
    if number > 1 {
        text.push_str(&format!(" ({number})"));
    }
    text
}

/// Arguments that fit the tool: the question for every text that it takes.
fn arguments(tool: &Value, question: &str) -> String {
    let none = Map::new();
    let properties = tool["parameters"]["properties"].as_object();
    let arguments: Map<String, Value> = properties
        .unwrap_or(&none)
        .iter()
        .filter(|(_, schema)| schema["type"] == "string")
        .map(|(name, _)| (name.clone(), json!(question)))
        .collect();
    Value::Object(arguments).to_string()
}

fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// Words between white space; a Chinese, Japanese or Korean character is a word of its own.
fn words(text: &str) -> usize {
    let cjk = text.chars().filter(|c| is_cjk(*c)).count();
    let others = text.split(|c: char| c.is_whitespace() || is_cjk(c));
    cjk + others.filter(|word| !word.is_empty()).count()
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{20000}'..='\u{3FFFF}')
}
