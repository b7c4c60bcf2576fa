//! Reading what is there and what is not.

use super::{Database, rows::*};
use crate::{
    id::Id,
    store::{ExchangeRows, Store, StoredMessage},
};

pub(super) async fn what_was_never_written_is_not_found<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let id = id_of("s");
    assert_eq!(store.conversation(id).await.unwrap(), None);
    assert!(store.messages(id, None, 5).await.unwrap().data.is_empty());
    let errors = store.errors(id, None, usize::MAX).await.unwrap();
    assert!(errors.data.is_empty());
    let nobody = store.conversations_of_user("", "alice", None, usize::MAX, usize::MAX);
    assert!(nobody.await.unwrap().data.is_empty());
}

pub(super) async fn one_store_serves_several_runtimes_that_come_and_go<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let runtimes = move || {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        for number in 0..3 {
            let written = runtime().block_on(store.write(&[exchange("s", NOON + number)]));
            written.unwrap();
            assert_eq!(runtime().block_on(count_of(&store, "s")), 2 * (number + 1));
        }
    };
    tokio::task::spawn_blocking(runtimes).await.unwrap();
}

pub(super) async fn pages_before_an_id_make_the_whole_conversation<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let mut batch: Vec<ExchangeRows> = (0..20)
            .map(|number| exchange("s", NOON - number % 5 * 11 * DAY + number % 3))
            .collect();
        batch.extend((0..9).map(|number| failed("s", NOON - number % 4 * 11 * DAY)));
        batch.push(exchange("t", NOON));
        store.write(&batch).await.unwrap();
        let id = id_of("s");
        let all = store.messages(id, None, 1000).await.unwrap().data;
        assert_eq!(all.len(), 40);
        let ids: Vec<Id> = all.iter().map(|row| row.message.id).collect();
        for limit in [1, 3, 39, 40, 41] {
            let mut found: Vec<StoredMessage> = Vec::new();
            let mut more = true;
            while more {
                let before = found.first().map(|row| row.message.id);
                let page = store.messages(id, before, limit).await.unwrap();
                assert!(page.data.len() == limit || !page.has_more, "{limit}");
                more = page.has_more;
                found.splice(0..0, page.data);
                assert!(found.len() <= all.len(), "{limit}");
            }
            assert_eq!(found, all, "{limit}");
        }
        let between = store.messages(id, Some(ids[7]), 4).await.unwrap();
        assert_eq!(between.data, all[3..7]);
        let none = store.messages(id, Some(ids[0]), 4).await.unwrap();
        assert!(none.data.is_empty() && !none.has_more);
        let nothing = store.messages(id, None, 0).await.unwrap();
        assert!(nothing.data.is_empty() && nothing.has_more);

        let all = store.errors(id, None, 1000).await.unwrap().data;
        assert_eq!(all.len(), 9);
        for end in 0..9 {
            let page = store.errors(id, Some(all[end].error.id), 2).await.unwrap();
            assert_eq!(page.data, all[end.saturating_sub(2)..end]);
            assert_eq!(page.has_more, end > 2);
        }
    }
}

pub(super) async fn a_page_ends_where_its_text_gets_long<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        // Six exchanges on three days, each with 3 MiB in all.
        for number in 0..6 {
            let mut rows = exchange("s", NOON + number / 2 * DAY + number);
            rows.messages[0].content = "q".repeat(2 << 20);
            rows.messages[1].other = Some(format!("\"{}\"", "o".repeat(1 << 20)));
            store.write(&[rows]).await.unwrap();
            let mut rows = failed("s", NOON + number / 2 * DAY + number);
            rows.error.as_mut().unwrap().error_message = "e".repeat(3 << 20);
            store.write(&[rows]).await.unwrap();
        }
        let id = id_of("s");
        let mut before = None;
        for (rows, has_more) in [(10, true), (2, false)] {
            let page = store.messages(id, before, 500).await.unwrap();
            assert_eq!((page.data.len(), page.has_more), (rows, has_more));
            for pair in page.data.chunks(2) {
                let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                assert_eq!(pair[0].message.content.len(), 2 << 20);
                assert_eq!(pair[1].message.content, "answer");
                assert_eq!(length(&pair[1].message.other), (1 << 20) + 2);
            }
            before = page.data.first().map(|row| row.message.id);
        }
        let mut before = None;
        for (rows, has_more) in [(5, true), (1, false)] {
            let page = store.errors(id, before, 500).await.unwrap();
            assert_eq!((page.data.len(), page.has_more), (rows, has_more));
            let lengths = page.data.iter().map(|row| row.error.error_message.len());
            assert!(lengths.into_iter().all(|length| length == 3 << 20));
            before = page.data.first().map(|row| row.error.id);
        }
    }
}
