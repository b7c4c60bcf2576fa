//! The views over the days, for people's own SQL. The store itself never reads them.

use std::fmt::Write as _;

use diesel::{connection::SimpleConnection, prelude::*, sqlite::SqliteConnection};

use super::{days::Mode, tables};
use crate::partition::{ERRORS, MESSAGES};

/// SQLite unions at most 500 selects.
const VIEWED_DAYS: usize = 400;

/// The guide's own view, with the same names in both modes. The scalar subquery lets SQLite push a
/// condition down into every day, which a join would not.
const CONVERSATION_MESSAGES: &str = "CREATE VIEW conversation_messages AS SELECT \
     h.id, h.conversation_id, \
     (SELECT c.session_id FROM conversations c WHERE c.id = h.conversation_id) AS session_id, \
     h.role, h.content, h.model_name, h.token_count, \
     strftime('%Y-%m-%dT%H:%M:%fZ', h.created_at / 1000.0, 'unixepoch') AS timestamp, \
     h.user_id, h.exchange_id, h.message_id, h.prompt_tokens, h.completion_tokens, \
     h.total_tokens, h.created_at FROM conversation_histories h";

/// Replaces the views, inside the caller's transaction, which a failure does not stop.
pub(super) fn try_replace(connection: &mut SqliteConnection, mode: Mode) {
    let replaced = connection.transaction(|connection| replace(connection, mode));
    if let Err(error) = replaced {
        tracing::warn!(%error, "the views over the days could not be replaced");
    }
}

/// Replaces the views, inside the caller's transaction.
pub(super) fn replace(connection: &mut SqliteConnection, mode: Mode) -> QueryResult<()> {
    connection.batch_execute("DROP VIEW IF EXISTS conversation_messages")?;
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            let days = tables::days(connection, prefix)?;
            let mut tables: Vec<String> = days
                .iter()
                .rev()
                .take(VIEWED_DAYS)
                .map(|day| day.table_name(prefix))
                .collect();
            if tables.is_empty() {
                tables.push(tables::template(prefix));
            }
            let mut view = format!("DROP VIEW IF EXISTS {prefix}; CREATE VIEW {prefix} AS ");
            let mut separator = "";
            for table in tables {
                // Writing to a String cannot fail.
                let _ = write!(view, "{separator}SELECT * FROM {table}");
                separator = " UNION ALL ";
            }
            connection.batch_execute(&view)?;
        }
    }
    connection.batch_execute(CONVERSATION_MESSAGES)
}
