//! Making and renaming conversations by hand.

use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::{Answer, asked},
    marks,
    statement::{Kind, Statement, Value},
};
use crate::{id::Id, partition::Day, store::NewConversation};

/// A row with this key is there.
const DUPLICATE_KEY: u16 = 1062;

/// Makes a conversation that has no messages, and says whether it was new.
pub(super) async fn create(
    connection: &mut AsyncMysqlConnection,
    new: &NewConversation,
) -> Answer<bool> {
    let NewConversation {
        id,
        tenant,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at: _,
        sends_history,
        parent_conversation_id,
    } = new;
    let deleted = marks::find(connection, &new.marks()).await?;
    let created_at = new.begins(&deleted);
    let day = Day::from_unix_ms(created_at).to_string();
    let make = Statement {
        sql: "INSERT INTO conversations (id, tenant, session_id, user_identifier, title, \
              session_source, created_at, newest_at, sends_history, parent_conversation_id, first_day, last_day) \
              VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values: &[
            Value::Bytes(*id.as_bytes()),
            Value::Text(tenant),
            Value::Text(session_id),
            Value::Text(user_identifier),
            title
                .as_deref()
                .map_or(Value::Null(Kind::Text), Value::Text),
            Value::Text(session_source),
            Value::Time(Millis(created_at)),
            Value::Time(Millis(created_at)),
            Value::Number(i64::from(*sends_history)),
            parent_conversation_id
                .map_or(Value::Null(Kind::Bytes), |id| Value::Bytes(*id.as_bytes())),
            Value::Text(&day),
            Value::Text(&day),
        ],
    };
    let made = make.execute(connection).await.map_err(Into::into);
    match asked(connection, made).await {
        Ok(rows) => Ok(rows > 0),
        Err(fault) if fault.is(DUPLICATE_KEY) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Changes the title, and says whether there was one to change.
pub(super) async fn rename(
    connection: &mut AsyncMysqlConnection,
    id: Id,
    title: &str,
) -> Answer<bool> {
    let rename = Statement {
        sql: "UPDATE conversations SET title = ? WHERE id = ?",
        values: &[Value::Text(title), Value::Bytes(*id.as_bytes())],
    };
    Ok(rename.execute(connection).await? > 0)
}
