//! A MariaDB for the tests.
//!
//! `TEST_MYSQL_DSN` points them at a server that already runs, such as `mysql://root:pw@127.0.0.1:3306`:
//! its user must be allowed to make databases. Otherwise a private server is started on 127.0.0.1, in
//! a folder of its own, and shared by all test processes of this checkout:
//!
//! - `lock` is held while a process looks for the server or starts it;
//! - `server` holds the port, as long as the server lives;
//! - `used` is touched every few seconds by each process that uses it. A watchdog ends the server and
//!   removes its folder when nobody has for a minute.

use std::{
    env,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use mysql_async::{Conn, Opts, prelude::Queryable};

/// Where a server keeps its temporary tables: one that starts removes all that it finds there.
const TEMPORARY: &str = "temporary";
const HEARTBEAT: Duration = Duration::from_secs(5);
const START_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Ends the server `$1` once the file `$2/used` is older than a minute. `$3` is its data.
const WATCHDOG: &str = r#"
while sleep 5 && kill -0 "$1" 2>/dev/null; do
  if [ -n "$(find "$2/used" -mmin +1)" ]; then
    exec 9>"$2/lock"; flock 9
    if [ -n "$(find "$2/used" -mmin +1)" ]; then rm -f "$2/server"; kill "$1"; break; fi
    flock -u 9
  fi
done
sleep 5; rm -rf "$3"
"#;

/// A database of a test's own, dropped with it.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// On the server that all tests share.
    pub(crate) async fn new() -> Self {
        Self::on(shared()).await
    }

    /// On the server with this DSN.
    pub(crate) async fn on(server: &str) -> Self {
        let name = format!("test_{}_{:x}", std::process::id(), rand::random::<u64>());
        let database = Self {
            server: server.to_owned(),
            name,
        };
        let sql = format!("CREATE DATABASE {}", database.name);
        run(&database.server, &sql).await;
        database
    }

    pub(crate) fn dsn(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// The one number that this query answers with.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = connect(&self.dsn()).await;
        let number: Option<Option<i64>> = connection
            .query_first(format!("SELECT CAST(({sql}) AS SIGNED)"))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        number.flatten().unwrap_or_else(|| panic!("{sql}: NULL"))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        run(&self.dsn(), sql).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {}", self.name));
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                // The test may have ended its server.
                if let Ok(mut connection) = Conn::new(opts(&server)).await {
                    let _ = connection.query_drop(sql).await;
                }
            });
        });
        let _ = dropping.join();
    }
}

async fn connect(dsn: &str) -> Conn {
    Conn::new(opts(dsn)).await.expect("a connection")
}

fn opts(dsn: &str) -> Opts {
    Opts::from_url(dsn).expect("a DSN")
}

async fn run(dsn: &str, sql: &str) {
    let mut connection = connect(dsn).await;
    let result = connection.query_drop(sql).await;
    result.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// The DSN, without a database, of the server that all tests share.
pub(crate) fn shared() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        if let Ok(dsn) = env::var("TEST_MYSQL_DSN") {
            return dsn.trim_end_matches('/').to_owned();
        }
        let folder = home();
        let lock = locked(&folder);
        touch(&folder);
        let port = running(&folder).unwrap_or_else(|| {
            let mut server = Server::new();
            server.launch(&[], true);
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
    /// Starts a server with these options beside the usual ones.
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut server = Self::new();
        server.run(options);
        server
    }

    fn new() -> Self {
        let folder = home().join(format!("{:x}", rand::random::<u64>()));
        let template = template();
        let copied = Command::new("cp")
            .arg("-a")
            .arg(template)
            .arg(&folder)
            .status();
        assert!(copied.expect("cp").success(), "cp {}", folder.display());
        let temporary = folder.join(TEMPORARY);
        fs::create_dir(&temporary).expect("a writable folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(temporary, open).expect("a folder of our own");
        Self {
            process: None,
            port: free_port(),
            folder,
        }
    }

    /// Starts the process again, with the same data.
    pub(crate) fn run(&mut self, options: &[&str]) {
        self.launch(options, false);
    }

    fn launch(&mut self, options: &[&str], outlives_tests: bool) {
        let log = File::create(self.folder.join("log")).expect("a log");
        let mut command = Command::new(program("mariadbd"));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.folder.display()))
            .arg(format!(
                "--tmpdir={}",
                self.folder.join(TEMPORARY).display()
            ))
            .arg(format!("--ignore-db-dirs={TEMPORARY}"))
            .arg(format!("--socket={}", self.folder.join("s").display()))
            .arg(format!("--pid-file={}", self.folder.join("pid").display()))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--max-connections=500",
                "--innodb-buffer-pool-size=256M",
                "--innodb-log-file-size=64M",
                "--innodb-flush-log-at-trx-commit=2",
                // A killed server's files are whole without: no test pulls the plug.
                "--debug-no-sync",
                "--skip-sync-frm",
            ])
            .args(as_mysql())
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        if outlives_tests {
            // What ends the tests is not to end it.
            command.process_group(0);
        }
        self.process = Some(command.spawn().expect("mariadbd: scripts/test installs it"));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.process.as_mut().map(Child::try_wait);
            let log = self.folder.join("log");
            assert!(
                begun.elapsed() < START_TIMEOUT && matches!(ended, Some(Ok(None))),
                "mariadbd does not start: {}",
                fs::read_to_string(log).unwrap_or_default()
            );
            pause();
        }
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
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Hands the server over to a watchdog.
#[expect(
    clippy::zombie_processes,
    reason = "both outlive this process, and the system waits for them then"
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
    format!("mysql://root@127.0.0.1:{port}")
}

fn running(home: &Path) -> Option<u16> {
    let port = fs::read_to_string(home.join("server")).ok()?.parse().ok()?;
    TcpStream::connect(("127.0.0.1", port)).ok().map(|_| port)
}

/// An empty database's files, made once: making them takes seconds, copying them does not.
fn template() -> PathBuf {
    let lock = File::create(home().join("template-lock")).expect("a writable folder");
    lock.lock().expect("a lock");
    let template = home().join("template");
    let making = home().join("template-being-made");
    if !template.exists() {
        let _ = fs::remove_dir_all(&making);
        let made = Command::new(program("mariadb-install-db"))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", making.display()))
            .args([
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--innodb-log-file-size=64M",
            ])
            .args(as_mysql())
            .output()
            .expect("mariadb-install-db: scripts/test installs it");
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "mariadb-install-db: {said}");
        fs::rename(making, &template).expect("a writable folder");
    }
    template
}

/// MariaDB does not run as root.
fn as_mysql() -> &'static [&'static str] {
    let id = Command::new("id").arg("-u").output().expect("id");
    match id.stdout.as_slice() {
        b"0\n" => &["--user=mysql"],
        _ => &[],
    }
}

/// The folder of this checkout's servers.
fn home() -> PathBuf {
    let checkout = env!("CARGO_MANIFEST_DIR").replace('/', "-");
    let folder = env::temp_dir().join(format!("tower-recording-mariadb{checkout}"));
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    folder
}

fn locked(home: &Path) -> File {
    let lock = File::create(home.join("lock")).expect("a writable folder");
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

/// Debian keeps servers out of a user's PATH.
fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| name.into())
}

fn pause() {
    let (_never, tick) = mpsc::channel::<()>();
    let _ = tick.recv_timeout(LOOK_AGAIN);
}
