//! Connections that are cut while a batch is being committed.

use super::{
    audit::assert_stored,
    backend::Wired,
    traffic::Traffic,
    wire::{Cut, Wire},
};

const CUTS: usize = 3;
const EXCHANGES: &str = "(SELECT COUNT(DISTINCT exchange_id) FROM conversation_histories) \
     + (SELECT COUNT(*) FROM error_conversation_histories)";

on_each!([postgres, mariadb] a_commit_that_never_arrived_is_sent_again);
async fn a_commit_that_never_arrived_is_sent_again<B: Wired>() {
    assert_eq!(unknown_to_the_recorder::<B>(Cut::Before).await, 0);
}

on_each!([postgres, mariadb] a_commit_whose_answer_was_lost_stands_once);
async fn a_commit_whose_answer_was_lost_stands_once<B: Wired>() {
    assert!(unknown_to_the_recorder::<B>(Cut::After).await > 0);
}

/// Cuts some commits, and says how many exchanges stood there meanwhile whose fate the recorder did
/// not know.
async fn unknown_to_the_recorder<B: Wired>(cut: Cut) -> i64 {
    let place = B::new().await;
    let wire = Wire::to(place.server(), cut).await;
    let traffic = Traffic::into(&place.dsn_by(wire.port));
    let flow = traffic.flow("talk", 4);
    let mut unknown = 0;
    for _ in 0..CUTS {
        traffic.until_written(30).await;
        wire.cut().await;
        unknown += place.number(EXCHANGES).await - traffic.metrics().written as i64;
        wire.mend();
    }
    traffic.until_written(30).await;
    flow.stop().await;
    assert_stored(&place, &traffic.written().await).await;
    unknown
}
