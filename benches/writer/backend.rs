//! The databases that are measured: an SQLite file, and servers of the benchmark's own with the
//! durability that people run them with.

use std::{
    env, fmt, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use mysql_async::{Conn, Opts, prelude::Queryable};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{cores::parent, mariadb, postgres};

/// Over the settings of the tests' servers, which would not survive a crash of the machine.
const POSTGRES_SETTINGS: [&str; 6] = [
    "fsync=on",
    "full_page_writes=on",
    "autovacuum=on",
    "max_wal_size=4GB",
    "shared_buffers=1GB",
    "shared_preload_libraries=pg_stat_statements",
];
const MARIADB_SETTINGS: [&str; 4] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-log-file-size=1G",
    "--innodb-buffer-pool-size=1G",
    "--local-infile=ON",
];

/// Ends the server `$2`, whose data is in `$3`, once the process `$1` is gone.
const WATCHDOG: &str = r#"
while kill -0 "$1" 2>/dev/null; do sleep 1; done
if grep -q "$3" "/proc/$2/cmdline" 2>/dev/null; then kill -INT "$2"; fi
while kill -0 "$2" 2>/dev/null; do sleep 1; done
rm -rf "$3"
"#;

/// Statements that diesel handed to SQLite, which has no server to count them.
static SQLITE_STATEMENTS: AtomicI64 = AtomicI64::new(0);

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Postgres,
    Mysql,
    Sqlite,
}

impl Backend {
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Mysql, Self::Sqlite];

    pub fn named(name: &str) -> Option<Self> {
        match name {
            "postgres" => Some(Self::Postgres),
            "mysql" | "mariadb" => Some(Self::Mysql),
            "sqlite" => Some(Self::Sqlite),
            _ => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MariaDB",
            Self::Sqlite => "SQLite",
        })
    }
}

/// Where databases are made. A server that was started ends with it.
pub enum Server {
    Postgres(String, Option<postgres::Server>),
    Mysql(String, Option<mariadb::Server>),
    Sqlite(TempDir),
}

impl Server {
    /// Starts one, unless `TEST_POSTGRES_DSN` or `TEST_MYSQL_DSN` names another.
    pub fn start(backend: Backend, runtime: &Runtime) -> Self {
        let server = Self::begin(backend);
        if let Self::Postgres(_, Some(_)) | Self::Mysql(_, Some(_)) = server {
            let database = server.database(runtime);
            runtime.block_on(database.watch());
        }
        server
    }

    fn begin(backend: Backend) -> Self {
        let named = |variable| {
            let dsn: Option<String> = env::var(variable).ok();
            dsn.map(|dsn| dsn.trim_end_matches('/').to_owned())
        };
        match backend {
            Backend::Postgres => match named("TEST_POSTGRES_DSN") {
                Some(dsn) => Self::Postgres(dsn, None),
                None => {
                    let server = postgres::Server::start(&POSTGRES_SETTINGS);
                    Self::Postgres(server.dsn(), Some(server))
                }
            },
            Backend::Mysql => match named("TEST_MYSQL_DSN") {
                Some(dsn) => Self::Mysql(dsn, None),
                None => {
                    let server = mariadb::Server::start(&MARIADB_SETTINGS);
                    Self::Mysql(server.dsn(), Some(server))
                }
            },
            Backend::Sqlite => {
                let count = || -> Option<Box<dyn diesel::connection::Instrumentation>> {
                    Some(Box::new(|event: InstrumentationEvent<'_>| {
                        if let InstrumentationEvent::StartQuery { .. } = event {
                            SQLITE_STATEMENTS.fetch_add(1, Relaxed);
                        }
                    }))
                };
                set_default_instrumentation(count).expect("no connection yet");
                Self::Sqlite(tempfile::tempdir().expect("a folder"))
            }
        }
    }

    /// An empty database, dropped with what is returned.
    pub fn database(&self, runtime: &Runtime) -> Database {
        match self {
            Self::Postgres(dsn, _) => {
                Database::Postgres(runtime.block_on(postgres::Database::on(dsn)))
            }
            Self::Mysql(dsn, _) => Database::Mysql(runtime.block_on(mariadb::Database::on(dsn))),
            Self::Sqlite(folder) => {
                let name = format!("{:x}.db", rand::random::<u64>());
                Database::Sqlite(folder.path().join(name))
            }
        }
    }
}

/// A database of one measurement.
pub enum Database {
    Postgres(postgres::Database),
    Mysql(mariadb::Database),
    Sqlite(PathBuf),
}

impl Database {
    pub fn dsn(&self) -> String {
        match self {
            Self::Postgres(database) => database.dsn(),
            Self::Mysql(database) => database.dsn(),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
        }
    }

    /// The one number that this query answers with.
    pub async fn number(&self, sql: &str) -> i64 {
        match self {
            Self::Postgres(database) => database.number(sql).await,
            Self::Mysql(database) => database.number(sql).await,
            Self::Sqlite(path) => {
                let connection = Connection::open(path).expect("a file");
                let number = connection.query_row(sql, [], |row| row.get(0));
                number.unwrap_or_else(|error| panic!("{sql}: {error}"))
            }
        }
    }

    #[allow(dead_code, reason = "only one of two programs loads past the store")]
    pub async fn execute(&self, sql: &str) {
        match self {
            Self::Postgres(database) => database.execute(sql).await,
            Self::Mysql(database) => database.execute(sql).await,
            Self::Sqlite(path) => {
                let connection = Connection::open(path).expect("a file");
                let done = connection.execute_batch(sql);
                done.unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
        }
    }

    /// Has its server end with this process, however that ends.
    async fn watch(&self) {
        let server = self.server().await.expect("a server on this machine");
        let folder = match self {
            Self::Postgres(database) => {
                let client = database.connect().await;
                let folder = client.query_one("SHOW data_directory", &[]).await;
                folder.expect("a superuser").get(0)
            }
            Self::Mysql(database) => {
                let opts = Opts::from_url(&database.dsn()).expect("a DSN");
                let mut connection = Conn::new(opts).await.expect("a connection");
                let folder = connection.query_first("SELECT @@datadir").await;
                folder.expect("a server").unwrap_or_default()
            }
            Self::Sqlite(_) => String::new(),
        };
        let mut watchdog = Command::new("sh");
        watchdog
            .args(["-c", WATCHDOG, "watchdog"])
            .args([process::id().to_string(), server.to_string()])
            .arg(folder.trim_end_matches('/'))
            .stdin(Stdio::null())
            .process_group(0);
        drop(watchdog.spawn().expect("sh"));
    }

    /// The server's process, where it is on this machine.
    pub async fn server(&self) -> Option<u32> {
        match self {
            Self::Postgres(database) => {
                let of_connection = database.number("pg_backend_pid()").await;
                // Of a server elsewhere this is nobody's, or not PostgreSQL's.
                let name = fs::read_to_string(format!("/proc/{of_connection}/comm")).ok()?;
                name.starts_with("postgres").then_some(())?;
                parent(u32::try_from(of_connection).ok()?)
            }
            Self::Mysql(database) => {
                let opts = Opts::from_url(&database.dsn()).ok()?;
                let mut connection = Conn::new(opts).await.ok()?;
                let path: Option<String> =
                    connection.query_first("SELECT @@pid_file").await.ok()?;
                fs::read_to_string(path?).ok()?.trim().parse().ok()
            }
            Self::Sqlite(_) => None,
        }
    }

    /// Statements so far, as the server counts them, with those that it takes to ask.
    /// `None` where the server does not count.
    pub async fn statements(&self) -> Option<i64> {
        match self {
            Self::Postgres(database) => {
                let client = database.connect().await;
                let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
                client.batch_execute(extension).await.ok()?;
                let count = "SELECT sum(s.calls)::bigint FROM pg_stat_statements AS s \
                     JOIN pg_database AS d ON d.oid = s.dbid AND d.datname = current_database()";
                client.query_one(count, &[]).await.ok()?.get(0)
            }
            Self::Mysql(database) => {
                let count = "SELECT variable_value FROM information_schema.global_status \
                     WHERE variable_name = 'Questions'";
                Some(database.number(count).await)
            }
            Self::Sqlite(_) => Some(SQLITE_STATEMENTS.load(Relaxed)),
        }
    }

    /// Lets the server do what it would have done by itself by the next day.
    #[allow(dead_code, reason = "only one of two programs reads much")]
    pub async fn settle(&self) {
        match self {
            Self::Postgres(database) => database.execute("VACUUM ANALYZE").await,
            Self::Mysql(_) => {}
            Self::Sqlite(path) => {
                let connection = Connection::open(path).expect("a file");
                let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
                connection
                    .query_row(checkpoint, [], |_| Ok(()))
                    .expect("a checkpoint");
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Sqlite(path) = self {
            for suffix in ["", "-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(suffix);
                // Without connections the last two are gone already.
                let _ = fs::remove_file(Path::new(&name));
            }
        }
    }
}
