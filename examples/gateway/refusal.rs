//! The gateway's own errors, in the shape that OpenAI's clients parse.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

/// An error that the gateway itself answers.
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: &'static str,
    message: &'static str,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        code: &'static str,
        message: &'static str,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            message,
        }
    }

    /// A request that cannot be served as it is.
    pub(crate) fn invalid(code: &'static str, message: &'static str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            code,
            message,
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self {
            status,
            kind,
            code,
            message,
        } = self;
        let error = json!({ "message": message, "type": kind, "param": null, "code": code });
        (status, Json(json!({ "error": error }))).into_response()
    }
}
