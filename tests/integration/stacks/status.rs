//! What the status of a service says, which is in headers or trailers and not in its body.

use axum::{Router, routing::post};
use http::{Request, Version};

use crate::support::{Shelf, client, send, serve};

const KEY: &str = "sk-proj-a1b2c3d4e5f6a7b8c9d0";

/// What is kept of such a failure, where the request has this header.
async fn failure((name, value): (&str, &str)) -> String {
    let shelf = Shelf::new();
    let layer = shelf.layer().build().expect("a layer");
    let message = format!("no such key {KEY}");
    let fail = move || {
        let head = [
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", "16".to_owned()),
            ("grpc-message", message.clone()),
        ];
        async move { head }
    };
    let app = Router::new()
        .route("/v1/chat/completions", post(fail))
        .layer(layer.clone());
    let uri = format!("http://{}/v1/chat/completions", serve(app).await);
    let request = Request::post(uri)
        .header("content-type", "application/json")
        .header(name, value)
        .body(r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#.into())
        .expect("a request");
    send(&client(Version::HTTP_11), request).await;
    let rows = shelf.take(&layer.recorder()).await;
    assert_eq!(rows.len(), 1);
    let json = rows[0].to_json();
    assert!(!json.contains(KEY), "{json}");
    rows[0]
        .error
        .as_ref()
        .expect("a failure")
        .error_message
        .clone()
}

#[tokio::test]
async fn no_credential_is_kept_of_what_a_status_says() {
    assert_eq!(
        failure(("x-user-id", "ada")).await,
        "no such key [credential]"
    );
}

#[tokio::test]
async fn whoever_wants_no_content_kept_has_no_status_kept_in_words() {
    let opted_out = ("cf-aig-collect-log-payload", "false");
    assert!(!failure(opted_out).await.contains("no such key"));
}
