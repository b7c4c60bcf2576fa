//! A day that somebody drops while it is written to.

use super::{
    audit::{assert_counted, stored},
    backend::Backend,
    clock::{Moved, TODAY},
    traffic::{Traffic, fails},
};

const ENOUGH: u64 = 100;

on_each!([sqlite, postgres, mariadb] a_day_dropped_under_the_writer_is_made_again);
async fn a_day_dropped_under_the_writer_is_made_again<B: Backend>() {
    let place = B::new().await;
    let clock = Moved::new(&place.dsn());
    let traffic = Traffic::at(&clock);
    let flow = traffic.flow("talk", 3);
    traffic.until_written(ENOUGH).await;
    let before = traffic.said();
    traffic.flush().await;
    place.execute(&format!("DROP TABLE {TODAY}")).await;
    let later = traffic.flow("later", 3);
    traffic.until_written(ENOUGH).await;
    flow.stop().await;
    later.stop().await;
    let said = traffic.written().await;
    assert_eq!(traffic.metrics().rejected, 0);
    let stored = stored(&place).await;
    let is_gone = |text: &&String| !stored.contains(*text);
    // What failed lies in another table.
    let dropped = before.iter().filter(|text| !fails(text));
    assert!(dropped.clone().count() > 0 && dropped.clone().all(|text| is_gone(&text)));
    let lost: Vec<_> = said
        .iter()
        .filter(is_gone)
        .filter(|text| text.starts_with("later") || fails(text))
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_counted(&place).await;
}
