//! Reading conversations.

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use serde::Deserialize;

use super::{
    access::Access,
    answer,
    error::ApiError,
    json::{ConversationList, Transcript},
    request,
    state::ApiState,
};
use crate::{
    store::{Conversation, Place},
    thread::{branch, shown},
};

/// A conversation's id, times and numbers, with all names of fields.
const CONVERSATION_BYTES: usize = 512;

/// Which messages are shown with a conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadQuery {
    limit: Option<String>,
    tree: Option<String>,
}

/// `GET /conversations/{session_id}`: its current branch, or with `tree=true` every branch.
pub(super) async fn read(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReadQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Path(name), Query(query)) = (path?, query?);
    let limit = request::limit(query.limit.as_deref())?;
    let tree = request::tree(query.tree.as_deref())?;
    let store = state.store();
    let conversation = access.conversation(store, &name).await?;
    let (messages, has_more) = if tree {
        let page = store.messages(conversation.id, None, limit).await?;
        let mut rows = page.data;
        let surplus = rows.len() - shown::fitting(&rows, limit);
        rows.drain(..surplus);
        (branch::once(rows), page.has_more || surplus > 0)
    } else {
        let page = branch::page(store, conversation.id, None, limit).await?;
        (page.data, page.next.is_some())
    };
    let bytes = length(&conversation) + messages.iter().map(shown::bytes).sum::<usize>();
    answer::json(Transcript::new(conversation, messages, has_more), bytes).await
}

/// Which page of a list is shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    limit: Option<String>,
    offset: Option<String>,
    after: Option<String>,
}

/// `GET /conversations/user/{user_identifier}`
pub(super) async fn list(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Path(user), Query(query)) = (path?, query?);
    let limit = request::limit(query.limit.as_deref())?;
    let offset = request::offset(query.offset.as_deref())?;
    let after: Option<Place> = request::cursor("after", query.after.as_deref())?;
    let page = access.conversations_of(state.store(), &user, after, (limit, offset));
    let page = page.await?;
    let bytes = page.data.iter().map(length).sum();
    answer::json(ConversationList::from(page), bytes).await
}

/// What the conversation comes to as JSON, at most.
fn length(conversation: &Conversation) -> usize {
    let title = conversation.title.as_deref().unwrap_or_default();
    let names = [
        title,
        &conversation.session_id,
        &conversation.user_identifier,
        &conversation.session_source,
    ];
    CONVERSATION_BYTES + names.into_iter().map(shown::text).sum::<usize>()
}
