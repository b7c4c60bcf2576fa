//! Changing whether days have tables of their own.
//!
//! New tables are filled beside the old ones, indexed, and put in their place at the end, so that
//! readers wait for a moment only. Batches wait all the while.

use diesel::{prelude::*, sql_query, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{
    citus,
    days::{attach, one_by_one},
    decode::{DayRow, day_of},
    migrate::{PARTITIONED, time_index},
    mode::{Mode, TextRow},
    session::Session,
};
use crate::partition::{Day, ERRORS, MESSAGES};

/// What waits for the maintenance of others holds nobody up; what waits for batches does. Citus
/// distributes a table only where all before it went over one connection a node; to others the name
/// says nothing.
const BEGIN: &str = concat!(
    "BEGIN; SET LOCAL citus.multi_shard_modify_mode = 'sequential'; \
     SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5min'; ",
    lock!(maintenance),
    "; ",
    lock!(migration),
    "; ",
    lock!(days),
    "; SET LOCAL lock_timeout = '10s'; ",
    lock!(no batch)
);

/// The commands that make the new table's indexes and constraints, as those of the old one are.
const INDEXES: &str = "SELECT CASE WHEN k.oid IS NULL THEN \
     format('CREATE %sINDEX %I ON %I', CASE WHEN i.indisunique THEN 'UNIQUE ' END, \
     c.relname || '_new', $1 || '_new') || substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*') \
     ELSE format('ALTER TABLE %I ADD CONSTRAINT %I ', $1 || '_new', c.relname || '_new') \
     || pg_get_constraintdef(k.oid) END AS value \
     FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
     LEFT JOIN pg_constraint AS k ON k.conindid = c.oid AND k.conrelid = i.indrelid \
     WHERE i.indrelid = to_regclass($1) AND c.relname <> $1 || '_time' ORDER BY c.relname";

/// The commands that give everybody the rights that he has.
const RIGHTS: &str = "SELECT format('GRANT %s ON %I TO %s%s', a.privilege_type, $1 || '_new', \
     CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, \
     CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) AS value \
     FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = to_regclass($1)";

/// The commands that make views over the tables as they are now.
const VIEWS: &str = "SELECT format('CREATE OR REPLACE VIEW %s AS ', v.oid::regclass) \
     || pg_get_viewdef(v.oid) AS value FROM pg_class AS v WHERE v.relkind = 'v' AND v.oid IN \
     (SELECT r.ev_class FROM pg_rewrite AS r JOIN pg_depend AS d \
     ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
     WHERE d.refobjid IN (to_regclass($1), to_regclass('error_' || $1)))";

/// The commands that give the new indexes their names, once the old ones are gone.
const NAMES: &str = "SELECT format('ALTER INDEX %I RENAME TO %I', c.relname, \
     left(c.relname, -4)) AS value FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
     WHERE i.indrelid = to_regclass($1) AND right(c.relname, 4) = '_new'";

/// Moves all rows, unless they are where they belong.
pub(super) async fn repartition(session: &mut Session, mode: Mode) -> QueryResult<()> {
    session.begin(BEGIN).await?;
    let moved = repartition_alone(&mut session.connection, mode).await;
    session.end(moved).await
}

async fn repartition_alone(connection: &mut AsyncPgConnection, mode: Mode) -> QueryResult<()> {
    if Mode::of(connection).await? == mode {
        return Ok(());
    }
    // Nobody else writes either; everybody may read.
    lock_tables(connection, "SHARE ROW EXCLUSIVE").await?;
    let days = match mode {
        Mode::Daily => days(connection).await?,
        Mode::Single => Vec::new(),
    };
    for prefix in [MESSAGES, ERRORS] {
        fill(connection, prefix, mode, &days).await?;
    }
    // Each read holds the first of these from its begin, so none is between two tables.
    connection
        .batch_execute("LOCK TABLE recording_meta IN ACCESS EXCLUSIVE MODE")
        .await?;
    lock_tables(connection, "ACCESS EXCLUSIVE").await?;
    let views = commands(connection, VIEWS, MESSAGES).await?;
    for prefix in [MESSAGES, ERRORS] {
        let away = format!("ALTER TABLE {prefix} RENAME TO {prefix}_old");
        let here = format!("ALTER TABLE {prefix}_new RENAME TO {prefix}");
        one_by_one(connection, &[away, here]).await?;
    }
    one_by_one(connection, &views).await?;
    for prefix in [MESSAGES, ERRORS] {
        connection
            .batch_execute(&format!("DROP TABLE {prefix}_old"))
            .await?;
        let names = commands(connection, NAMES, prefix).await?;
        one_by_one(connection, &names).await?;
    }
    mode.store(connection).await
}

async fn lock_tables(connection: &mut AsyncPgConnection, how: &str) -> QueryResult<()> {
    connection
        .batch_execute(&format!("LOCK TABLE {MESSAGES}, {ERRORS} IN {how} MODE"))
        .await
}

/// The days that have rows, or may.
async fn days(connection: &mut AsyncPgConnection) -> QueryResult<Vec<Day>> {
    let rows: Vec<DayRow> = sql_query(format!(
        "SELECT day FROM recording_days \
         UNION SELECT (created_at AT TIME ZONE 'UTC')::date FROM {MESSAGES} \
         UNION SELECT (created_at AT TIME ZONE 'UTC')::date FROM {ERRORS} ORDER BY day"
    ))
    .load(connection)
    .await?;
    let mut days: Vec<Day> = rows.into_iter().map(|row| day_of(row.day)).collect();
    // Both ends stand for many.
    days.dedup();
    Ok(days)
}

/// Makes a table of the other kind, with all rows.
async fn fill(
    connection: &mut AsyncPgConnection,
    prefix: &str,
    mode: Mode,
    days: &[Day],
) -> QueryResult<()> {
    let new = format!("{prefix}_new");
    let partitioned = match mode {
        Mode::Daily => PARTITIONED,
        Mode::Single => "",
    };
    connection
        .batch_execute(&format!(
            "CREATE TABLE {new} (LIKE {prefix} INCLUDING ALL EXCLUDING INDEXES){partitioned}"
        ))
        .await?;
    citus::distribute_like(connection, &new, prefix).await?;
    for day in days {
        let table = day.table_name(prefix);
        let attach = attach(&new, &table, *day);
        let create = format!("CREATE TABLE {table} (LIKE {new} INCLUDING ALL)");
        one_by_one(connection, &[create, attach]).await?;
    }
    connection
        .batch_execute(&format!("INSERT INTO {new} SELECT * FROM {prefix}"))
        .await?;
    // Built at the end they cost a fraction of what each row would.
    let indexes = commands(connection, INDEXES, prefix).await?;
    one_by_one(connection, &indexes).await?;
    if mode == Mode::Single {
        connection
            .batch_execute(&time_index(prefix, "_new"))
            .await?;
    }
    let rights = commands(connection, RIGHTS, prefix).await?;
    one_by_one(connection, &rights).await
}

/// The commands that a query makes for a table.
async fn commands(
    connection: &mut AsyncPgConnection,
    query: &str,
    prefix: &str,
) -> QueryResult<Vec<String>> {
    let rows: Vec<TextRow> = sql_query(query)
        .bind::<Text, _>(prefix)
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}
