//! The example gateway as a process of its own, on a free port and with a database of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, LazyLock, Mutex},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// Alice's key, and an application's.
pub(crate) const ALICE_KEY: &str = "sk-alice";
pub(crate) const APPLICATION_KEY: &str = "sk-portal";
const KEYS: &str = "sk-alice:alice,sk-bob:bob,sk-portal:*";

/// How long the gateway may take to say something, that it listens for one.
const SAYING: Duration = Duration::from_secs(30);

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| example("gateway"));

/// A built example. Cargo builds examples along with all tests, but not along with one of them.
pub(crate) fn example(name: &str) -> PathBuf {
    let profile = profile_dir();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    cargo
        .args(["build", "--quiet", "--example", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("--target-dir")
        .arg(target_dir());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo tells this test about its package would have build scripts run again.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&*name);
        }
    }
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "{name} does not build");
    profile.join("examples").join(name)
}

/// `target/debug`, wherever that is: tests lie in `deps` below it.
fn profile_dir() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(Path::parent);
    profile
        .expect("a test lies in target/<profile>/deps")
        .to_path_buf()
}

/// `target`, where `scripts/test` installs the clients.
pub(crate) fn target_dir() -> PathBuf {
    let profile = profile_dir();
    profile
        .parent()
        .expect("a profile lies in target")
        .to_path_buf()
}

/// What a gateway has logged so far.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<String>>,
    grown: Condvar,
}

impl Log {
    /// Waits for a line with this text, and gives it.
    pub(crate) fn line_with(&self, text: &str) -> String {
        self.line_after(0, text)
    }

    /// Waits for a line with this text among those behind the first `seen`, and gives it.
    pub(crate) fn line_after(&self, seen: usize, text: &str) -> String {
        let found = |lines: &Vec<String>| {
            let mut lines = lines.iter().skip(seen);
            lines.find(|line| line.contains(text)).cloned()
        };
        let lines = self.lines.lock().expect("a log");
        let waiting = self
            .grown
            .wait_timeout_while(lines, SAYING, |lines| found(lines).is_none());
        let (lines, _) = waiting.expect("a log");
        found(&lines).unwrap_or_else(|| panic!("the gateway does not say {text:?}"))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("a log").clone()
    }

    fn add(&self, line: String) {
        eprintln!("gateway: {line}");
        self.lines.lock().expect("a log").push(line);
        self.grown.notify_all();
    }
}

/// A running gateway; it ends when this is dropped.
pub(crate) struct Gateway {
    process: Child,
    address: String,
    log: Arc<Log>,
}

impl Gateway {
    /// Starts it with these variables, and its database in `dir`.
    pub(crate) fn start(dir: &TempDir, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(&*BINARY)
            .current_dir(dir.path())
            .env_clear()
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("GATEWAY_API_KEYS", KEYS)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let stderr = process.stderr.take().expect("stderr is piped");
        let log = Arc::new(Log::default());
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                kept.add(line);
            }
        });
        let line = log.line_with("listening=");
        let (_, rest) = line.split_once("listening=").expect("an address");
        let address = rest.split_whitespace().next().unwrap_or_default();
        Self {
            process,
            address: address.to_owned(),
            log,
        }
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends SIGTERM, and does not wait.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends SIGHUP, and does not wait.
    pub(crate) fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.process.wait().expect("the gateway can be waited for")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
