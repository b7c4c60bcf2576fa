//! The exchanges of a conversation that failed.

use std::collections::BTreeMap;

use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{
    access::Access,
    answer,
    error::ApiError,
    json::rfc3339,
    openapi::{NoConversation, Refused},
    request,
    state::ApiState,
};
use crate::{
    history::readable::{readable, readable_json},
    store::StoredError,
    thread::shown,
};

/// A failure's ids and numbers, with all names of fields.
const FAILURE_BYTES: usize = 512;

/// How many are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FailureList {
    data: Vec<FailureJson>,
}

/// An exchange that failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureJson {
    #[schema(format = "uuid")]
    id: String,
    #[schema(format = "uuid")]
    conversation_id: String,
    #[schema(format = "uuid")]
    exchange_id: String,
    /// The status; 0 where there was none.
    error_code: i64,
    error_message: String,
    #[schema(required)]
    model_name: Option<String>,
    #[schema(required, value_type = Value)]
    messages: Option<Box<RawValue>>,
    #[schema(format = DateTime)]
    timestamp: String,
    #[schema(value_type = Object)]
    other: BTreeMap<String, Box<RawValue>>,
}

impl From<StoredError> for FailureJson {
    fn from(stored: StoredError) -> Self {
        let StoredError { exchange, error } = stored;
        let mut other: BTreeMap<String, Box<RawValue>> = error
            .other
            .and_then(|text| serde_json::from_str(&readable_json(text)).ok())
            .unwrap_or_default();
        Self {
            id: error.id.to_string(),
            conversation_id: exchange.conversation_id.to_string(),
            exchange_id: exchange.exchange_id.to_string(),
            error_code: error.error_code,
            error_message: readable(error.error_message),
            model_name: exchange.model_name.map(readable),
            messages: other.remove("messages"),
            timestamp: rfc3339(exchange.created_at),
            other,
        }
    }
}

/// The exchanges that failed
#[utoipa::path(
    get,
    path = "/conversations/{session_id}/errors",
    operation_id = "listErrors",
    params(("session_id" = String, Path), ListQuery),
    responses(
        (status = 200, description = "The latest of them", body = FailureList),
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
    let conversation = access.conversation(state.store(), &name).await?;
    let page = state.store().errors(conversation.id, None, limit).await?;
    let bytes = page.data.iter().map(length).sum();
    let data = page.data.into_iter().map(Into::into).collect();
    answer::json(FailureList { data }, bytes).await
}

fn length(stored: &StoredError) -> usize {
    let error = &stored.error;
    let other = error.other.as_deref().map_or(0, shown::text);
    FAILURE_BYTES + shown::text(&error.error_message) + other
}
