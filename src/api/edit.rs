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

use super::{
    access::Access,
    error::ApiError,
    json::ConversationJson,
    request::{self, Fields, not_reserved, usable_name},
    state::ApiState,
};
use crate::{history::exchange_now, store::Deleted};

/// `POST /conversations`
pub(super) async fn create(
    State(state): State<ApiState>,
    access: Access,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<ConversationJson>), ApiError> {
    let mut fields = Fields::read(&body?, &["user_identifier", "title", "session_id"])?;
    let user = fields.required_text("user_identifier")?;
    usable_name("user_identifier", &user)?;
    let title = fields.text("title")?;
    if let Some(title) = &title {
        request::title(title)?;
    }
    let session_id = match fields.text("session_id")? {
        Some(session_id) => session_id,
        None => exchange_now().to_string(),
    };
    not_reserved(&session_id)?;
    usable_name("session_id", &session_id)?;
    access.user(&user)?;
    let recorder = state.recorder();
    let made = recorder.create_conversation(&user, &session_id, title.as_deref());
    let made = made.await?.ok_or_else(ApiError::taken)?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// `PUT /conversations/{session_id}`
pub(super) async fn rename(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ConversationJson>, ApiError> {
    let Path(name) = path?;
    let mut fields = Fields::read(&body?, &["title"])?;
    let title = fields.required_text("title")?;
    request::title(&title)?;
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

#[derive(Debug, Serialize)]
pub(super) struct DeletedJson {
    session_id: String,
    deleted: bool,
    messages_deleted: u64,
    errors_deleted: u64,
}

/// `DELETE /conversations/{session_id}`
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

#[derive(Debug, Serialize)]
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

/// `DELETE /conversations/user/{user_identifier}`
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
