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

use std::{env, ffi::OsStr, path::Path, process::Command};

use tempfile::TempDir;

use crate::gateway::{APPLICATION_KEY, Gateway, target_dir};

/// Set by `scripts/test`, which installs the clients: then none of them may be missing.
const REQUIRED: &str = "TEST_CLIENTS_REQUIRED";

/// Runs one of the programs where what it needs is installed; a failed assertion of it fails the test.
fn run(interpreter: impl AsRef<OsStr>, needed: &Path, program: &str) {
    if !needed.exists() {
        let missing = needed.display();
        assert!(env::var_os(REQUIRED).is_none(), "there is no {missing}");
        println!("skipped: run scripts/test, there is no {missing}");
        return;
    }
    let dir = TempDir::new().expect("a directory for the database");
    let gateway = Gateway::start(&dir, &[]);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = Command::new(interpreter)
        .arg(programs.join(program))
        .env("GATEWAY_URL", gateway.url(""))
        .env("GATEWAY_KEY", APPLICATION_KEY)
        .env("NODE_PATH", target_dir().join("clients-node/node_modules"))
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}:\n{said}\n{complained}");
}

/// The Python into which `scripts/test` installs the SDK.
fn run_python(program: &str) {
    let python = target_dir().join("clients-venv/bin/python");
    run(&python, &python, program);
}

#[test]
fn what_the_openai_sdk_saw_is_what_the_history_shows() {
    run_python("openai_sdk.py");
}

#[test]
fn the_guides_python_example_works_as_printed() {
    run_python("guide.py");
}

#[test]
fn the_guides_javascript_example_works_as_printed() {
    let installed = target_dir().join("clients-node/installed.json");
    run("node", &installed, "guide.js");
}

#[test]
fn the_guides_curl_example_works_as_printed() {
    run("bash", Path::new("/usr/bin/uuidgen"), "guide.sh");
}
