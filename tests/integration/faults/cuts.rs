//! Connections that are cut while a batch is being committed.

use super::{
    audit::assert_stored,
    backend::Wired,
    traffic::Traffic,
    wire::{Cut, Wire},
};

const CUTS: usize = 4;

on_each!([postgres, mariadb] a_commit_that_never_arrived_is_sent_again);
async fn a_commit_that_never_arrived_is_sent_again<B: Wired>() {
    stands_once::<B>(Cut::Before).await;
}

on_each!([postgres, mariadb] a_commit_whose_answer_was_lost_stands_once);
async fn a_commit_whose_answer_was_lost_stands_once<B: Wired>() {
    stands_once::<B>(Cut::After).await;
}

async fn stands_once<B: Wired>(cut: Cut) {
    let place = B::new().await;
    let wire = Wire::to(&place.server(), cut).await;
    let traffic = Traffic::into(&place.dsn_by(wire.port));
    let flow = traffic.flow("talk", 4);
    traffic.until_written(50).await;
    let before = traffic.metrics();
    wire.cut(CUTS);
    traffic.until(|_| wire.left() == 0).await;
    traffic.until_written(50).await;
    flow.stop().await;
    let said = traffic.written().await;
    assert!(traffic.metrics().retries > before.retries);
    assert_stored(&place, &said).await;
}
