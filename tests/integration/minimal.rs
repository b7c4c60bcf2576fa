//! The minimal examples, run as a reader of them would.

use std::{fs, path::Path, process::Stdio, time::Duration};

use http::uri::PathAndQuery;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};
use tonic::{client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;
use tower_recording::{RecordingLayer, conversation::Role};

use crate::{gateway::example, support::messages};

/// How long an example may take from its start to its end.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What was said in the only conversation of the database that an example leaves behind.
async fn said(folder: &TempDir, session: &str) -> Vec<(Role, String)> {
    let database = folder.path().join("conversations.db");
    let reader = RecordingLayer::new(format!("sqlite:{}", database.display()));
    let stored = messages(&reader.recorder(), session).await;
    let said = stored.into_iter().map(|row| row.message);
    said.map(|message| (message.role, message.content))
        .collect()
}

/// Starts an example, asks it what it takes once it says where it is, and interrupts it. Where any of
/// that takes too long or fails, the process ends with it.
async fn is_recorded(name: &str, ask: impl AsyncFnOnce(&str)) {
    let program = example(name);
    let run = timeout(ENDS_WITHIN, run(&program, ask)).await;
    run.unwrap_or_else(|_| panic!("{name} does not end"));
}

async fn run(program: &Path, ask: impl AsyncFnOnce(&str)) {
    let folder = TempDir::new().expect("a folder");
    let mut process = Command::new(program)
        .current_dir(folder.path())
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).await.expect("a line");
    ask(line.trim()).await;
    let id = process.id().expect("it has not ended");
    let mut stop = Command::new("kill");
    let stopped = stop.args(["-INT", &id.to_string()]).status().await;
    assert!(stopped.expect("kill runs").success());
    let mut rest = String::new();
    let read = stdout.read_to_string(&mut rest).await;
    read.expect("what it says at last");
    let ended = process.wait().await.expect("it ends");
    assert!(ended.success(), "{rest}");
    assert_eq!(rest.trim(), "1 exchanges written, 0 left");
    let said = said(&folder, "first").await;
    let hello = |role| (role, "hello".to_owned());
    assert_eq!(said, [hello(Role::User), hello(Role::Assistant)]);
}

async fn as_printed(line: &str) {
    let mut asked = Command::new("sh");
    let asked = asked.args(["-c", line]).kill_on_drop(true).output().await;
    let asked = asked.expect("a shell");
    let answer = String::from_utf8_lossy(&asked.stdout);
    assert!(
        asked.status.success() && answer.contains("hello"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn the_minimal_axum_example_records_what_its_curl_line_asks() {
    is_recorded("minimal_axum", as_printed).await;
}

#[tokio::test]
async fn the_minimal_hyper_example_records_what_its_curl_line_asks() {
    is_recorded("minimal_hyper", as_printed).await;
}

#[derive(Clone, PartialEq, prost::Message)]
struct Said {
    #[prost(string, tag = "1")]
    text: String,
}

#[tokio::test]
async fn the_minimal_tonic_example_records_what_it_is_asked() {
    is_recorded("minimal_tonic", async |line: &str| {
        let address = line.strip_prefix("gRPC on ").expect("an address");
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let mut client = Grpc::new(channel.connect().await.expect("a connection"));
        client.ready().await.expect("a connection");
        let text = "hello".to_owned();
        let mut hello = tonic::Request::new(Said { text });
        let session = "first".parse().expect("a value");
        hello.metadata_mut().insert("x-session-id", session);
        let path = PathAndQuery::from_static("/parrot.Parrot/Say");
        let codec = ProstCodec::<Said, Said>::default();
        let answer = client.unary(hello, path, codec).await.expect("an answer");
        assert_eq!(answer.into_inner().text, "hello");
    })
    .await;
}

#[test]
fn a_minimal_example_has_at_most_sixty_lines() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for name in ["minimal_axum", "minimal_hyper", "minimal_tonic"] {
        let text = fs::read_to_string(examples.join(name).with_extension("rs"));
        let lines = text.expect("an example").lines().count();
        assert!(lines <= 60, "{name}: {lines}");
    }
}
