//! Batches into tables, each in one transaction.

use std::slice;

use diesel::{
    connection::CacheSize,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Text},
    sqlite::SqliteConnection,
};

use super::{
    connection::Writer,
    days::{self, Mode},
    insert::{Target, insert},
    marks, meta,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{
        ExchangeRows, columns,
        deletion::{self, Fate},
        pack::{Batch, Cell, ConversationCells, DayCells},
    },
};

const DO_NOTHING: &str = " ON CONFLICT DO NOTHING";

/// Changes a conversation that stands there only where it learns something.
const WIDEN: &str = " ON CONFLICT (id) DO UPDATE SET \
     first_day = min(first_day, excluded.first_day), \
     last_day = max(last_day, excluded.last_day), \
     title = coalesce(title, excluded.title), \
     sends_history = max(sends_history, excluded.sends_history) \
     WHERE first_day > excluded.first_day OR last_day < excluded.last_day \
     OR (title IS NULL AND excluded.title IS NOT NULL) \
     OR sends_history < excluded.sends_history";

/// Writes the batch in one transaction, unless it holds what was deleted.
pub(super) fn write(writer: &mut Writer, batch: &Batch) -> QueryResult<Fate> {
    let Writer {
        session,
        memory,
        epoch,
    } = writer;
    if memory.has_too_many_days(batch.days.keys()) {
        let connection = &mut session.connection;
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
    }
    let written = session.writing(|connection, mode| {
        let deleted = batch
            .deletions
            .unknown(marks::find(connection, &batch.marks)?);
        if !deleted.is_empty() {
            return Ok(Err(deleted));
        }
        let current = meta::epoch(connection)?;
        if current != *epoch {
            memory.forget_conversations();
            *epoch = current;
        }
        let fresh: Vec<&ConversationCells> = batch
            .conversations
            .iter()
            .filter(|conversation| !memory.covers(conversation))
            .collect();
        write_conversations(connection, &batch.text, &fresh)?;
        for (day, cells) in &batch.days {
            if let Err(error) = write_day(connection, mode, *day, &batch.text, cells) {
                // Whatever the error was: if a table was missing, that was it.
                if !days::make(connection, mode, &[*day])? {
                    return Err(error);
                }
                write_day(connection, mode, *day, &batch.text, cells)?;
            }
            days::mark_late(connection, *day)?;
        }
        let responses = Target {
            table: "response_ids",
            columns: columns::RESPONSE,
            width: columns::RESPONSE_WIDTH,
            on_conflict: DO_NOTHING,
        };
        insert(connection, responses, &batch.text, &batch.responses)?;
        for (at, left) in &batch.leaving {
            marks::leave(connection, left.iter().copied(), *at)?;
        }
        Ok(Ok(fresh))
    })?;
    let fresh = match written {
        Ok(fresh) => fresh,
        Err(deleted) => return Ok(Fate::Deleted(deleted)),
    };
    for conversation in fresh {
        memory.learn(conversation);
    }
    Ok(Fate::Written)
}

fn write_conversations(
    connection: &mut SqliteConnection,
    text: &str,
    conversations: &[&ConversationCells],
) -> QueryResult<()> {
    let cells: Vec<Cell> = conversations
        .iter()
        .flat_map(|conversation| conversation.cells)
        .collect();
    let target = Target {
        table: "conversations",
        columns: columns::NEW_CONVERSATION,
        width: columns::NEW_CONVERSATION_WIDTH,
        on_conflict: WIDEN,
    };
    insert(connection, target, text, &cells)
}

fn write_day(
    connection: &mut SqliteConnection,
    mode: Mode,
    day: Day,
    text: &str,
    cells: &DayCells,
) -> QueryResult<()> {
    let messages = Target {
        table: &mode.table(MESSAGES, day),
        columns: columns::MESSAGE,
        width: columns::MESSAGE_WIDTH,
        on_conflict: DO_NOTHING,
    };
    insert(connection, messages, text, &cells.messages)?;
    let errors = Target {
        table: &mode.table(ERRORS, day),
        columns: columns::ERROR,
        width: columns::ERROR_WIDTH,
        on_conflict: DO_NOTHING,
    };
    insert(connection, errors, text, &cells.errors)
}

/// Keeps an exchange that cannot be written, unless it was deleted.
pub(super) fn reject(
    connection: &mut SqliteConnection,
    exchange: &ExchangeRows,
    reason: &str,
) -> QueryResult<()> {
    let marks = deletion::marks(slice::from_ref(exchange));
    let Some(exchange) = deletion::rest(exchange, marks::find(connection, &marks)?) else {
        return Ok(());
    };
    let ids = &exchange.exchange;
    sql_query(
        "INSERT INTO recording_rejects (exchange_id, conversation_id, created_at, reason, payload) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind::<Binary, _>(ids.exchange_id.as_bytes().as_slice())
    .bind::<Binary, _>(ids.conversation_id.as_bytes().as_slice())
    .bind::<BigInt, _>(ids.created_at)
    .bind::<Text, _>(reason)
    .bind::<Text, _>(exchange.to_short_json())
    .execute(connection)
    .map(drop)
}
