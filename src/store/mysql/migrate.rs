//! The schema, and the mode that the database was begun in.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{Binary, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};
use rustls::crypto::ring::default_provider;

use super::{
    days::{self, NumberRow, TextRow},
    error::{Answer, Fault, asked},
    layout::{Layout, Mode},
    lock::{Lock, PATIENCE},
};

/// The migrations by version, oldest first. diesel's own harness blocks and takes no lock, so they
/// are run here, and noted where diesel's command line tool looks.
const MIGRATIONS: [(&str, &str); 2] = [
    (
        "20261121000000",
        include_str!("../../../migrations/mysql/2026-11-21-000000_conversations/up.sql"),
    ),
    (
        "20261126000000",
        include_str!("../../../migrations/mysql/2026-11-26-000000_newest_rows/up.sql"),
    ),
];

const NOTED: &str = "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations (\
     version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// The collation of the migrations' text, which MariaDB has; MySQL's own name for the same order.
const MARIADB_COLLATION: &str = "utf8mb4_nopad_bin";
const MYSQL_COLLATION: &str = "utf8mb4_0900_bin";

const SECRET_BYTES: usize = 32;

/// Brings the schema up to date and settles the mode. Any number of processes may do so at once; a
/// database that is up to date is only read.
pub(super) async fn migrate(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<Layout> {
    if let Some(layout) = settled(connection).await? {
        return Ok(layout);
    }
    Lock::Tables.take(connection, PATIENCE).await?;
    let layout = migrate_alone(connection, wanted).await;
    let layout = asked(connection, layout).await;
    Lock::Tables.release(connection).await?;
    layout
}

/// How the tables are laid out, where nothing is left to do.
async fn settled(connection: &mut AsyncMysqlConnection) -> Answer<Option<Layout>> {
    let tables: NumberRow = sql_query(
        "SELECT COUNT(*) AS value FROM information_schema.tables \
         WHERE table_schema = DATABASE() \
         AND table_name IN ('__diesel_schema_migrations', 'recording_meta')",
    )
    .get_result(connection)
    .await?;
    if tables.value != Some(2) || !pending(connection).await?.is_empty() {
        return Ok(None);
    }
    Layout::find(connection).await
}

async fn migrate_alone(connection: &mut AsyncMysqlConnection, wanted: Mode) -> Answer<Layout> {
    connection.batch_execute(NOTED).await?;
    let collation = collation(connection).await?;
    for (version, sql) in pending(connection).await? {
        let sql = sql.replace(MARIADB_COLLATION, collation);
        connection.batch_execute(&sql).await?;
        sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES (?)")
            .bind::<Text, _>(version)
            .execute(connection)
            .await?;
    }
    keep(connection, "schema_version", b"1").await?;
    keep(connection, "secret", &chance()?).await?;
    if wanted == Mode::Single && Layout::find(connection).await?.is_none() {
        days::make_single(connection).await?;
    }
    keep(connection, "partition", wanted.as_str().as_bytes()).await?;
    Layout::read(connection).await
}

async fn pending(
    connection: &mut AsyncMysqlConnection,
) -> Answer<Vec<(&'static str, &'static str)>> {
    let run: Vec<TextRow> = sql_query("SELECT version AS value FROM __diesel_schema_migrations")
        .load(connection)
        .await?;
    let is_run = |version: &str| run.iter().any(|row| row.value == version);
    Ok(MIGRATIONS
        .into_iter()
        .filter(|(version, _)| !is_run(version))
        .collect())
}

/// The key of the hashes, which whoever migrated first has made.
pub(super) async fn secret(connection: &mut AsyncMysqlConnection) -> Answer<[u8; SECRET_BYTES]> {
    let rows: Vec<SecretRow> = sql_query("SELECT value FROM recording_meta WHERE `key` = 'secret'")
        .load(connection)
        .await?;
    let secret = rows
        .as_slice()
        .first()
        .map(|row| row.value.as_slice().try_into());
    match secret {
        Some(Ok(secret)) => Ok(secret),
        _ => Err(Fault::Away(
            "recording_meta holds no secret of 32 bytes".to_owned(),
        )),
    }
}

#[derive(QueryableByName)]
struct SecretRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
}

/// Writes a value that no later process changes.
async fn keep(connection: &mut AsyncMysqlConnection, key: &str, value: &[u8]) -> Answer<()> {
    sql_query("INSERT INTO recording_meta (`key`, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE `key` = `key`")
        .bind::<Text, _>(key)
        .bind::<Binary, _>(value)
        .execute(connection)
        .await?;
    Ok(())
}

async fn collation(connection: &mut AsyncMysqlConnection) -> Answer<&'static str> {
    let known: NumberRow = sql_query(
        "SELECT COUNT(*) AS value FROM information_schema.collations WHERE collation_name = ?",
    )
    .bind::<Text, _>(MARIADB_COLLATION)
    .get_result(connection)
    .await?;
    Ok(match known.value {
        Some(1..) => MARIADB_COLLATION,
        _ => MYSQL_COLLATION,
    })
}

fn chance() -> Answer<[u8; SECRET_BYTES]> {
    let mut secret = [0; SECRET_BYTES];
    match default_provider().secure_random.fill(&mut secret) {
        Ok(()) => Ok(secret),
        Err(_) => Err(Fault::Away("the system gives no random bytes".to_owned())),
    }
}
