//! What the span of an exchange says beside its columns, put together when the exchange is read.

use std::time::SystemTime;

use super::{content::Content, parent::Parent};
use crate::{
    conversation::{ProviderError, Usage},
    decode::{Dialect, Spoken},
    exchange::Exchange,
    prefix::Prefix,
};

/// The span of an exchange, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft(pub(super) Option<Box<Told>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// `None`: the path says nothing of it.
    pub(super) operation: Option<&'static str>,
    pub(super) parent: Option<Parent>,
    pub(super) started: SystemTime,
    pub(super) ended: SystemTime,
    pub(super) response_id: Option<String>,
    pub(super) response_model: Option<String>,
    pub(super) finish_reasons: Vec<String>,
    pub(super) usage: Usage,
    /// The provider's word for the error, where there was one.
    pub(super) error: Option<String>,
    pub(super) content: Option<Content>,
}

impl Draft {
    /// The span of this exchange, without what was said in it.
    pub(crate) fn of(exchange: &Exchange, prefix: Prefix<'_>) -> Self {
        let started = exchange.started_at;
        let path = String::from_utf8_lossy(prefix.path());
        Self(Some(Box::new(Told {
            operation: Dialect::of(&path).map(Dialect::operation),
            parent: prefix.header("traceparent").and_then(Parent::read),
            started,
            ended: started + exchange.ended.duration_since(exchange.started),
            response_id: None,
            response_model: None,
            finish_reasons: Vec::new(),
            usage: Usage::default(),
            error: None,
            content: None,
        })))
    }

    /// Adds what the bodies say, and what was said in them where that is asked for.
    pub(crate) fn tell(&mut self, spoken: &Spoken, with_content: bool) {
        let Some(told) = &mut self.0 else {
            return;
        };
        let Spoken {
            provider,
            prompt,
            reply,
            ..
        } = spoken;
        // A dialect of the application's own; of what nobody can read it is not known.
        told.operation = told.operation.or(provider.map(|_| "chat"));
        told.response_id = reply.response_id.clone();
        told.response_model = reply.model.clone();
        let reasons = reply.choices.iter();
        let reasons = reasons.filter_map(|choice| choice.finish_reason.clone());
        told.finish_reasons = reasons.collect();
        told.usage = Usage {
            raw: None,
            ..reply.usage.clone()
        };
        let word = |error: &ProviderError| error.kind.clone().or_else(|| error.code.clone());
        told.error = reply.error.as_ref().and_then(word);
        told.content = with_content.then(|| Content::of(prompt, reply));
    }

    /// What it holds in memory, near enough for the budget.
    pub(crate) fn weight(&self) -> usize {
        let Some(told) = &self.0 else {
            return 0;
        };
        let texts = [&told.response_id, &told.response_model, &told.error];
        let texts = texts.into_iter().flatten().chain(&told.finish_reasons);
        let content = told.content.as_ref().map_or(0, Content::weight);
        size_of::<Told>() + texts.map(String::len).sum::<usize>() + content
    }
}

impl Dialect {
    /// The conventions' word for what is asked in this dialect.
    fn operation(self) -> &'static str {
        match self {
            Self::OpenAiChat
            | Self::OpenAiResponses
            | Self::Cohere
            | Self::Ollama
            | Self::Anthropic
            | Self::Converse
            | Self::InvokeModel => "chat",
            Self::OpenAiCompletions => "text_completion",
            Self::Gemini => "generate_content",
            Self::OpenAiEmbeddings
            | Self::CohereEmbeddings
            | Self::OllamaEmbeddings
            | Self::GeminiEmbeddings => "embeddings",
        }
    }
}
