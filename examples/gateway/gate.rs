//! Who may pass, and whose conversation it is then.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use tower_recording::{
    RecordingContext,
    api::{Principal, StaticKeys},
};

use crate::{key, refusal::Refusal};

/// Nobody else derives the same hashes from the same keys.
const FINGERPRINT_CONTEXT: &str = "tower-recording gateway 2026-11 token_id of an API key";
const FINGERPRINT_DIGITS: usize = 16;

/// The keys of those who may pass.
#[derive(Clone)]
pub(crate) struct Gate(StaticKeys);

impl Gate {
    pub(crate) fn new(keys: StaticKeys) -> Self {
        Self(keys)
    }
}

/// Lets a request with a valid key on, without the key, and tells the recorder whose it is.
///
/// A user's key names the user, whatever `X-User-ID` says; an application's key leaves it to that.
pub(crate) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let known = |key: String| Some((gate.0.principal_of(&key)?, key));
    let Some((principal, key)) = key::candidates(&head).into_iter().find_map(known) else {
        return Refusal::new(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "invalid_api_key",
            "no valid API key: send `Authorization: Bearer <key>`",
        )
        .into_response();
    };
    let mut context = RecordingContext::new().token_id(fingerprint(&key));
    if let Principal::User(user) = principal {
        context = context.user_id(user);
    }
    head.extensions.insert(context);
    key::strip(&mut head);
    next.run(Request::from_parts(head, body)).await
}

/// Tells keys apart in the records, the same after a restart, and gives none away: 16 hexadecimal
/// digits of a BLAKE3 hash that is derived for this use alone.
fn fingerprint(key: &str) -> String {
    let hash = blake3::derive_key(FINGERPRINT_CONTEXT, key.as_bytes());
    let mut hash = blake3::Hash::from_bytes(hash).to_hex().to_string();
    hash.truncate(FINGERPRINT_DIGITS);
    hash
}
