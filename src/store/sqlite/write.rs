//! Batches into tables, each in one transaction.

use std::collections::{HashMap, HashSet};

use diesel::{
    connection::CacheSize,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Text},
    sqlite::SqliteConnection,
};

use super::{
    columns,
    connection::Session,
    days::{self, Mode},
    insert::{Target, insert},
    pack::{Batch, Cell, ConversationCells, DayCells},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::ExchangeRows,
};

/// Days whose statements stay cached. A batch across midnight has two; late rows bring others, and
/// each holds six statements of up to 1,900 parameters.
const CACHED_DAYS: usize = 4;

/// Conversations remembered as stored: about 4 MB.
const KNOWN_CONVERSATIONS: usize = 65_536;

const DO_NOTHING: &str = " ON CONFLICT DO NOTHING";

/// Changes a conversation that stands there only where it learns something.
const WIDEN: &str = " ON CONFLICT (id) DO UPDATE SET \
     first_day = min(first_day, excluded.first_day), \
     last_day = max(last_day, excluded.last_day), \
     title = coalesce(title, excluded.title) \
     WHERE first_day > excluded.first_day OR last_day < excluded.last_day \
     OR (title IS NULL AND excluded.title IS NOT NULL)";

/// What the writer remembers between batches, as long as its connection lives.
#[derive(Debug, Default)]
pub(super) struct Memory {
    conversations: HashMap<Id, Stored>,
    days: HashSet<Day>,
}

/// What is known to be stored of a conversation.
#[derive(Clone, Copy, Debug)]
struct Stored {
    first_day: Day,
    last_day: Day,
    titled: bool,
}

impl Memory {
    fn covers(&self, new: &ConversationCells) -> bool {
        self.conversations.get(&new.id).is_some_and(|stored| {
            stored.first_day <= new.first_day
                && stored.last_day >= new.last_day
                && (stored.titled || !new.titled)
        })
    }

    fn learn(&mut self, new: &ConversationCells) {
        if self.conversations.len() >= KNOWN_CONVERSATIONS {
            self.conversations.clear();
        }
        let stored = self.conversations.entry(new.id).or_insert(Stored {
            first_day: new.first_day,
            last_day: new.last_day,
            titled: new.titled,
        });
        stored.first_day = stored.first_day.min(new.first_day);
        stored.last_day = stored.last_day.max(new.last_day);
        stored.titled |= new.titled;
    }
}

/// Writes the batch in one transaction.
pub(super) fn write(session: &mut Session, memory: &mut Memory, batch: &Batch) -> QueryResult<()> {
    let mode = session.mode;
    let connection = &mut session.connection;
    memory.days.extend(batch.days.keys());
    if memory.days.len() > CACHED_DAYS {
        memory.days.clear();
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
        connection.set_prepared_statement_cache_size(CacheSize::Unbounded);
    }
    let fresh: Vec<&ConversationCells> = batch
        .conversations
        .iter()
        .filter(|conversation| !memory.covers(conversation))
        .collect();
    connection.immediate_transaction(|connection| {
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
        QueryResult::Ok(())
    })?;
    for conversation in fresh {
        memory.learn(conversation);
    }
    Ok(())
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

/// Keeps an exchange that cannot be written.
pub(super) fn reject(session: &mut Session, exchange: &RejectedExchange) -> QueryResult<()> {
    sql_query(
        "INSERT INTO recording_rejects (exchange_id, conversation_id, created_at, reason, payload) \
         VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind::<Binary, _>(exchange.exchange_id.as_bytes().as_slice())
    .bind::<Binary, _>(exchange.conversation_id.as_bytes().as_slice())
    .bind::<BigInt, _>(exchange.created_at)
    .bind::<Text, _>(&exchange.reason)
    .bind::<Text, _>(&exchange.payload)
    .execute(&mut session.connection)
    .map(drop)
}

/// An exchange on its way to `recording_rejects`.
#[derive(Debug)]
pub(super) struct RejectedExchange {
    exchange_id: Id,
    conversation_id: Id,
    created_at: i64,
    reason: String,
    payload: String,
}

impl RejectedExchange {
    /// Copies the exchange as JSON text.
    pub(super) fn new(rows: &ExchangeRows, reason: &str) -> Self {
        Self {
            exchange_id: rows.exchange.exchange_id,
            conversation_id: rows.exchange.conversation_id,
            created_at: rows.exchange.created_at,
            reason: reason.to_owned(),
            payload: crate::store::payload::payload(rows),
        }
    }
}
