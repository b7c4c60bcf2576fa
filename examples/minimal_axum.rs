//! A model behind axum, recorded into SQLite: `cargo run --example minimal_axum`, and then what it prints.

use std::{env, error::Error, time::Duration};

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, signal::ctrl_c};
use tower_recording::RecordingLayer;

const HELLO: &str = r#"{"model":"parrot","messages":[{"role":"user","content":"hello"}]}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let recording = RecordingLayer::try_new("sqlite:conversations.db")?;
    let recorder = recording.recorder();
    let app: Router = Router::new()
        .route("/v1/chat/completions", post(parrot))
        .layer(recording);

    let address = env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    println!(
        "curl {url} -H 'content-type: application/json' -H 'x-session-id: first' -d '{HELLO}'"
    );
    let stopped = async {
        ctrl_c().await.ok();
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await?;
    println!("{}", recorder.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// A model that repeats what was said last.
async fn parrot(Json(asked): Json<Value>) -> Json<Value> {
    let said = asked["messages"].as_array().and_then(|said| said.last());
    let said = said.map_or(&Value::Null, |last| &last["content"]);
    let message = json!({ "role": "assistant", "content": said });
    Json(json!({
        "object": "chat.completion",
        "model": "parrot",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
    }))
}
