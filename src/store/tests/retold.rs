//! Histories that clients send along after a deletion.

use super::{
    Database,
    deletion::{rows_of, said},
    rows::*,
};
use crate::{
    conversation::Role,
    store::{ExchangeRows, Retold, Store},
};

/// A question behind a history of two messages, which the client sent along.
fn with_history(session: &str, at: i64) -> ExchangeRows {
    let mut rows = exchange(session, at);
    let id = rows.exchange.exchange_id;
    rows.conversation.title = Some("secret".to_owned());
    rows.messages = vec![
        message(id, 1, Role::User, "secret"),
        message(id, 2, Role::Assistant, "secret too"),
        message(id, 3, Role::User, "new"),
        message(id, 4, Role::Assistant, "answer"),
    ];
    for number in 1..4 {
        rows.messages[number].parent_id = Some(id.row(number));
    }
    for (number, message) in rows.messages.iter_mut().enumerate() {
        message.chain_hash = Some([number as u8 + 1; 16]);
    }
    rows.retold = Retold {
        messages: 2,
        answers: vec![[2; 16]],
        title: Some("new".to_owned()),
        is_all: false,
    };
    rows
}

pub(super) async fn a_history_that_is_sent_again_is_not_stored_again<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    store.write(&[with_history("s", NOON)]).await.unwrap();
    assert_eq!(said(&store, id_of("s")).await.len(), 4);
    store
        .delete_conversation(id_of("s"), NOON + 1)
        .await
        .unwrap()
        .unwrap();
    let mut failure = with_history("s", NOON + 3);
    failure.messages.clear();
    failure.error = failed("s", NOON + 3).error;
    let details = r#"{"messages":[{"a":1},{"a":2},{"a":3}],"type":"x"}"#;
    failure.error.as_mut().unwrap().other = Some(details.to_owned());
    let later = [with_history("s", NOON + 2), failure];
    store.write(&later).await.unwrap();
    assert_eq!(said(&store, id_of("s")).await, ["new", "answer"]);
    assert_eq!(find(&store, "s").await.title.as_deref(), Some("new"));
    let rows = store.messages(id_of("s"), None, 9).await.unwrap().data;
    assert_eq!(rows[0].message.parent_id, None);
    assert_eq!(rows[1].message.parent_id, Some(rows[0].message.id));
    let errors = store.errors(id_of("s"), None, 9).await.unwrap().data;
    let details = errors[0].error.other.as_deref().unwrap();
    assert_eq!(details, r#"{"messages":[{"a":3}],"type":"x"}"#);
    // The same rows again change nothing.
    store.write(&later).await.unwrap();
    assert_eq!(said(&store, id_of("s")).await, ["new", "answer"]);
}

/// Where a session has no name, its history comes under a new one.
pub(super) async fn a_history_without_a_name_is_not_stored_under_another<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut unnamed = with_history("made up", NOON);
        unnamed.conversation.session_source = "generated".to_owned();
        store
            .write(&[unnamed, with_history("named", NOON)])
            .await
            .unwrap();
        store
            .delete_conversation(id_of("made up"), NOON + 1)
            .await
            .unwrap()
            .unwrap();
        store
            .write(&[with_history("made up again", NOON + 2)])
            .await
            .unwrap();
        assert_eq!(
            said(&store, id_of("made up again")).await,
            ["new", "answer"]
        );
        assert_eq!(said(&store, id_of("named")).await.len(), 4);
    }
}

/// The client tells again what was said in it, some of which was never stored.
pub(super) async fn what_a_deleted_conversation_would_have_held_does_not_come_back<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let other = database.store_in(daily);
        let unnamed = |mut rows: ExchangeRows| {
            rows.conversation.session_source = "inferred".to_owned();
            rows
        };
        let telling = |session: &str, at, answers: &[u8]| {
            let mut rows = with_history(session, at);
            rows.retold.answers = answers.iter().map(|hash| [*hash; 16]).collect();
            rows
        };
        store
            .write(&[unnamed(with_history("made up", NOON))])
            .await
            .unwrap();
        store
            .delete_conversation(id_of("made up"), NOON + 10)
            .await
            .unwrap()
            .unwrap();
        // On their way meanwhile: one under its id, one that did not find it any more.
        let mut own = unnamed(exchange("made up", NOON + 5));
        own.messages[1].chain_hash = Some([21; 16]);
        let mut lost = unnamed(telling("lost", NOON + 10, &[2]));
        lost.messages[3].chain_hash = Some([22; 16]);
        let recorded = store.record(&[own.clone(), lost.clone()]).await.unwrap();
        let ids = [&own, &lost].map(|rows| rows.exchange.exchange_id);
        assert_eq!(recorded.erased, ids);
        assert_eq!(rows_of(&database, &store, id_of("lost")).await, 0);
        for (session, answers) in [
            ("after the first", &[21][..]),
            ("after the second", &[22]),
            ("after what failed", &[2, 99]),
        ] {
            other
                .write(&[unnamed(telling(session, NOON + 11, answers))])
                .await
                .unwrap();
            assert_eq!(said(&store, id_of(session)).await, ["new", "answer"]);
        }
        // It has a name, under which nothing was deleted.
        let named = telling("named", NOON + 10, &[2]);
        assert!(other.record(&[named]).await.unwrap().erased.is_empty());
        assert_eq!(said(&store, id_of("named")).await, ["new", "answer"]);
        let own = unnamed(telling("its own", NOON + 10, &[98, 99]));
        other.write(&[own]).await.unwrap();
        assert_eq!(said(&store, id_of("its own")).await.len(), 4);
    }
}
