mod close;
mod cut;
mod days;
mod drop;
mod faults;
mod lists;
mod plans;
mod reads;
mod repartition;
mod secure;
mod stale;
mod writes;
#[path = "../../../../tests/integration/servers/postgres.rs"]
mod server;

use self::server::{Database, Server};
use super::PostgresStore;
use crate::{
    conversation::{Role, Usage},
    id::Id,
    outcome::{Outcome, Truncated},
    store::{
        Dsn, ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation, Recall,
        Store, StoreOptions, UnixMillis,
    },
};

/// 2025-01-15 12:00 UTC.
const NOON: UnixMillis = 1_736_942_400_000;
const HOUR: UnixMillis = 3_600_000;
const DAY: UnixMillis = 24 * HOUR;

fn single_tables() -> StoreOptions {
    StoreOptions {
        daily_partition: false,
        ..StoreOptions::default()
    }
}

fn store(dsn: &str, options: &StoreOptions) -> PostgresStore {
    match dsn.parse() {
        Ok(Dsn::Postgres(server)) => PostgresStore::new(&server, options).unwrap(),
        other => panic!("{other:?}"),
    }
}

impl Database {
    fn store(&self) -> PostgresStore {
        store(&self.dsn(), &StoreOptions::default())
    }

    fn single_table_store(&self) -> PostgresStore {
        store(&self.dsn(), &single_tables())
    }
}

fn exchange(session: &str, at: UnixMillis) -> ExchangeRows {
    exchange_of("alice", session, at)
}

/// A question and its answer.
fn exchange_of(user: &str, session: &str, at: UnixMillis) -> ExchangeRows {
    let exchange_id = Id::exchange(u64::try_from(at).unwrap() * 1_000_000);
    let conversation_id = Id::conversation("", Some(user), session);
    ExchangeRows {
        conversation: NewConversation {
            id: conversation_id,
            tenant: String::new(),
            session_id: session.to_owned(),
            user_identifier: user.to_owned(),
            title: Some(format!("title of {session}")),
            session_source: "x-session-id".to_owned(),
            created_at: at,
            sends_history: false,
            parent_conversation_id: None,
        },
        exchange: ExchangeColumns {
            conversation_id,
            created_at: at,
            exchange_id,
            tenant: String::new(),
            user_id: user.to_owned(),
            token_id: None,
            channel_id: None,
            request_model: None,
            model_name: Some("gpt".to_owned()),
            provider: None,
            status: Some(200),
            is_stream: false,
            outcome: Outcome::Complete,
            truncated: Truncated::No,
            first_token_ms: None,
            latency_ms: None,
            ip: None,
            trace_id: None,
            tags: None,
        },
        messages: vec![
            message(exchange_id, 1, Role::User, "question"),
            message(exchange_id, 2, Role::Assistant, "answer"),
        ],
        error: None,
    }
}

fn failed(session: &str, at: UnixMillis) -> ExchangeRows {
    let mut rows = exchange(session, at);
    rows.messages.clear();
    rows.exchange.status = None;
    rows.error = Some(ErrorColumns {
        id: rows.exchange.exchange_id.row(1),
        parent_id: None,
        message_id: None,
        role: Role::User,
        error_code: 0,
        error_message: "no answer".to_owned(),
        usage: Usage::default(),
        content: "question".to_owned(),
        other: None,
    });
    rows
}

fn message(exchange: Id, number: usize, role: Role, content: &str) -> MessageColumns {
    MessageColumns {
        id: exchange.row(number),
        parent_id: None,
        chain_hash: None,
        message_id: None,
        role,
        choice_index: 0,
        usage: Usage::default(),
        token_count: None,
        finish_reason: None,
        prompt_hash: None,
        updated_at: exchange.unix_ms(),
        content: content.to_owned(),
        other: None,
    }
}

async fn count_of(store: &PostgresStore, session: &str) -> i64 {
    let id = Id::conversation("", Some("alice"), session);
    let conversation = store.conversation(id).await.unwrap().unwrap();
    conversation.message_count
}
