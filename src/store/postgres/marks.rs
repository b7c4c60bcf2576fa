//! The marks that deletions leave behind.

use diesel::{
    pg::data_types::PgTimestamp,
    prelude::*,
    sql_query,
    sql_types::{Array, Bytea, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    decode::time,
    prepared::{Bind, Prepared},
    time::from_pg,
};
use crate::store::{
    UnixMillis,
    deletion::{Found, Mark},
};

/// What becomes of a mark that is there already.
pub(super) const LATEST: &str = "ON CONFLICT (hash) DO UPDATE SET \
     erased_at = GREATEST(recording_erasures.erased_at, EXCLUDED.erased_at)";

#[derive(QueryableByName)]
struct MarkRow {
    #[diesel(sql_type = Bytea)]
    hash: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    erased_at: PgTimestamp,
}

/// Those of these marks that are there, with their times.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    wanted: Vec<Mark>,
) -> QueryResult<Found> {
    let rows: Vec<MarkRow> = Prepared {
        sql: "SELECT hash, erased_at FROM recording_erasures WHERE hash = ANY(?)",
        binds: vec![Bind::Hashes(wanted)],
    }
    .load(&mut connection)
    .await?;
    let found = rows.into_iter().filter_map(|row| {
        let PgTimestamp(us) = row.erased_at;
        Some((row.hash.try_into().ok()?, from_pg(us)))
    });
    Ok(found.collect())
}

/// Leaves these marks.
pub(super) async fn leave(
    connection: &mut AsyncPgConnection,
    marks: &[Mark],
    at: UnixMillis,
) -> QueryResult<()> {
    sql_query(format!(
        "INSERT INTO recording_erasures (hash, erased_at) SELECT mark, $2 FROM UNNEST($1) AS mark \
         {LATEST}"
    ))
    .bind::<Array<Bytea>, _>(marks)
    .bind::<Timestamptz, _>(time(at))
    .execute(connection)
    .await
    .map(drop)
}
