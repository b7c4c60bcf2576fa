//! Exchanges that cannot be written, kept out of the way of the others.

use std::{slice, sync::Arc};

use diesel::{
    sql_query,
    sql_types::{Binary, Datetime, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{alone::Beside, connection::Connections, datetime::Millis, error::Answer, marks};
use crate::{
    escape::first_bytes,
    store::{ExchangeRows, StoreError, deletion},
};

impl Connections {
    /// Keeps an exchange that cannot be written, unless it was deleted.
    pub(super) async fn reject(
        &self,
        exchange: ExchangeRows,
        reason: String,
    ) -> Result<(), StoreError> {
        let max_packet = self.max_packet().await?;
        let rejected = Arc::new((exchange, reason));
        self.surely(Beside::Batches, move |connection, _| {
            let rejected = Arc::clone(&rejected);
            Box::pin(async move {
                let (exchange, reason) = &*rejected;
                keep(connection, exchange, reason, max_packet).await
            })
        })
        .await
    }
}

/// Keeps an exchange that cannot be written, unless it was deleted.
async fn keep(
    connection: &mut AsyncMysqlConnection,
    exchange: &ExchangeRows,
    reason: &str,
    max_packet: usize,
) -> Answer<()> {
    let marks = deletion::marks(slice::from_ref(exchange));
    let found = marks::find(connection, &marks).await?;
    let Some(exchange) = deletion::rest(exchange, found) else {
        return Ok(());
    };
    let payload = exchange.to_short_json();
    let ids = &exchange.exchange;
    sql_query(
        "INSERT INTO recording_rejects (exchange_id, conversation_id, created_at, reason, payload) \
         VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE exchange_id = exchange_id",
    )
    .bind::<Binary, _>(ids.exchange_id.as_bytes().as_slice())
    .bind::<Binary, _>(ids.conversation_id.as_bytes().as_slice())
    .bind::<Datetime, _>(Millis(ids.created_at))
    .bind::<Text, _>(reason)
    .bind::<Text, _>(first_bytes(&payload, max_packet / 2))
    .execute(connection)
    .await?;
    Ok(())
}
