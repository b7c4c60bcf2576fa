//! Servers, clients and databases that the tests share.

mod shelf;

use std::{net::SocketAddr, path::Path, time::Duration};

use axum::{BoxError, body::Bytes};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::Service;
use tower_recording::{
    Recorder, RecordingLayer,
    store::{Conversation, StoredError, StoredMessage},
};

pub use self::shelf::{Mood, Shelf};

pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The DSN of a file in this folder.
pub fn sqlite_dsn(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("test.db").display())
}

/// A layer over an SQLite file that goes with the returned folder.
pub fn sqlite_layer() -> (tempfile::TempDir, RecordingLayer) {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
    (folder, layer)
}

/// Serves HTTP/1.1 and HTTP/2 on a free port of the loopback.
pub async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("nodelay");
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                // A client that hangs up is part of the tests.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// A client that speaks this version only.
pub fn client(version: Version) -> HttpClient {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .http2_only(version == Version::HTTP_2)
        .build(connector)
}

/// A chat completion request to this server.
pub fn chat(address: SocketAddr, session: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("http://{address}/v1/chat/completions"))
        .header("content-type", "application/json")
        .header("x-session-id", session)
        .header("x-user-id", "ada")
        .body(Full::new(body.into()))
        .expect("a request")
}

/// A chat completion request that goes to a service without a socket.
pub fn chat_completion(session: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-session-id", session)
        .body(Full::new(body.into()))
        .expect("a request")
}

/// Sends a request and reads the answer whole.
pub async fn send(
    client: &HttpClient,
    request: Request<Full<Bytes>>,
) -> (http::response::Parts, Bytes) {
    let response = tokio::time::timeout(Duration::from_secs(20), client.request(request))
        .await
        .expect("an answer in time")
        .expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    (parts, body)
}

/// The one conversation with this session id.
pub async fn conversation(recorder: &Recorder, session: &str) -> Conversation {
    recorder.flush().await;
    let found = recorder.store().conversations_named("", session).await;
    let mut found = found.expect("a readable store");
    assert_eq!(found.len(), 1, "conversations named {session}");
    found.remove(0)
}

/// What was said in the one conversation with this session id.
pub async fn messages(recorder: &Recorder, session: &str) -> Vec<StoredMessage> {
    let id = conversation(recorder, session).await.id;
    let page = recorder.store().messages(id, None, 500).await;
    page.expect("a readable store").data
}

/// What failed in the one conversation with this session id.
pub async fn errors(recorder: &Recorder, session: &str) -> Vec<StoredError> {
    let id = conversation(recorder, session).await.id;
    let page = recorder.store().errors(id, None, 500).await;
    page.expect("a readable store").data
}
