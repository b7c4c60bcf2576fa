//! The sizes of tables as the server keeps count of them by itself.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::days;
use crate::{
    partition::{ERRORS, MESSAGES},
    store::Partition,
};

/// What the server keeps of a table.
#[derive(QueryableByName)]
struct Estimate {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
    /// `None` where its rows lie on other nodes.
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
}

/// The tables that hold rows, with their size without counting, oldest day first.
pub(super) async fn partitions(mut connection: &AsyncPgConnection) -> QueryResult<Vec<Partition>> {
    let mut partitions = Vec::new();
    for prefix in [MESSAGES, ERRORS] {
        // Until a table is analyzed the planner's number is below 0, and the statistics have it.
        let estimates: Vec<Estimate> = sql_query(
            "SELECT c.relname::text AS name, \
             greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0) AS rows, \
             nullif(pg_total_relation_size(c.oid), 0) AS bytes FROM pg_class AS c \
             WHERE c.oid = to_regclass($1) OR c.oid IN \
             (SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = to_regclass($1))",
        )
        .bind::<Text, _>(prefix)
        .load(&mut connection)
        .await?;
        for (table, day) in days::tables(connection, prefix).await? {
            let estimate = estimates.iter().find(|estimate| estimate.name == table);
            partitions.push(Partition {
                day: day.map(|day| day.to_string()),
                table,
                rows: estimate.map_or(0, |estimate| estimate.rows),
                bytes: estimate.and_then(|estimate| estimate.bytes),
            });
        }
    }
    Ok(partitions)
}
