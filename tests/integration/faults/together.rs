//! Recorders of several gateways that write the same conversations at the same time.

use std::sync::Arc;

use tokio::join;

use super::{
    audit::assert_stored,
    backend::Backend,
    clock::{DAY, Moved, NOON},
    traffic::Traffic,
};

const CONVERSATIONS: usize = 30;
const ROUNDS: i64 = 10;

struct Gateway {
    name: &'static str,
    clock: Arc<Moved>,
    traffic: Traffic,
}

impl Gateway {
    fn new(name: &'static str, place: &impl Backend) -> Self {
        let clock = Moved::new(&place.dsn());
        let traffic = Traffic::at(&clock);
        Self {
            name,
            clock,
            traffic,
        }
    }

    /// Says something in each conversation on this day, counted from that of [`NOON`].
    async fn say_in_all(&self, role: &str, day: i64) {
        self.clock.set(NOON + day * DAY);
        for number in 0..CONVERSATIONS {
            let text = format!("{} {role} {number} on {day}", self.name);
            self.traffic
                .say_as(role, &format!("talk-{number}"), &text)
                .await;
        }
        self.traffic.flush().await;
    }
}

on_each!([sqlite, postgres, mariadb] two_recorders_lose_nothing_of_a_conversation_that_both_write);
async fn two_recorders_lose_nothing_of_a_conversation_that_both_write<B: Backend>() {
    let place = B::new().await;
    let (one, other) = (Gateway::new("one", &place), Gateway::new("other", &place));
    // Nothing yet to make a title of.
    join!(one.say_in_all("system", 0), other.say_in_all("system", 0));
    let wrong = |what: &str| format!("SELECT COUNT(*) FROM conversations WHERE {what}");
    assert_eq!(place.number(&wrong("title IS NOT NULL")).await, 0);
    for round in 1..=ROUNDS {
        // Each widens the conversation to its side.
        join!(
            one.say_in_all("user", -round),
            other.say_in_all("user", round)
        );
        let (first, last) = (day_of(-round), day_of(round));
        let span = format!("first_day <> '{first}' OR last_day <> '{last}'");
        assert_eq!(place.number(&wrong(&span)).await, 0, "{round}");
        let titled = "title IS NULL OR (title NOT LIKE '% on -1' AND title NOT LIKE '% on 1')";
        assert_eq!(place.number(&wrong(titled)).await, 0, "{round}");
    }
    let conversations = "SELECT COUNT(*) FROM conversations";
    assert_eq!(place.number(conversations).await, CONVERSATIONS as i64);
    let mut said = one.traffic.written().await;
    said.extend(other.traffic.written().await);
    assert_stored(&place, &said).await;
}

/// The date so many days from 2071-03-01, within a month.
fn day_of(day: i64) -> String {
    match day {
        0.. => format!("2071-03-{:02}", 1 + day),
        _ => format!("2071-02-{:02}", 29 + day),
    }
}
