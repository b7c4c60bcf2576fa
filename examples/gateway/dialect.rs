//! Whose API a request speaks: where it is sent, and how its key is written there.

use http::{HeaderMap, HeaderName, HeaderValue, header, header::InvalidHeaderValue};

/// A provider's API, as far as keys and addresses go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    OpenAi,
    Azure,
    Anthropic,
    Google,
    Bedrock,
    Cohere,
    Ollama,
}

impl Dialect {
    pub(crate) const ALL: [Self; 7] = [
        Self::OpenAi,
        Self::Azure,
        Self::Anthropic,
        Self::Google,
        Self::Bedrock,
        Self::Cohere,
        Self::Ollama,
    ];

    /// What is not known to be somebody else's is OpenAI's, as most speak.
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        let path = path.trim_end_matches('/');
        let method = path.rsplit('/').next().unwrap_or_default();
        let (_, method) = method.rsplit_once(':').unwrap_or(("", method));
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        if path.contains("/openai/deployments/") {
            Self::Azure
        } else if headers.contains_key("anthropic-version")
            || ends(&["/v1/messages", "/v1/messages/count_tokens", "/v1/complete"])
        {
            Self::Anthropic
        } else if matches!(
            method,
            "generateContent"
                | "streamGenerateContent"
                | "countTokens"
                | "embedContent"
                | "batchEmbedContents"
        ) || path.starts_with("/v1beta/")
        {
            Self::Google
        } else if path.contains("/model/")
            && matches!(
                method,
                "converse" | "converse-stream" | "invoke" | "invoke-with-response-stream"
            )
        {
            Self::Bedrock
        } else if ends(&[
            "/v1/chat",
            "/v2/chat",
            "/v1/embed",
            "/v2/embed",
            "/v1/rerank",
            "/v2/rerank",
        ]) {
            Self::Cohere
        } else if ends(&[
            "/api/chat",
            "/api/generate",
            "/api/embed",
            "/api/embeddings",
            "/api/tags",
        ]) {
            Self::Ollama
        } else {
            Self::OpenAi
        }
    }

    /// The names of its variables.
    pub(crate) const fn variables(self) -> [&'static str; 2] {
        match self {
            Self::OpenAi => ["UPSTREAM_URL_OPENAI", "UPSTREAM_API_KEY_OPENAI"],
            Self::Azure => ["UPSTREAM_URL_AZURE", "UPSTREAM_API_KEY_AZURE"],
            Self::Anthropic => ["UPSTREAM_URL_ANTHROPIC", "UPSTREAM_API_KEY_ANTHROPIC"],
            Self::Google => ["UPSTREAM_URL_GOOGLE", "UPSTREAM_API_KEY_GOOGLE"],
            Self::Bedrock => ["UPSTREAM_URL_BEDROCK", "UPSTREAM_API_KEY_BEDROCK"],
            Self::Cohere => ["UPSTREAM_URL_COHERE", "UPSTREAM_API_KEY_COHERE"],
            Self::Ollama => ["UPSTREAM_URL_OLLAMA", "UPSTREAM_API_KEY_OLLAMA"],
        }
    }

    /// The header with a key in it, as this provider reads it.
    pub(crate) fn header_with(
        self,
        key: &str,
    ) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        let (name, value) = match self {
            Self::Azure => (HeaderName::from_static("api-key"), key.try_into()),
            Self::Anthropic => (HeaderName::from_static("x-api-key"), key.try_into()),
            Self::Google => (HeaderName::from_static("x-goog-api-key"), key.try_into()),
            Self::OpenAi | Self::Bedrock | Self::Cohere | Self::Ollama => {
                (header::AUTHORIZATION, format!("Bearer {key}").try_into())
            }
        };
        let mut value: HeaderValue = value?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}
