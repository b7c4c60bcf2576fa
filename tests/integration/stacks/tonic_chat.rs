//! The tonic example: its service with the layer, called by its client, and itself as a program.

#[path = "../../../examples/tonic/client.rs"]
mod client;
#[path = "../../../examples/tonic/dialect.rs"]
mod dialect;
#[path = "../../../examples/tonic/messages.rs"]
mod messages;
#[path = "../../../examples/tonic/service.rs"]
mod service;

use std::process::Command;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, transport::Server};
use tower_recording::{Outcome, Recorder, RecordingLayer, conversation::Role};

use self::{
    client::ChatClient,
    dialect::ChatDialect,
    messages::{ChatRequest, Speaker, Turn},
    service::{ChatServer, FAIL},
};
use crate::{gateway, support};

struct Served {
    _folder: tempfile::TempDir,
    recorder: Recorder,
    client: ChatClient,
}

async fn serve() -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::builder(support::sqlite_dsn(folder.path()))
        .decode(ChatDialect)
        .build()
        .expect("a layer");
    let recorder = layer.recorder();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().layer(layer).add_service(ChatServer);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Served {
        _folder: folder,
        recorder,
        client: ChatClient::connect(address).await.expect("a connection"),
    }
}

fn asking(conversation: &str, turns: &[(Speaker, &str)]) -> ChatRequest {
    let turns = turns
        .iter()
        .map(|(speaker, text)| Turn::new(*speaker, *text));
    ChatRequest {
        model: "parrot".to_owned(),
        turns: turns.collect(),
        conversation_id: conversation.to_owned(),
    }
}

#[tokio::test]
async fn a_unary_call_and_a_stream_are_one_conversation_in_words() {
    let mut served = serve().await;
    let question = [(Speaker::System, "Repeat."), (Speaker::User, "hello\0")];
    let answer = served.client.say(asking("talk", &question)).await;
    let answer = answer.expect("an answer");
    // `grpc-status` comes in the trailers.
    assert_eq!(answer.metadata().get("grpc-status").expect("a status"), "0");
    let text = answer.into_inner().text;
    assert_eq!(text, "You said: hello\0");

    let mut said = question.to_vec();
    said.extend([(Speaker::Assistant, &*text), (Speaker::User, "again")]);
    let stream = served.client.say_streamed(asking("talk", &said)).await;
    let mut stream = stream.expect("a stream");
    let mut pieces = Vec::new();
    while let Some(piece) = stream.message().await.expect("no failure") {
        pieces.push(piece.text);
    }
    assert_eq!(pieces, ["You said: ", "again", ""]);
    let trailers = stream.trailers().await.expect("no failure");
    assert!(trailers.is_some());

    let rows = support::messages(&served.recorder, "talk").await;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.message.role.as_str(), row.message.content.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("system", "Repeat."),
            ("user", "hello␛00"),
            ("assistant", "You said: hello␛00"),
            ("user", "again"),
            ("assistant", "You said: again"),
        ]
    );
    let last = rows.last().expect("a row");
    assert_eq!(last.message.finish_reason.as_deref(), Some("stop"));
    assert_eq!(last.message.message_id.as_deref(), Some("reply-1"));
    assert_eq!(last.message.usage.completion_tokens, Some(2));
    assert_eq!(last.exchange.model_name.as_deref(), Some("parrot-2025"));
    assert_eq!(last.exchange.provider.as_deref(), Some("chat.v1.Chat"));
    assert!(last.exchange.is_stream);
    assert_eq!(last.exchange.outcome, Outcome::Complete);
    let conversation = support::conversation(&served.recorder, "talk").await;
    assert_eq!(conversation.session_source, "body:conversation_id");
}

#[tokio::test]
async fn a_call_that_fails_stands_among_the_errors_with_what_had_arrived() {
    let mut served = serve().await;
    let request = asking("failing", &[(Speaker::User, FAIL)]);
    let failed = served.client.say(request.clone()).await;
    assert_eq!(
        failed.expect_err("a failure").code(),
        Code::ResourceExhausted
    );
    let mut stream = served.client.say_streamed(request).await.expect("a stream");
    let piece = stream.message().await.expect("a piece");
    assert_eq!(piece.expect("a piece").text, "You said: ");
    let failed = stream.message().await.expect_err("a failure");
    assert_eq!(failed.code(), Code::ResourceExhausted);
    assert_eq!(failed.message(), "no more for today, naïve one");

    let errors = support::errors(&served.recorder, "failing").await;
    assert_eq!(errors.len(), 2);
    for found in &errors {
        assert_eq!(found.error.error_message, "no more for today, naïve one");
        assert_eq!(found.error.role, Role::User);
        assert_eq!(found.error.content, FAIL);
    }
    let details: Vec<Value> = errors
        .iter()
        .map(|found| found.error.other.as_deref().expect("details"))
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    assert!(details.iter().all(|details| details["code"] == "8"));
    let begun = details.iter().filter(|details| details["reply"].is_array());
    let begun: Vec<&Value> = begun
        .map(|details| &details["reply"][0]["content"])
        .collect();
    assert_eq!(begun, ["You said: "]);
    let outcomes = errors.iter().map(|found| found.exchange.outcome);
    assert_eq!(
        outcomes.filter(|it| *it == Outcome::ErrorInStream).count(),
        1
    );
}

#[test]
fn the_example_prints_what_it_recorded() {
    let output = Command::new(gateway::example("tonic"))
        .output()
        .expect("the example runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "system: Repeat.\nuser: hello\nassistant: You said: hello\nuser: once more\n\
         assistant: You said: once more\n"
    );
}
