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

use std::{
    env,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio_postgres::{Client, Config, NoTls};

const HEARTBEAT: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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
            fs::write(folder.join("server"), server.port.to_string()).expect("a writable folder");
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

/// A server of a test's own, ended with it.
pub(crate) struct Server {
    process: Option<Child>,
    port: u16,
    folder: PathBuf,
}

impl Server {
    /// Starts a server with these settings, such as `ssl=on`, beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let mut server = Self::create();
        server.run(settings);
        server
    }

    /// Makes the files of a server, which [`run`](Self::run) starts.
    pub(crate) fn create() -> Self {
        let folder = home().join(format!("{:x}", rand::random::<u64>()));
        let template = template();
        let copied = Command::new("cp")
            .arg("-a")
            .arg(template)
            .arg(&folder)
            .status();
        assert!(copied.expect("cp").success(), "cp {}", folder.display());
        Self {
            process: None,
            port: free_port(),
            folder,
        }
    }

    /// Writes one of the server's files, such as `pg_hba.conf`.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        fs::write(&path, text).expect("a writable folder");
        if let Some(id) = server_user() {
            chown(&path, Some(id), Some(id)).expect("root");
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("a file of our own");
    }

    /// Starts the process, also again with the same data.
    pub(crate) fn run(&mut self, settings: &[&str]) {
        let log = File::create(self.folder.join("log")).expect("a log");
        let port = format!("port={}", self.port);
        let mut command = as_server("postgres");
        command.arg("-D").arg(&self.folder);
        let usual = [
            port.as_str(),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=500",
            "shared_buffers=128MB",
            // The machine does not crash with the test.
            "fsync=off",
            "full_page_writes=off",
            "autovacuum=off",
        ];
        for setting in usual.iter().chain(settings) {
            command.arg("-c").arg(setting);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            // What ends the tests is not to end the server.
            .process_group(0);
        self.process = Some(command.spawn().expect("postgres: scripts/test installs it"));
        let begun = Instant::now();
        while !self.is_ready() {
            let ended = self.process.as_mut().map(Child::try_wait);
            let log = self.folder.join("log");
            assert!(
                begun.elapsed() < START_TIMEOUT && matches!(ended, Some(Ok(None))),
                "postgres does not start: {}",
                fs::read_to_string(log).unwrap_or_default()
            );
            pause();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn dsn(&self) -> String {
        dsn(self.port)
    }

    /// Ends the process as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// The last line of the file that tells others where the server is.
    fn is_ready(&self) -> bool {
        let status = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let ready = status
            .lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready");
        ready && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // At once, and with all processes of the server.
            let id = process.id().to_string();
            let _ = Command::new("kill").args(["-QUIT", &id]).status();
            let _ = process.wait();
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Hands the server over to a watchdog.
#[expect(
    clippy::zombie_processes,
    reason = "both outlive this process, and the next one that tests uses the server too"
)]
fn watch(home: &Path, mut server: Server) -> u16 {
    let process = server.process.take().expect("a started server");
    Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .arg(process.id().to_string())
        .args([home, &server.folder])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh");
    server.port
}

fn dsn(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}")
}

fn running(home: &Path) -> Option<u16> {
    let port = fs::read_to_string(home.join("server")).ok()?.parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}

/// An empty database's files, made once: making them takes a second, copying them does not.
fn template() -> PathBuf {
    let home = home();
    let _lock = locked(&home, "template-lock");
    let template = home.join("template");
    let making = home.join("template-being-made");
    if !template.exists() {
        let _ = fs::remove_dir_all(&making);
        let made = as_server("initdb")
            .arg("-D")
            .arg(&making)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync"])
            .output()
            .expect("initdb: scripts/test installs it");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "initdb: {said}");
        fs::rename(making, &template).expect("a writable folder");
    }
    template
}

/// One of the server's programs, as a user who is not root, which it refuses to run as.
fn as_server(name: &str) -> Command {
    let mut command = Command::new(program(name));
    if let Some(id) = server_user() {
        command.uid(id).gid(id).current_dir("/");
    }
    command
}

/// Whom to run the server as; `None`: as whoever runs the tests.
fn server_user() -> Option<u32> {
    let id_of = |arguments: &[&str]| -> Option<u32> {
        let id = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(id.stdout).ok()?.trim().parse().ok()
    };
    (id_of(&["-u"]) == Some(0))
        .then(|| id_of(&["-u", "postgres"]).expect("a user `postgres`: scripts/test installs it"))
}

/// The folder of this checkout's servers.
fn home() -> PathBuf {
    let checkout = env!("CARGO_MANIFEST_DIR").replace('/', "-");
    let folder = env::temp_dir().join(format!("tower-recording-postgres{checkout}"));
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    if let Some(id) = server_user() {
        chown(&folder, Some(id), None).expect("root");
    }
    folder
}

fn locked(home: &Path, name: &str) -> File {
    let lock = File::create(home.join(name)).expect("a writable folder");
    lock.lock().expect("a lock");
    lock
}

fn touch(home: &Path) {
    fs::write(home.join("used"), "").expect("a writable folder");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Debian keeps servers out of a user's PATH, each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    debian.sort();
    env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| name.into())
}

fn pause() {
    let (_never, tick) = mpsc::channel::<()>();
    let _ = tick.recv_timeout(LOOK_AGAIN);
}
