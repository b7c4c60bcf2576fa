//! What a writer finds of the past.

use super::{Database, rows::*};
use crate::{
    outcome::Outcome,
    store::{
        ChainHash, ExchangeRows, Head, KnownMessage, KnownResponse, Recall, Recalled, Store,
        Unanswered, UnixMillis,
    },
};

fn hash(number: u8) -> ChainHash {
    [number; 16]
}

/// An exchange whose messages have these hashes.
fn hashed(session: &str, at: UnixMillis, hashes: [Option<u8>; 2]) -> ExchangeRows {
    let mut rows = exchange(session, at);
    for (message, number) in rows.messages.iter_mut().zip(hashes) {
        message.chain_hash = number.map(hash);
    }
    rows
}

fn known(rows: &ExchangeRows, message: usize) -> KnownMessage {
    KnownMessage {
        conversation_id: rows.conversation.id,
        id: rows.messages[message].id,
        chain_hash: rows.messages[message].chain_hash.unwrap(),
    }
}

async fn recall(
    store: &impl Store,
    sessions: &[&str],
    hashes: &[u8],
    since: UnixMillis,
) -> Recalled {
    let wanted = Recall {
        conversations: sessions.iter().map(|session| id_of(session)).collect(),
        hashes: hashes.iter().map(|number| hash(*number)).collect(),
        since,
        ..Recall::default()
    };
    let mut recalled = store.recall(&wanted).await.unwrap();
    recalled.heads.sort_by_key(|head| head.conversation_id);
    recalled
}

fn sorted(mut messages: Vec<KnownMessage>) -> Vec<KnownMessage> {
    messages.sort_by_key(|message| message.id);
    messages
}

pub(super) async fn hashes_are_found_in_every_conversation_newest_day_first<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let old = hashed("old", NOON - 3 * DAY, [Some(1), Some(2)]);
        let one = hashed("one", NOON, [Some(1), Some(3)]);
        let two = hashed("two", NOON + 1, [Some(1), None]);
        let only_old = hashed("old", NOON - 2 * DAY, [Some(4), None]);
        let batch = [old.clone(), one.clone(), two.clone(), only_old.clone()];
        store.write(&batch).await.unwrap();

        let all = recall(&store, &[], &[1, 3, 4, 9], NOON - 5 * DAY)
            .await
            .messages;
        let days = all.iter().map(|message| -message.id.unix_ms() / DAY);
        assert!(days.is_sorted(), "{all:?}");
        // Of a hash that a newer day has, older days may be left out.
        let (newest, rest): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|message| message.id != old.messages[0].id);
        let expected = vec![
            known(&one, 0),
            known(&one, 1),
            known(&two, 0),
            known(&only_old, 0),
        ];
        assert_eq!(sorted(newest), sorted(expected));
        assert!(rest.iter().all(|message| *message == known(&old, 0)));

        let old_days = recall(&store, &[], &[2], NOON - 3 * DAY + 10 * HOUR).await;
        assert_eq!(old_days.messages, [known(&old, 1)]);
        let too_old = recall(&store, &[], &[2, 4], NOON - DAY).await;
        assert_eq!(too_old, Recalled::default());
        assert_eq!(recall(&store, &[], &[], 0).await, Recalled::default());
    }
}

pub(super) async fn what_was_stored_lately_is_not_looked_for_in_older_days<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let old = hashed("old", NOON - 3 * DAY, [Some(1), Some(2)]);
        let yesterday = hashed("yesterday", NOON - DAY, [Some(3), Some(4)]);
        let new = hashed("new", NOON, [Some(5), None]);
        let batch = [old.clone(), yesterday.clone(), new.clone()];
        store.write(&batch).await.unwrap();
        let found = async |hashes: &[u8]| {
            let wanted = Recall {
                hashes: hashes.iter().map(|number| hash(*number)).collect(),
                since: NOON - 9 * DAY,
                recent: [1, 3, 5, 9].map(hash).to_vec(),
                recent_since: NOON - DAY,
                ..Recall::default()
            };
            let recalled = store.recall(&wanted).await.unwrap();
            sorted(recalled.messages)
        };
        let [one, two, three, five] = [
            known(&old, 0),
            known(&old, 1),
            known(&yesterday, 0),
            known(&new, 0),
        ];
        assert_eq!(found(&[2]).await[..].last(), Some(&five));
        if daily {
            assert_eq!(found(&[]).await, [three, five]);
            assert_eq!(found(&[2]).await, [two, three, five]);
        }
        assert_eq!(found(&[1, 5]).await, [one, three, five]);
    }
}

pub(super) async fn many_hashes_may_be_asked_for_at_once<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let batch: Vec<ExchangeRows> = (0..250)
        .map(|number| {
            hashed(
                &format!("s{number}"),
                NOON + i64::from(number),
                [Some(number), None],
            )
        })
        .collect();
    store.write(&batch).await.unwrap();
    let sessions: Vec<String> = (0..1000).map(|number| format!("s{number}")).collect();
    let mut wanted = Recall {
        conversations: sessions.iter().map(|session| id_of(session)).collect(),
        hashes: (0..250).map(hash).collect(),
        since: NOON,
        ..Recall::default()
    };
    for number in 0..2000u32 {
        let mut unknown = [255; 16];
        unknown[..4].copy_from_slice(&number.to_be_bytes());
        wanted.hashes.push(unknown);
    }
    let recalled = store.recall(&wanted).await.unwrap();
    assert_eq!(recalled.messages.len(), 250);
    assert_eq!(recalled.heads.len(), 250);
    assert!(recalled.heads.iter().all(|head| head.message.is_some()));
}

pub(super) async fn a_head_is_the_newest_message_with_a_hash<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let first = hashed("s", NOON - 2 * DAY, [Some(1), Some(2)]);
        let mut branched = hashed("s", NOON - DAY, [Some(3), Some(4)]);
        branched.messages[1].choice_index = 1;
        let same_time = hashed("t", NOON, [Some(5), Some(6)]);
        let no_hash = hashed("s", NOON, [None, None]);
        let old = hashed("old", NOON - 9 * DAY, [Some(7), Some(8)]);
        let mut told = failed("told", NOON);
        told.conversation.sends_history = true;
        let batch = [
            first.clone(),
            branched.clone(),
            same_time.clone(),
            no_hash,
            failed("s", NOON + 1),
            old,
            told.clone(),
        ];
        store.write(&batch).await.unwrap();
        let sessions = ["s", "t", "old", "told", "unknown"];
        let recalled = recall(&store, &sessions, &[], NOON - 3 * DAY).await;
        assert_eq!(recalled.messages, []);
        let head = |rows: &ExchangeRows, sends_history, message| Head {
            conversation_id: rows.conversation.id,
            session_id: rows.conversation.session_id.clone(),
            sends_history,
            message,
            unanswered: None,
        };
        let mut expected = vec![
            head(&first, false, Some(known(&branched, 0))),
            head(&same_time, false, Some(known(&same_time, 1))),
            head(&batch[5], false, None),
            head(&told, true, None),
        ];
        expected.sort_by_key(|head| head.conversation_id);
        assert_eq!(recalled.heads, expected);
        let recalled = recall(&store, &["s"], &[], NOON).await;
        assert_eq!(recalled.heads[0].message, None);
    }
}

pub(super) async fn what_was_asked_last_is_known_where_its_answer_is_not_whole<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let store = database.store_in(daily);
        let linked = |session, at, hashes, parent: Option<&ExchangeRows>| {
            let mut rows = hashed(session, at, hashes);
            rows.messages[0].parent_id = parent.map(|rows| rows.messages[1].id);
            rows.messages[1].parent_id = Some(rows.messages[0].id);
            rows
        };
        let broken = |mut rows: ExchangeRows| {
            rows.exchange.outcome = Outcome::ClientAbort;
            rows
        };
        // Over midnight, and tried again in vain.
        let whole = linked("s", NOON - 13 * HOUR, [Some(1), Some(2)], None);
        let asked = broken(linked("s", NOON, [Some(3), Some(4)], Some(&whole)));
        let mut again = broken(linked("s", NOON + 1, [Some(5), Some(6)], None));
        again.messages.remove(0);
        again.messages[0].parent_id = Some(asked.messages[0].id);
        let mut first = broken(linked("first", NOON, [Some(7), None], None));
        first.messages.truncate(1);
        let complete = linked("complete", NOON, [Some(8), Some(9)], None);
        let mut history = broken(linked("history", NOON, [Some(10), Some(11)], None));
        history.conversation.sends_history = true;
        let lost = broken(linked("lost", NOON, [Some(12), Some(13)], Some(&whole)));
        let batch = [
            whole,
            asked.clone(),
            again,
            first.clone(),
            complete,
            history,
            lost,
        ];
        store.write(&batch).await.unwrap();
        let sessions = ["s", "first", "complete", "history", "lost"];
        let recalled = recall(&store, &sessions, &[], NOON - 3 * DAY).await;
        let asked_in = |session: &str| {
            let mut heads = recalled.heads.iter();
            heads
                .find(|head| head.session_id == session)
                .unwrap()
                .unanswered
        };
        let unanswered = |rows: &ExchangeRows, follows: Option<u8>| {
            Some(Unanswered {
                question: known(rows, 0),
                follows: follows.map(hash),
            })
        };
        assert_eq!(asked_in("s"), unanswered(&asked, Some(2)));
        assert_eq!(asked_in("first"), unanswered(&first, None));
        for session in ["complete", "history", "lost"] {
            assert_eq!(asked_in(session), None, "{session}");
        }
    }
}

pub(super) async fn responses_are_found_while_their_answers_stand_there<D: Database>() {
    for daily in [true, false] {
        let database = D::open().await;
        let answered = |session, at, number| {
            let mut rows = hashed(session, at, [None, Some(100 + number)]);
            rows.response = Some(KnownResponse {
                hash: hash(number),
                message: known(&rows, 1),
            });
            rows
        };
        let mut batch: Vec<ExchangeRows> = (0..60)
            .map(|number| answered("s", NOON - i64::from(number) * HOUR, number))
            .collect();
        // The provider says the same id again: the first is kept.
        batch.push(answered("t", NOON, 7));
        batch.push(exchange("u", NOON));
        let mut gone = answered("gone", NOON - 9 * DAY, 99);
        gone.messages.clear();
        batch.push(gone);
        for store in [database.store_in(daily), database.store_in(daily)] {
            store.write(&batch).await.unwrap();
            let wanted = Recall {
                responses: [3, 7, 59, 99, 200].map(hash).to_vec(),
                since: NOON,
                ..Recall::default()
            };
            let mut recalled = store.recall(&wanted).await.unwrap();
            recalled.responses.sort_by_key(|response| response.hash);
            let expected = [3, 7, 59].map(|number| batch[number].response.unwrap());
            assert_eq!(recalled.responses, expected);
            assert!(recalled.heads.is_empty() && recalled.messages.is_empty());
        }
        let seen = database.number("SELECT count(*) FROM response_ids").await;
        assert_eq!(seen, 61);
    }
}

pub(super) async fn once_a_client_sends_its_history_it_stays_so<D: Database>() {
    let database = D::open().await;
    let store = database.store();
    let other = database.store();
    let mut rows = exchange("s", NOON);
    rows.conversation.parent_conversation_id = Some(id_of("parent"));
    let mut expected = false;
    for sends_history in [false, true, false] {
        rows.conversation.sends_history = sends_history;
        expected |= sends_history;
        for store in [&store, &other] {
            store.write(std::slice::from_ref(&rows)).await.unwrap();
            let recalled = recall(store, &["s"], &[], NOON).await;
            assert_eq!(recalled.heads[0].sends_history, expected);
        }
    }
    let parents = "SELECT count(DISTINCT parent_conversation_id) FROM conversations";
    assert_eq!(database.number(parents).await, 1);
}

pub(super) async fn the_secret_is_the_same_in_every_process<D: Database>() {
    let database = D::open().await;
    let secret = database.store().secret().await.unwrap();
    assert_ne!(secret, [0; 32]);
    assert_eq!(database.store().secret().await.unwrap(), secret);
    assert_ne!(D::open().await.store().secret().await.unwrap(), secret);
}
