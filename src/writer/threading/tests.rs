mod asides;
mod batches;
mod beside;
mod clients;
mod gateways;
mod late;
mod midnight;
mod pages;
mod places;
mod refused;
mod reminders;
mod roots;
mod unnamed;
mod wordless;

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    channel::Channel,
    conversation::{Choice, Message, Prompt, ProviderError, Reply, Role},
    decode::Spoken,
    exchange::Exchange,
    id::Id,
    identity::{Consent, Identity, IdentityRules},
    outcome::Outcome,
    redact::Patterns,
    settings::WriterSettings,
    store::{Head, KnownMessage, Near, Page, Recalled, StoreFuture, StoredMessage, Unanswered},
    thread::{Session, branch},
    writer::hear,
};

/// A store in memory that remembers what was written.
#[derive(Debug, Default)]
struct Shelf {
    rows: Mutex<Vec<ExchangeRows>>,
    recalls: Mutex<u64>,
}

impl Shelf {
    /// Every message, in the order of their ids.
    fn stored(&self) -> Vec<StoredMessage> {
        let rows = self.rows.lock().unwrap();
        let mut stored: Vec<StoredMessage> = rows
            .iter()
            .flat_map(|rows| {
                rows.messages.iter().map(|message| StoredMessage {
                    exchange: rows.exchange.clone(),
                    message: message.clone(),
                })
            })
            .collect();
        stored.sort_by_key(|row| row.message.id);
        stored
    }

    fn of(&self, conversation: Id) -> impl Iterator<Item = StoredMessage> {
        let stored = self.stored().into_iter();
        stored.filter(move |row| row.exchange.conversation_id == conversation)
    }
}

impl Store for Shelf {
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        self.rows.lock().unwrap().extend_from_slice(batch);
        Box::pin(std::future::ready(Ok(())))
    }

    fn recall<'a>(&'a self, wanted: &'a Recall) -> StoreFuture<'a, Recalled> {
        *self.recalls.lock().unwrap() += 1;
        let known = |row: &StoredMessage| {
            Some(KnownMessage {
                conversation_id: row.exchange.conversation_id,
                id: row.message.id,
                chain_hash: row.message.chain_hash?,
            })
        };
        let is_recent = |id: &Id| id.unix_ms() >= wanted.since;
        let is_wanted = |known: &KnownMessage| {
            let is_lately = known.id.unix_ms() >= wanted.recent_since;
            is_recent(&known.id) && wanted.hashes.contains(&known.chain_hash)
                || is_lately && wanted.recent.contains(&known.chain_hash)
        };
        let rows = self.rows.lock().unwrap();
        let heads = wanted.conversations.iter().filter_map(|id| {
            let mut of_it = rows.iter().filter(|rows| rows.conversation.id == *id);
            let session_id = of_it.clone().next()?.conversation.session_id.clone();
            Some(Head {
                conversation_id: *id,
                session_id,
                sends_history: of_it.any(|rows| rows.conversation.sends_history),
                ..Head::default()
            })
        });
        let mut heads: Vec<Head> = heads.collect();
        drop(rows);
        for head in &mut heads {
            let hashed = |row: &StoredMessage| known(row).map(|message| (row.clone(), message));
            let mut near: Vec<(StoredMessage, KnownMessage)> = self
                .of(head.conversation_id)
                .filter(|row| row.message.choice_index == 0 && is_recent(&row.message.id))
                .filter_map(|row| hashed(&row))
                .collect();
            near.reverse();
            let Some((newest, message)) = near.first() else {
                continue;
            };
            head.message = Some(*message);
            if newest.exchange.outcome == Outcome::Complete {
                continue;
            }
            let near: Vec<Near> = near
                .iter()
                .map(|(row, message)| Near {
                    message: *message,
                    exchange_id: row.exchange.exchange_id,
                    parent_id: row.message.parent_id,
                    is_answer: row.message.role == Role::Assistant,
                })
                .collect();
            head.unanswered = Unanswered::among(&near);
        }
        let stored = self.stored();
        let messages = stored.iter().filter_map(known);
        let messages = messages.filter(is_wanted).collect();
        Box::pin(std::future::ready(Ok(Recalled {
            heads,
            messages,
            responses: Vec::new(),
        })))
    }

    fn messages(
        &self,
        conversation: Id,
        before: Option<Id>,
        limit: usize,
    ) -> StoreFuture<'_, Page<StoredMessage>> {
        let mut data: Vec<StoredMessage> = self
            .of(conversation)
            .filter(|row| before.is_none_or(|before| row.message.id < before))
            .collect();
        let surplus = data.len().saturating_sub(limit);
        data.drain(..surplus);
        Box::pin(std::future::ready(Ok(Page {
            data,
            has_more: surplus > 0,
        })))
    }
}

/// A gateway's writer, driven by hand.
struct Gateway {
    workshop: Workshop,
    threader: Threader,
    number: u64,
}

impl Gateway {
    fn new() -> Self {
        let settings = WriterSettings {
            span_content: false,
            batch_rows: 500,
            flush_interval: Default::default(),
            infer_within: Default::default(),
            retention_days: None,
            keep_media: false,
            max_request_bytes: 1,
            max_response_bytes: 1,
        };
        let identity = IdentityRules {
            session_names: vec!["x-session-id".into()],
            user_names: vec!["x-user-id".into()],
            hint_names: Vec::new(),
            opt_out: true,
            tag_prefix: String::new(),
            trusted_proxies: 0,
        };
        Self {
            workshop: Workshop {
                channel: Channel::new(1, 1, 1 << 20).into(),
                store: None,
                redact: Arc::new(Patterns::none()),
                own: Vec::new(),
                identity,
                settings,
            },
            threader: Threader::new([3; 32], 7 * 86_400_000),
            number: 0,
        }
    }

    /// Threads these exchanges, with a second look where one is asked for, and returns their rows.
    async fn thread(&mut self, store: &dyn Store, exchanges: Vec<Heard>) -> Vec<ExchangeRows> {
        let mut batch = Batch::default();
        for heard in exchanges {
            self.number += 1;
            batch.push(self.number, Box::new(heard));
        }
        let mut rows = Vec::new();
        let mut looks = 0;
        while !batch.is_empty() {
            looks += 1;
            assert!(looks < 5, "an exchange is held for ever");
            let Self {
                workshop, threader, ..
            } = self;
            let threaded = thread(workshop, store, threader, batch, HashSet::new()).await;
            assert!(threaded.error.is_none() && threaded.left.is_empty());
            rows.extend(threaded.rows.into_numbered().map(|(_, rows)| rows));
            batch = threaded.held;
        }
        rows
    }

    /// Lets it believe that nobody else writes.
    fn leave_alone(&mut self) {
        let vain = Recall {
            recent: vec![[9; 16]; 1 << 16],
            ..Recall::default()
        };
        self.threader.hear(&vain, &Recalled::default());
    }

    async fn record(&mut self, store: &dyn Store, exchanges: Vec<Heard>) {
        let rows = self.thread(store, exchanges).await;
        store.write(&rows).await.unwrap();
    }
}

/// Who asks, and where the last exchange stands in time.
struct Talk {
    user: Option<&'static str>,
    session: Option<&'static str>,
    now_ms: u64,
}

impl Talk {
    fn named(session: &'static str) -> Self {
        Self {
            user: Some("ada"),
            session: Some(session),
            now_ms: 1_736_942_400_000,
        }
    }

    fn unnamed() -> Self {
        Self {
            session: None,
            ..Self::named("")
        }
    }

    fn conversation(&self) -> Id {
        Id::conversation("", self.user, self.session.unwrap())
    }

    /// An exchange in which this was said and this answered, a second after the last.
    fn exchange(&mut self, said: Vec<Message>, outcome: Answer<'_>) -> Heard {
        self.exchange_as(said, outcome, |_| {})
    }

    /// The same, of somebody a little different.
    fn exchange_as(
        &mut self,
        said: Vec<Message>,
        outcome: Answer<'_>,
        change: impl FnOnce(&mut Identity),
    ) -> Heard {
        self.now_ms += 1000;
        let id = Id::exchange(self.now_ms * 1_000_000);
        let session_id = self.session.map_or_else(|| id.to_string(), str::to_owned);
        let conversation = Id::conversation("", self.user, &session_id);
        let session = match (self.session, self.user) {
            (Some(_), _) => Session::Named(conversation),
            (None, Some(_)) => Session::Inferred(conversation),
            (None, None) => Session::New(conversation),
        };
        let mut identity = Identity {
            session,
            parent: None,
            sends_history: false,
            consent: Consent::Everything,
            tenant: String::new(),
            named_user: self.user.map(str::to_owned),
            hint: None,
            session_id,
            session_source: "x-session-id".to_owned(),
            user_id: "ada".to_owned(),
            token_id: None,
            channel_id: None,
            provider: None,
            ip: None,
            trace_id: None,
            tags: None,
        };
        change(&mut identity);
        let mut exchange = Exchange::new();
        exchange.status = Some(200);
        exchange.outcome = Outcome::Complete;
        let mut reply = Reply::default();
        match outcome {
            Answer::Given(texts) => {
                reply.choices = (0..)
                    .zip(texts)
                    .map(|(index, text)| Choice {
                        index,
                        message: Message::new(Role::Assistant, *text),
                        finish_reason: None,
                    })
                    .collect();
            }
            Answer::Failed => {
                exchange.status = Some(500);
                reply.error = Some(ProviderError::default());
            }
            Answer::Unheard => exchange.outcome = Outcome::ClientAbort,
            Answer::BrokenOff(text) => {
                exchange.outcome = Outcome::ClientAbort;
                reply.choices.push(Choice {
                    index: 0,
                    message: Message::new(Role::Assistant, text),
                    finish_reason: None,
                });
            }
        }
        let spoken = Spoken {
            prompt: Prompt::new(said),
            reply,
            ..Spoken::default()
        };
        hear::tell(&exchange, id, identity, spoken, false)
    }
}

/// What came back.
#[derive(Clone, Copy)]
enum Answer<'a> {
    /// These choices.
    Given(&'a [&'a str]),
    Failed,
    /// The client hung up before there was any.
    Unheard,
    BrokenOff(&'a str),
}

fn user(text: &str) -> Message {
    Message::new(Role::User, text)
}

fn assistant(text: &str) -> Message {
    Message::new(Role::Assistant, text)
}

fn system(text: &str) -> Message {
    Message::new(Role::System, text)
}

/// The texts of the current branch, as `role: text`, read in pages of this size.
async fn branch_of(store: &dyn Store, conversation: Id, limit: usize) -> Vec<String> {
    let mut pages = Vec::new();
    let mut bookmark = None;
    loop {
        let page = branch::page(store, conversation, bookmark, limit)
            .await
            .unwrap();
        assert!(page.data.len() <= limit);
        pages.push(page.data);
        match page.next {
            Some(next) => bookmark = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    let rows = pages.into_iter().rev().flatten();
    rows.map(|row| format!("{}: {}", row.message.role, row.message.content))
        .collect()
}

fn told(messages: &[Message]) -> Vec<String> {
    let told = messages.iter();
    told.map(|message| format!("{}: {}", message.role, message.content))
        .collect()
}
