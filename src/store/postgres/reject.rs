//! Exchanges that cannot be written, kept out of the way of the others.

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_query,
    sql_types::{Text, Timestamptz, Uuid},
};
use diesel_async::RunQueryDsl;

use super::{decode::PgId, session::Session, time::to_pg};
use crate::{id::Id, store::ExchangeRows};

/// Keeps an exchange that cannot be written.
pub(super) async fn reject(session: &mut Session, rejected: &Rejected) -> QueryResult<()> {
    session.begin("BEGIN").await?;
    let kept = sql_query(
        "INSERT INTO recording_rejects (exchange_id, conversation_id, created_at, reason, payload) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind::<Uuid, _>(PgId(rejected.exchange_id))
    .bind::<Uuid, _>(PgId(rejected.conversation_id))
    .bind::<Timestamptz, _>(PgTimestamp(to_pg(rejected.created_at)))
    .bind::<Text, _>(&rejected.reason)
    .bind::<Text, _>(&rejected.payload)
    .execute(&mut session.connection)
    .await;
    session.end(kept).await.map(drop)
}

/// An exchange on its way to `recording_rejects`.
#[derive(Debug)]
pub(super) struct Rejected {
    exchange_id: Id,
    conversation_id: Id,
    created_at: i64,
    reason: String,
    payload: String,
}

impl Rejected {
    /// Copies the exchange as JSON text, in which `U+0000` is escaped.
    pub(super) fn new(rows: &ExchangeRows, reason: &str) -> Self {
        Self {
            exchange_id: rows.exchange.exchange_id,
            conversation_id: rows.exchange.conversation_id,
            created_at: rows.exchange.created_at,
            reason: reason.replace('\0', ""),
            payload: rows.to_short_json(),
        }
    }
}
