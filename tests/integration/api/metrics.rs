//! What Prometheus is told.

use std::{
    collections::BTreeMap,
    env,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::api::{self, StaticKeys};

use super::fixture::{Fixture, KEYS, PORTAL};
use crate::{
    gateway::target_dir,
    support::{Mood, Shelf, chat_completion},
};

/// The samples of a text that Prometheus reads, and whether it reads it.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        (name, value.parse().expect("a number"))
    });
    samples.collect()
}

/// Reads it with Prometheus's own library for Python, and compares what that finds.
fn is_read_by_prometheus(text: &str) {
    let program = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(sys.stdin.read()))
assert len({family.name for family in families}) == len(families), "a family stands twice"
for family in families:
    assert family.type in ("counter", "gauge", "histogram"), family
    assert family.documentation.endswith("."), family
    assert family.samples, family
    for sample in family.samples:
        assert sample.name.startswith("tower_recording_"), sample
        assert family.type != "counter" or sample.name.endswith("_total"), sample
    if family.type == "histogram":
        buckets = [s.value for s in family.samples if s.name.endswith("_bucket")]
        count = [s.value for s in family.samples if s.name.endswith("_count")]
        assert buckets == sorted(buckets) and buckets[-1:] == count, family
"#;
    let python = target_dir().join("clients-venv/bin/python");
    if !python.exists() {
        let required = env::var_os("TEST_CLIENTS_REQUIRED").is_some();
        assert!(!required, "there is no {}", python.display());
        println!(
            "skipped: run scripts/test, there is no {}",
            python.display()
        );
        return;
    }
    let mut reading = Command::new(python)
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = reading.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    let output = reading.wait_with_output().expect("it ends");
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}\n{text}");
}

#[tokio::test]
async fn metrics_are_told_as_prometheus_reads_them() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    let recorder = fixture.recorder();
    recorder.flush().await;
    // One exchange in 61 is timed.
    while recorder.metrics().added_seconds.count() == 0 {
        fixture.chat("s", Some("alice"), "more").await;
        recorder.flush().await;
    }
    let (status, text) = fixture.text(PORTAL, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    is_read_by_prometheus(&text);
    let metrics = recorder.metrics();
    let samples = samples(&text);
    for (name, value) in [
        ("tower_recording_accepted_total", metrics.accepted as f64),
        ("tower_recording_written_total", metrics.written as f64),
        ("tower_recording_rejected_total", 0.0),
        ("tower_recording_retries_total", 0.0),
        ("tower_recording_erased_total", 0.0),
        ("tower_recording_dropped_total{reason=\"queue_full\"}", 0.0),
        ("tower_recording_dropped_total{reason=\"budget\"}", 0.0),
        ("tower_recording_truncated_total{reason=\"cap\"}", 0.0),
        ("tower_recording_pending", 0.0),
        ("tower_recording_queued_exchanges", 0.0),
        ("tower_recording_queued_bytes", 0.0),
        ("tower_recording_budget_bytes", (256 << 20) as f64),
        ("tower_recording_batch_rows_sum", metrics.rows as f64),
        ("tower_recording_batch_rows_count", metrics.batches as f64),
        (
            "tower_recording_store_seconds_count",
            metrics.store_seconds.count() as f64,
        ),
        (
            "tower_recording_store_seconds_bucket{le=\"+Inf\"}",
            metrics.store_seconds.count() as f64,
        ),
        (
            "tower_recording_added_seconds_count",
            metrics.added_seconds.count() as f64,
        ),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {text}");
    }
    assert!(samples["tower_recording_added_seconds_sum"] > 0.0);
    let days = samples.iter().filter(|(name, _)| {
        name.starts_with("tower_recording_partition_rows{table=\"conversation_histories\",day=\"2")
    });
    let rows: f64 = days.map(|(_, rows)| rows).sum();
    assert_eq!(rows, metrics.rows as f64);
}

#[tokio::test]
async fn to_ask_for_the_metrics_does_not_have_written_what_is_queued() {
    let fixture = Fixture::set(|builder| builder.flush_interval(Duration::from_secs(600)));
    fixture.chat("s", Some("alice"), "hello").await;
    let told = async |name: &str| {
        let (_, text) = fixture.text(PORTAL, "/metrics").await;
        samples(&text)[name]
    };
    assert_eq!(told("tower_recording_pending").await, 1.0);
    assert_eq!(told("tower_recording_written_total").await, 0.0);
    let (status, _) = fixture.get(PORTAL, "/conversations/s").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told("tower_recording_pending").await, 0.0);
    assert_eq!(told("tower_recording_written_total").await, 1.0);
}

#[tokio::test]
async fn what_waits_for_a_store_that_blocks_is_told_with_its_size() {
    let shelf = Shelf::new();
    shelf.turn(Mood::Blocked);
    let layer = shelf.layer().batch_rows(1).build().unwrap();
    let recorder = layer.recorder();
    let keys: StaticKeys = KEYS.parse().unwrap();
    let api = api::router(recorder.clone(), keys);
    let model = layer.layer(service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::from("{}")))
    }));
    for number in 0..50 {
        let request = chat_completion(&format!("s{number}"), "{}");
        let answer = model.clone().oneshot(request).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
    let text = metrics_of(&api).await;
    let told = samples(&text);
    assert_eq!(told["tower_recording_pending"], 50.0);
    // What is in the writer's hands is no longer in the queue.
    let (exchanges, bytes) = (
        told["tower_recording_queued_exchanges"],
        told["tower_recording_queued_bytes"],
    );
    assert!((40.0..50.0).contains(&exchanges), "{text}");
    // Two segments of 4 KiB an exchange.
    assert_eq!(bytes, exchanges * 8192.0, "{text}");
    assert!(bytes <= told["tower_recording_captured_bytes"], "{text}");
    assert!(!text.contains("partition"), "{text}");
    shelf.turn(Mood::Willing);
    recorder.flush().await;
    let metrics = recorder.metrics();
    assert_eq!((metrics.queued_exchanges, metrics.queued_bytes), (0, 0));
}

async fn metrics_of(api: &Router) -> String {
    let request = Request::get("/metrics").header("authorization", format!("Bearer {PORTAL}"));
    let request = request.body(Body::empty()).unwrap();
    let response = api.clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
