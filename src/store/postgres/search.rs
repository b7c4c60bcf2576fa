//! Looking for a text, in the rows of one day.

use diesel::{
    deserialize,
    pg::Pg,
    prelude::*,
    row::NamedRow,
    sql_query,
    sql_types::{BigInt, Nullable, Text, Uuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{days::within, decode::PgId, read::as_limit};
use crate::{
    partition::{Day, MESSAGES},
    store::{Hit, Search},
};

/// Who asked does not wait much longer for a day.
const WITHIN: &str = "SET LOCAL statement_timeout = '9s'";

struct HitRow(Hit);

impl QueryableByName<Pg> for HitRow {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> deserialize::Result<Self> {
        let PgId(conversation_id) = NamedRow::get::<Uuid, _>(row, "conversation_id")?;
        let PgId(id) = NamedRow::get::<Uuid, _>(row, "id")?;
        Ok(Self(Hit {
            conversation_id,
            id,
        }))
    }
}

/// The newest messages of the day that hold the text, newest first.
pub(super) async fn search(
    mut connection: &AsyncPgConnection,
    wanted: &Search,
) -> QueryResult<Vec<Hit>> {
    connection.batch_execute(WITHIN).await?;
    let within = within(&[Day::from_unix_ms(wanted.day)]);
    // What is left out is not in the statement, so that it is planned for what is there.
    let condition = |column: &str, number: usize, is_set: bool| match is_set {
        true => format!(" AND {column} ${number}"),
        false => format!(" AND ${number}::text IS NULL"),
    };
    let before = match wanted.before {
        Some(_) => " AND h.id < $5",
        None => " AND $5::uuid IS NULL",
    };
    let hits: Vec<HitRow> = sql_query(format!(
        "SELECT h.conversation_id, h.id FROM {MESSAGES} AS h WHERE {within} AND h.tenant = $1 \
         AND strpos(h.content, $2) > 0{}{}{before} ORDER BY h.created_at DESC, h.id DESC LIMIT $6",
        condition("h.user_id =", 3, wanted.user_identifier.is_some()),
        condition("h.model_name =", 4, wanted.model_name.is_some()),
    ))
    .bind::<Text, _>(&wanted.tenant)
    .bind::<Text, _>(&wanted.text)
    .bind::<Nullable<Text>, _>(wanted.user_identifier.as_deref())
    .bind::<Nullable<Text>, _>(wanted.model_name.as_deref())
    .bind::<Nullable<Uuid>, _>(wanted.before.map(PgId))
    .bind::<BigInt, _>(as_limit(wanted.limit))
    .load(&mut connection)
    .await?;
    Ok(hits.into_iter().map(|HitRow(hit)| hit).collect())
}
