//! What is said in a conversation, in no dialect and no database.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use crate::json::{self, Kept};

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Instructions from the application.
    System,
    /// Instructions from the application, in OpenAI's newer word.
    Developer,
    /// The user.
    #[default]
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// Any other word, as sent.
    Other(String),
}

impl Role {
    /// The word that stands in the `role` column.
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for Role {
    fn from(word: &str) -> Self {
        match word {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One call of a tool by the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The provider's id of the call.
    pub id: Option<String>,
    /// The provider's word for the kind of tool; `function` where it says nothing.
    pub kind: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: the string that the provider sent, or JSON text where it sent an object.
    pub arguments: String,
}

/// Tokens as the provider counted them. `None` is not stated; nothing is ever summed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the input.
    pub prompt_tokens: Option<i64>,
    /// Tokens of the reply.
    pub completion_tokens: Option<i64>,
    /// The provider's total.
    pub total_tokens: Option<i64>,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: Option<i64>,
    /// Input tokens written to the provider's cache.
    pub cache_write_tokens: Option<i64>,
    /// Tokens of the model's thinking.
    pub reasoning_tokens: Option<i64>,
    /// The provider's usage object as sent, JSON text.
    pub raw: Option<String>,
}

/// One message, whoever sent it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The readable text; empty where there is none.
    pub content: String,
    /// The tools that the model calls.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's message answers.
    pub tool_call_id: Option<String>,
    /// The text of the model's thinking.
    pub reasoning: Option<String>,
    /// The text with which the model refused.
    pub refusal: Option<String>,
    /// What has no place of its own, by the provider's names.
    pub(crate) other: Map<String, Value>,
    /// More of it that was not parsed. What has the same name among the other stands in its place.
    pub(crate) kept: BTreeMap<String, Kept>,
}

/// The names that are looked for among what has no place of its own: what has one of them is a value.
const LOOKED_FOR: [&str; 10] = [
    "content",
    "name",
    "provider",
    "raw",
    "reasoning",
    "refusal",
    "request",
    "tool_call_id",
    "tool_calls",
    "tools",
];

impl Message {
    /// A message with this text and nothing else.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            reasoning: None,
            refusal: None,
            other: Map::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Adds what has no place of its own, in place of what had its name.
    pub(crate) fn keep(&mut self, members: impl IntoIterator<Item = (String, Kept)>) {
        for (name, member) in members {
            match member {
                Kept::Value(value) => drop(self.other.insert(name, value)),
                kept if LOOKED_FOR.contains(&name.as_str()) => {
                    self.other.insert(name, kept.into_value());
                }
                kept => {
                    self.other.remove(&name);
                    self.kept.insert(name, kept);
                }
            }
        }
    }

    /// Takes all that has no place of its own, as values.
    pub(crate) fn take_other(&mut self) -> Map<String, Value> {
        let mut all = json::values(std::mem::take(&mut self.kept));
        all.append(&mut self.other);
        all
    }

    /// Adds what has no place of its own, by a name and as JSON text; what is no JSON stands as a string.
    pub fn put_other(&mut self, name: impl Into<String>, json: &str) {
        self.other.insert(name.into(), json::value(json));
    }
}

/// What a client asked.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Prompt {
    /// The model that was asked for.
    pub model: Option<String>,
    /// What the application tells the model before anybody speaks.
    pub instructions: Vec<Message>,
    /// The tools that the model may call, JSON text as sent.
    pub tools: Option<String>,
    /// Everything that was said, history included.
    pub messages: Vec<Message>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The provider's id of the response that this goes on from.
    pub goes_on_from: Option<String>,
    /// Whether the response may be gone on from by its id.
    pub is_kept: bool,
    pub(crate) claims: Claims,
}

/// What a request's body says of who asks, and in which conversation: strings and truths by the names
/// of their members, such as `user` and `metadata.session_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims(pub(crate) Vec<(String, String)>);

impl Claims {
    /// The value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }
}

impl Prompt {
    /// A prompt of these messages, of which those of the application that stand first instruct the model.
    pub fn new(mut messages: Vec<Message>) -> Self {
        let is_instruction =
            |message: &Message| matches!(message.role, Role::System | Role::Developer);
        let said = messages.iter().position(|message| !is_instruction(message));
        let said = messages.split_off(said.unwrap_or(messages.len()));
        Self {
            instructions: messages,
            messages: said,
            ..Self::default()
        }
    }

    /// Says who asks, or in which conversation, by the name of the member that would in the body of a
    /// JSON request: `user`, `session_id`, `metadata.session_id`.
    pub fn claim(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.claims.0.push((name.into(), value.into()));
    }

    /// How many messages stand up to each answer of the model, itself included. An answer that stands
    /// last was not given yet: the model is to go on with it.
    pub(crate) fn answers(&self) -> impl DoubleEndedIterator<Item = usize> {
        let before_last = self.messages.len().saturating_sub(1);
        let said = self.messages.iter().take(before_last).enumerate();
        said.filter(|(_, message)| message.role == Role::Assistant)
            .map(|(index, _)| index + 1)
    }
}

/// One of the answers of a reply.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// Which of the answers it is, from 0.
    pub index: i64,
    /// What was answered.
    pub message: Message,
    /// Why the model stopped, in the provider's own word.
    pub finish_reason: Option<String>,
}

impl Choice {
    /// The answer of this index.
    pub fn new(index: i64, message: Message) -> Self {
        Self {
            index,
            message,
            finish_reason: None,
        }
    }
}

/// What was answered: choices, or an error, or both where an error came inside a stream.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Reply {
    /// The provider's id of the response.
    pub response_id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Which upstream a router chose, where it says so.
    pub provider: Option<String>,
    /// The answers, in order of their index.
    pub choices: Vec<Choice>,
    /// The tokens of all of them together.
    pub usage: Usage,
    /// The exchange failed: it stands among the errors, with what had arrived.
    pub error: Option<ProviderError>,
    /// Whether the body was a stream of events, whatever was asked for.
    pub streamed: bool,
}

impl Reply {
    /// A reply of one answer.
    pub fn new(message: Message) -> Self {
        Self {
            choices: vec![Choice::new(0, message)],
            ..Self::default()
        }
    }
}

/// An error in the provider's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderError {
    /// What it says.
    pub message: String,
    /// The provider's own code, number or word, as text.
    pub code: Option<String>,
    /// The provider's own type.
    pub kind: Option<String>,
    /// What has no place of its own, by the provider's names.
    pub(crate) other: Map<String, Value>,
}

impl ProviderError {
    /// An error that says this.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// Adds what has no place of its own, by a name and as JSON text; what is no JSON stands as a string.
    pub fn put_other(&mut self, name: impl Into<String>, json: &str) {
        self.other.insert(name.into(), json::value(json));
    }
}
