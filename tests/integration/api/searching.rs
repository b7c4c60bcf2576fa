//! Looking for a text.

use http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{ALICE, Fixture, IP, PORTAL, names};

fn found(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|hit| hit["message"]["content"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_user_finds_what_was_said_to_him_and_nothing_of_others() {
    let fixture = Fixture::new();
    for (user, text) in [
        ("alice", "blue whale"),
        ("bob", "blue sky"),
        ("alice", "red"),
    ] {
        fixture.chat("s", Some(user), text).await;
    }
    let (status, list) = fixture.get(ALICE, "/search?q=blue").await;
    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(found(&list), ["so blue whale", "blue whale"]);
    assert_eq!(names(&list["data"][0]), ["conversation", "message"].into());
    assert_eq!(list["data"][0]["conversation"]["user_identifier"], "alice");
    assert_eq!(
        (&list["has_more"], &list["next"]),
        (&json!(false), &Value::Null)
    );
    assert!(list["from"].as_str().unwrap() < list["to"].as_str().unwrap());
    let (_, list) = fixture.get(PORTAL, "/search?q=blue").await;
    assert_eq!(found(&list).len(), 4);
    let (_, list) = fixture
        .get(PORTAL, "/search?q=blue&user_identifier=bob")
        .await;
    assert_eq!(found(&list), ["so blue sky", "blue sky"]);
    let (_, list) = fixture.get(PORTAL, "/search?q=blue&model=other").await;
    assert!(found(&list).is_empty());
    let (_, list) = fixture
        .get(PORTAL, "/search?q=blue&to=2001-01-02&from=2001-01-01")
        .await;
    assert!(found(&list).is_empty());
    assert_eq!(
        (&list["from"], &list["to"]),
        (&json!("2001-01-01"), &json!("2001-01-02"))
    );
    let (status, error) = fixture.get(PORTAL, "/search").await;
    assert_eq!(
        (status, &error["error"]["param"]),
        (StatusCode::BAD_REQUEST, &json!("q"))
    );
}

#[tokio::test]
async fn pages_of_a_search_make_the_whole() {
    let fixture = Fixture::new();
    for number in 0..5 {
        fixture
            .chat(&format!("s{number}"), Some("alice"), "hello")
            .await;
    }
    let (_, all) = fixture.get(ALICE, "/search?q=hello").await;
    let ids = |list: &Value| -> Vec<Value> {
        let data = list["data"].as_array().unwrap();
        data.iter()
            .map(|hit| hit["message"]["id"].clone())
            .collect()
    };
    assert_eq!(ids(&all).len(), 10);
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/search?q=hello&limit=3{after}");
        let (_, page) = fixture.get(ALICE, &path).await;
        paged.extend(ids(&page));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        after = format!("&after={next}");
    }
    assert_eq!(paged, ids(&all));
}

#[tokio::test]
async fn who_is_named_like_an_address_does_not_find_what_came_from_it() {
    let fixture = Fixture::new();
    fixture.chat("unnamed", None, "hello").await;
    fixture.chat("named", Some("10.0.0.7"), "hello").await;
    let (_, list) = fixture.get(IP, "/search?q=hello&limit=1").await;
    assert_eq!(list["data"][0]["conversation"]["session_id"], "named");
    let (_, list) = fixture.get(IP, "/search?q=hello").await;
    assert_eq!(found(&list).len(), 2);
}
