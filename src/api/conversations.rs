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
use crate::thread::branch;

/// `GET /conversations/{session_id}`: its current branch, or with `tree=true` every branch.
pub(super) async fn read(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Transcript>, ApiError> {
    let (Path(name), Query(query)) = (path?, query?);
    let (limit, tree) = (query.limit()?, query.tree()?);
    let store = state.store();
    let conversation = access.conversation(store, &name).await?;
    let (messages, has_more) = if tree {
        let page = store.messages(conversation.id, None, limit).await?;
        (page.data, page.has_more)
    } else {
        let page = branch::page(store, conversation.id, None, limit).await?;
        (page.data, page.next.is_some())
    };
    Ok(Json(Transcript::new(conversation, messages, has_more)))
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
