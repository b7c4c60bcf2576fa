//! Who said what when: the same rows each time they are made.

use std::collections::HashMap;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tower_recording::{
    Id,
    conversation::Role,
    internals::conversation_id,
    store::{ExchangeRows, MessageColumns, UnixMillis},
};

use crate::{
    clock::DAY_MS,
    ids::{exchange_id, row_id},
};

const USERS: usize = 1000;
/// Exchanges of a conversation, of two messages each.
const EXCHANGES: usize = 50;
/// One conversation of so many goes on for [`LONG_DAYS`]; the others have one day.
const LONG_ONES: usize = 10;
const LONG_DAYS: usize = 30;
const EXCHANGES_A_BATCH: usize = 2500;
const MODELS: [&str; 3] = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4"];

/// A conversation.
#[derive(Clone, Copy)]
pub struct Talk {
    pub id: Id,
    number: usize,
    pub user: usize,
    first_day: usize,
    pub is_long: bool,
}

impl Talk {
    /// What its user calls it.
    pub fn session_id(&self) -> String {
        session_id(self.number)
    }

    fn day_of(&self, exchange: usize) -> usize {
        match self.is_long {
            true => self.first_day + exchange * LONG_DAYS / EXCHANGES,
            false => self.first_day,
        }
    }
}

/// The message that each conversation ends with so far, by its number.
pub type Said = HashMap<usize, Id>;

fn session_id(number: usize) -> String {
    format!("talk-{number}")
}

/// Everything that was said.
pub struct Past {
    pub talks: Vec<Talk>,
    pub days: usize,
    /// When the first day began.
    began: UnixMillis,
}

impl Past {
    /// So many rows over so many days, the last of which is that of `now`.
    pub fn new(rows: usize, days: usize, now: UnixMillis) -> Self {
        assert!(days >= LONG_DAYS, "no conversation could be long");
        let mut random = SmallRng::seed_from_u64(1);
        let talk = |number: usize| {
            let is_long = number.is_multiple_of(LONG_ONES);
            let last = if is_long { days - LONG_DAYS } else { days - 1 };
            let user = random.random_range(0..USERS);
            Talk {
                id: conversation_id(&Self::user(user), &session_id(number)),
                number,
                user,
                first_day: random.random_range(0..=last),
                is_long,
            }
        };
        let today = now - now.rem_euclid(DAY_MS);
        Self {
            talks: (0..rows / 2 / EXCHANGES).map(talk).collect(),
            days,
            began: today - (days as UnixMillis - 1) * DAY_MS,
        }
    }

    pub fn start_of(&self, day: usize) -> UnixMillis {
        self.began + day as UnixMillis * DAY_MS
    }

    pub fn user(user: usize) -> String {
        format!("user-{user:04}")
    }

    /// Each conversation, by its first day and then by its last, with no message.
    pub fn conversations(&self) -> Vec<ExchangeRows> {
        let mut begun: Vec<&Talk> = self.talks.iter().collect();
        begun.sort_by_key(|talk| talk.first_day);
        let mut ended: Vec<&Talk> = self.talks.iter().filter(|talk| talk.is_long).collect();
        ended.sort_by_key(|talk| talk.first_day);
        let first = begun.into_iter().map(|talk| (talk, talk.day_of(0)));
        let last = ended
            .into_iter()
            .map(|talk| (talk, talk.day_of(EXCHANGES - 1)));
        first
            .chain(last)
            .map(|(talk, day)| {
                let mut rows = ExchangeRows::default();
                rows.conversation.id = talk.id;
                rows.conversation.session_id = talk.session_id();
                rows.conversation.user_identifier = Self::user(talk.user);
                rows.conversation.title = Some("What was said".to_owned());
                rows.conversation.session_source = "x-session-id".to_owned();
                rows.conversation.created_at = self.start_of(day);
                rows.exchange.conversation_id = talk.id;
                rows.exchange.created_at = self.start_of(day);
                rows
            })
            .collect()
    }

    /// The messages of a day, in the order in which they were said, in batches. `last` has what was said
    /// on the days before.
    pub fn messages(&self, day: usize, last: &mut Said, mut take: impl FnMut(&[ExchangeRows])) {
        let start = self.start_of(day);
        let mut said: Vec<(UnixMillis, &Talk)> = Vec::new();
        for (number, talk) in self.talks.iter().enumerate() {
            let on_this_day = |exchange: &usize| talk.day_of(*exchange) == day;
            let last = talk.day_of(EXCHANGES - 1);
            if (talk.first_day..=last).contains(&day) {
                for exchange in (0..EXCHANGES).filter(on_this_day) {
                    let ms = (number * 7_919 + exchange * 61_000) % 80_000_000;
                    said.push((start + ms as UnixMillis, talk));
                }
            }
        }
        said.sort_by_key(|(at, _)| *at);
        let mut random = SmallRng::seed_from_u64(day as u64);
        let mut batch = vec![exchange(); EXCHANGES_A_BATCH.min(said.len())];
        for said in said.chunks(EXCHANGES_A_BATCH) {
            for ((at, talk), rows) in said.iter().zip(&mut batch) {
                stamp(rows, *at, talk, &mut random);
                rows.messages[0].parent_id = last.insert(talk.number, rows.messages[1].id);
                rows.messages[1].parent_id = Some(rows.messages[0].id);
            }
            take(&batch[..said.len()]);
        }
    }
}

/// A question and its answer, short.
fn exchange() -> ExchangeRows {
    let mut rows = ExchangeRows::default();
    rows.exchange.provider = Some("openai".to_owned());
    rows.exchange.status = Some(200);
    rows.exchange.latency_ms = Some(812);
    let mut question = MessageColumns::default();
    question.content = "How many of these are there, and which is the oldest?".to_owned();
    let mut answer = MessageColumns::default();
    answer.role = Role::Assistant;
    answer.content = "There are four of them; the oldest was made in the first year.".to_owned();
    answer.finish_reason = Some("stop".to_owned());
    rows.messages = vec![question, answer];
    rows
}

fn stamp(rows: &mut ExchangeRows, at: UnixMillis, talk: &Talk, random: &mut SmallRng) {
    let id = exchange_id(random, at);
    rows.exchange.conversation_id = talk.id;
    rows.exchange.created_at = at;
    rows.exchange.exchange_id = id;
    rows.exchange.user_id = Past::user(talk.user);
    rows.exchange.model_name = Some(MODELS[random.random_range(0..MODELS.len())].to_owned());
    for (number, message) in rows.messages.iter_mut().enumerate() {
        message.id = row_id(id, number + 1);
        message.chain_hash = Some(random.random());
        message.updated_at = at;
    }
    let (asked, answered) = (random.random_range(10..100), random.random_range(10..100));
    let usage = &mut rows.messages[1].usage;
    usage.prompt_tokens = Some(asked);
    usage.completion_tokens = Some(answered);
    usage.total_tokens = Some(asked + answered);
}
