//! A model behind hyper, recorded into SQLite: `cargo run --example minimal_hyper`, and then what it prints.

use std::{env, error::Error, pin::pin, time::Duration};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, signal::ctrl_c, time::sleep, time::timeout};
use tower::{BoxError, Layer, service_fn};
use tower_recording::{RecordingBody, RecordingLayer};

const HELLO: &str = r#"{"model":"fixed","messages":[{"role":"user","content":"hello"}]}"#;
const ANSWER: &str = r#"{"object":"chat.completion","model":"fixed","choices":
    [{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recording = RecordingLayer::try_new("sqlite:conversations.db")?;
    let recorder = recording.recorder();
    let service = TowerToHyperService::new(recording.layer(service_fn(answer)));

    let address = env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    println!(
        "curl {url} -H 'content-type: application/json' -H 'x-session-id: first' -d '{HELLO}'"
    );
    let (open, mut stopped) = (GracefulShutdown::new(), pin!(ctrl_c()));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let server = auto::Builder::new(TokioExecutor::new());
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(open.watch(connection.into_owned()));
    }
    timeout(Duration::from_secs(10), open.shutdown()).await.ok();
    println!("{}", recorder.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// A model that always says the same.
async fn answer(call: Request<RecordingBody<Incoming>>) -> Result<Response<Full<Bytes>>, BoxError> {
    call.into_body().collect().await?;
    let answer = Response::builder().header(CONTENT_TYPE, "application/json");
    Ok(answer.body(Full::from(ANSWER))?)
}
