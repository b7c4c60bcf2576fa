//! A model behind hyper, recorded into SQLite: `cargo run --example minimal_hyper`, and then what it prints.

use std::{env, error::Error, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, signal::ctrl_c};
use tower::ServiceBuilder;
use tower_recording::{RecordingBody, RecordingLayer};

const HELLO: &str = r#"{"model":"fixed","messages":[{"role":"user","content":"hello"}]}"#;
const ANSWER: &str = r#"{"object":"chat.completion","model":"fixed","choices":
    [{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recording = RecordingLayer::try_new("sqlite:conversations.db")?;
    let recorder = recording.recorder();
    let service = ServiceBuilder::new().layer(recording).service_fn(answer);
    let service = TowerToHyperService::new(service);

    let address = env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    println!("curl {url} --json '{HELLO}' -H 'X-Session-ID: first'");
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = ctrl_c() => break,
        };
        let service = service.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service).await
        });
    }
    println!("{}", recorder.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// A model that always says the same.
async fn answer(asked: Request<RecordingBody<Incoming>>) -> hyper::Result<Response<Full<Bytes>>> {
    asked.into_body().collect().await?;
    let mut response = Response::new(Full::from(ANSWER));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
