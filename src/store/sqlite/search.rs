//! Looking for a text, in the rows of one day.

use diesel::{
    deserialize,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Binary, Text},
    sqlite::{Sqlite, SqliteConnection},
};

use super::{
    days::Mode,
    read::{as_limit, unless_dropped},
    recall::id,
};
use crate::{
    partition::{Day, MESSAGES},
    store::{Hit, Search},
};

struct HitRow(Hit);

impl QueryableByName<Sqlite> for HitRow {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        Ok(Self(Hit {
            conversation_id: id(row, "conversation_id")?,
            id: id(row, "id")?,
        }))
    }
}

/// The newest messages of the day that hold the text, newest first.
pub(super) fn search(
    connection: &mut SqliteConnection,
    mode: Mode,
    wanted: &Search,
) -> QueryResult<Vec<Hit>> {
    let day = Day::from_unix_ms(wanted.day);
    let table = mode.table(MESSAGES, day);
    let condition = |column: &str, is_set: bool| match is_set {
        true => format!(" AND {column} ?"),
        false => String::new(),
    };
    let mut query = sql_query(format!(
        "SELECT conversation_id, id FROM {table} WHERE created_at >= ? AND created_at < ? \
         AND tenant = ? AND instr(content, ?) > 0{}{}{} ORDER BY created_at DESC, id DESC LIMIT {}",
        condition("user_id =", wanted.user_identifier.is_some()),
        condition("model_name =", wanted.model_name.is_some()),
        condition("id <", wanted.before.is_some()),
        as_limit(wanted.limit),
    ))
    .into_boxed()
    .bind::<BigInt, _>(day.start_ms())
    .bind::<BigInt, _>(day.end_ms())
    .bind::<Text, _>(&wanted.tenant)
    .bind::<Text, _>(&wanted.text);
    if let Some(user) = &wanted.user_identifier {
        query = query.bind::<Text, _>(user);
    }
    if let Some(model) = &wanted.model_name {
        query = query.bind::<Text, _>(model);
    }
    if let Some(before) = &wanted.before {
        query = query.bind::<Binary, _>(before.as_bytes().as_slice());
    }
    let hits = query.load(connection);
    let hits: Vec<HitRow> = unless_dropped(connection, &table, hits)?.unwrap_or_default();
    Ok(hits.into_iter().map(|HitRow(hit)| hit).collect())
}
