//! A model that needs no account: it says what it was told, so that a first run has something to record.

mod answer;
mod reply;

use axum::{
    Json, Router,
    body::Bytes,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::refusal::Refusal;
use reply::Reply;

/// The demo model's name, whatever model was asked for.
const MODEL: &str = "officeai";

/// Far more than a conversation needs, and little enough for one request's memory.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// An OpenAI-style API in front of the demo model.
pub(crate) fn router() -> Router {
    Router::new().fallback(serve)
}

async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if path.ends_with("/chat/completions") {
        if request.method() != Method::POST {
            return Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request_error",
                "method_not_allowed",
                "chat completions are asked for by POST",
            )
            .into_response();
        }
        return match axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES).await {
            Ok(body) => complete(&body).unwrap_or_else(IntoResponse::into_response),
            Err(_) => {
                Refusal::invalid("unreadable_body", "the body could not be read").into_response()
            }
        };
    }
    if path.ends_with("/models") {
        let model = json!({ "id": MODEL, "object": "model", "created": 0, "owned_by": "demo" });
        return Json(json!({ "object": "list", "data": [model] })).into_response();
    }
    Refusal::new(
        StatusCode::NOT_FOUND,
        "invalid_request_error",
        "unknown_url",
        "the demo model answers /v1/chat/completions and /v1/models only",
    )
    .into_response()
}

fn complete(body: &Bytes) -> Result<Response, Refusal> {
    let request: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::invalid("invalid_json", "the body is not JSON"))?;
    let messages = request["messages"]
        .as_array()
        .filter(|messages| !messages.is_empty())
        .ok_or_else(|| Refusal::invalid("missing_messages", "`messages` is a list of messages"))?;
    let choices = match &request["n"] {
        Value::Null => 1,
        n => n
            .as_u64()
            .filter(|n| (1..=16).contains(n))
            .ok_or_else(|| Refusal::invalid("invalid_n", "`n` is a number from 1 to 16"))?,
    };
    let reply = Reply {
        prompt_tokens: answer::prompt_tokens(messages),
        answers: answer::to(messages, &request["tools"], choices),
    };
    Ok(if request["stream"] == true {
        reply.into_events(request["stream_options"]["include_usage"] == true)
    } else {
        Json(reply.into_json()).into_response()
    })
}
