//! What the gateway is told by environment variables.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LISTEN_ADDR` | where it listens | `127.0.0.1:8000` |
//! | `UPSTREAM_URL` | the LLM API that every other path is sent to, `http` or `https`; a path in it goes before the request's | the demo model `officeai` |
//! | `UPSTREAM_API_KEY` | sent there as the provider's SDKs send it | none is sent |
//! | `UPSTREAM_URL_ANTHROPIC` and so on | the same for one dialect alone: `_OPENAI`, `_AZURE`, `_ANTHROPIC`, `_GOOGLE`, `_BEDROCK`, `_COHERE`, `_OLLAMA` | `UPSTREAM_URL` |
//! | `UPSTREAM_API_KEY_ANTHROPIC` and so on | its key | `UPSTREAM_API_KEY`, where the URL is `UPSTREAM_URL` |
//! | `GATEWAY_API_KEYS` | `key:user,key2:*`, where `*` makes an application's key that may name any user | a random application key, printed |
//! | `GATEWAY_API_KEYS_FILE` | in its place: a file with such an entry a line, which SIGHUP has read again; one that cannot be used changes nothing. Rename a new one into its place | |
//! | `CORS_ALLOWED_ORIGINS` | the origins of web pages that may call the history API (`https://app.example,http://localhost:3000`), or `*` | none |

use std::{env, net::SocketAddr, path::PathBuf};

use tower_recording::api::{Cors, ParseKeysError, ParseOriginsError, ReadKeysError, StaticKeys};

use crate::upstream::Upstreams;

const DEFAULT_LISTEN_ADDR: &str = "127.0.0.1:8000";

/// The gateway's settings.
pub(crate) struct Config {
    pub(crate) listen_addr: SocketAddr,
    pub(crate) upstreams: Option<Upstreams>,
    pub(crate) keys: StaticKeys,
    /// Where the keys stand, if they stand in a file.
    pub(crate) keys_file: Option<PathBuf>,
    pub(crate) cors: Option<Cors>,
    /// The application key that was made because none was given.
    generated_key: Option<String>,
}

/// Why a variable could not be used. The text shows no value: it may hold a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{0} is not UTF-8")]
    NotText(&'static str),
    #[error("LISTEN_ADDR is not an address and a port, such as {DEFAULT_LISTEN_ADDR}")]
    ListenAddr,
    #[error("{0} is not an http or https URL without a query")]
    UpstreamUrl(&'static str),
    #[error("UPSTREAM_API_KEY, or that of a dialect, cannot stand in a header")]
    UpstreamApiKey,
    #[error("GATEWAY_API_KEYS cannot be read")]
    GatewayApiKeys(#[from] ParseKeysError),
    #[error("GATEWAY_API_KEYS_FILE cannot be used")]
    GatewayApiKeysFile(#[from] ReadKeysError),
    #[error("GATEWAY_API_KEYS and GATEWAY_API_KEYS_FILE are both set: there is one list of keys")]
    TwoListsOfKeys,
    #[error("CORS_ALLOWED_ORIGINS cannot be read")]
    CorsAllowedOrigins(#[from] ParseOriginsError),
}

impl Config {
    /// Reads the environment. An empty variable is an unset one.
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        let listen_addr = variable("LISTEN_ADDR")?;
        let listen_addr = listen_addr.as_deref().unwrap_or(DEFAULT_LISTEN_ADDR);
        let keys_file = variable("GATEWAY_API_KEYS_FILE")?.map(PathBuf::from);
        let (keys, generated_key) = match (variable("GATEWAY_API_KEYS")?, &keys_file) {
            (Some(_), Some(_)) => return Err(ConfigError::TwoListsOfKeys),
            (Some(list), None) => (list.parse()?, None),
            (None, Some(path)) => (StaticKeys::from_file(path)?, None),
            (None, None) => {
                let key = format!("sk-{:032x}", rand::random::<u128>());
                (StaticKeys::application(&key), Some(key))
            }
        };
        Ok(Self {
            listen_addr: listen_addr.parse().map_err(|_| ConfigError::ListenAddr)?,
            upstreams: Upstreams::from_env()?,
            keys,
            keys_file,
            cors: variable("CORS_ALLOWED_ORIGINS")?
                .as_deref()
                .map(str::parse)
                .transpose()?,
            generated_key,
        })
    }

    /// Says where the gateway listens, and how to try it if there is nobody else who knows the key.
    pub(crate) fn announce(&self, listening: SocketAddr) {
        let model = match &self.upstreams {
            Some(upstreams) => upstreams.hosts(),
            None => "the demo model officeai".to_owned(),
        };
        tracing::info!(%listening, model, keys = self.keys.len(), "the gateway is listening");
        let Some(key) = &self.generated_key else {
            return;
        };
        println!(
            "GATEWAY_API_KEYS is not set, so this run has an application key of its own: {key}\n\
             Try it:\n\n\
             curl http://{listening}/v1/chat/completions \\\n  \
             -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n  \
             -H 'X-Session-ID: first' -H 'X-User-ID: me' \\\n  \
             -d '{{\"model\": \"officeai\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello!\"}}]}}'\n\n\
             curl http://{listening}/conversations/first -H 'Authorization: Bearer {key}'\n"
        );
    }
}

pub(crate) fn variable(name: &'static str) -> Result<Option<String>, ConfigError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(ConfigError::NotText(name)),
    }
}
