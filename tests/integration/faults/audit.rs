//! Whether the database holds what was accepted, and counts what it holds.

use std::{collections::BTreeSet, time::Duration};

use tower_recording::{
    RecordingLayer,
    store::{Store, UnixMillis},
};

use super::backend::Backend;

/// 2032-01-01 12:00 UTC, when every day of these tests has long ended.
const LATER: UnixMillis = 1_956_571_200_000;
/// Each call closes a week at the most.
const MOST_WEEKS: usize = 12;

const QUESTIONS: &str = "SELECT content AS value FROM conversation_histories WHERE role <> 'assistant' \
     UNION ALL SELECT content FROM error_conversation_histories";
/// Exchanges that stand there with their question or their answer only, or with more than both.
const NOT_WHOLE: &str = "SELECT COUNT(*) FROM (SELECT exchange_id FROM conversation_histories \
     GROUP BY exchange_id HAVING COUNT(*) <> 2 OR COUNT(DISTINCT role) <> 2) AS halves";
const COUNTED: &str = "SELECT CONCAT(c.session_id, ' ', COUNT(h.id)) AS value \
     FROM conversations AS c LEFT JOIN conversation_histories AS h ON h.conversation_id = c.id \
     AND h.role IN ('user', 'assistant') GROUP BY c.id, c.session_id";
const COUNTS_KEPT: &str =
    "SELECT CONCAT(session_id, ' ', message_count) AS value FROM conversations";
const NOT_CLOSED: &str = "SELECT COUNT(*) FROM recording_days \
     WHERE day < '2032-01-01' AND (closed_at IS NULL OR dirty <> 0)";
/// What is kept of closed days, and the same from their rows.
const USAGE: [(&str, &str); 4] = [
    (
        "SELECT COALESCE(SUM(messages), 0) FROM usage_daily",
        "SELECT COUNT(*) FROM conversation_histories WHERE role IN ('user', 'assistant')",
    ),
    (
        "SELECT COALESCE(SUM(exchanges), 0) FROM usage_daily",
        "SELECT COUNT(DISTINCT exchange_id) FROM conversation_histories",
    ),
    (
        "SELECT COALESCE(SUM(errors), 0) FROM usage_daily",
        "SELECT COUNT(*) FROM error_conversation_histories",
    ),
    (
        "SELECT COALESCE(SUM(total_tokens), 0) FROM usage_daily",
        "SELECT COALESCE(SUM(total_tokens), 0) FROM conversation_histories",
    ),
];

/// Everything that was said stands there, each exchange once and whole, and is counted so.
pub(super) async fn assert_stored(place: &impl Backend, said: &[String]) {
    let stored = stored(place).await;
    let missing: Vec<_> = said.iter().filter(|text| !stored.contains(*text)).collect();
    assert!(
        missing.is_empty(),
        "{} are missing: {missing:?}",
        missing.len()
    );
    assert_eq!(stored.len(), said.len());
    assert_counted(place).await;
}

/// What stands there, each exchange once and whole.
pub(super) async fn stored(place: &impl Backend) -> BTreeSet<String> {
    assert_eq!(place.number(NOT_WHOLE).await, 0, "exchanges are not whole");
    let mut stored = BTreeSet::new();
    for text in place.texts(QUESTIONS).await {
        assert!(!stored.contains(&text), "more than once: {text}");
        stored.insert(text);
    }
    stored
}

/// Every count equals the rows, while days are open and once they are closed.
pub(super) async fn assert_counted(place: &impl Backend) {
    let recorder = RecordingLayer::new(place.dsn()).recorder();
    let store = recorder.store();
    let rows = sorted(place.texts(COUNTED).await);
    assert_eq!(counts(&**store).await, rows, "while days are open");
    for _ in 0..MOST_WEEKS {
        store.maintain(LATER).await.expect("maintenance");
        if place.number(NOT_CLOSED).await == 0 {
            break;
        }
    }
    assert_eq!(place.number(NOT_CLOSED).await, 0, "days are left open");
    assert_eq!(counts(&**store).await, rows, "once days are closed");
    assert_eq!(sorted(place.texts(COUNTS_KEPT).await), rows);
    for (kept, counted) in USAGE {
        assert_eq!(
            place.number(kept).await,
            place.number(counted).await,
            "{kept}"
        );
    }
    recorder.shutdown(Duration::from_secs(20)).await;
}

/// How many messages each conversation says that it has.
async fn counts(store: &dyn Store) -> Vec<String> {
    let page = store.conversations_of_user("", "ada", None, 0, 500).await;
    let page = page.expect("a readable store");
    assert!(!page.has_more, "more conversations than this looks at");
    let counts = page.data.iter();
    sorted(
        counts
            .map(|found| format!("{} {}", found.session_id, found.message_count))
            .collect(),
    )
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}
