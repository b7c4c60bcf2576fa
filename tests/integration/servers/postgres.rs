//! A PostgreSQL for the tests.
//!
//! `TEST_POSTGRES_DSN` points them at a server that already runs, as a user who may make databases:
//! `postgres://postgres:pw@127.0.0.1:5432`. Where it names a database, tests make schemas in that one
//! instead, as a Citus cluster needs it. Otherwise a private server is started on 127.0.0.1, in a
//! folder of its own, and shared by all test processes of this checkout:
//!
//! - `lock` is held while a process looks for the server or starts it;
//! - `server` holds the port, as long as the server lives;
//! - `used` is touched every few seconds by each process that uses it. A watchdog ends the server and
//!   removes its folder when nobody has for a minute.

#[path = "postgres/cluster.rs"]
mod cluster;

use std::{
    env, fs,
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use tokio_postgres::{Client, Config, NoTls};

pub(crate) use self::cluster::Server;
use self::cluster::{dsn, home, locked};

const HEARTBEAT: Duration = Duration::from_secs(5);

/// Ends the server `$1` once the file `$2/used` is older than a minute. `$3` is its data.
const WATCHDOG: &str = r#"
while sleep 5 && kill -0 "$1" 2>/dev/null; do
  if [ -n "$(find "$2/used" -mmin +1)" ]; then
    exec 9>"$2/lock"; flock 9
    if [ -n "$(find "$2/used" -mmin +1)" ]; then rm -f "$2/server"; kill -INT "$1"; break; fi
    flock -u 9
  fi
done
sleep 5; rm -rf "$3"
"#;

/// A database of a test's own, or a schema, dropped with it.
pub(crate) struct Database {
    server: String,
    name: String,
    schema: bool,
}

impl Database {
    /// On the server that all tests share.
    pub(crate) async fn new() -> Self {
        Self::on(shared()).await
    }

    /// On the server with this DSN.
    pub(crate) async fn on(server: &str) -> Self {
        let database = Self {
            server: server.to_owned(),
            name: format!("test_{}_{:x}", std::process::id(), rand::random::<u64>()),
            schema: server.matches('/').count() > 2,
        };
        let (kind, name) = (database.kind(), &database.name);
        run(server, &format!("CREATE {kind} {name}")).await;
        database
    }

    pub(crate) fn dsn(&self) -> String {
        let Self { server, name, .. } = self;
        if self.schema {
            with(server, &format!("options=-csearch_path%3D{name}"))
        } else {
            format!("{server}/{name}")
        }
    }

    /// The DSN with a further parameter, but `options`.
    pub(crate) fn dsn_with(&self, param: &str) -> String {
        with(&self.dsn(), param)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The one number that this query answers with.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let client = connect(&self.dsn()).await;
        let query = format!("SELECT ({sql})::bigint");
        let row = client.query_one(&query, &[]).await;
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        row.get(0)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        run(&self.dsn(), sql).await;
    }

    /// A connection of the test's own.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.dsn()).await
    }

    fn kind(&self) -> &'static str {
        if self.schema { "SCHEMA" } else { "DATABASE" }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let how = if self.schema {
            "CASCADE"
        } else {
            "WITH (FORCE)"
        };
        let sql = format!("DROP {} {} {how}", self.kind(), self.name);
        let server = self.server.clone();
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                // The test may have ended its server.
                if let Ok(client) = try_connect(&server).await {
                    let _ = client.batch_execute(&sql).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

fn with(dsn: &str, param: &str) -> String {
    let separator = if dsn.contains('?') { '&' } else { '?' };
    format!("{dsn}{separator}{param}")
}

async fn try_connect(dsn: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config: Config = dsn.parse()?;
    if config.get_dbname().is_none() {
        config.dbname("postgres");
    }
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect(dsn: &str) -> Client {
    try_connect(dsn).await.expect("a connection")
}

async fn run(dsn: &str, sql: &str) {
    let result = connect(dsn).await.batch_execute(sql).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// The DSN, without a database, of the server that all tests share.
pub(crate) fn shared() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        if let Ok(dsn) = env::var("TEST_POSTGRES_DSN") {
            return dsn.trim_end_matches('/').to_owned();
        }
        let folder = home();
        let lock = locked(&folder, "lock");
        touch(&folder);
        let port = running(&folder).unwrap_or_else(|| {
            let server = Server::start(&[]);
            fs::write(folder.join("server"), server.port().to_string()).expect("a writable folder");
            watch(&folder, server)
        });
        drop(lock);
        thread::spawn(move || {
            let (_never, tick) = mpsc::channel::<()>();
            loop {
                touch(&folder);
                let _ = tick.recv_timeout(HEARTBEAT);
            }
        });
        dsn(port)
    })
}

/// Hands the server over to a watchdog.
#[expect(
    clippy::zombie_processes,
    reason = "both outlive this process, and the next one that tests uses the server too"
)]
fn watch(home: &Path, mut server: Server) -> u16 {
    let process = server.hand_over();
    Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(process.id().to_string())
        .args([home, server.folder()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh");
    server.port()
}

fn running(home: &Path) -> Option<u16> {
    let port = fs::read_to_string(home.join("server")).ok()?.parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}

fn touch(home: &Path) {
    fs::write(home.join("used"), "").expect("a writable folder");
}
