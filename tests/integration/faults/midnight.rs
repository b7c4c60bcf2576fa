//! Midnight UTC while the gateway is busy.

use super::{
    audit::assert_stored,
    backend::Backend,
    clock::{DAY, HOUR, Moved, NOON, TODAY},
    traffic::{Traffic, eventually},
};

const MIDNIGHT: i64 = NOON + 12 * HOUR;
const TOMORROW: &str = "conversation_histories_2071_03_02";
/// Before and after midnight.
const A_WHILE: i64 = 400;

on_each!([sqlite, postgres, mariadb] rows_of_both_days_lie_in_their_own_tables);
async fn rows_of_both_days_lie_in_their_own_tables<B: Backend>() {
    let place = B::new().await;
    let mut gateways = Vec::new();
    for name in ["first", "second"] {
        let clock = Moved::new(&place.dsn());
        // So that nobody has made tomorrow's tables before, and all writers make them at once.
        clock.set(NOON - 3 * DAY);
        let traffic = Traffic::with(&clock, |settings| settings.writer_threads(2));
        traffic.say_all(&format!("{name} made"), 20, 10).await;
        traffic.flush().await;
        gateways.push((name, clock, traffic));
    }
    let flows: Vec<_> = gateways
        .iter()
        .map(|(name, clock, traffic)| {
            clock.set(MIDNIGHT - A_WHILE);
            traffic.flow(name, 4)
        })
        .collect();
    for flow in flows {
        let (_, clock, _) = &gateways[0];
        eventually("no morning", async || clock.now() > MIDNIGHT + A_WHILE).await;
        flow.stop().await;
    }
    let mut said = Vec::new();
    for (_, _, traffic) in &gateways {
        said.extend(traffic.written().await);
    }
    for (table, strays) in [(TODAY, ">="), (TOMORROW, "<")] {
        let rows = format!("SELECT COUNT(*) FROM {table}");
        assert!(place.number(&rows).await > 0, "{table}");
        let strays = format!("{rows} WHERE created_at {strays} {}", B::MIDNIGHT);
        assert_eq!(place.number(&strays).await, 0, "{table}");
    }
    let talks = "SELECT COUNT(*) FROM conversations WHERE session_id NOT LIKE '%made%'";
    let over_midnight = format!("{talks} AND first_day = '2071-03-01' AND last_day = '2071-03-02'");
    assert_eq!(
        place.number(&over_midnight).await,
        place.number(talks).await
    );
    assert_stored(&place, &said).await;
}
