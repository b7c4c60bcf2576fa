//! What reads must answer, worked out from the rows themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::*;
use crate::{
    conversation::Role,
    id::Id,
    partition::Day,
    store::{ErrorColumns, ExchangeRows, MessageColumns, Stats, Store, UnixMillis},
};

/// Every exchange that was written, and the oldest day that was not dropped.
#[derive(Default)]
pub(in crate::store) struct Truth {
    rows: Vec<ExchangeRows>,
    oldest: Option<Day>,
    /// The first and the last day of the conversations that are still there.
    spans: BTreeMap<Id, (Day, Day)>,
}

/// A conversation as a list shows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: Id,
    updated_at: UnixMillis,
    message_count: i64,
}

impl Truth {
    pub(in crate::store) fn new(rows: Vec<ExchangeRows>) -> Self {
        let mut truth = Self::default();
        truth.write(rows);
        truth
    }

    pub(in crate::store) fn rows(&self) -> &[ExchangeRows] {
        &self.rows
    }

    pub(in crate::store) fn write(&mut self, rows: Vec<ExchangeRows>) {
        for rows in &rows {
            let day = day_of(rows);
            let span = self.spans.entry(rows.conversation.id).or_insert((day, day));
            *span = (span.0.min(day), span.1.max(day));
        }
        self.rows.extend(rows);
    }

    pub(super) fn drop_before(&mut self, oldest: Day) {
        self.oldest = Some(oldest);
        self.spans.retain(|_, (_, last)| *last >= oldest);
    }

    fn kept(&self) -> impl Iterator<Item = &ExchangeRows> {
        self.rows
            .iter()
            .filter(|rows| Some(day_of(rows)) >= self.oldest)
    }

    fn owners(&self) -> BTreeSet<(&str, &str)> {
        let new = self.rows.iter().map(|rows| &rows.conversation);
        new.map(|new| (new.tenant.as_str(), new.user_identifier.as_str()))
            .collect()
    }

    /// A user's conversations in the order of the list.
    pub(super) fn list(&self, tenant: &str, user: &str) -> Vec<Listed> {
        let mut conversations: BTreeMap<Id, Listed> = BTreeMap::new();
        for rows in self.kept().filter(|rows| is_of(rows, tenant, user)) {
            let id = rows.conversation.id;
            let listed = conversations.entry(id).or_insert(Listed {
                id,
                updated_at: rows.exchange.created_at,
                message_count: 0,
            });
            listed.updated_at = listed.updated_at.max(rows.exchange.created_at);
            listed.message_count += counted(rows);
        }
        let mut list: Vec<Listed> = conversations.into_values().collect();
        list.sort_by_key(|listed| (std::cmp::Reverse(listed.updated_at), listed.id));
        list
    }

    fn messages(&self, id: Id) -> Vec<&MessageColumns> {
        let of_id = self.kept().filter(|rows| rows.conversation.id == id);
        let mut messages: Vec<_> = of_id.flat_map(|rows| &rows.messages).collect();
        messages.sort_by_key(|message| message.id);
        messages
    }

    fn errors(&self, id: Id) -> Vec<&ErrorColumns> {
        let of_id = self.kept().filter(|rows| rows.conversation.id == id);
        let mut errors: Vec<_> = of_id.filter_map(|rows| rows.error.as_ref()).collect();
        errors.sort_by_key(|error| error.id);
        errors
    }

    /// What a user said, dropped days included, in the conversations that are still there.
    pub(super) fn stats(&self, tenant: &str, user: &str, first: Day, last: Day) -> Stats {
        let mut stats = Stats::default();
        let mut conversations = BTreeSet::new();
        for rows in self.rows.iter().filter(|rows| is_of(rows, tenant, user)) {
            let day = day_of(rows);
            conversations.insert(rows.conversation.id);
            if day < first || last < day {
                continue;
            }
            let messages = counted(rows);
            stats.total_messages += messages;
            stats.exchanges += i64::from(!rows.messages.is_empty());
            stats.errors += i64::from(rows.error.is_some());
            for usage in rows.messages.iter().map(|message| &message.usage) {
                stats.prompt_tokens += usage.prompt_tokens.unwrap_or(0);
                stats.completion_tokens += usage.completion_tokens.unwrap_or(0);
                stats.total_tokens += usage.total_tokens.unwrap_or(0);
            }
            if messages > 0 {
                let model = rows.exchange.model_name.as_ref();
                if let Some(model) = model.filter(|model| !model.is_empty()) {
                    *stats.models_used.entry(model.clone()).or_default() += messages;
                }
                let days = &mut stats.daily_message_count;
                *days.entry(day.to_string()).or_default() += messages;
            }
        }
        let spans = conversations.iter().filter_map(|id| self.spans.get(id));
        let meeting = spans.filter(|(begin, end)| *begin <= last && *end >= first);
        stats.total_conversations = meeting.count() as i64;
        stats
    }

    /// Everything that can be read is what the rows say.
    pub(in crate::store) async fn assert(&self, store: &impl Store, when: &str) {
        let days: Vec<Day> = self.rows.iter().map(day_of).collect();
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else {
            return;
        };
        for (tenant, user) in self.owners() {
            let expected = self.list(tenant, user);
            let page = store.conversations_of_user(tenant, user, None, 0, 10_000);
            let page = page.await.unwrap();
            let listed = page.data.iter().map(|row| Listed {
                id: row.id,
                updated_at: row.updated_at,
                message_count: row.message_count,
            });
            let listed: Vec<Listed> = listed.collect();
            assert_eq!(listed, expected, "{user} of {tenant:?} {when}");
            for Listed { id, .. } in expected {
                let messages = store.messages(id, None, 10_000).await.unwrap().data;
                let messages: Vec<_> = messages.iter().map(|row| &row.message).collect();
                assert_eq!(messages, self.messages(id), "{user} {when}");
                let errors = store.errors(id, None, 10_000).await.unwrap().data;
                let errors: Vec<_> = errors.iter().map(|row| &row.error).collect();
                assert_eq!(errors, self.errors(id), "{user} {when}");
            }
            for (first, last) in [(*first, *last), (*first, *first), (*last, *last)] {
                self.assert_stats(store, (tenant, user), first, last, when)
                    .await;
            }
        }
    }

    pub(super) async fn assert_stats(
        &self,
        store: &impl Store,
        (tenant, user): (&str, &str),
        first: Day,
        last: Day,
        when: &str,
    ) {
        // Any time of a day stands for all of it.
        let (from, to) = (first.end_ms() - 1, last.start_ms());
        let stats = store.stats(tenant, user, from, to).await.unwrap();
        let expected = self.stats(tenant, user, first, last);
        assert_eq!(
            stats, expected,
            "{user} of {tenant:?} {first} {last} {when}"
        );
    }
}

fn day_of(rows: &ExchangeRows) -> Day {
    Day::from_unix_ms(rows.exchange.created_at)
}

fn is_of(rows: &ExchangeRows, tenant: &str, user: &str) -> bool {
    rows.conversation.tenant == tenant && rows.conversation.user_identifier == user
}

fn counted(rows: &ExchangeRows) -> i64 {
    let counts = |role: &Role| !matches!(role, Role::System | Role::Developer | Role::Tool);
    let messages = rows.messages.iter();
    messages.filter(|message| counts(&message.role)).count() as i64
}

/// Two users, and one of another tenant, talk on these days, counted from [`NOON`]'s: with tools,
/// several models and none, failures, conversations of several days and exchanges of the same millisecond.
pub(in crate::store) fn talk(
    seed: u64,
    days: std::ops::Range<i64>,
    exchanges: usize,
) -> Vec<ExchangeRows> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut one = || {
        let (tenant, user) =
            [("", "alice"), ("", "alice"), ("", "bob"), ("t", "alice")][random.usize(..4)];
        let session = format!("s{}", random.u8(..9));
        let at = NOON + random.i64(days.clone()) * DAY + random.i64(0..7);
        let mut rows = exchange_of(user, &session, at);
        rows.conversation.tenant = tenant.to_owned();
        rows.conversation.id = Id::conversation(tenant, Some(user), &session);
        rows.exchange.tenant = tenant.to_owned();
        rows.exchange.conversation_id = rows.conversation.id;
        let model = ["gpt", "claude", ""][random.usize(..3)];
        rows.exchange.model_name = Some(model.to_owned()).filter(|model| !model.is_empty());
        rows.messages[0].role =
            [Role::User, Role::User, Role::Tool, Role::System][random.usize(..4)].clone();
        let usage = &mut rows.messages[1].usage;
        usage.prompt_tokens = Some(random.i64(0..1000));
        usage.completion_tokens = Some(random.i64(0..1000));
        usage.total_tokens = Some(random.i64(0..2000));
        if random.u8(..5) == 0 {
            rows.messages.clear();
            rows.error = failed(&session, at).error;
            rows.exchange.model_name = Some("broken".to_owned());
        }
        rows
    };
    std::iter::repeat_with(&mut one).take(exchanges).collect()
}
