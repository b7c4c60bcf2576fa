mod days;
mod lists;
mod reads;
mod writes;

use std::path::PathBuf;

use diesel::{Connection, prelude::*, sql_query, sqlite::SqliteConnection};
use tempfile::TempDir;

use super::{Location, SqliteStore, days::NumberRow};
use crate::{
    conversation::{Role, Usage},
    id::Id,
    outcome::{Outcome, Truncated},
    store::{
        ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation, Store,
        StoreOptions, UnixMillis,
    },
};

/// 2025-01-15 12:00 UTC.
pub(super) const NOON: UnixMillis = 1_736_942_400_000;
pub(super) const HOUR: UnixMillis = 3_600_000;
pub(super) const DAY: UnixMillis = 24 * HOUR;

/// A database file in a directory of its own.
pub(super) struct File {
    directory: TempDir,
}

impl File {
    pub(super) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("conversations.db")
    }

    pub(super) fn location(&self) -> Location {
        Location::File(self.path().to_str().unwrap().to_owned())
    }

    pub(super) fn store(&self) -> SqliteStore {
        SqliteStore::new(self.location(), &StoreOptions::default())
    }

    pub(super) fn single_table_store(&self) -> SqliteStore {
        let options = StoreOptions {
            daily_partition: false,
            ..StoreOptions::default()
        };
        SqliteStore::new(self.location(), &options)
    }

    /// What another program sees.
    pub(super) fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect();
        let row: NumberRow = sql_query(format!("SELECT ({sql}) AS value"))
            .get_result(&mut connection)
            .unwrap();
        row.value.unwrap()
    }

    pub(super) fn execute(&self, sql: &str) {
        sql_query(sql).execute(&mut self.connect()).unwrap();
    }

    fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path().to_str().unwrap()).unwrap()
    }
}

pub(super) fn exchange(session: &str, at: UnixMillis) -> ExchangeRows {
    exchange_of("alice", session, at)
}

/// A question and its answer.
pub(super) fn exchange_of(user: &str, session: &str, at: UnixMillis) -> ExchangeRows {
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

pub(super) fn failed(session: &str, at: UnixMillis) -> ExchangeRows {
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

pub(super) fn message(exchange: Id, number: usize, role: Role, content: &str) -> MessageColumns {
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

pub(super) async fn count_of(store: &SqliteStore, session: &str) -> i64 {
    let id = Id::conversation("", Some("alice"), session);
    let conversation = store.conversation(id).await.unwrap().unwrap();
    conversation.message_count
}
