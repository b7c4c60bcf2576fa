//! For those who run it: the tables of days, and the recorder's metrics.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    access::Access,
    error::ApiError,
    exposition,
    openapi::{Forbidden, Refused},
    request,
    state::ApiState,
};
use crate::store::Partition;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartitionList {
    data: Vec<PartitionJson>,
}

/// A table of rows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Partition)]
struct PartitionJson {
    table: String,
    /// The day whose rows it has, where it is one day's.
    #[schema(required)]
    day: Option<String>,
    rows: i64,
    #[schema(required)]
    bytes: Option<i64>,
}

impl From<Partition> for PartitionJson {
    fn from(partition: Partition) -> Self {
        let Partition {
            table,
            day,
            rows,
            bytes,
        } = partition;
        Self {
            table,
            day,
            rows,
            bytes,
        }
    }
}

/// Tables with rows and bytes; needs an application's key
#[utoipa::path(
    get,
    path = "/partitions",
    operation_id = "listPartitions",
    responses((status = 200, description = "The tables", body = PartitionList), Refused, Forbidden),
)]
pub(super) async fn partitions(
    State(state): State<ApiState>,
    access: Access,
) -> Result<Json<PartitionList>, ApiError> {
    access.application()?;
    let partitions = state.store().partitions().await?;
    let data = partitions.into_iter().map(Into::into).collect();
    Ok(Json(PartitionList { data }))
}

/// What is dropped.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DropQuery {
    /// The first day that stays.
    #[param(required, format = Date)]
    before: Option<String>,
}

/// What was dropped.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Dropped)]
pub(super) struct DroppedJson {
    data: Vec<PartitionJson>,
    tables_dropped: usize,
    rows_deleted: i64,
    bytes_freed: i64,
}

/// Drops the days before a date; needs an application's key
#[utoipa::path(
    delete,
    path = "/partitions",
    operation_id = "dropPartitions",
    params(DropQuery),
    responses(
        (status = 200, description = "What was dropped", body = DroppedJson),
        Refused, Forbidden,
    ),
)]
pub(super) async fn drop(
    State(state): State<ApiState>,
    access: Access,
    query: Result<Query<DropQuery>, QueryRejection>,
) -> Result<Json<DroppedJson>, ApiError> {
    access.application()?;
    let Query(query) = query?;
    let before = request::day("before", query.before.as_deref())?.ok_or_else(|| {
        ApiError::bad_field("before", "missing_field", "`before` is missing: a date")
    })?;
    let dropped = state.store().drop_partitions(before.start_ms()).await?;
    let sum = |number: fn(&Partition) -> i64| dropped.iter().map(number).sum();
    Ok(Json(DroppedJson {
        tables_dropped: dropped.iter().filter(|table| table.day.is_some()).count(),
        rows_deleted: sum(|table| table.rows),
        bytes_freed: sum(|table| table.bytes.unwrap_or(0)),
        data: dropped.into_iter().map(Into::into).collect(),
    }))
}

/// What the recorder counts and measures as Prometheus text; needs an application's key
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "readMetrics",
    responses((status = 200, description = "The metrics", body = String), Refused, Forbidden),
)]
pub(super) async fn metrics(
    State(state): State<ApiState>,
    access: Access,
) -> Result<Response, ApiError> {
    access.application()?;
    let sizes = state.sizes().read(state.store()).await;
    let text = exposition::text(&state.recorder().metrics(), &sizes);
    let kind = [(header::CONTENT_TYPE, exposition::CONTENT_TYPE)];
    Ok((kind, text).into_response())
}
