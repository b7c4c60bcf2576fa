//! Making and renaming conversations by hand.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Binary, Nullable, Text},
    sqlite::SqliteConnection,
};

use super::marks;
use crate::{id::Id, partition::Day, store::NewConversation};

/// Makes a conversation that has no messages, and says whether it was new.
pub(super) fn create(
    connection: &mut SqliteConnection,
    new: &NewConversation,
) -> QueryResult<bool> {
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
    let deleted = marks::find(connection, &new.marks())?;
    let created_at = new.begins(&deleted);
    let day = Day::from_unix_ms(created_at).to_string();
    let parent = parent_conversation_id
        .as_ref()
        .map(|id| id.as_bytes().as_slice());
    let made = sql_query(
        "INSERT INTO conversations (id, tenant, session_id, user_identifier, title, session_source, \
         created_at, newest_at, sends_history, parent_conversation_id, first_day, last_day) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind::<Binary, _>(id.as_bytes().as_slice())
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(session_id)
    .bind::<Text, _>(user_identifier)
    .bind::<Nullable<Text>, _>(title.as_deref())
    .bind::<Text, _>(session_source)
    .bind::<BigInt, _>(created_at)
    .bind::<BigInt, _>(created_at)
    .bind::<BigInt, _>(i64::from(*sends_history))
    .bind::<Nullable<Binary>, _>(parent)
    .bind::<Text, _>(&day)
    .bind::<Text, _>(&day)
    .execute(connection)?;
    Ok(made > 0)
}

/// Changes the title, and says whether there was one to change.
pub(super) fn rename(connection: &mut SqliteConnection, id: Id, title: &str) -> QueryResult<bool> {
    let changed = sql_query("UPDATE conversations SET title = ? WHERE id = ?")
        .bind::<Text, _>(title)
        .bind::<Binary, _>(id.as_bytes().as_slice())
        .execute(connection)?;
    Ok(changed > 0)
}
