//! The LLM APIs behind the gateway.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::{
    config::{ConfigError, variable},
    dialect::Dialect,
};

/// One API for all dialects, one each, or both.
#[derive(Clone)]
pub(crate) struct Upstreams(HashMap<Dialect, Upstream>);

/// The LLM API that a dialect is sent to.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) url: Uri,
    /// The header with the API's own key.
    pub(crate) key: Option<(HeaderName, HeaderValue)>,
}

impl Upstreams {
    /// Reads the environment: `None` where no variable names an API.
    ///
    /// A key goes to the API that it was given for, never to another.
    pub(crate) fn from_env() -> Result<Option<Self>, ConfigError> {
        let common_url = url("UPSTREAM_URL")?;
        let common_key = variable("UPSTREAM_API_KEY")?;
        let mut upstreams = HashMap::new();
        for dialect in Dialect::ALL {
            let [url_name, key_name] = dialect.variables();
            let (own_url, own_key) = (url(url_name)?, variable(key_name)?);
            let (url, key) = match own_url {
                Some(own) => (Some(own), own_key),
                None => (common_url.clone(), own_key.or_else(|| common_key.clone())),
            };
            let Some(url) = url else { continue };
            let key = key.map(|key| dialect.header_with(&key)).transpose();
            let key = key.map_err(|_| ConfigError::UpstreamApiKey)?;
            upstreams.insert(dialect, Upstream { url, key });
        }
        Ok((!upstreams.is_empty()).then_some(Self(upstreams)))
    }

    /// Where a request with this path is sent.
    pub(crate) fn of(&self, path: &str, headers: &HeaderMap) -> Option<&Upstream> {
        self.0.get(&Dialect::of(path, headers))
    }

    /// Their hosts, each once.
    pub(crate) fn hosts(&self) -> String {
        let mut hosts: Vec<_> = self.0.values().filter_map(|to| to.url.host()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.join(", ")
    }
}

fn url(name: &'static str) -> Result<Option<Uri>, ConfigError> {
    let Some(url) = variable(name)? else {
        return Ok(None);
    };
    let url: Uri = url.parse().map_err(|_| ConfigError::UpstreamUrl(name))?;
    let authority = url.authority().ok_or(ConfigError::UpstreamUrl(name))?;
    if !matches!(url.scheme_str(), Some("http" | "https"))
        || url.query().is_some()
        || authority.as_str().contains('@')
    {
        return Err(ConfigError::UpstreamUrl(name));
    }
    Ok(Some(url))
}
