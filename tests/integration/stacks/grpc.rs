//! A tonic server with the layer, called by tonic's own client.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request,
    transport::{Channel, Server},
};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, health_check_response::ServingStatus as Status,
        health_client::HealthClient,
    },
    server::{HealthReporter, health_reporter},
};
use tower_recording::{Outcome, Recorder, RecordingLayer, store::StoredMessage};

use crate::support::{errors, messages, sqlite_dsn};

/// So long that its length, as gRPC writes it, is no UTF-8.
const MODEL: &str = "a-model-whose-name-is-long-a-model-whose-name-is-long-a-model-whose-name-is-long-\
                     a-model-whose-name-is-long-a-model-whose-name-is-long-a-model-whose-name-is-long";

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

/// The question as it stands in the request's body.
fn framed() -> Vec<u8> {
    let length = MODEL.len() as u8;
    assert!((128..200).contains(&length));
    // A string of 128 bytes or more has a length of two bytes.
    let head = [0, 0, 0, 0, length + 3, 10, length, 1];
    [&head, MODEL.as_bytes()].concat()
}

struct Served {
    _folder: tempfile::TempDir,
    recorder: Recorder,
    reporter: HealthReporter,
    client: HealthClient<Channel>,
}

async fn serve() -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::builder(sqlite_dsn(folder.path()))
        .also_record(|_, path| path.starts_with("/grpc.health.v1.Health/"))
        .build()
        .expect("a layer");
    let recorder = layer.recorder();
    let (reporter, health) = health_reporter();
    reporter
        .set_service_status(MODEL, ServingStatus::Serving)
        .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::builder().layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address");
    let channel = channel.connect().await.expect("a connection");
    Served {
        _folder: folder,
        recorder,
        reporter,
        client: HealthClient::new(channel),
    }
}

fn asking(session: &'static str, service: &str) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    let session = session.parse().expect("a value");
    request.metadata_mut().insert("x-session-id", session);
    request
}

/// The bytes that a raw message was made of.
fn raw(row: &StoredMessage) -> Vec<u8> {
    let other = row.message.other.as_deref().expect("how it is kept");
    if other.contains(r#""encoding":"base64""#) {
        STANDARD.decode(&row.message.content).expect("base64")
    } else {
        tower_recording::unescape(&row.message.content)
    }
}

#[tokio::test]
async fn a_unary_call_is_unchanged_and_recorded_raw() {
    let mut served = serve().await;
    let answer = served
        .client
        .check(asking("unary", MODEL))
        .await
        .expect("an answer");
    // `grpc-status` comes in the trailers.
    assert_eq!(answer.metadata().get("grpc-status").expect("a status"), "0");
    assert_eq!(answer.into_inner().status(), Status::Serving);
    let said = messages(&served.recorder, "unary").await;
    assert_eq!(said.len(), 2);
    assert_eq!(said[0].message.content, STANDARD.encode(framed()));
    assert_eq!(raw(&said[0]), framed());
    assert_eq!(raw(&said[1]), SERVING);
    assert_eq!(said[1].exchange.outcome, Outcome::Complete);
}

#[tokio::test]
async fn a_call_that_fails_has_its_status_and_is_recorded() {
    let mut served = serve().await;
    let status = served.client.check(asking("unknown", "another")).await;
    let status = status.expect_err("no such service");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "service not registered");
    let failed = errors(&served.recorder, "unknown").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].error.error_message, "service not registered");
    assert_eq!(failed[0].exchange.outcome, Outcome::Complete);
    assert_eq!(failed[0].exchange.status, Some(200));
}

#[tokio::test]
async fn a_server_stream_is_unchanged_and_recorded_raw() {
    let mut served = serve().await;
    let stream = served.client.watch(asking("stream", MODEL)).await;
    let mut stream = stream.expect("a stream").into_inner();
    let first = stream
        .message()
        .await
        .expect("no failure")
        .expect("a message");
    assert_eq!(first.status(), Status::Serving);
    let reporter = &mut served.reporter;
    reporter
        .set_service_status(MODEL, ServingStatus::NotServing)
        .await;
    let second = stream
        .message()
        .await
        .expect("no failure")
        .expect("a message");
    assert_eq!(second.status(), Status::NotServing);
    reporter.clear_service_status(MODEL).await;
    assert_eq!(stream.message().await.expect("no failure"), None);
    let trailers = stream.trailers().await.expect("no failure");
    assert!(trailers.is_some());

    let said = messages(&served.recorder, "stream").await;
    assert_eq!(raw(&said[0]), framed());
    assert_eq!(raw(&said[1]), [SERVING, NOT_SERVING].concat());
    assert_eq!(said[1].exchange.outcome, Outcome::Complete);
}

#[tokio::test]
async fn a_server_stream_that_the_client_gives_up_keeps_what_had_arrived() {
    let mut served = serve().await;
    let stream = served.client.watch(asking("given up", MODEL)).await;
    let mut stream = stream.expect("a stream").into_inner();
    stream
        .message()
        .await
        .expect("no failure")
        .expect("a message");
    drop((stream, served.client));
    let accepted = async {
        while served.recorder.metrics().accepted == 0 {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, accepted)
        .await
        .expect("in time");
    let said = messages(&served.recorder, "given up").await;
    assert_eq!(raw(&said[1]), SERVING);
    assert_eq!(said[1].exchange.outcome, Outcome::ClientAbort);
}
