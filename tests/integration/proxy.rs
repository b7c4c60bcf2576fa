//! The gateway's proxy, over real sockets.

use std::{future::pending, sync::Arc};

use axum::{
    Router,
    body::{Body, BodyDataStream},
    extract::Request,
    response::IntoResponse,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

use crate::gateway::{ALICE_KEY, APPLICATION_KEY, Gateway};

/// A path that is recorded, and one that is not.
const PATHS: [&str; 2] = ["/v1/chat/completions", "/v1/other"];

/// Tells when it is dropped.
struct Guard(mpsc::UnboundedSender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(());
    }
}

/// Serves `app` on a free port and gives the URL; it ends with the test's runtime.
pub(crate) async fn upstream(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// A gateway before this upstream. The directory holds its database.
pub(crate) async fn gateway(upstream: &str, variables: &[(&str, &str)]) -> (TempDir, Gateway) {
    let variables = [&[("UPSTREAM_URL", upstream)], variables].concat();
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    tokio::task::spawn_blocking(move || {
        let dir = TempDir::new().unwrap();
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let gateway = Gateway::start(&dir, &variables);
        (dir, gateway)
    })
    .await
    .unwrap()
}

pub(crate) fn client(http2: bool) -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http()
}

pub(crate) fn request(gateway: &Gateway, method: Method, path: &str, body: Body) -> Request {
    Request::builder()
        .method(method)
        .uri(gateway.url(path))
        .header(header::AUTHORIZATION, format!("Bearer {ALICE_KEY}"))
        .body(body)
        .unwrap()
}

pub(crate) async fn json_of(body: Incoming) -> Value {
    serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
}

async fn next(body: &mut BodyDataStream) -> Bytes {
    body.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn both_directions_stream_while_the_other_goes_on() {
    let app = Router::new().fallback(async |request: Request| {
        let echo = request.into_body().into_data_stream();
        Body::from_stream(stream::once(async { Ok(Bytes::from("ready")) }).chain(echo))
    });
    let upstream = upstream(app).await;
    let (_dir, gateway) = gateway(&upstream, &[]).await;
    for (http2, path) in [(false, PATHS[0]), (false, PATHS[1]), (true, PATHS[0])] {
        let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let body = Body::from_stream(ReceiverStream::new(receiver));
        let request = request(&gateway, Method::POST, path, body);
        let response = client(http2).request(request).await.unwrap();
        let mut answer = Body::new(response.into_body()).into_data_stream();
        assert_eq!(next(&mut answer).await, "ready");
        for word in ["one", "two", "three"] {
            sender.send(Ok(Bytes::from(word))).await.unwrap();
            assert_eq!(next(&mut answer).await, word, "{path}");
        }
        drop(sender);
        while let Some(end) = answer.next().await {
            assert!(end.unwrap().is_empty(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_the_upstream() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let (started, mut starts) = mpsc::unbounded_channel();
    let app = Router::new().fallback(async move |uri: Uri, _body: Bytes| {
        let guard = Guard(dropped);
        started.send(()).unwrap();
        if uri.path().starts_with("/before-head") {
            pending::<()>().await;
        }
        let frames = stream::once(async { Ok::<_, std::io::Error>(Bytes::from("first")) });
        Body::from_stream(frames.chain(stream::pending()).map(move |frame| {
            let _alive = &guard;
            frame
        }))
    });
    let upstream = upstream(app).await;
    let (_dir, gateway) = gateway(&upstream, &[]).await;
    for path in PATHS {
        for http2 in [false, true] {
            let asked = request(&gateway, Method::POST, path, Body::from("{}"));
            let response = client(http2).request(asked).await.unwrap();
            let mut answer = Body::new(response.into_body()).into_data_stream();
            assert_eq!(next(&mut answer).await, "first");
            starts.recv().await.unwrap();
            drop(answer);
            drops.recv().await.unwrap();

            let path = format!("/before-head{path}");
            let asked = request(&gateway, Method::POST, &path, Body::from("{}"));
            let asking = tokio::spawn(client(http2).request(asked));
            starts.recv().await.unwrap();
            asking.abort();
            drops.recv().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_callers_key_is_not_forwarded_and_all_else_is() {
    let app = Router::new().fallback(async |uri: Uri, headers: HeaderMap, body: Bytes| {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let seen = json!({ "uri": uri.to_string(), "headers": headers, "bytes": body.len() });
        let headers = [("x-answer", "yes"), ("connection", "x-hop"), ("x-hop", "1")];
        (StatusCode::IM_A_TEAPOT, headers, seen.to_string())
    });
    let upstream = upstream(app).await;
    let url = format!("{upstream}/base/");
    for (key, sent_on) in [
        (None, None),
        (Some("sk-upstream"), Some("Bearer sk-upstream")),
    ] {
        let variables: Vec<_> = key.iter().map(|key| ("UPSTREAM_API_KEY", *key)).collect();
        let (_dir, gateway) = gateway(&url, &variables).await;
        for http2 in [false, true] {
            let path = "/v1/chat/completions?a=b%20c";
            let mut request = request(&gateway, Method::POST, path, Body::from("{}"));
            let headers = request.headers_mut();
            headers.insert("x-api-key", ALICE_KEY.parse().unwrap());
            headers.insert("x-mine", "kept".parse().unwrap());
            let response = client(http2).request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
            assert_eq!(response.headers()["x-answer"], "yes");
            assert!(!response.headers().contains_key("x-hop"));
            let seen = json_of(response.into_body()).await;
            assert_eq!(seen["uri"], "/base/v1/chat/completions?a=b%20c");
            assert_eq!(seen["bytes"], 2);
            assert!(!seen.to_string().contains(ALICE_KEY), "{seen}");
            let header = |name: &str| {
                let headers = seen["headers"].as_array().unwrap();
                let found = headers.iter().find(|header| header[0] == name);
                found.map(|header| header[1].as_str().unwrap().to_owned())
            };
            assert_eq!(header("authorization").as_deref(), sent_on);
            assert_eq!(header("x-mine").as_deref(), Some("kept"));
            assert_eq!(header("content-length").as_deref(), Some("2"));
            assert_eq!(header("host").as_deref(), upstream.strip_prefix("http://"));
            assert_eq!(header("x-forwarded-for"), None);
        }
    }
}

#[tokio::test]
async fn no_key_or_a_wrong_one_does_not_reach_the_upstream() {
    let reached = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let app = Router::new().fallback({
        let reached = Arc::clone(&reached);
        async move || reached.store(true, std::sync::atomic::Ordering::SeqCst)
    });
    let upstream = upstream(app).await;
    let (_dir, gateway) = gateway(&upstream, &[]).await;
    for authorization in ["", "Bearer sk-wrong", "Basic c2s6c2s="] {
        let mut request = request(&gateway, Method::POST, PATHS[0], Body::from("{}"));
        let value = authorization.parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
        let response = client(false).request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let error = json_of(response.into_body()).await;
        assert_eq!(error["error"]["code"], "invalid_api_key");
    }
    assert!(!reached.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn an_upstream_that_is_away_answers_502() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (_dir, gateway) = gateway(&url, &[]).await;
    let request = request(&gateway, Method::POST, PATHS[0], Body::from("{}"));
    let response = client(false).request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let error = json_of(response.into_body()).await;
    assert_eq!(error["error"]["code"], "upstream_unreachable");
}

#[tokio::test]
async fn a_connection_that_changes_its_protocol_becomes_a_tunnel() {
    let app = Router::new().fallback(async |mut request: Request| {
        let change = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut echo = TokioIo::new(change.await.unwrap());
            let mut word = [0; 4];
            echo.read_exact(&mut word).await.unwrap();
            word.reverse();
            echo.write_all(&word).await.unwrap();
        });
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    });
    let upstream = upstream(app).await;
    let (_dir, gateway) = gateway(&upstream, &[]).await;
    for path in PATHS {
        let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {ALICE_KEY}\r\n\
             connection: keep-alive, Upgrade\r\nupgrade: echo\r\n\r\nping"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\ngnip"), "{answer}");
    }
}

#[tokio::test]
async fn sigterm_lets_an_open_request_end_and_everything_is_in_the_database() {
    let (release, released) = mpsc::unbounded_channel::<()>();
    let released = Arc::new(tokio::sync::Mutex::new(released));
    let app = Router::new().fallback(async move || {
        let end = stream::once(async move {
            released.lock().await.recv().await;
            let answer = json!({ "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": "at last" } }] });
            Ok::<_, std::io::Error>(Bytes::from(answer.to_string()))
        });
        let begin = stream::once(async { Ok(Bytes::from(" ")) });
        let body = Body::from_stream(begin.chain(end));
        ([(header::CONTENT_TYPE, "application/json")], body)
    });
    let upstream = upstream(app).await;
    let (dir, running) = gateway(&upstream, &[]).await;
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "well?" }] });
    let mut request = request(
        &running,
        Method::POST,
        PATHS[0],
        Body::from(asked.to_string()),
    );
    let headers = request.headers_mut();
    headers.insert("x-session-id", "last".parse().unwrap());
    headers.insert("x-user-id", "mallory".parse().unwrap());
    let response = client(false).request(request).await.unwrap();

    running.terminate();
    let refused = async { while TcpStream::connect(running.address()).await.is_ok() {} };
    refused.await;
    release.send(()).unwrap();
    let answer = json_of(response.into_body()).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "at last");
    let ended = tokio::task::spawn_blocking(|| running.wait())
        .await
        .unwrap();
    assert!(ended.success());

    let (_dir, again) = tokio::task::spawn_blocking(|| {
        let gateway = Gateway::start(&dir, &[]);
        (dir, gateway)
    })
    .await
    .unwrap();
    for key in [ALICE_KEY, APPLICATION_KEY] {
        let request = Request::builder()
            .uri(again.url("/conversations/last"))
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap();
        let response = client(false).request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let history = json_of(response.into_body()).await;
        assert_eq!(history["user_identifier"], "alice");
        assert_eq!(history["messages"][0]["content"], "well?");
        assert_eq!(history["messages"][1]["content"], "at last");
    }
}
