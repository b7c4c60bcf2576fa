//! What a request is refused with.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::json::{ErrorJson, Reason};
use crate::{id::Id, store::StoreError};

/// Seconds after which a client may ask again when the store is away.
const RETRY_AFTER_SECONDS: u64 = 1;

/// An answer that is not a success, in the shape that OpenAI's clients parse.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    param: Option<String>,
    code: &'static str,
    /// The conversations among which an application's key has to choose.
    ids: Vec<Id>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            param: None,
            code,
            ids: Vec::new(),
        }
    }

    fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// 400: the request is not what the route takes.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", message)
    }

    /// 400: a field is missing, has another type than it should, or is not known at all.
    pub(super) fn bad_field(param: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message).at(param)
    }

    /// 401.
    pub(super) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "no valid API key: send `Authorization: Bearer <key>`",
        )
    }

    /// 403: the path names another user than the key's.
    pub(super) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not_your_user",
            "this key belongs to another user",
        )
        .at("user_identifier")
    }

    /// 403: a user's key where an application's is needed.
    pub(super) fn application_only() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "application_only",
            "this needs an application's key",
        )
    }

    /// 403: what is counted by the user's name is not the user's alone.
    pub(super) fn name_is_shared() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "name_is_an_address",
            "unnamed clients are counted by this name too: it needs an application's key",
        )
        .at("user_identifier")
    }

    /// 404: absent, or another's; the two cannot be told apart.
    pub(super) fn no_conversation() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "conversation_not_found",
            "there is no such conversation",
        )
        .at("session_id")
    }

    /// 405.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not take this method",
        )
    }

    /// 408.
    pub(super) fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body did not come in time",
        )
    }

    /// 409: the user has a conversation of this name.
    pub(super) fn taken() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "session_id_taken",
            "there is a conversation with this session id",
        )
        .at("session_id")
    }

    /// 409: several users call a conversation by this session id.
    pub(super) fn several(ids: Vec<Id>) -> Self {
        let mut error = Self::new(
            StatusCode::CONFLICT,
            "several_conversations",
            "several conversations have this session id: name one by its `id`",
        )
        .at("session_id");
        error.ids = ids;
        error
    }

    /// 413.
    pub(super) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the body is larger than this API takes",
        )
    }

    /// 422: a value is not one that the field takes.
    pub(super) fn out_of_bounds(
        param: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).at(param)
    }

    /// 429: too many of them by one principal.
    pub(super) fn too_many_of_yours() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "too many of your requests at once: try again",
        )
    }

    /// 500.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "internal error",
        )
    }

    /// 503: too many requests are answered at this moment.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many requests at once: try again",
        )
    }

    /// 503: what ends now cannot be recorded.
    pub(super) fn queue_full() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "queue_full",
            "the recorder's queue is full",
        )
    }

    /// 503: the store does not answer.
    pub(super) fn store_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "the store cannot be reached: try again",
        )
    }

    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "history API: the store is away");
            Self::store_unavailable()
        } else {
            tracing::error!(%error, "history API: the store failed");
            Self::internal()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let Self {
            status,
            message,
            param,
            code,
            ids,
        } = self;
        let error = Reason {
            message,
            r#type: kind,
            param,
            code,
            ids: ids.iter().map(Id::to_string).collect(),
        };
        let mut response = (status, Json(ErrorJson { error })).into_response();
        let headers = response.headers_mut();
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body;

    use super::*;

    #[tokio::test]
    async fn what_the_database_said_stays_in_the_log() {
        for (error, status) in [
            (StoreError::Refused("detail".to_owned()), 500),
            (StoreError::Unavailable("detail".to_owned()), 503),
        ] {
            let response = ApiError::from(error).into_response();
            assert_eq!(response.status(), status);
            let retry = response.headers().contains_key(header::RETRY_AFTER);
            assert_eq!(retry, status == 503);
            let body = body::to_bytes(response.into_body(), 1024).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                body.contains("server_error") && !body.contains("detail"),
                "{body}"
            );
        }
    }
}
