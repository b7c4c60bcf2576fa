//! Batches into tables, each in one transaction.

use diesel::{
    prelude::*,
    result::{DatabaseErrorKind, Error},
    sql_types::{Bytea, Nullable},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::join;

use super::{
    citus, days,
    error::Doing,
    insert::{Kind, Target, insert, is_one_statement},
    marks,
    prepared::{Bind, Prepared},
    session::Session,
    sqlstate::SqlState,
};
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{
        columns,
        deletion::{Fate, Found, Leaving, Mark},
        memory::Memory,
        pack::{Batch, Cell, ConversationCells},
    },
};

const BEGIN: &str = concat!("BEGIN; ", lock!(batch));

/// How often a batch that met another one is sent again before its writer is told.
const ATTEMPTS: usize = 5;

const DO_NOTHING: &str = " ON CONFLICT DO NOTHING";

/// Changes a conversation that stands there only where it learns something.
const WIDEN: &str = " ON CONFLICT (id) DO UPDATE SET \
     first_day = LEAST(conversations.first_day, EXCLUDED.first_day), \
     last_day = GREATEST(conversations.last_day, EXCLUDED.last_day), \
     title = COALESCE(conversations.title, EXCLUDED.title), \
     sends_history = conversations.sends_history OR EXCLUDED.sends_history \
     WHERE conversations.first_day > EXCLUDED.first_day \
     OR conversations.last_day < EXCLUDED.last_day \
     OR (conversations.title IS NULL AND EXCLUDED.title IS NOT NULL) \
     OR conversations.sends_history < EXCLUDED.sends_history";

/// Notes that days have rows which are in no count yet, and changes nothing that stands there
/// already. It answers with what changes when conversations are dropped.
const MARK_DAYS: &str = "WITH days AS (SELECT UNNEST(?)::date AS day), \
     late AS (UPDATE recording_days SET dirty = 1 \
     WHERE day IN (SELECT day FROM days) AND dirty <> 1), \
     begun AS (INSERT INTO recording_days (day) SELECT day FROM days \
     WHERE day NOT IN (SELECT day FROM recording_days WHERE day IN (SELECT day FROM days)) \
     ON CONFLICT DO NOTHING) \
     SELECT (SELECT value FROM recording_meta WHERE key = 'dropped') AS dropped";

use Kind::{Flag, Hash, Number, Text as Words, Time, Uuid as Uid};

const CONVERSATIONS: Target = Target {
    table: "conversations",
    columns: columns::NEW_CONVERSATION,
    select: "id, tenant, session_id, user_identifier, title, session_source, created_at, \
             sends_history, parent_conversation_id, first_day::date, last_day::date",
    kinds: &[
        Uid, Words, Words, Words, Words, Words, Time, Flag, Uid, Words, Words,
    ],
    on_conflict: WIDEN,
};

#[rustfmt::skip]
const MESSAGE_ROWS: Target = Target {
    table: MESSAGES,
    columns: columns::MESSAGE,
    select: columns::MESSAGE,
    kinds: &[
        Uid, Time, Uid, Words, Words, Words, Words, Words, Words, Words, Number, Flag, Words, Words,
        Number, Number, Words, Words, Words,
        Uid, Uid, Hash, Words, Words, Number, Number, Words, Hash, Time, Words, Words,
        Number, Number, Number, Number, Number, Number, Words,
    ],
    on_conflict: "",
};

/// The same, of which some may stand there.
const MESSAGE_ROWS_AGAIN: Target = Target {
    on_conflict: DO_NOTHING,
    ..MESSAGE_ROWS
};

#[rustfmt::skip]
const ERROR_ROWS: Target = Target {
    table: ERRORS,
    columns: columns::ERROR,
    select: columns::ERROR,
    kinds: &[
        Uid, Time, Uid, Words, Words, Words, Words, Words, Words, Words, Number, Flag, Words, Words,
        Number, Number, Words, Words, Words,
        Uid, Uid, Words, Words, Number, Words, Words, Words,
        Number, Number, Number, Number, Number, Number, Words,
    ],
    on_conflict: "",
};

/// The same, of which some may stand there.
const ERROR_ROWS_AGAIN: Target = Target {
    on_conflict: DO_NOTHING,
    ..ERROR_ROWS
};

const RESPONSE_ROWS: Target = Target {
    table: "response_ids",
    columns: columns::RESPONSE,
    select: columns::RESPONSE,
    kinds: &[Hash, Uid, Uid, Time],
    on_conflict: DO_NOTHING,
};

/// Where a batch goes. Rows are nearly always new, and to look for each before it is inserted costs
/// a third of the whole; so that is left to the key, and only a batch it refuses is sent once more
/// with that look.
#[derive(Clone, Copy)]
struct Targets {
    messages: &'static Target,
    errors: &'static Target,
}

const FIRST: Targets = Targets {
    messages: &MESSAGE_ROWS,
    errors: &ERROR_ROWS,
};
const AGAIN: Targets = Targets {
    messages: &MESSAGE_ROWS_AGAIN,
    errors: &ERROR_ROWS_AGAIN,
};

const _: () = assert!(CONVERSATIONS.kinds.len() == columns::NEW_CONVERSATION_WIDTH);
const _: () = assert!(MESSAGE_ROWS.kinds.len() == columns::MESSAGE_WIDTH);
const _: () = assert!(RESPONSE_ROWS.kinds.len() == columns::RESPONSE_WIDTH);
const _: () = assert!(ERROR_ROWS.kinds.len() == columns::ERROR_WIDTH);
/// Where a row's own id stands.
const ROW_ID: usize = 19;

/// Writes the batch in one transaction, unless it holds what was deleted; and says what it was doing
/// where that failed.
pub(super) async fn write(session: &mut Session, batch: &Batch) -> Result<Fate, (Doing, Error)> {
    let days: Vec<Day> = batch.days.keys().copied().collect();
    let mut targets = FIRST;
    let mut attempts = 1;
    loop {
        let result = write_once(session, targets, batch, &days).await;
        match (result, session.state()) {
            (Ok(Written::WithGaps), _) => {}
            (Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)), _)
                if attempts < ATTEMPTS =>
            {
                targets = AGAIN;
            }
            (Err(error), Some(SqlState::NO_PARTITION))
                if attempts < ATTEMPTS && is_no_constraint(&error) =>
            {
                let made = days::make(session, &days).await;
                made.map_err(|error| (Doing::MakingDays, error))?;
            }
            // Citus says no more of what a node refused: a day, or a row, may be missing or there.
            (Err(_), Some(SqlState::INTERNAL)) if attempts < ATTEMPTS => {
                targets = AGAIN;
                let made = days::make(session, &days).await;
                made.map_err(|error| (Doing::MakingDays, error))?;
            }
            (Err(error), Some(SqlState::INTERNAL)) => {
                let doing = match citus::are_spread(&session.connection).await {
                    Ok(true) => Doing::WritingToNodes,
                    _ => Doing::Writing,
                };
                return Err((doing, error));
            }
            (Err(_), Some(SqlState::DEADLOCK | SqlState::SERIALIZATION)) if attempts < ATTEMPTS => {
            }
            (Ok(Written::Whole), _) => return Ok(Fate::Written),
            (Ok(Written::Deleted(found)), _) => return Ok(Fate::Deleted(found)),
            (Err(error), _) => return Err((Doing::Writing, error)),
        }
        attempts += 1;
    }
}

/// What became of a batch.
enum Written {
    Whole,
    /// Taken back: a conversation that was stored is no longer.
    WithGaps,
    /// Taken back: something of it was deleted.
    Deleted(Found),
}

/// A missing partition has the code of a constraint that is violated, and no constraint.
fn is_no_constraint(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information) if information.constraint_name().is_none())
}

async fn write_once(
    session: &mut Session,
    targets: Targets,
    batch: &Batch,
    days: &[Day],
) -> QueryResult<Written> {
    let memory = &session.memory;
    let mut fresh: Vec<&ConversationCells> = batch
        .conversations
        .iter()
        .filter(|conversation| !memory.covers(conversation))
        .collect();
    fresh.sort_unstable_by_key(|conversation| conversation.id);
    session.forget_state();
    let written = write_rows(&session.connection, targets, batch, &fresh, days).await;
    if let Ok((_, found)) = &written {
        let deleted = batch.deletions.unknown(found.clone());
        if !deleted.is_empty() {
            session.connection.batch_execute("ROLLBACK").await?;
            return Ok(Written::Deleted(deleted));
        }
    }
    if let Ok((DroppedRow { dropped }, _)) = &written
        && *dropped != session.dropped
    {
        // What this connection remembers may be gone.
        session.dropped.clone_from(dropped);
        session.memory = Memory::default();
        if fresh.len() < batch.conversations.len() {
            session.connection.batch_execute("ROLLBACK").await?;
            return Ok(Written::WithGaps);
        }
    }
    let left = match written {
        Ok(_) => leave(&mut session.connection, &batch.leaving).await,
        Err(error) => Err(error),
    };
    session.end(left).await?;
    for conversation in fresh {
        session.memory.learn(conversation);
    }
    Ok(Written::Whole)
}

/// Leaves the marks of what was left out of the batch.
async fn leave(connection: &mut AsyncPgConnection, leaving: &Leaving) -> QueryResult<()> {
    for (at, left) in leaving {
        let left: Vec<Mark> = left.iter().copied().collect();
        marks::leave(connection, &left, *at).await?;
    }
    Ok(())
}

/// In an order that is the same in every process, so that two batches with the same rows wait for
/// each other and do not lock each other out.
async fn write_rows(
    connection: &AsyncPgConnection,
    targets: Targets,
    batch: &Batch,
    fresh: &[&ConversationCells],
    days: &[Day],
) -> QueryResult<(DroppedRow, Found)> {
    let conversations: Vec<&[Cell]> = fresh
        .iter()
        .map(|conversation| conversation.cells.as_slice())
        .collect();
    let cells = batch.days.values();
    let messages = sorted(cells.map(|day| &*day.messages), columns::MESSAGE_WIDTH);
    let cells = batch.days.values();
    let errors = sorted(cells.map(|day| &*day.errors), columns::ERROR_WIDTH);
    let mut responses: Vec<&[Cell]> = (batch.responses)
        .chunks_exact(columns::RESPONSE_WIDTH)
        .collect();
    responses.sort_unstable_by_key(|row| bytes(&row[0]));
    let rows = [&conversations, &messages, &errors, &responses];
    let one_each = rows.iter().all(|rows| is_one_statement(rows));
    let text = &batch.text;
    let mut beginning = connection;
    let begin = beginning.batch_execute(BEGIN);
    let conversations = insert(connection, &CONVERSATIONS, text, &conversations);
    let messages = insert(connection, targets.messages, text, &messages);
    let errors = insert(connection, targets.errors, text, &errors);
    let responses = insert(connection, &RESPONSE_ROWS, text, &responses);
    let marks = mark_days(connection, days);
    let found = marks::find(connection, batch.marks.clone());
    if one_each {
        // One way to the server and back instead of seven. They are sent in this order: the first
        // statement is not prepared, and the others wait in line for the cache of those that are.
        let (begin, conversations, messages, errors, responses, marks, found) = join!(
            begin,
            conversations,
            messages,
            errors,
            responses,
            marks,
            found
        );
        let rows = begin.and(conversations).and(messages).and(errors);
        return Ok((rows.and(responses).and(marks)?, found?));
    }
    begin.await?;
    conversations.await?;
    messages.await?;
    errors.await?;
    responses.await?;
    Ok((marks.await?, found.await?))
}

/// The rows by their key.
fn sorted<'a>(days: impl Iterator<Item = &'a [Cell]>, width: usize) -> Vec<&'a [Cell]> {
    let mut rows: Vec<&[Cell]> = days.flat_map(|cells| cells.chunks_exact(width)).collect();
    let time = |cell: &Cell| match *cell {
        Cell::Integer(time) => time,
        _ => 0,
    };
    rows.sort_by_cached_key(|row| (bytes(&row[0]), time(&row[1]), bytes(&row[ROW_ID])));
    rows
}

fn bytes(cell: &Cell) -> [u8; 16] {
    match *cell {
        Cell::Bytes(bytes) => bytes,
        _ => [0; 16],
    }
}

async fn mark_days(mut connection: &AsyncPgConnection, days: &[Day]) -> QueryResult<DroppedRow> {
    Prepared {
        sql: MARK_DAYS,
        binds: vec![Bind::Texts(days.iter().map(Day::to_string).collect())],
    }
    .get_result(&mut connection)
    .await
}

/// The answer to [`MARK_DAYS`].
#[derive(QueryableByName)]
struct DroppedRow {
    #[diesel(sql_type = Nullable<Bytea>)]
    dropped: Option<Vec<u8>>,
}
