//! The layer works unchanged wherever Tower services do: over real sockets, in both versions of
//! HTTP, into a database.

mod grpc;
mod tonic_chat;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{BoxError, Router, body::Body, routing::post};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::{
    catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer, timeout::TimeoutLayer,
    trace::TraceLayer,
};
use tower_recording::{Outcome, Recorder};

use crate::support::{chat, chat_completion, client, messages, send, serve, sqlite_layer};

const QUESTION: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say hello"}]}"#;
const EVENTS: [&str; 3] = [
    "data: {\"id\":\"c1\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n",
    "data: {\"id\":\"c1\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" there\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

fn answer() -> Response<Body> {
    let events = stream::iter(EVENTS.map(Ok::<_, Infallible>));
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(events))
        .expect("a response")
}

/// A handler for any body.
async fn respond<B>(request: Request<B>) -> Result<Response<Body>, BoxError>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    let asked = request.into_body().collect().await.map_err(Into::into)?;
    assert_eq!(asked.to_bytes(), QUESTION);
    Ok(answer())
}

async fn assert_records(address: SocketAddr, recorder: &Recorder, versions: &[Version]) {
    for version in versions {
        let session = format!("{address} {version:?}");
        let request = chat(address, &session, QUESTION);
        let (parts, body) = send(&client(*version), request).await;
        assert_eq!((parts.status, parts.version), (StatusCode::OK, *version));
        assert_eq!(body, EVENTS.concat());
        let said = messages(recorder, &session).await;
        let texts: Vec<_> = said
            .iter()
            .map(|row| row.message.content.as_str())
            .collect();
        assert_eq!(texts, ["Say hello", "Hello there"]);
        assert_eq!(said[1].exchange.outcome, Outcome::Complete);
        assert!(said[1].exchange.is_stream);
    }
}

const BOTH: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

async fn asked(body: Bytes) -> Response<Body> {
    assert_eq!(body, QUESTION);
    answer()
}

#[tokio::test]
async fn an_axum_router_records_its_routes() {
    let (_folder, layer) = sqlite_layer();
    let recorder = layer.recorder();
    let app = Router::new()
        .route("/v1/chat/completions", post(asked))
        .route("/health", post(async || "well"))
        .layer(layer);
    let address = serve(app).await;
    assert_records(address, &recorder, &BOTH).await;
    let other = Request::post(format!("http://{address}/health"));
    let other = other.body(Full::default()).expect("a request");
    let (_, body) = send(&client(Version::HTTP_11), other).await;
    assert_eq!(body, "well");
    assert_eq!(recorder.metrics().accepted, 2);
}

#[tokio::test]
async fn an_axum_router_is_wrapped_as_a_whole() {
    let (_folder, layer) = sqlite_layer();
    let app = Router::new().route("/v1/chat/completions", post(asked));
    let address = serve(layer.layer(app)).await;
    assert_records(address, &layer.recorder(), &BOTH).await;
}

#[tokio::test]
async fn axum_serves_a_router_with_the_layer() {
    let (_folder, layer) = sqlite_layer();
    let recorder = layer.recorder();
    let app = Router::new()
        .route("/v1/chat/completions", post(asked))
        .layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let peers = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, peers).into_future());
    assert_records(address, &recorder, &BOTH).await;
    let said = messages(&recorder, &format!("{address} HTTP/1.1")).await;
    assert_eq!(said[0].exchange.ip.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn hyper_serves_a_recorded_service() {
    let (_folder, layer) = sqlite_layer();
    for version in BOTH {
        let service = TowerToHyperService::new(layer.layer(service_fn(respond)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let io = TokioIo::new(stream);
            // The client ends the connection as it likes.
            let _ = if version == Version::HTTP_2 {
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(io, service)
                    .await
            } else {
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await
            };
        });
        assert_records(address, &layer.recorder(), &[version]).await;
    }
}

#[tokio::test]
async fn the_layer_stands_between_other_layers() {
    let (_folder, layer) = sqlite_layer();
    let recorder = layer.recorder();
    let limit =
        || TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(20));
    let name = HeaderName::from_static("x-layers");
    let header =
        |value| SetResponseHeaderLayer::appending(name.clone(), HeaderValue::from_static(value));
    let service = ServiceBuilder::new()
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(header("above"))
        .layer(layer)
        .layer(header("below"))
        .layer(TraceLayer::new_for_http())
        .layer(limit())
        .buffer(8)
        .service(service_fn(respond));
    let address = serve(service).await;
    assert_records(address, &recorder, &BOTH).await;
    let (parts, _) = send(&client(Version::HTTP_2), chat(address, "s", QUESTION)).await;
    let layers: Vec<_> = parts.headers.get_all(&name).iter().collect();
    assert_eq!(layers, ["below", "above"]);
}

#[tokio::test]
async fn a_timeout_above_the_layer_is_a_request_given_up() {
    let (_folder, layer) = sqlite_layer();
    let recorder = layer.recorder();
    let limit = Duration::from_millis(100);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            limit,
        ))
        .layer(layer)
        .service(service_fn(async |request: Request<_>| {
            respond(request).await?;
            std::future::pending::<Result<Response<Body>, BoxError>>().await
        }));
    let response = service.oneshot(chat_completion("s", QUESTION)).await;
    let response = response.expect("an answer of the timeout's own");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let said = messages(&recorder, "s").await;
    assert_eq!(said[0].exchange.outcome, Outcome::ClientAbortBeforeHead);
    assert_eq!(said[0].message.content, "Say hello");
}
