//! Which web pages may ask: cross-origin resource sharing.

use std::{str::FromStr, time::Duration};

use axum::Router;
use http::{HeaderValue, Method, header, uri::Authority};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may keep what a preflight was answered.
const PREFLIGHT_KEPT_FOR: Duration = Duration::from_secs(600);

/// The origins of web pages that may call the history API from a browser, out of a list such as
/// `https://app.example,http://localhost:3000`, or `*` for all of them.
///
/// Without it no page of another origin reads an answer. A preflight is answered without a key; the
/// request itself needs one as ever, in `Authorization`. Browsers are never told to send credentials
/// of their own (cookies, certificates): [`StaticKeys`](super::StaticKeys) takes none. An
/// [`Authenticate`](super::Authenticate) of your own may know its callers without `Authorization`: see
/// [`any`](Self::any).
///
/// # Examples
/// ```no_run
/// use tower_recording::{RecordingLayer, api};
///
/// # fn app() -> Result<axum::Router, Box<dyn std::error::Error>> {
/// let recording = RecordingLayer::from_env()?;
/// let keys: api::StaticKeys = "sk-alice:alice".parse()?;
/// let cors: api::Cors = "https://app.example".parse()?;
/// let history = cors.apply(api::router(recording.recorder(), keys));
/// # Ok(history)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
}

impl Cors {
    /// Every origin.
    ///
    /// Only where requests are let in for a key that the page itself has to know. Where an
    /// [`Authenticate`](super::Authenticate) of your own goes by what a request has without the page's doing, list the
    /// origins. Of a header that an ingress adds for whoever comes from inside, or an address, no browser
    /// knows: every page that a user opens reads that user's history. Cookies and client certificates are
    /// withheld by browsers that keep to the standard, and by nothing else.
    pub fn any() -> Self {
        Self {
            origins: Origins::Any,
        }
    }

    /// Lets the pages call the routes that this router has so far. Its answers say so, refusals too.
    pub fn apply<S: Clone + Send + Sync + 'static>(self, router: Router<S>) -> Router<S> {
        let origins = match self.origins {
            Origins::Any => AllowOrigin::any(),
            Origins::Listed(origins) => AllowOrigin::list(origins),
        };
        let cors = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([header::CONTENT_DISPOSITION, header::RETRY_AFTER])
            .max_age(PREFLIGHT_KEPT_FOR);
        router.layer(cors)
    }
}

impl FromStr for Cors {
    type Err = ParseOriginsError;

    /// Reads origins between commas, or a `*` that stands alone. White space around them is ignored.
    ///
    /// # Errors
    /// Where an entry is nothing that a browser sends as `Origin`: a scheme and a host in small letters,
    /// with a port where it is not the scheme's own, and nothing behind it.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        if list.trim() == "*" {
            return Ok(Self::any());
        }
        let mut origins = Vec::new();
        for (index, origin) in list.split(',').enumerate() {
            let read = origin_of(origin.trim());
            origins.push(read.ok_or(ParseOriginsError {
                position: index + 1,
            })?);
        }
        Ok(Self {
            origins: Origins::Listed(origins),
        })
    }
}

/// The origin as browsers send it; `None` where none of them would.
fn origin_of(text: &str) -> Option<HeaderValue> {
    let (scheme, host) = text.split_once("://")?;
    let authority: Authority = host.parse().ok()?;
    let is_default_port = matches!(
        (scheme, authority.port_u16()),
        ("http", Some(80)) | ("https", Some(443))
    );
    let is_sent = !scheme.is_empty()
        && !host.contains(['@', '*'])
        && !host.ends_with(':')
        && !is_default_port
        && text == text.to_ascii_lowercase();
    is_sent.then(|| HeaderValue::from_str(text).ok()).flatten()
}

/// A list of origins could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {position} of the list of origins is not one that a browser sends, such as \
     https://app.example, and the list is not `*`"
)]
#[non_exhaustive]
pub struct ParseOriginsError {
    /// Which entry, from 1.
    pub position: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_origins_as_browsers_send_them_or_is_a_star() {
        assert_eq!(" * ".parse(), Ok(Cors::any()));
        let list =
            "https://app.example, http://localhost:3000 ,tauri://localhost,http://[::1]:8080";
        let cors: Cors = list.parse().unwrap();
        let Origins::Listed(origins) = cors.origins else {
            panic!("{cors:?}");
        };
        let parts = list.split(',').map(|origin| origin.trim());
        assert!(origins.iter().map(|one| one.to_str().unwrap()).eq(parts));
        for (list, position) in [
            ("", 1),
            ("*,https://app.example", 1),
            ("https://app.example,*", 2),
            ("https://app.example/", 1),
            ("https://app.example/path", 1),
            ("https://App.example", 1),
            ("https://app.example:443", 1),
            ("http://app.example:80", 1),
            ("http://app.example:", 1),
            ("https://*.example", 1),
            ("https://me@app.example", 1),
            ("app.example", 1),
            ("https://", 1),
            ("null", 1),
            ("https://app.example,", 2),
        ] {
            let read: Result<Cors, _> = list.parse();
            assert_eq!(read, Err(ParseOriginsError { position }), "{list}");
        }
    }
}
