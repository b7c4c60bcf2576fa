//! Reading conversations.

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    access::Access,
    answer,
    error::ApiError,
    json::{ConversationList, Transcript},
    openapi::{Forbidden, NoConversation, Refused},
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
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadQuery {
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// Every branch, and not only the current one.
    #[param(value_type = Option<bool>, default = false)]
    tree: Option<String>,
}

/// A conversation with its latest messages, oldest first
#[utoipa::path(
    get,
    path = "/conversations/{session_id}",
    operation_id = "readConversation",
    params(("session_id" = String, Path), ReadQuery),
    responses(
        (status = 200, description = "The conversation", body = Transcript),
        Refused, NoConversation,
    ),
)]
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
    let (conversation, messages, has_more) = if tree {
        let conversation = access.conversation(store, &name).await?;
        let page = store.messages(conversation.id, None, limit).await?;
        let mut rows = page.data;
        let surplus = rows.len() - shown::fitting(&rows, limit);
        rows.drain(..surplus);
        (
            conversation,
            branch::once(rows),
            page.has_more || surplus > 0,
        )
    } else {
        let (conversation, rows) = access.begun(store, &name, None, limit).await?;
        let page = branch::page_of(store, conversation.id, None, limit, rows).await?;
        (conversation, page.data, page.next.is_some())
    };
    let bytes = length(&conversation) + messages.iter().map(shown::bytes).sum::<usize>();
    answer::json(Transcript::new(conversation, messages, has_more), bytes).await
}

/// Which page of a list is shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    #[param(value_type = Option<u16>, maximum = 10_000, default = 0)]
    offset: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// A user's conversations, last active first
#[utoipa::path(
    get,
    path = "/conversations/user/{user_identifier}",
    operation_id = "listConversations",
    params(("user_identifier" = String, Path), ListQuery),
    responses(
        (status = 200, description = "A page of them", body = ConversationList),
        Refused, Forbidden,
    ),
)]
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
