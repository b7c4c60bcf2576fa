//! A tonic service that is recorded: it is asked twice, and what the database then holds is printed.
//!
//! `dialect.rs` has all that the recording takes beside the one layer: an implementation of
//! [`Decode`](tower_recording::Decode) that reads the service's messages. The database is in memory, or
//! the one whose DSN is the argument: `cargo run --example tonic -- sqlite:chat.db`.

mod client;
mod dialect;
mod messages;
mod service;

use std::{env, error::Error, time::Duration};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tower_recording::RecordingLayer;

use crate::{
    client::ChatClient,
    dialect::ChatDialect,
    messages::{ChatRequest, Speaker, Turn},
    service::ChatServer,
};

const CONVERSATION: &str = "demo";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dsn = env::args().nth(1);
    let dsn = dsn.unwrap_or_else(|| "sqlite::memory:".to_owned());
    let layer = RecordingLayer::builder(dsn).decode(ChatDialect).build()?;
    let recorder = layer.recorder();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().layer(layer).add_service(ChatServer);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let mut client = ChatClient::connect(address).await?;
    let mut request = ChatRequest {
        model: "parrot".to_owned(),
        turns: vec![
            Turn::new(Speaker::System, "Repeat."),
            Turn::new(Speaker::User, "hello"),
        ],
        conversation_id: CONVERSATION.to_owned(),
    };
    let answer = client.say(request.clone()).await?.into_inner();
    request.turns.extend([
        Turn::new(Speaker::Assistant, answer.text),
        Turn::new(Speaker::User, "once more"),
    ]);
    let mut pieces = client.say_streamed(request).await?;
    while pieces.message().await?.is_some() {}

    recorder.flush().await;
    let store = recorder.store();
    for conversation in store.conversations_named("", CONVERSATION).await? {
        let stored = store.messages(conversation.id, None, 100).await?;
        for row in stored.data {
            println!("{}: {}", row.message.role, row.message.content);
        }
    }
    recorder.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
