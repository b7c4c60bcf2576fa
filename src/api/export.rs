//! Everything of a user or of a conversation, streamed page by page.

mod format;
mod pages;
mod stream;

use axum::{
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::{IntoResponse, Response},
};
use http::header;
use serde::Deserialize;
use utoipa::{IntoParams, openapi::ObjectBuilder};

use self::{format::Writer, stream::Output};
use super::{
    access::Access,
    error::ApiError,
    openapi::{Forbidden, NoConversation, Refused, one_of},
    request::{self, ExportFormat},
    state::ApiState,
};
use crate::{
    id::Id,
    store::{Place, StoreError},
};

/// Conversations that are listed at a time.
const LISTED: usize = 500;

/// How it is written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    #[param(schema_with = formats)]
    format: Option<String>,
}

fn formats() -> ObjectBuilder {
    one_of(["openai-jsonl", "markdown", "csv"]).default(Some("openai-jsonl".into()))
}

/// A conversation, streamed
#[utoipa::path(
    get,
    path = "/conversations/{session_id}/export",
    operation_id = "exportConversation",
    params(("session_id" = String, Path), ExportQuery),
    responses(
        (
            status = 200, description = "Its messages",
            content((String = "application/jsonl"), (String = "text/markdown"), (String = "text/csv")),
        ),
        Refused, NoConversation,
    ),
)]
pub(super) async fn conversation(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Path(name), Query(query)) = (path?, query?);
    let format = request::export_format(query.format.as_deref())?;
    let conversation = access.conversation(state.store(), &name).await?;
    Ok(streamed(state, vec![conversation.id], format))
}

/// Every conversation of a user, streamed
#[utoipa::path(
    get,
    path = "/conversations/user/{user_identifier}/export",
    operation_id = "exportUser",
    params(("user_identifier" = String, Path), ExportQuery),
    responses(
        (
            status = 200, description = "Their messages",
            content((String = "application/jsonl"), (String = "text/markdown"), (String = "text/csv")),
        ),
        Refused, Forbidden,
    ),
)]
pub(super) async fn user(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (Path(user), Query(query)) = (path?, query?);
    let format = request::export_format(query.format.as_deref())?;
    // A list moves while it is read, so that it is read at once.
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = access.conversations_of(state.store(), &user, after, (LISTED, 0));
        let page = page.await?;
        ids.extend(page.data.iter().map(|one| one.id));
        after = page.data.last().map(Place::of);
        if !page.has_more {
            break;
        }
    }
    Ok(streamed(state, ids, format))
}

fn streamed(state: ApiState, ids: Vec<Id>, format: ExportFormat) -> Response {
    let body = stream::streamed(async move |mut output| {
        if let Err(error) = export(&state, &ids, format, &mut output).await {
            tracing::warn!(%error, "history API: an export ended early");
            output.fail().await;
        }
    });
    let (kind, name) = match format {
        ExportFormat::OpenAiJsonl => ("application/jsonl", "conversations.jsonl"),
        ExportFormat::Markdown => ("text/markdown; charset=utf-8", "conversations.md"),
        ExportFormat::Csv => ("text/csv; charset=utf-8", "conversations.csv"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::new(body)).into_response()
}

async fn export(
    state: &ApiState,
    ids: &[Id],
    format: ExportFormat,
    output: &mut Output,
) -> Result<(), StoreError> {
    let store = state.store();
    let mut writer = Writer::new(format);
    output.write(writer.begin()).await;
    for id in ids {
        let Some(conversation) = store.conversation(*id).await? else {
            continue;
        };
        output.write(writer.open(conversation)).await;
        let mut pages = pages::find(store, *id, writer.shows_every_branch()).await?;
        while let Some(rows) = pages.next(store).await? {
            for row in rows {
                output.write(writer.message(row)).await;
            }
        }
        output.write(writer.close()).await;
    }
    output.flush().await;
    Ok(())
}
