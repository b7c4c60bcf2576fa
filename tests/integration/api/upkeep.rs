//! What is for those who run it.

use http::StatusCode;

use super::fixture::{Fixture, PORTAL};

#[tokio::test]
async fn tables_are_listed_with_their_rows_and_old_ones_dropped() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    let (status, tables) = fixture.get(PORTAL, "/partitions").await;
    assert_eq!(status, StatusCode::OK);
    let tables = tables["data"].as_array().unwrap();
    assert_eq!(tables.len(), 8);
    let rows: i64 = tables
        .iter()
        .map(|table| table["rows"].as_i64().unwrap())
        .sum();
    assert_eq!(rows, 2);
    let named = |table: &serde_json::Value| {
        let day = table["day"].as_str().unwrap().replace('-', "_");
        table["table"].as_str().unwrap().ends_with(&day)
    };
    assert!(tables.iter().all(named));
    let (status, kept) = fixture
        .delete(PORTAL, "/partitions?before=2001-01-01")
        .await;
    assert_eq!(
        (status, &kept["tables_dropped"]),
        (StatusCode::OK, &0.into())
    );
    let (_, dropped) = fixture
        .delete(PORTAL, "/partitions?before=9999-01-01")
        .await;
    assert_eq!(dropped["tables_dropped"], 8);
    assert_eq!(dropped["rows_deleted"], 2);
    let (status, _) = fixture.get(PORTAL, "/conversations/s").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn counters_are_told_as_prometheus_reads_them() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "hello").await;
    let (status, text) = fixture.text(PORTAL, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "# TYPE tower_recording_written_total counter",
        "tower_recording_written_total 1",
        "tower_recording_accepted_total 1",
        "tower_recording_erased_total 0",
        "# HELP tower_recording_rows_total Rows that were sent in them.",
        "tower_recording_rows_total 2",
        "# TYPE tower_recording_pending gauge",
        "tower_recording_pending 0",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} in {text}");
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.starts_with("tower_recording_") && value.parse::<u64>().is_ok());
    }
}
