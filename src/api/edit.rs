//! Making, renaming and deleting.

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{BytesRejection, PathRejection},
    },
};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    access::Access,
    error::ApiError,
    json::ConversationJson,
    openapi::{BadBody, Forbidden, NoConversation, Refused, Taken},
    request::{self, Fields, not_reserved, usable_name},
    state::ApiState,
};
use crate::{history::exchange_now, store::Deleted};

/// A conversation that is to be made.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConversation {
    #[schema(min_length = 1, max_length = 255)]
    user_identifier: String,
    #[schema(min_length = 1, max_length = 255)]
    title: Option<String>,
    /// It is made where it is left out.
    #[schema(min_length = 1, max_length = 255)]
    session_id: Option<String>,
}

impl NewConversation {
    fn read(body: &Bytes) -> Result<Self, ApiError> {
        let mut fields = Fields::read(body, &["user_identifier", "title", "session_id"])?;
        let user_identifier = fields.required_text("user_identifier")?;
        usable_name("user_identifier", &user_identifier)?;
        let title = fields.text("title")?;
        if let Some(title) = &title {
            request::title(title)?;
        }
        let session_id = fields.text("session_id")?;
        if let Some(session_id) = &session_id {
            not_reserved(session_id)?;
            usable_name("session_id", session_id)?;
        }
        Ok(Self {
            user_identifier,
            title,
            session_id,
        })
    }
}

/// Makes a conversation
#[utoipa::path(
    post,
    path = "/conversations",
    operation_id = "createConversation",
    request_body = NewConversation,
    responses(
        (status = 201, description = "The conversation", body = ConversationJson),
        Refused, Forbidden, Taken, BadBody,
    ),
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    access: Access,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ConversationJson>), ApiError> {
    let NewConversation {
        user_identifier: user,
        title,
        session_id,
    } = NewConversation::read(&body?)?;
    let session_id = session_id.unwrap_or_else(|| exchange_now().to_string());
    access.user(&user)?;
    let recorder = state.recorder();
    let made = recorder.create_conversation(&user, &session_id, title.as_deref());
    let made = made.await?.ok_or_else(ApiError::taken)?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Makes a conversation
#[utoipa::path(
    post,
    path = "/conversations/",
    operation_id = "createConversationWithSlash",
    request_body = NewConversation,
    responses(
        (status = 201, description = "The conversation", body = ConversationJson),
        Refused, Forbidden, Taken, BadBody,
    ),
)]
pub(super) async fn create_with_slash(
    state: State<ApiState>,
    access: Access,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ConversationJson>), ApiError> {
    create(state, access, body).await
}

/// What a conversation is called.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Title {
    #[schema(min_length = 1, max_length = 255)]
    title: String,
}

impl Title {
    fn read(body: &Bytes) -> Result<Self, ApiError> {
        let mut fields = Fields::read(body, &["title"])?;
        let title = fields.required_text("title")?;
        request::title(&title)?;
        Ok(Self { title })
    }
}

/// Gives a conversation a title
#[utoipa::path(
    put,
    path = "/conversations/{session_id}",
    operation_id = "renameConversation",
    params(("session_id" = String, Path)),
    request_body = Title,
    responses(
        (status = 200, description = "The conversation", body = ConversationJson),
        Refused, NoConversation, BadBody,
    ),
)]
pub(super) async fn rename(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ConversationJson>, ApiError> {
    let Path(name) = path?;
    let Title { title } = Title::read(&body?)?;
    let store = state.store();
    let conversation = access.conversation(store, &name).await?;
    state
        .recorder()
        .rename_conversation(conversation.id, &title)
        .await?;
    let renamed = store.conversation(conversation.id).await?;
    let renamed = renamed.ok_or_else(ApiError::no_conversation)?;
    Ok(Json(renamed.into()))
}

/// How much of a conversation was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deleted)]
pub(super) struct DeletedJson {
    session_id: String,
    deleted: bool,
    messages_deleted: u64,
    errors_deleted: u64,
}

/// Deletes a conversation with all its rows
#[utoipa::path(
    delete,
    path = "/conversations/{session_id}",
    operation_id = "deleteConversation",
    params(("session_id" = String, Path)),
    responses(
        (status = 200, description = "How much that was", body = DeletedJson),
        Refused, NoConversation,
    ),
)]
pub(super) async fn delete(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<DeletedJson>, ApiError> {
    let Path(name) = path?;
    let conversation = access.conversation(state.store(), &name).await?;
    let deleted = state
        .recorder()
        .delete_conversation_history(conversation.id);
    let deleted = deleted.await?.ok_or_else(ApiError::no_conversation)?;
    Ok(Json(DeletedJson {
        session_id: ConversationJson::from(conversation).session_id,
        deleted: true,
        messages_deleted: deleted.messages,
        errors_deleted: deleted.errors,
    }))
}

/// How much of a user was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Erased)]
pub(super) struct ErasedJson {
    user_identifier: String,
    deleted: bool,
    conversations_deleted: u64,
    messages_deleted: u64,
    errors_deleted: u64,
    rejects_deleted: u64,
    response_ids_deleted: u64,
    usage_daily_deleted: u64,
}

/// Erases a user
#[utoipa::path(
    delete,
    path = "/conversations/user/{user_identifier}",
    operation_id = "eraseUser",
    params(("user_identifier" = String, Path)),
    responses(
        (status = 200, description = "How much that was, by table", body = ErasedJson),
        Refused, Forbidden,
    ),
)]
pub(super) async fn erase(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ErasedJson>, ApiError> {
    let Path(user) = path?;
    let whose = access.user(&user)?;
    let Deleted {
        conversations,
        messages,
        errors,
        rejects,
        responses,
        usage,
    } = state.recorder().delete_user(&user, whose).await?;
    Ok(Json(ErasedJson {
        user_identifier: user,
        deleted: true,
        conversations_deleted: conversations,
        messages_deleted: messages,
        errors_deleted: errors,
        rejects_deleted: rejects,
        response_ids_deleted: responses,
        usage_daily_deleted: usage,
    }))
}
