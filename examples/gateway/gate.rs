//! Who may pass, and whose conversation it is then.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use tower_recording::{
    RecordingContext,
    api::{Authenticate, Principal, StaticKeys},
};

use crate::refusal::Refusal;

/// Where clients put keys. None of them goes on to the upstream, which gets its own.
const CREDENTIALS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Nobody else derives the same hashes from the same keys.
const FINGERPRINT_CONTEXT: &str = "tower-recording gateway 2026-11 token_id of an API key";
const FINGERPRINT_DIGITS: usize = 16;

/// The keys of those who may pass.
#[derive(Clone)]
pub(crate) struct Gate(Arc<StaticKeys>);

impl Gate {
    pub(crate) fn new(keys: StaticKeys) -> Self {
        Self(Arc::new(keys))
    }
}

/// Lets a request with a valid key on, without the key, and tells the recorder whose it is.
///
/// A user's key names the user, whatever `X-User-ID` says; an application's key leaves it to that.
pub(crate) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let Some(principal) = gate.0.authenticate(&head) else {
        return Refusal::new(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "invalid_api_key",
            "no valid API key: send `Authorization: Bearer <key>`",
        )
        .into_response();
    };
    let mut context = RecordingContext::new().token_id(fingerprint(&head.headers));
    if let Principal::User(user) = principal {
        context = context.user_id(user);
    }
    head.extensions.insert(context);
    for name in CREDENTIALS {
        head.headers.remove(name);
    }
    next.run(Request::from_parts(head, body)).await
}

/// Tells keys apart in the records, the same after a restart, and gives none away: 16 hexadecimal
/// digits of a BLAKE3 hash that is derived for this use alone.
fn fingerprint(headers: &HeaderMap) -> String {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.map_or(&[][..], |value| value.as_bytes());
    let key = value.get("Bearer ".len()..).unwrap_or_default();
    let hash = blake3::derive_key(FINGERPRINT_CONTEXT, key.trim_ascii());
    let mut hash = blake3::Hash::from_bytes(hash).to_hex().to_string();
    hash.truncate(FINGERPRINT_DIGITS);
    hash
}
