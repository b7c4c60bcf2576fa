//! Reading conversations.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};

use super::{
    access::Access,
    error::ApiError,
    json::{ConversationList, Transcript},
    request::ListQuery,
    state::ApiState,
};

/// `GET /conversations/{session_id}`
pub(super) async fn read(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Transcript>, ApiError> {
    let (Path(name), Query(query)) = (path?, query?);
    let limit = query.limit()?;
    let conversation = access.conversation(state.store(), &name).await?;
    let messages = state.store().messages(conversation.id, None, limit).await?;
    Ok(Json(Transcript::new(conversation, messages)))
}

/// `GET /conversations/user/{user_identifier}`
pub(super) async fn list(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ConversationList>, ApiError> {
    let (Path(user), Query(query)) = (path?, query?);
    let (limit, offset) = (query.limit()?, query.offset()?);
    let page = access.conversations_of(state.store(), &user, limit, offset);
    Ok(Json(page.await?.into()))
}
