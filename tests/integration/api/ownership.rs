//! Whose conversations a key shows.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::json;

use super::fixture::{ALICE, BOB, Fixture, IP, PORTAL, sessions};

#[tokio::test]
async fn another_users_conversation_does_not_exist() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("bob"), "bob's secret").await;
    let (_, bobs) = fixture.get(BOB, "/conversations/s").await;
    let bobs_id = bobs["id"].as_str().unwrap();
    let message = json!({ "role": "user", "content": "mine now" });
    let absent = fixture.get(ALICE, "/conversations/absent").await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);
    assert_eq!(absent.1["error"]["code"], "conversation_not_found");
    for name in ["s", bobs_id] {
        let path = format!("/conversations/{name}");
        assert_eq!(fixture.get(ALICE, &path).await, absent);
        let path = format!("{path}/messages");
        assert_eq!(fixture.post(ALICE, &path, message.clone()).await, absent);
    }
    let (status, error) = fixture.get(ALICE, "/conversations/user/bob").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(error["error"]["type"], "permission_error");
    let (_, list) = fixture.get(ALICE, "/conversations/user/alice").await;
    assert_eq!(list, json!({ "data": [], "has_more": false, "next": null }));
    let (_, after) = fixture.get(BOB, "/conversations/s").await;
    assert_eq!(after, bobs);
}

#[tokio::test]
async fn a_session_id_of_several_users_names_each_ones_own_and_an_application_must_choose() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "alice's").await;
    fixture.chat("s", Some("bob"), "bob's").await;
    let mut ids = BTreeSet::new();
    for (key, text) in [(ALICE, "alice's"), (BOB, "bob's")] {
        let (_, own) = fixture.get(key, "/conversations/s").await;
        assert_eq!(own["messages"][0]["content"], text);
        let id = own["id"].as_str().unwrap().to_owned();
        for key in [key, PORTAL] {
            let by_id = fixture.get(key, &format!("/conversations/{id}")).await;
            assert_eq!(by_id, (StatusCode::OK, own.clone()));
        }
        ids.insert(id);
    }
    let message = json!({ "role": "user", "content": "to whom?" });
    for (status, error) in [
        fixture.get(PORTAL, "/conversations/s").await,
        fixture
            .post(PORTAL, "/conversations/s/messages", message)
            .await,
    ] {
        assert_eq!(status, StatusCode::CONFLICT);
        let named = error["error"]["ids"].as_array().unwrap();
        let named: BTreeSet<String> = named
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(named, ids);
    }
}

#[tokio::test]
async fn a_session_named_by_anothers_id_does_not_stand_before_it() {
    let fixture = Fixture::new();
    fixture.chat("s", Some("alice"), "alice's").await;
    let (_, own) = fixture.get(ALICE, "/conversations/s").await;
    let id = own["id"].as_str().unwrap();
    fixture.chat(id, Some("bob"), "bob's").await;
    let path = format!("/conversations/{id}");
    let (_, shown) = fixture.get(PORTAL, &path).await;
    assert_eq!(shown["messages"][0]["content"], "alice's");
    let (_, shown) = fixture.get(BOB, &path).await;
    assert_eq!(shown["messages"][0]["content"], "bob's");
}

#[tokio::test]
async fn a_user_named_like_an_address_does_not_read_what_came_from_it() {
    let fixture = Fixture::new();
    fixture.chat("unnamed", None, "whose?").await;
    fixture.chat("named-1", Some("10.0.0.7"), "mine").await;
    fixture.chat("unnamed-2", None, "whose?").await;
    fixture.chat("named-2", Some("10.0.0.7"), "mine").await;
    let (_, of_application) = fixture.get(PORTAL, "/conversations/user/10.0.0.7").await;
    assert_eq!(sessions(&of_application).len(), 4);
    let (_, unnamed) = fixture.get(PORTAL, "/conversations/unnamed").await;
    assert_eq!(unnamed["user_identifier"], "10.0.0.7");
    let id = unnamed["id"].as_str().unwrap();
    for name in ["unnamed", id] {
        let (status, _) = fixture.get(IP, &format!("/conversations/{name}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let (_, list) = fixture.get(IP, "/conversations/user/10.0.0.7").await;
    let all: BTreeSet<&str> = sessions(&list).into_iter().collect();
    assert_eq!(all, BTreeSet::from(["named-1", "named-2"]));
    let (_, first) = fixture
        .get(IP, "/conversations/user/10.0.0.7?limit=1")
        .await;
    let (_, second) = fixture
        .get(IP, "/conversations/user/10.0.0.7?limit=1&offset=1")
        .await;
    assert_eq!(
        [sessions(&first), sessions(&second)].concat(),
        sessions(&list)
    );
    assert_eq!(
        (&first["has_more"], &second["has_more"]),
        (&json!(true), &json!(false))
    );
}

#[tokio::test]
async fn stats_by_a_name_that_is_an_address_are_an_applications() {
    let fixture = Fixture::new();
    fixture.chat("unnamed", None, "whose?").await;
    fixture.chat("named", Some("10.0.0.7"), "mine").await;
    let path = "/conversations/user/10.0.0.7/stats";
    let (status, error) = fixture.get(IP, path).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(error["error"]["code"], "name_is_an_address");
    let (_, stats) = fixture.get(PORTAL, path).await;
    assert_eq!(stats["total_messages"], 4);
}

#[tokio::test]
async fn who_is_named_like_an_address_deletes_no_conversation_from_it() {
    let fixture = Fixture::new();
    fixture.chat("unnamed", None, "whose?").await;
    fixture.chat("named", Some("10.0.0.7"), "mine").await;
    let (_, unnamed) = fixture.get(PORTAL, "/conversations/unnamed").await;
    let (_, named) = fixture.get(PORTAL, "/conversations/named").await;
    for (shown, is_deleted) in [(unnamed, false), (named, true)] {
        assert_eq!(shown["user_identifier"], "10.0.0.7");
        let id = shown["id"].as_str().unwrap().parse().unwrap();
        let recorder = fixture.recorder();
        let deleted = recorder.delete_user_conversation("10.0.0.7", id).await;
        assert_eq!(deleted.unwrap().is_some(), is_deleted);
    }
}
