//! The facade of the crate `metrics`.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshot};
use tower_recording::RecordingLayer;

use super::{TURN, chat};

const ASKED: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
const ANSWER: &str = r#"{"choices":[{"message":{"role":"assistant","content":"hi"}}]}"#;

/// The values by name and reason, each of which has to be described.
fn values(snapshot: Snapshot) -> BTreeMap<String, DebugValue> {
    let values = snapshot.into_vec().into_iter();
    values
        .map(|(key, _, description, value)| {
            let key = key.key();
            let labels = key.labels().map(|label| format!("[{}]", label.value()));
            let name = key.name().to_owned() + &labels.collect::<String>();
            assert!(description.is_some_and(|text| !text.is_empty()), "{name}");
            (name, value)
        })
        .collect()
}

#[tokio::test]
async fn what_a_recorder_counts_is_told_to_the_facade_once() {
    let _turn = TURN.lock().await;
    let facade = DebuggingRecorder::new();
    let told = facade.snapshotter();
    facade.install().expect("the only one");
    let folder = tempfile::tempdir().expect("a folder");
    let dsn = format!("sqlite:{}", folder.path().join("test.db").display());
    let layer = RecordingLayer::builder(dsn)
        .max_request_bytes(64)
        .build()
        .expect("a layer");
    let long = ASKED.replace("hello", &"long ".repeat(64));
    for (session, asked) in [("a", ASKED), ("b", ASKED), ("c", &long)] {
        chat(&layer, &[("x-session-id", session)], asked, (200, ANSWER)).await;
    }
    let mut seconds = Vec::new();
    while layer.recorder().metrics().added_seconds.count() == 0 {
        chat(&layer, &[], ASKED, (200, ANSWER)).await;
        layer.recorder().flush().await;
    }
    let report = layer.recorder().shutdown(Duration::from_secs(20)).await;
    let metrics = layer.recorder().metrics();
    assert_eq!((report.left, report.written), (0, metrics.written));

    let values = values(told.snapshot());
    let counter = |name: &str| match values.get(name) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(counter("tower_recording_accepted_total"), metrics.accepted);
    assert_eq!(counter("tower_recording_written_total"), metrics.written);
    assert_eq!(counter("tower_recording_rows_total"), metrics.rows);
    assert_eq!(counter("tower_recording_truncated_total[cap]"), 1);
    assert_eq!(counter("tower_recording_truncated_total[budget]"), 0);
    for reason in ["queue_full", "shutdown", "expired", "budget"] {
        let name = format!("tower_recording_dropped_total[{reason}]");
        assert_eq!(counter(&name), 0, "{name}");
    }
    let gauge = |name: &str| match values.get(name) {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(gauge("tower_recording_queued_exchanges"), 0.0);
    assert_eq!(gauge("tower_recording_pending"), 0.0);
    assert_eq!(
        gauge("tower_recording_budget_bytes"),
        metrics.budget_bytes as f64
    );
    for (name, ours) in [
        ("tower_recording_batch_rows", metrics.batch_rows),
        ("tower_recording_store_seconds", metrics.store_seconds),
        ("tower_recording_added_seconds", metrics.added_seconds),
    ] {
        let Some(DebugValue::Histogram(observed)) = values.get(name) else {
            panic!("{name}: {:?}", values.get(name));
        };
        let sum: f64 = observed.iter().map(|value| value.into_inner()).sum();
        assert_eq!(observed.len() as u64, ours.count(), "{name}");
        assert!((sum - ours.sum()).abs() < 1e-6, "{name}");
        seconds.push(sum);
    }
    assert!(seconds.iter().all(|sum| *sum > 0.0));
}
