//! The views over the days, for people's own SQL. The store itself never reads them.

use std::fmt::Write as _;

use diesel_async::{AsyncMysqlConnection, SimpleAsyncConnection};

use super::{
    days::{self, Mode},
    error::{Answer, asked},
};
use crate::partition::{ERRORS, MESSAGES};

/// The newest days that a view shows. MySQL's limit of 61 tables is one of a join, not of a union;
/// MariaDB takes 400 without complaint.
const VIEWED_DAYS: usize = 400;

/// Somebody's long query on a view is not waited for: the view is replaced with the next day.
const VIEW_PATIENCE_SECONDS: u32 = 1;

/// The guide's own view, with the same names in both modes.
const CONVERSATION_MESSAGES: &str = "CREATE OR REPLACE VIEW conversation_messages AS SELECT \
     h.id, h.conversation_id, \
     (SELECT c.session_id FROM conversations c WHERE c.id = h.conversation_id) AS session_id, \
     h.role, h.content, h.model_name, h.token_count, \
     CONCAT(LEFT(DATE_FORMAT(h.created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z') AS `timestamp`, \
     h.user_id, h.exchange_id, h.message_id, h.prompt_tokens, h.completion_tokens, \
     h.total_tokens, h.created_at FROM conversation_histories h";

/// Replaces the views; whoever calls this holds the lock of the tables. A failure is logged and no more.
pub(super) async fn replace(connection: &mut AsyncMysqlConnection, mode: Mode) {
    let patience = "SET @recording_patience = @@SESSION.lock_wait_timeout";
    let hurry = format!("SET SESSION lock_wait_timeout = {VIEW_PATIENCE_SECONDS}");
    let relax = "SET SESSION lock_wait_timeout = @recording_patience";
    let result = match connection
        .batch_execute(&format!("{patience}; {hurry}"))
        .await
    {
        Ok(()) => replace_all(connection, mode).await,
        Err(error) => Err(error.into()),
    };
    let result = asked(connection, result).await;
    let relaxed = connection.batch_execute(relax).await;
    if let Err(fault) = result.and(relaxed.map_err(Into::into)) {
        let error = fault.into_store_error();
        tracing::warn!(%error, "the views over the days could not be replaced");
    }
}

async fn replace_all(connection: &mut AsyncMysqlConnection, mode: Mode) -> Answer<()> {
    if mode == Mode::Daily {
        for prefix in [MESSAGES, ERRORS] {
            let days = days::existing(connection, prefix).await?;
            let mut view = format!("CREATE OR REPLACE VIEW {prefix} AS ");
            let mut separator = "";
            for day in days.iter().rev().take(VIEWED_DAYS) {
                let table = day.table_name(prefix);
                // Writing to a String cannot fail.
                let _ = write!(view, "{separator}SELECT * FROM {table}");
                separator = " UNION ALL ";
            }
            connection.batch_execute(&view).await?;
        }
    }
    connection.batch_execute(CONVERSATION_MESSAGES).await?;
    Ok(())
}
