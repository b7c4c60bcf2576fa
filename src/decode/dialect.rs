//! The wire formats that can be read, and the paths at which they are spoken.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{
    Policy, Read, Unread, amazon_events, anthropic, bedrock, body::Body, claims::claims, cohere,
    embeddings, gemini, ollama, openai_chat, openai_completions, openai_responses, path, repaired,
};
use crate::conversation::{Prompt, ProviderError, Reply};

/// The wire formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAiChat,
    OpenAiResponses,
    OpenAiCompletions,
    OpenAiEmbeddings,
    Cohere,
    CohereEmbeddings,
    Ollama,
    OllamaEmbeddings,
    Anthropic,
    Gemini,
    GeminiEmbeddings,
    Converse,
    InvokeModel,
}

impl Dialect {
    /// The dialect that is spoken at a path (without a query), however that is percent-encoded: the one place that knows.
    #[inline]
    pub(crate) fn of(path: &str) -> Option<Self> {
        let path = path.as_bytes();
        // Asked of every request: what is not encoded is not copied.
        Self::at(path).or_else(|| {
            memchr::memchr(b'%', path)?;
            Self::at(&Cow::from(percent_decode(path)))
        })
    }

    fn at(path: &[u8]) -> Option<Self> {
        // What is spoken most is not searched for.
        if path.ends_with(b"/chat/completions") {
            return Some(Self::OpenAiChat);
        }
        let (before, last) = path::split_last(path);
        match last {
            b"completions" => match path::split_last(before).1 {
                b"chat" | b"agents" => Some(Self::OpenAiChat),
                _ => Some(Self::OpenAiCompletions),
            },
            b"responses" => Some(Self::OpenAiResponses),
            b"compact" if before.ends_with(b"/responses") => Some(Self::OpenAiResponses),
            b"chat" | b"generate" => match path::split_last(before).1 {
                b"v1" | b"v2" => Some(Self::Cohere),
                b"api" => Some(Self::Ollama),
                _ => None,
            },
            b"embeddings" if before.ends_with(b"/api") => Some(Self::OllamaEmbeddings),
            b"embeddings" => Some(Self::OpenAiEmbeddings),
            b"embed" => match path::split_last(before).1 {
                b"v1" | b"v2" => Some(Self::CohereEmbeddings),
                b"api" => Some(Self::OllamaEmbeddings),
                _ => None,
            },
            b"messages" | b"complete" if before.ends_with(b"/v1") => Some(Self::Anthropic),
            b"converse" | b"converse-stream" if path::is_of_model(before) => Some(Self::Converse),
            b"invoke" | b"invoke-with-response-stream" if path::is_of_model(before) => {
                Some(Self::InvokeModel)
            }
            _ => {
                let (model, method) = path::split_method(last)?;
                match method {
                    b"generateContent" | b"streamGenerateContent" => Some(Self::Gemini),
                    b"embedContent" | b"batchEmbedContents" => Some(Self::GeminiEmbeddings),
                    b"rawPredict" | b"streamRawPredict" => match model {
                        b"count-tokens" => None,
                        _ if before.ends_with(b"/publishers/mistralai/models") => {
                            Some(Self::OpenAiChat)
                        }
                        _ => Some(Self::Anthropic),
                    },
                    _ => None,
                }
            }
        }
    }

    pub(super) fn provider(self) -> &'static str {
        match self {
            Self::OpenAiChat
            | Self::OpenAiResponses
            | Self::OpenAiCompletions
            | Self::OpenAiEmbeddings => "openai",
            Self::Cohere | Self::CohereEmbeddings => "cohere",
            Self::Ollama | Self::OllamaEmbeddings => "ollama",
            Self::Anthropic => "anthropic",
            Self::Gemini | Self::GeminiEmbeddings => "google",
            Self::Converse | Self::InvokeModel => "bedrock",
        }
    }

    /// Adds what is not said in the body but in the path.
    pub(super) fn complete(self, prompt: &mut Prompt, path: &str) {
        if prompt.model.is_none() {
            prompt.model = path::model(path);
        }
        prompt.stream |= path::asks_for_stream(path);
    }

    /// Amazon names an error in a header; where it does not, its SDKs take the status for a name.
    pub(super) fn name_error(self, error: &mut ProviderError, status: u16, error_type: &str) {
        if !matches!(self, Self::Converse | Self::InvokeModel) || error.code.is_some() {
            return;
        }
        let name = error_type.split(':').next().unwrap_or_default();
        error.code = Some(match name {
            "" => status.to_string(),
            name => name.to_owned(),
        });
    }

    pub(super) fn prompt(self, body: &Body<'_>, policy: &Policy) -> Result<Read<Prompt>, Unread> {
        let (source, held) = body.document(policy)?;
        let read = repaired(&source.text, body.cut, |source| match self {
            Self::OpenAiChat => openai_chat::prompt(source, policy.keep_media),
            Self::OpenAiResponses => openai_responses::prompt(source, policy.keep_media),
            Self::OpenAiCompletions => openai_completions::prompt(source, policy.keep_media),
            Self::OpenAiEmbeddings
            | Self::CohereEmbeddings
            | Self::OllamaEmbeddings
            | Self::GeminiEmbeddings => embeddings::prompt(source, policy.keep_media),
            Self::Cohere => cohere::prompt(source, policy.keep_media),
            Self::Ollama => ollama::prompt(source, policy.keep_media),
            Self::Anthropic => anthropic::prompt(source, policy.keep_media),
            Self::Gemini => gemini::prompt(source, policy.keep_media),
            Self::Converse => bedrock::prompt(source, policy.keep_media),
            Self::InvokeModel => bedrock::invoked_prompt(source, policy.keep_media),
        });
        let mut read = read.ok_or(Unread::Unknown)?;
        if body.cut {
            // A name that the cut has split is none.
            read.value.claims = claims(&source.text);
        }
        Ok(Read { held, ..read })
    }

    pub(super) fn reply(self, body: &Body<'_>, policy: &Policy) -> Result<Read<Reply>, Unread> {
        if matches!(self, Self::Converse | Self::InvokeModel)
            && amazon_events::sniff(&body.bytes).unwrap_or(body.is_amazon_stream())
        {
            return match self {
                Self::Converse => bedrock::streamed_reply(body, policy),
                _ => bedrock::invoked_stream(body, policy),
            };
        }
        let source = body.source(policy)?;
        let policy = Policy {
            max_parsed_bytes: source.room,
            ..*policy
        };
        let (is_event_stream, cut) = (body.is_event_stream(), body.cut);
        let read = match self {
            Self::OpenAiChat | Self::OpenAiCompletions => {
                openai_chat::reply(&source.text, is_event_stream, cut, &policy)
            }
            Self::OpenAiEmbeddings
            | Self::CohereEmbeddings
            | Self::OllamaEmbeddings
            | Self::GeminiEmbeddings => embeddings::reply(&source.text, cut),
            Self::OpenAiResponses => {
                openai_responses::reply(&source.text, is_event_stream, cut, &policy)
            }
            Self::Cohere => cohere::reply(
                &source.text,
                is_event_stream,
                body.is_line_stream(),
                cut,
                &policy,
            ),
            Self::Ollama => ollama::reply(&source.text, body.is_line_stream(), cut, &policy),
            Self::Anthropic => anthropic::reply(&source.text, is_event_stream, cut, &policy),
            Self::Gemini => gemini::reply(&source.text, is_event_stream, cut, &policy),
            Self::Converse => bedrock::reply(&source.text, cut, &policy),
            Self::InvokeModel => bedrock::invoked_reply(&source.text, cut, &policy),
        };
        match read {
            // Others have taken these paths for what OpenAI answers.
            Err(Unread::Unknown) if matches!(self, Self::Cohere | Self::Ollama) => {
                openai_chat::reply(&source.text, is_event_stream, cut, &policy)
            }
            read => read,
        }
    }
}
