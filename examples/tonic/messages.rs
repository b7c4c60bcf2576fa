//! The messages of `chat.proto`.

#[derive(Clone, PartialEq, prost::Message)]
pub struct ChatRequest {
    #[prost(string, tag = "1")]
    pub model: String,
    #[prost(message, repeated, tag = "2")]
    pub turns: Vec<Turn>,
    #[prost(string, tag = "3")]
    pub conversation_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Turn {
    #[prost(enumeration = "Speaker", tag = "1")]
    pub speaker: i32,
    #[prost(string, tag = "2")]
    pub text: String,
}

impl Turn {
    pub fn new(speaker: Speaker, text: impl Into<String>) -> Self {
        Self {
            speaker: speaker.into(),
            text: text.into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Speaker {
    User = 0,
    Assistant = 1,
    System = 2,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ChatReply {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub model: String,
    #[prost(string, tag = "3")]
    pub text: String,
    #[prost(string, tag = "4")]
    pub finish_reason: String,
    #[prost(message, optional, tag = "5")]
    pub usage: Option<Usage>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Usage {
    #[prost(int64, tag = "1")]
    pub prompt_tokens: i64,
    #[prost(int64, tag = "2")]
    pub completion_tokens: i64,
}
