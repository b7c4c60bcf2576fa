//! Batches into tables, each in one transaction.

use diesel::{QueryableByName, sql_types::BigInt};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    error::{Answer, DEADLOCK, Fault, NO_SUCH_TABLE, asked},
    insert::{self, Target, insert},
    layout::{Layout, Mode, Unfinished},
    marks,
    session::Session,
    statement::{Statement, Value},
    turn,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{
        columns,
        deletion::{Fate, Found},
        memory::Memory,
        pack::{Batch, Cell, ConversationCells, DayCells},
    },
};

/// Unlike `INSERT IGNORE` this hides no other error.
const DO_NOTHING: &str = " ON DUPLICATE KEY UPDATE id = id";

/// Changes a conversation that stands there only where it learns something.
const WIDEN: &str = " ON DUPLICATE KEY UPDATE first_day = LEAST(first_day, VALUES(first_day)), \
     last_day = GREATEST(last_day, VALUES(last_day)), title = COALESCE(title, VALUES(title)), \
     sends_history = GREATEST(sends_history, VALUES(sends_history))";

/// Whoever closes the day waits for those who hold this lock, and they for him.
const LOCK_DAY: &str = "SELECT CAST(closed_at IS NOT NULL OR dirty <> 0 AS SIGNED) AS closed, \
     CAST(dirty = 1 AS SIGNED) AS dirty FROM recording_days WHERE day = ? LOCK IN SHARE MODE";

/// Days may be dropped or moved again right after they were made.
const MAX_MISSES: usize = 3;

/// Deadlocks in a row that are bad luck. Rows go in the order of their keys, so one is rare.
const MAX_DEADLOCKS: usize = 10;

/// Where a row's key stands among its cells.
const CONVERSATION_ID: usize = 0;
const CREATED_AT: usize = 1;
const ID: usize = 19;

/// Writes the batch in one transaction, unless it holds what was deleted.
pub(super) async fn write(session: &mut Session, batch: &Batch) -> Answer<Fate> {
    // Statements of dropped days would fill the server's memory; they go with the connection.
    session.worn |= session.memory.has_too_many_days(batch.days.keys());
    let mut deadlocks = 0;
    let mut misses = 0;
    loop {
        let result = transaction(session, batch).await;
        let connection = &mut session.connection;
        let fault = match asked(connection, result).await {
            Ok(Ok(fresh)) => {
                for conversation in fresh {
                    session.memory.learn(conversation);
                }
                return Ok(Fate::Written);
            }
            Ok(Err(deleted)) => {
                connection.batch_execute("ROLLBACK").await?;
                return Ok(Fate::Deleted(deleted));
            }
            Err(fault) => fault,
        };
        match fault {
            // The server has rolled back by itself.
            fault if fault.is(DEADLOCK) && deadlocks < MAX_DEADLOCKS => {
                connection.batch_execute("ROLLBACK").await?;
                deadlocks += 1;
            }
            Fault::Moving => {
                connection.batch_execute("ROLLBACK").await?;
                turn::follow(connection).await?;
            }
            fault if fault.is(NO_SUCH_TABLE) && misses < MAX_MISSES => {
                connection.batch_execute("ROLLBACK").await?;
                let days: Vec<Day> = batch.days.keys().copied().collect();
                turn::make(connection, &days).await?;
                misses += 1;
            }
            fault => return Err(fault),
        }
    }
}

/// Writes the batch, and says which of its conversations were written; or what of it was deleted.
async fn transaction<'b>(
    session: &mut Session,
    batch: &'b Batch,
) -> Answer<Result<Vec<&'b ConversationCells>, Found>> {
    let Session {
        connection,
        memory,
        removals,
        max_packet,
        ..
    } = session;
    connection.batch_execute("START TRANSACTION").await?;
    let layout = Layout::share(connection).await?;
    if layout.unfinished == Some(Unfinished::Copying) {
        return Err(Fault::Moving);
    }
    if layout.removals != *removals {
        *memory = Memory::default();
        *removals = layout.removals;
    }
    let deleted = marks::find(connection, &batch.marks).await?;
    let deleted = batch.deletions.unknown(deleted);
    if !deleted.is_empty() {
        return Ok(Err(deleted));
    }
    for (day, cells) in &batch.days {
        enter(connection, *day).await?;
        write_day(
            connection,
            layout.mode,
            *day,
            &batch.text,
            cells,
            *max_packet,
        )
        .await?;
    }
    let mut responses: Vec<&[Cell]> = (batch.responses)
        .chunks_exact(columns::RESPONSE_WIDTH)
        .collect();
    responses.sort_unstable_by_key(|row| bytes(<[Cell]>::first(row)));
    let target = Target {
        table: "response_ids",
        columns: &insert::RESPONSE,
        on_duplicate: " ON DUPLICATE KEY UPDATE hash = hash",
    };
    insert(connection, target, &batch.text, &responses, *max_packet).await?;
    let mut fresh: Vec<&ConversationCells> = batch
        .conversations
        .iter()
        .filter(|conversation| !memory.covers(conversation))
        .collect();
    fresh.sort_unstable_by_key(|conversation| conversation.id);
    // Last, because others wait for these locks.
    let conversations: Vec<&[Cell]> = fresh
        .iter()
        .map(|conversation| conversation.cells.as_slice())
        .collect();
    let target = Target {
        table: "conversations",
        columns: &insert::CONVERSATION,
        on_duplicate: WIDEN,
    };
    insert(connection, target, &batch.text, &conversations, *max_packet).await?;
    for (at, left) in &batch.leaving {
        marks::leave(connection, left, *at).await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(Ok(fresh))
}

#[derive(QueryableByName)]
struct DayState {
    #[diesel(sql_type = BigInt)]
    closed: i64,
    #[diesel(sql_type = BigInt)]
    dirty: i64,
}

/// Keeps the day from being closed until the transaction ends, and marks it where it already is.
pub(super) async fn enter(connection: &mut AsyncMysqlConnection, day: Day) -> Answer<()> {
    let date = day.to_string();
    let values = [Value::Text(&date)];
    let lock = Statement {
        sql: LOCK_DAY,
        values: &values,
    };
    let state: Vec<DayState> = lock.load(connection).await?;
    match state.as_slice().first() {
        Some(state) if state.closed == 0 || state.dirty != 0 => Ok(()),
        Some(_) => {
            let mark = Statement {
                sql: "UPDATE recording_days SET dirty = 1 WHERE day = ?",
                values: &values,
            };
            mark.execute(connection).await?;
            Ok(())
        }
        // It is begun like a day whose table is missing.
        None => Err(Fault::Server(NO_SUCH_TABLE, None)),
    }
}

async fn write_day(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    day: Day,
    text: &str,
    cells: &DayCells,
    max_packet: usize,
) -> Answer<()> {
    let messages = sorted(&cells.messages, columns::MESSAGE_WIDTH);
    let target = Target {
        table: &mode.table(MESSAGES, day),
        columns: &insert::MESSAGE,
        on_duplicate: DO_NOTHING,
    };
    insert(connection, target, text, &messages, max_packet).await?;
    let errors = sorted(&cells.errors, columns::ERROR_WIDTH);
    let target = Target {
        table: &mode.table(ERRORS, day),
        columns: &insert::ERROR,
        on_duplicate: DO_NOTHING,
    };
    insert(connection, target, text, &errors, max_packet).await
}

/// The rows in the order of their keys: two writers that meet wait for each other, and do not deadlock.
fn sorted(cells: &[Cell], width: usize) -> Vec<&[Cell]> {
    let mut rows: Vec<&[Cell]> = cells.chunks_exact(width).collect();
    rows.sort_unstable_by_key(|row| {
        let created_at = match row.get(CREATED_AT) {
            Some(Cell::Integer(at)) => *at,
            _ => 0,
        };
        (
            bytes(row.get(CONVERSATION_ID)),
            created_at,
            bytes(row.get(ID)),
        )
    });
    rows
}

fn bytes(cell: Option<&Cell>) -> [u8; 16] {
    match cell {
        Some(Cell::Bytes(bytes)) => *bytes,
        _ => [0; 16],
    }
}
