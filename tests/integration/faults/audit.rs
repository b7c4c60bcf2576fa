//! Whether the database holds what was accepted, and counts what it holds.

use std::{collections::BTreeSet, time::Duration};

use tower_recording::{
    RecordingLayer,
    store::{Store, UnixMillis},
};

use super::backend::Backend;

/// 2072-01-01 12:00 UTC, when every day of these tests has long ended.
const LATER: UnixMillis = 3_218_875_200_000;
/// Each call closes a week at the most.
const MOST_WEEKS: usize = 12;

const QUESTIONS: &str = "SELECT content AS value FROM conversation_histories WHERE role <> 'assistant' \
     UNION ALL SELECT content FROM error_conversation_histories";
/// Exchanges that stand there with their question or their answer only, or with more than both.
const NOT_WHOLE: &str = "SELECT COUNT(*) FROM (SELECT exchange_id FROM conversation_histories \
     GROUP BY exchange_id HAVING COUNT(*) <> 2 OR COUNT(DISTINCT role) <> 2) AS halves";
/// Messages by conversation.
const COUNTED: &str = "SELECT CONCAT(c.session_id, ' ', COUNT(h.id)) AS value \
     FROM conversations AS c LEFT JOIN conversation_histories AS h ON h.conversation_id = c.id \
     AND h.role IN ('user', 'assistant') GROUP BY c.id, c.session_id";
const COUNTS_KEPT: &str =
    "SELECT CONCAT(session_id, ' ', message_count) AS value FROM conversations";
const NOT_CLOSED: &str = "SELECT COUNT(*) FROM recording_days \
     WHERE day < '2072-01-01' AND (closed_at IS NULL OR dirty <> 0)";
const CONVERSATIONS: &str = "SELECT COUNT(*) FROM conversations";
const MESSAGES: &str =
    "SELECT COUNT(*) FROM conversation_histories WHERE role IN ('user', 'assistant')";
const EXCHANGES: &str = "SELECT COUNT(DISTINCT exchange_id) FROM conversation_histories";
const ERRORS: &str = "SELECT COUNT(*) FROM error_conversation_histories";
const TOKENS: [&str; 3] = ["prompt_tokens", "completion_tokens", "total_tokens"];

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
    place.assert_intact().await;
    assert_eq!(place.number(NOT_WHOLE).await, 0, "exchanges are not whole");
    let mut stored = BTreeSet::new();
    for text in place.texts(QUESTIONS).await {
        assert!(!stored.contains(&text), "more than once: {text}");
        stored.insert(text);
    }
    stored
}

/// Every count and sum equals the rows, while days are open and once they are closed.
pub(super) async fn assert_counted<B: Backend>(place: &B) {
    let recorder = RecordingLayer::new(place.dsn()).recorder();
    let store = &**recorder.store();
    assert_derived(place, store, "while days are open").await;
    for _ in 0..MOST_WEEKS {
        store.maintain(LATER).await.expect("maintenance");
        if place.number(NOT_CLOSED).await == 0 {
            break;
        }
    }
    assert_eq!(place.number(NOT_CLOSED).await, 0, "days are left open");
    assert_derived(place, store, "once days are closed").await;
    let kept = sorted(place.texts(COUNTS_KEPT).await);
    assert_eq!(kept, sorted(place.texts(COUNTED).await));
    let summed = "SELECT COALESCE(SUM(messages), 0) FROM usage_daily";
    assert_eq!(place.number(summed).await, place.number(MESSAGES).await);
    recorder.shutdown(Duration::from_secs(20)).await;
}

/// What the store answers is what the rows say.
async fn assert_derived<B: Backend>(place: &B, store: &dyn Store, when: &str) {
    assert_eq!(
        counts(store).await,
        sorted(place.texts(COUNTED).await),
        "{when}"
    );
    let stats = store
        .stats("", "ada", 0, LATER)
        .await
        .expect("a readable store");
    let mut tokens = Vec::new();
    for kind in TOKENS {
        let sum = format!("SELECT COALESCE(SUM({kind}), 0) FROM conversation_histories");
        tokens.push(place.number(&sum).await);
    }
    assert_eq!(
        [
            stats.prompt_tokens,
            stats.completion_tokens,
            stats.total_tokens
        ],
        *tokens,
        "{when}"
    );
    for (told, rows) in [
        (stats.total_conversations, CONVERSATIONS),
        (stats.total_messages, MESSAGES),
        (stats.exchanges, EXCHANGES),
        (stats.errors, ERRORS),
        (stats.models_used["m"], MESSAGES),
    ] {
        assert_eq!(told, place.number(rows).await, "{rows} {when}");
    }
    let days = stats.daily_message_count.iter();
    let days: Vec<_> = days
        .map(|(day, messages)| format!("{day} {messages}"))
        .collect();
    let by_day = format!(
        "SELECT CONCAT({day}, ' ', COUNT(*)) AS value FROM conversation_histories \
         WHERE role IN ('user', 'assistant') GROUP BY {day}",
        day = B::DAY
    );
    assert_eq!(days, sorted(place.texts(&by_day).await), "{when}");
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
