//! Real clients against the gateway, and what they saw against its history. The programs are in `tests/clients`;
//! of those that are no programs to run in a test, their requests stand in the modules.

mod anthropic_sdk;
mod claude_code;
mod codex;
mod fixture;
mod librechat;
mod models;
mod open_webui;
mod openai_sdk;
mod responses;

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::gateway::{APPLICATION_KEY, Gateway, target_dir};

/// Set by `scripts/test`, which installs the clients: then none of them may be missing.
const REQUIRED: &str = "TEST_CLIENTS_REQUIRED";

/// `upstream.py`, which answers as each of the providers does; it ends when this is dropped.
struct Providers {
    process: Child,
    url: String,
}

impl Providers {
    fn start() -> Self {
        let mut process = Command::new(python())
            .arg(program("upstream.py"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the providers start");
        let mut port = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        let read = BufReader::new(stdout).read_line(&mut port);
        read.expect("the providers say their port");
        let url = format!("http://127.0.0.1:{}", port.trim());
        Self { process, url }
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python into which `scripts/test` installs the SDKs.
fn python() -> PathBuf {
    target_dir().join("clients-venv/bin/python")
}

fn program(name: &str) -> PathBuf {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    programs.join(name)
}

/// Runs one of the programs against the demo model.
fn run(interpreter: impl AsRef<OsStr>, needed: &Path, name: &str) {
    run_with(interpreter, needed, &[name], false);
}

/// Runs one of the programs where what it needs is installed; a failed assertion of it fails the test.
fn run_with(
    interpreter: impl AsRef<OsStr>,
    needed: &Path,
    arguments: &[&str],
    with_providers: bool,
) {
    let (name, arguments) = arguments.split_first().expect("a program");
    if !needed.exists() {
        let missing = needed.display();
        assert!(env::var_os(REQUIRED).is_none(), "there is no {missing}");
        println!("skipped: run scripts/test, there is no {missing}");
        return;
    }
    let dir = TempDir::new().expect("a directory for the database");
    let providers = with_providers.then(Providers::start);
    let upstream = providers.as_ref().map(|up| ("UPSTREAM_URL", &*up.url));
    let gateway = Gateway::start(&dir, upstream.as_slice());
    let output = Command::new(interpreter)
        .arg(program(name))
        .args(arguments)
        .env("GATEWAY_URL", gateway.url(""))
        .env("GATEWAY_KEY", APPLICATION_KEY)
        .env("NODE_PATH", target_dir().join("clients-node/node_modules"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}:\n{said}\n{complained}");
}

fn run_python(name: &str) {
    run(python(), &python(), name);
}

/// Runs one of the SDKs of `dialects.py` against its provider.
fn run_sdk(name: &str) {
    run_with(python(), &python(), &["dialects.py", name], true);
}

/// What `npm` leaves behind when it has installed all.
fn node_modules() -> PathBuf {
    target_dir().join("clients-node/installed.json")
}

#[test]
fn what_the_openai_sdk_saw_is_what_the_history_shows() {
    run_python("openai_sdk.py");
}

#[test]
fn what_the_history_answers_is_what_its_description_says() {
    run_python("openapi.py");
}

#[test]
fn the_guides_python_example_works_as_printed() {
    run_python("guide.py");
}

#[test]
fn the_guides_javascript_example_works_as_printed() {
    run("node", &node_modules(), "guide.js");
}

#[test]
fn the_guides_curl_example_works_as_printed() {
    run("bash", Path::new("/usr/bin/uuidgen"), "guide.sh");
}

#[test]
fn what_anthropics_sdk_holds_is_what_the_history_shows() {
    run_sdk("anthropic");
}

#[test]
fn what_googles_sdk_holds_is_what_the_history_shows() {
    run_sdk("google");
}

#[test]
fn what_ollamas_sdk_holds_is_what_the_history_shows() {
    run_sdk("ollama");
}

#[test]
fn what_coheres_sdk_holds_is_what_the_history_shows() {
    run_sdk("cohere");
}

#[test]
fn what_mistrals_sdk_holds_is_what_the_history_shows() {
    run_sdk("mistral");
}

#[test]
fn what_boto3_holds_is_what_the_history_shows() {
    run_sdk("bedrock");
}

#[test]
fn what_the_vercel_ai_sdk_holds_is_what_the_history_shows() {
    run_with("node", &node_modules(), &["ai_sdk.js"], true);
}
