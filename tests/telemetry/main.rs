//! What the recorder tells of itself and of its exchanges to whoever the process has for that. It is told to
//! the one of the whole process, so these tests are no part of the others, and take turns.

mod facade;
mod spans;

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{RecordingBody, RecordingLayer};

static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Lets a client ask this of a model that answers with this.
async fn chat(layer: &RecordingLayer, headers: &[(&str, &str)], asked: &str, answer: (u16, &str)) {
    let mut request =
        Request::post("/v1/chat/completions").header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Body::from(asked.to_owned()))
        .expect("a request");
    let (status, answer) = (answer.0, answer.1.to_owned());
    let model = service_fn(move |request: Request<RecordingBody<Body>>| {
        let mut response = Response::new(Body::from(answer.clone()));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let json = "application/json".parse().expect("a type");
        response.headers_mut().insert(CONTENT_TYPE, json);
        async move {
            request.into_body().collect().await.expect("a question");
            Ok::<_, Infallible>(response)
        }
    });
    let response = layer
        .layer(model)
        .oneshot(request)
        .await
        .expect("an answer");
    response.into_body().collect().await.expect("its body");
}
