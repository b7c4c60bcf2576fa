//! The scripts, with doubles in the place of the tools that they call.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/callgrind");

/// Says where the benchmark is.
const CARGO: &str = "echo '  Executable benches/instructions.rs (bench)' >&2";

/// Counts 100 instructions a chunk of 50 exchanges, and in those of the layer `$EXCHANGE` an
/// exchange and `$FRAME` a frame more; nothing at all where `$EXCHANGE` is empty.
const VALGRIND: &str = r#"
for arg; do case $arg in --callgrind-out-file=*) out=${arg#*=} ;; esac; done
while [ $# -gt 3 ]; do shift; done
case $2 in sse_*) frames=${2#sse_} ;; *) frames=0 ;; esac
added=0
if [ "$1" = ours ]; then added=$((${EXCHANGE:-0} + frames * FRAME)); fi
total=$(((100 + added) * 50 * $3))
if [ -z "$EXCHANGE" ]; then total=0; fi
echo "totals: $total" >"$out-01"
"#;

/// A folder of tools, and nothing else in the way of the script.
struct Tools(TempDir);

impl Tools {
    fn new(doubles: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        for (name, body) in doubles {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a double");
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, executable).expect("a double");
        }
        for name in ["dirname", "sed", "mktemp", "rm", "cat"] {
            let tool = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
            let tool = tool.into_iter().find(|tool| tool.exists());
            symlink(tool.expect(name), folder.path().join(name)).expect("a tool");
        }
        Self(folder)
    }

    fn run(&self, variables: &[(&str, &str)]) -> Output {
        Command::new(SCRIPT)
            .env_clear()
            .env("PATH", self.0.path())
            .envs(variables.iter().copied())
            .output()
            .expect("the script runs")
    }
}

/// The published crate has no scripts.
fn is_there() -> bool {
    let there = PathBuf::from(SCRIPT).exists();
    if !there {
        println!("skipped: no {SCRIPT}");
    }
    there
}

#[test]
fn counts_that_cannot_be_are_no_success() {
    if !is_there() {
        return;
    }
    let tools = Tools::new(&[("cargo", CARGO), ("valgrind", VALGRIND)]);
    for (exchange, frame, broken) in [
        ("", "0", true),
        ("0", "0", true),
        ("499", "50", true),
        ("500", "19", true),
        ("500", "20", false),
        ("3500", "120", false),
    ] {
        let output = tools.run(&[("EXCHANGE", exchange), ("FRAME", frame)]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            output.status.success(),
            !broken,
            "{exchange} {frame}: {said}"
        );
        assert_eq!(said.contains("the measurement itself is broken"), broken);
    }
    for (exchange, frame) in [("3501", "50"), ("1000", "121")] {
        let output = tools.run(&[("EXCHANGE", exchange), ("FRAME", frame)]);
        assert!(!output.status.success(), "{exchange} {frame}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn without_valgrind_a_ci_fails_and_others_skip() {
    if !is_there() {
        return;
    }
    let without = Tools::new(&[("id", "echo 1000")]);
    let apt = [("id", "echo 0"), ("apt-get", "exit 1")];
    for tools in [without, Tools::new(&apt)] {
        let output = tools.run(&[]);
        assert!(output.status.success());
        assert!(output.stdout.starts_with(b"skipped: "));
        let output = tools.run(&[("CI", "true")]);
        assert!(!output.status.success());
        assert!(output.stderr.starts_with(b"failed: valgrind"));
    }
}
