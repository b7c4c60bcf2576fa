//! A body that nothing could decode: kept as it came, to a cap.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    conversation::{Message, Role},
    escape,
    outcome::Truncated,
};

/// Makes one message of a whole body: its text, or base64 where it is no UTF-8. `other["raw"]` says which,
/// with the content type and the full length.
pub(super) fn message(
    role: Role,
    content_type: &str,
    body: &[u8],
    max_bytes: usize,
) -> (Message, Truncated) {
    let (kept, truncated) = match body.get(..max_bytes) {
        Some(head) if body.len() > max_bytes => (head, Truncated::Cap),
        _ => (body, Truncated::No),
    };
    let (content, encoding) = if std::str::from_utf8(body).is_ok() {
        (
            escape::text(super::repair::whole_characters(kept)).into_owned(),
            "text",
        )
    } else {
        (STANDARD.encode(kept), "base64")
    };
    let mut message = Message::new(role, content);
    message.other.insert(
        "raw".to_owned(),
        json!({
            "content_type": escape::text(content_type.as_bytes()),
            "encoding": encoding,
            "bytes": body.len(),
        }),
    );
    (message, truncated)
}
