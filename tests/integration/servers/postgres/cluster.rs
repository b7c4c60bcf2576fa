//! A PostgreSQL of a test's own.

use std::{
    env,
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

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

    /// A hot standby of this server, which follows it.
    pub(crate) fn standby(&self) -> Self {
        let mut standby = Self {
            process: None,
            port: free_port(),
            folder: home().join(format!("{:x}", rand::random::<u64>())),
        };
        let copied = as_server("pg_basebackup")
            .args(["-h", "127.0.0.1", "-U", "postgres", "-p"])
            .arg(self.port.to_string())
            .args([
                "--checkpoint=fast",
                "--no-sync",
                "--write-recovery-conf",
                "-D",
            ])
            .arg(&standby.folder)
            .output()
            .expect("pg_basebackup: scripts/test installs it");
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup: {said}");
        standby.run(&[]);
        standby
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

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process, which then outlives this.
    pub(super) fn hand_over(&mut self) -> Child {
        self.process.take().expect("a started server")
    }

    /// Ends all processes of the server as a crash of the machine would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let id = process.id();
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            let children = children.unwrap_or_default();
            let children: Vec<&str> = children.split_whitespace().collect();
            let _ = process.kill();
            let _ = process.wait();
            let _ = Command::new("kill").arg("-KILL").args(&children).output();
            // One that has ended and that nobody has waited for has no command line.
            let alive = |id: &&str| {
                fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| !line.is_empty())
            };
            while children.iter().any(alive) {
                pause();
            }
        }
    }

    /// The last line of the file that tells others where the server is.
    fn is_ready(&self) -> bool {
        let status = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let ready = status
            .lines()
            .nth(7)
            .is_some_and(|line| ["ready", "standby"].contains(&line.trim()));
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

pub(super) fn dsn(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}")
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
pub(super) fn home() -> PathBuf {
    let checkout = env!("CARGO_MANIFEST_DIR").replace('/', "-");
    let folder = env::temp_dir().join(format!("tower-recording-postgres{checkout}"));
    fs::create_dir_all(&folder).expect("a writable temporary folder");
    if let Some(id) = server_user() {
        chown(&folder, Some(id), None).expect("root");
    }
    folder
}

pub(super) fn locked(home: &Path, name: &str) -> File {
    let lock = File::create(home.join(name)).expect("a writable folder");
    lock.lock().expect("a lock");
    lock
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
