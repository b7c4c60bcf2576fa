//! Which paths go on to the model, as it may read them: decoded once more than here.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use percent_encoding::percent_decode_str;

use crate::refusal::Refusal;

/// What the gateway's own paths begin with, whether it knows the rest of them or not.
const OWN: [&str; 8] = [
    "conversations",
    "search",
    "partitions",
    "metrics",
    "healthz",
    "readyz",
    "docs",
    "openapi.json",
];

/// Nobody means a path that is still encoded after so many times.
const MOST_DECODINGS: usize = 3;

/// Refuses what is not the model's: the gateway's own paths, and those that could lead to others
/// than they seem to. They would reach the upstream with the operator's key.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    match plain(request.uri().path()) {
        None => Refusal::invalid("invalid_path", "this path cannot be sent on").into_response(),
        Some(path) if is_own(&path) => Refusal::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            "unknown_url",
            "this gateway has no such path",
        )
        .into_response(),
        Some(_) => next.run(request).await,
    }
}

fn is_own(path: &str) -> bool {
    let first = path.split('/').find(|segment| !segment.is_empty());
    first.is_some_and(|first| OWN.contains(&first))
}

/// The path decoded, if it can be read in one way only. Some servers take a backslash for a slash,
/// and what follows a semicolon for no part of the name.
fn plain(path: &str) -> Option<String> {
    let path = decoded(path)?;
    let is_absolute = path.is_empty() || path.starts_with('/');
    let is_odd = path.contains(|letter: char| letter == '\\' || letter.is_control());
    let mut names = path.split('/').map(|name| name.split(';').next());
    let moves = names.any(|name| matches!(name, Some("." | "..")));
    (is_absolute && !is_odd && !moves).then_some(path)
}

fn decoded(path: &str) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..=MOST_DECODINGS {
        let next = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if next == path {
            return Some(path);
        }
        path = next;
    }
    None
}
