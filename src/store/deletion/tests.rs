use super::*;
use crate::store::{
    MessageColumns, StoreError,
    tests::rows::{NOON, exchange},
};

fn telling(session: &str, at: UnixMillis, answers: &[Mark]) -> ExchangeRows {
    let mut rows = exchange(session, at);
    let question = MessageColumns {
        id: rows.exchange.exchange_id.row(3),
        ..MessageColumns::default()
    };
    rows.messages.push(question);
    rows.retold.messages = 2;
    rows.retold.answers = answers.to_vec();
    rows
}

#[tokio::test]
async fn a_deletion_is_told_of_again_where_the_batch_was_not_written() {
    let met = Met::default();
    let batch = [exchange("s", NOON + 1)];
    let id = batch[0].conversation.id;
    let found = || vec![(*id.as_bytes(), NOON)];
    let mut sent = 0;
    let failed = record(&met, &batch, |_| {
        sent += 1;
        let is_first = sent == 1;
        async move {
            match is_first {
                true => Ok(Fate::Deleted(found())),
                false => Err(StoreError::Unavailable("gone".into())),
            }
        }
    });
    assert!(failed.await.is_err());
    let again = record(&met, &batch, |batch| async move {
        let unknown = batch.deletions.unknown(found());
        Ok(match unknown.is_empty() {
            true => Fate::Written,
            false => Fate::Deleted(unknown),
        })
    });
    assert_eq!(again.await.unwrap().deleted, HashSet::from([id]));
}

#[tokio::test]
async fn every_writer_hears_of_what_was_left_out_of_his_batch() {
    let met = Met::default();
    let mark = [7; 16];
    for at in [NOON + 1, NOON + 2] {
        let named = telling("s", at, &[]);
        let unnamed = telling("t", at, &[mark]);
        let mut behind = exchange("u", at);
        behind.messages[0].parent_id = Some(exchange("u", NOON).exchange.exchange_id.row(2));
        let batch = [named, unnamed, behind, exchange("v", at)];
        let ids = [0, 2, 3].map(|index: usize| *batch[index].conversation.id.as_bytes());
        let found = || [ids[0], ids[1], mark].map(|mark| (mark, NOON)).to_vec();
        let recorded = record(&met, &batch, |batch| async move {
            let unknown = batch.deletions.unknown(found());
            Ok(match unknown.is_empty() {
                true => Fate::Written,
                false => Fate::Deleted(unknown),
            })
        });
        let recorded = recorded.await.unwrap();
        let told: HashSet<Id> = batch[..3].iter().map(|rows| rows.conversation.id).collect();
        assert_eq!((recorded.deleted, recorded.left_out), (told, 4));
        assert!(recorded.erased.is_empty());
    }
}

#[test]
fn what_follows_a_message_that_is_not_stored_stays_on_its_branch() {
    for (at, is_there) in [(NOON + 1, true), (NOON - 1, false)] {
        let last = exchange("s", at).exchange.exchange_id.row(2);
        let mut rows = telling("s", NOON + 2, &[]);
        let ids: Vec<Id> = rows.messages.iter().map(|row| row.id).collect();
        rows.messages[0].parent_id = Some(last);
        rows.messages[1].parent_id = Some(ids[0]);
        rows.messages[2].parent_id = Some(ids[1]);
        let mark = (*rows.conversation.id.as_bytes(), NOON);
        let left = rest(&rows, vec![mark].into_iter().collect()).unwrap();
        assert_eq!(left.messages.len(), 1);
        assert_eq!(left.messages[0].parent_id, is_there.then_some(last));
    }
}
