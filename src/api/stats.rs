//! What a user said and spent.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    access::Access,
    error::ApiError,
    openapi::{Forbidden, Refused},
    request,
    state::ApiState,
};
use crate::{history::readable::readable, partition::Day};

/// The first and the last day that are meant, both included; all of them where none is named.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatsQuery {
    #[param(format = Date)]
    from: Option<String>,
    #[param(format = Date)]
    to: Option<String>,
}

/// What a user said and spent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsJson {
    total_conversations: i64,
    total_messages: i64,
    total_tokens: i64,
    /// Messages by model.
    models_used: BTreeMap<String, i64>,
    /// Messages by day.
    daily_message_count: BTreeMap<String, i64>,
}

/// What a user said and spent
#[utoipa::path(
    get,
    path = "/conversations/user/{user_identifier}/stats",
    operation_id = "readStats",
    params(("user_identifier" = String, Path), StatsQuery),
    responses(
        (status = 200, description = "Sums of the days that were named", body = StatsJson),
        Refused, Forbidden,
    ),
)]
pub(super) async fn read(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<StatsQuery>, QueryRejection>,
) -> Result<Json<StatsJson>, ApiError> {
    let (Path(user), Query(query)) = (path?, query?);
    access.counted_by(&user)?;
    let from = request::day("from", query.from.as_deref())?.unwrap_or(Day::MIN);
    let to = request::day("to", query.to.as_deref())?.unwrap_or(Day::MAX);
    let recorder = state.recorder();
    let stats = recorder.conversation_stats(&user, from.start_ms(), to.start_ms());
    let stats = stats.await?;
    let models = stats.models_used.into_iter();
    Ok(Json(StatsJson {
        total_conversations: stats.total_conversations,
        total_messages: stats.total_messages,
        total_tokens: stats.total_tokens,
        models_used: models
            .map(|(name, number)| (readable(name), number))
            .collect(),
        daily_message_count: stats.daily_message_count,
    }))
}
