//! Messages, read and added by hand.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    response::Response,
};
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema, openapi::ObjectBuilder};

use super::{
    access::Access,
    answer,
    error::ApiError,
    json::{MessageJson, MessageList},
    openapi::{BadBody, NoConversation, Refused, one_of},
    request::{self, Fields, MessageFormat, short_name},
    state::ApiState,
};
use crate::{
    conversation::Role,
    escape,
    history::{exchange_now, openai},
    store::StoredMessage,
    thread::{
        branch::{self, Bookmark},
        shown,
    },
};

/// Which messages are shown, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// The `next` of the page behind.
    before: Option<String>,
    /// Messages as a chat completion takes them.
    #[param(schema_with = openai_only)]
    format: Option<String>,
}

/// A message as a client sent it.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    #[schema(schema_with = role)]
    role: Role,
    content: String,
    #[schema(min_length = 1, max_length = 255)]
    model_name: Option<String>,
    #[schema(minimum = 0)]
    token_count: Option<i64>,
}

fn role() -> ObjectBuilder {
    one_of(["system", "developer", "user", "assistant", "tool"])
}

fn openai_only() -> ObjectBuilder {
    one_of(["openai"])
}

/// A page of messages in OpenAI's shape.
#[derive(Debug, Serialize)]
struct OpenAiList {
    data: Vec<Value>,
    has_more: bool,
    next: Option<String>,
}

/// Messages of the current branch, oldest first within the page
#[utoipa::path(
    get,
    path = "/conversations/{session_id}/messages",
    operation_id = "listMessages",
    params(("session_id" = String, Path), ListQuery),
    responses(
        (status = 200, description = "A page of them", body = MessageList),
        Refused, NoConversation,
    ),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Path(name), Query(query)) = (path?, query?);
    let limit = request::limit(query.limit.as_deref())?;
    let before: Option<Bookmark> = request::cursor("before", query.before.as_deref())?;
    let format = request::message_format(query.format.as_deref())?;
    let store = state.store();
    let (conversation, rows) = access.begun(store, &name, before, limit).await?;
    let page = branch::page_of(store, conversation.id, before, limit, rows).await?;
    let bytes = page.data.iter().map(shown::bytes).sum();
    let (data, next) = (page.data, page.next.map(|next| next.to_string()));
    match format {
        MessageFormat::Whole => answer::json(MessageList::new(data, next), bytes).await,
        MessageFormat::OpenAi => {
            let list = OpenAiList {
                data: openai::messages(data, next.is_some()),
                has_more: next.is_some(),
                next,
            };
            answer::json(list, bytes).await
        }
    }
}

/// Adds a message behind the last one
#[utoipa::path(
    post,
    path = "/conversations/{session_id}/messages",
    operation_id = "appendMessage",
    params(("session_id" = String, Path)),
    request_body = NewMessage,
    responses(
        (status = 201, description = "The message", body = MessageJson),
        Refused, NoConversation, BadBody,
    ),
)]
pub(super) async fn append(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<MessageJson>), ApiError> {
    let Path(name) = path?;
    let message = NewMessage::read(&body?)?;
    // A conversation that is deleted from now on is deleted with this message.
    let exchange_id = exchange_now();
    let conversation = access.conversation(state.store(), &name).await?;
    let recorder = state.recorder();
    let stored = recorder
        .append(conversation, &message.into(), exchange_id)
        .await?;
    let stored = stored.ok_or_else(ApiError::no_conversation)?;
    Ok((StatusCode::CREATED, Json(stored.into())))
}

impl NewMessage {
    fn read(body: &Bytes) -> Result<Self, ApiError> {
        let mut fields = Fields::read(body, &["role", "content", "model_name", "token_count"])?;
        let role = match Role::from(fields.required_text("role")?.as_str()) {
            Role::Other(_) => {
                return Err(ApiError::out_of_bounds(
                    "role",
                    "unknown_role",
                    "`role` is one of system, developer, user, assistant and tool",
                ));
            }
            role => role,
        };
        let content = fields.required_text("content")?;
        let model_name = fields.text("model_name")?;
        if let Some(name) = &model_name {
            short_name("model_name", name)?;
        }
        Ok(Self {
            role,
            content,
            model_name,
            token_count: fields.count("token_count")?,
        })
    }
}

impl From<NewMessage> for StoredMessage {
    fn from(new: NewMessage) -> Self {
        let NewMessage {
            role,
            content,
            model_name,
            token_count,
        } = new;
        let mut stored = Self::default();
        stored.message.role = role;
        stored.message.content = content;
        stored.message.token_count = token_count;
        let model_name = model_name.map(|name| escape::text(name.as_bytes()).into_owned());
        stored.exchange.model_name = model_name;
        stored
    }
}
