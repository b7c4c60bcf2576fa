//! Looking for a text.

use super::{Database, rows::*};
use crate::store::{Hit, Search, Store};

fn wanted(text: &str, day: i64) -> Search {
    Search {
        text: text.to_owned(),
        day,
        limit: 10,
        ..Search::default()
    }
}

pub(super) async fn a_text_is_found_on_its_day_newest_first<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let said = |user: &str, session: &str, at, text: &str| {
            let mut rows = exchange_of(user, session, at);
            rows.messages[1].content = text.to_owned();
            rows
        };
        let mut batch = vec![
            said("alice", "s", NOON, "100% of 'a_b' \u{1F980}"),
            said("alice", "t", NOON + 1, "100% of 'a_b' again"),
            said("bob", "s", NOON + 2, "not 100% of aXb"),
            said("alice", "s", NOON - DAY, "100% the day before"),
        ];
        batch[1].exchange.model_name = Some("other".to_owned());
        let mut of_tenant = said("alice", "u", NOON, "100% another's");
        of_tenant.exchange.tenant = "t".to_owned();
        batch.push(of_tenant);
        store.write(&batch).await.unwrap();
        let hit = |number: usize| Hit {
            conversation_id: batch[number].conversation.id,
            id: batch[number].messages[1].id,
        };
        let find = async |wanted: &Search| store.search(wanted).await.unwrap();
        assert_eq!(find(&wanted("100%", NOON)).await, [hit(2), hit(1), hit(0)]);
        assert_eq!(find(&wanted("a_b", NOON)).await, [hit(1), hit(0)]);
        assert_eq!(find(&wanted("\u{1F980}", NOON)).await, [hit(0)]);
        assert_eq!(find(&wanted("100%", NOON - DAY)).await, [hit(3)]);
        assert_eq!(find(&wanted("100%", NOON - 9 * DAY)).await, []);
        assert_eq!(find(&wanted("AGAIN", NOON)).await, []);
        let of_alice = Search {
            user_identifier: Some("alice".to_owned()),
            ..wanted("100%", NOON)
        };
        assert_eq!(find(&of_alice).await, [hit(1), hit(0)]);
        let of_model = Search {
            model_name: Some("gpt".to_owned()),
            ..of_alice.clone()
        };
        assert_eq!(find(&of_model).await, [hit(0)]);
        let first = Search {
            limit: 1,
            ..of_alice.clone()
        };
        assert_eq!(find(&first).await, [hit(1)]);
        let second = Search {
            before: Some(hit(1).id),
            ..first
        };
        assert_eq!(find(&second).await, [hit(0)]);
    }
}
