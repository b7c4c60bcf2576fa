//! Where clients put their keys.

use http::{HeaderName, Uri, header, request::Parts, uri::PathAndQuery};

/// No value of these goes on to the upstream, which gets its own key.
const CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];
/// In which the key stands alone.
const ALONE: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];
/// Google's parameter.
const PARAMETER: &str = "key";

/// The keys that a request carries: `Authorization: Bearer`, the headers of the providers' SDKs,
/// `?key=`.
pub(crate) fn candidates(head: &Parts) -> Vec<String> {
    let headers = &head.headers;
    let bearer = headers.get_all(header::AUTHORIZATION).iter();
    let bearer = bearer.filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case("Bearer ").then_some(key)
    });
    let alone = ALONE.iter().flat_map(|name| headers.get_all(*name));
    let alone = alone.filter_map(|value| value.to_str().ok());
    let in_headers = bearer.chain(alone).map(|key| key.trim().to_owned());
    let query = head.uri.query().unwrap_or_default();
    let in_query = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == PARAMETER)
        .map(|(_, key)| key.into_owned());
    in_headers.chain(in_query).collect()
}

/// Takes every key off a request.
pub(crate) fn strip(head: &mut Parts) {
    for name in CREDENTIALS {
        head.headers.remove(name);
    }
    if let Some(rest) = without_key(&head.uri) {
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        // Better no query than a key in it.
        parts.path_and_query = Some(rest.parse().unwrap_or(PathAndQuery::from_static("/")));
        head.uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// Path and query without the parameter; `None` where it is not there. What stands beside it stays as
/// it was written.
fn without_key(uri: &Uri) -> Option<String> {
    let query = uri.query()?;
    let is_key = |pair: &&str| {
        let mut parsed = form_urlencoded::parse(pair.as_bytes());
        parsed.next().is_some_and(|(name, _)| name == PARAMETER)
    };
    query.split('&').find(is_key)?;
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    Some(match &rest[..] {
        [] => uri.path().to_owned(),
        rest => format!("{}?{}", uri.path(), rest.join("&")),
    })
}
