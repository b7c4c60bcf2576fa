//! Exchanges that cannot be written, kept out of the way of the others.

use std::slice;

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_query,
    sql_types::{Text, Timestamptz, Uuid},
};
use diesel_async::RunQueryDsl;

use super::{decode::PgId, marks, session::Session, time::to_pg};
use crate::store::{ExchangeRows, deletion};

const BEGIN: &str = concat!("BEGIN; ", lock!(batch));

/// Keeps an exchange that cannot be written, unless it was deleted.
pub(super) async fn reject(session: &mut Session, rejected: &Rejected) -> QueryResult<()> {
    session.begin(BEGIN).await?;
    let kept = keep(session, rejected).await;
    session.end(kept).await
}

async fn keep(session: &mut Session, rejected: &Rejected) -> QueryResult<()> {
    let Rejected { exchange, reason } = rejected;
    let marks = deletion::marks(slice::from_ref(exchange));
    let found = marks::find(&session.connection, marks).await?;
    let Some(exchange) = deletion::rest(exchange, found) else {
        return Ok(());
    };
    let ids = &exchange.exchange;
    sql_query(
        "INSERT INTO recording_rejects (exchange_id, conversation_id, created_at, reason, payload) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind::<Uuid, _>(PgId(ids.exchange_id))
    .bind::<Uuid, _>(PgId(ids.conversation_id))
    .bind::<Timestamptz, _>(PgTimestamp(to_pg(ids.created_at)))
    .bind::<Text, _>(reason)
    .bind::<Text, _>(exchange.to_short_json())
    .execute(&mut session.connection)
    .await
    .map(drop)
}

/// An exchange on its way to `recording_rejects`.
#[derive(Debug)]
pub(super) struct Rejected {
    exchange: ExchangeRows,
    reason: String,
}

impl Rejected {
    /// Copies the exchange, as whose JSON text `U+0000` is escaped.
    pub(super) fn new(rows: &ExchangeRows, reason: &str) -> Self {
        Self {
            exchange: rows.clone(),
            reason: reason.replace('\0', ""),
        }
    }
}
