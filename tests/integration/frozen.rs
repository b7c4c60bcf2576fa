//! Connections to a database that stay open and say nothing any more.

use std::time::{Duration, Instant};

use axum::{Router, body::Bytes, routing::post};
use http::Version;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
};
use tower::Layer;
use tower_recording::RecordingLayer;

use crate::{
    servers::{mariadb, postgres},
    support::{chat, client, conversation, messages, send, serve},
};

const ANSWER: &str = r#"{"choices":[{"message":{"role":"assistant","content":"hi"}}]}"#;
const ASKED: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

/// The way to a server.
struct Way {
    port: u16,
    /// How often everything on it froze.
    frosts: watch::Sender<usize>,
}

impl Way {
    async fn to(port: &str) -> Self {
        let server = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let frosts = watch::Sender::new(0);
        let frozen = frosts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server");
                tokio::spawn(relay(client, server, frozen.subscribe()));
            }
        });
        Self { port, frosts }
    }

    /// Nothing that is open now moves again; what comes later does.
    fn freeze(&self) {
        self.frosts.send_modify(|frosts| *frosts += 1);
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, mut frosts: watch::Receiver<usize>) {
    frosts.mark_unchanged();
    select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Both stay open, until the test is over.
        Ok(()) = frosts.changed() => while frosts.changed().await.is_ok() {},
    }
}

/// The address behind a way, of a server at a port of this host.
async fn behind(dsn: &str) -> (Way, String) {
    let (_, rest) = dsn.split_once("127.0.0.1:").expect("a port");
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let way = Way::to(&port).await;
    let there = format!("127.0.0.1:{port}");
    let dsn = dsn.replace(&there, &format!("127.0.0.1:{}", way.port));
    (way, dsn)
}

async fn is_given_up_in_time_and_not_used_again(dsn: String) {
    let (way, dsn) = behind(&dsn).await;
    let layer = RecordingLayer::new(dsn);
    let recorder = layer.recorder();
    let app = Router::new().route("/v1/chat/completions", post(|_: Bytes| async { ANSWER }));
    let address = serve(layer.layer(app)).await;
    send(&client(Version::HTTP_11), chat(address, "s", ASKED)).await;
    recorder.flush().await;
    let talk = conversation(&recorder, "s").await;
    assert_eq!(messages(&recorder, "s").await.len(), 2);
    way.freeze();
    let begun = Instant::now();
    let error = recorder.store().messages(talk.id, None, 9).await;
    let waited = begun.elapsed();
    assert!(error.unwrap_err().is_transient());
    assert!((4..9).contains(&waited.as_secs()), "{waited:?}");
    let begun = Instant::now();
    let page = recorder.store().messages(talk.id, None, 9).await;
    assert_eq!(page.expect("another connection").data.len(), 2);
    assert!(begun.elapsed() < waited / 2);
    recorder.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn a_frozen_connection_to_postgres_is_given_up_in_time_and_not_used_again() {
    let database = postgres::Database::new().await;
    is_given_up_in_time_and_not_used_again(database.dsn()).await;
}

#[tokio::test]
async fn a_frozen_connection_to_mariadb_is_given_up_in_time_and_not_used_again() {
    let database = mariadb::Database::new().await;
    is_given_up_in_time_and_not_used_again(database.dsn()).await;
}
