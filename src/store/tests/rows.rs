//! Exchanges for tests.

use crate::{
    conversation::{Role, Usage},
    id::Id,
    outcome::{Outcome, Truncated},
    store::{
        Conversation, ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation,
        Retold, Store, UnixMillis,
    },
};

/// 2025-01-15 12:00 UTC.
pub(in crate::store) const NOON: UnixMillis = 1_736_942_400_000;
pub(in crate::store) const HOUR: UnixMillis = 3_600_000;
pub(in crate::store) const DAY: UnixMillis = 24 * HOUR;

pub(in crate::store) fn exchange(session: &str, at: UnixMillis) -> ExchangeRows {
    exchange_of("alice", session, at)
}

/// A question and its answer.
pub(in crate::store) fn exchange_of(user: &str, session: &str, at: UnixMillis) -> ExchangeRows {
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
        response: None,
        retold: Retold::default(),
        span: Default::default(),
    }
}

pub(in crate::store) fn failed(session: &str, at: UnixMillis) -> ExchangeRows {
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

pub(in crate::store) fn message(
    exchange: Id,
    number: usize,
    role: Role,
    content: &str,
) -> MessageColumns {
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

/// A question, its answer and a failure, with something in every column.
pub(in crate::store) fn full(at: UnixMillis) -> ExchangeRows {
    let mut rows = exchange("full", at);
    let text = || Some("\u{1F980} \u{10FFFF} ' \" ? $1 {,\\} \r\n".repeat(3));
    let exchange = &mut rows.exchange;
    exchange.tenant = "ten'ant".to_owned();
    rows.conversation.tenant = exchange.tenant.clone();
    exchange.token_id = text();
    exchange.channel_id = text();
    exchange.request_model = text();
    exchange.model_name = text();
    exchange.provider = text();
    exchange.status = Some(i64::MIN);
    exchange.is_stream = true;
    exchange.outcome = Outcome::ErrorInStream;
    exchange.truncated = Truncated::Budget;
    exchange.first_token_ms = Some(0);
    exchange.latency_ms = Some(i64::MAX);
    exchange.ip = text();
    exchange.trace_id = text();
    exchange.tags = Some("{\"a\":\"\\u0000\"}".to_owned());
    let usage = Usage {
        prompt_tokens: Some(i64::MAX),
        completion_tokens: Some(1),
        total_tokens: Some(2),
        cached_tokens: Some(3),
        cache_write_tokens: Some(4),
        reasoning_tokens: Some(5),
        raw: Some("{\"z\":1,\"a\":2}".to_owned()),
    };
    let exchange_id = exchange.exchange_id;
    let message = &mut rows.messages[1];
    message.parent_id = Some(exchange_id.row(1));
    message.chain_hash = Some([0; 16]);
    message.message_id = text();
    message.role = Role::Other("critic".to_owned());
    message.choice_index = 7;
    message.usage = usage.clone();
    message.token_count = Some(-1);
    message.finish_reason = text();
    message.prompt_hash = Some([255; 16]);
    message.updated_at = -1;
    message.content = "四🦀␛00".repeat(150_000);
    message.other = Some("{}".to_owned());
    rows.messages[0].content = String::new();
    let mut error = failed("full", at).error.unwrap();
    error.id = exchange_id.row(3);
    error.parent_id = Some(exchange_id.row(2));
    error.message_id = text();
    error.role = Role::Developer;
    error.error_code = 529;
    error.usage = usage;
    error.other = text();
    rows.error = Some(error);
    rows
}

/// Alice's conversation of this name.
pub(in crate::store) fn id_of(session: &str) -> Id {
    Id::conversation("", Some("alice"), session)
}

pub(in crate::store) async fn find(store: &impl Store, session: &str) -> Conversation {
    let conversation = store.conversation(id_of(session)).await.unwrap();
    conversation.unwrap_or_else(|| panic!("no conversation {session}"))
}

pub(in crate::store) async fn count_of(store: &impl Store, session: &str) -> i64 {
    find(store, session).await.message_count
}
