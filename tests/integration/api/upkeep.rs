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
