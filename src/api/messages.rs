//! Adding messages by hand.

use std::{
    slice,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{BytesRejection, PathRejection},
    },
};
use bytes::Bytes;
use http::StatusCode;

use super::{
    access::Access,
    error::ApiError,
    json::MessageJson,
    request::{Fields, short_name},
    state::ApiState,
};
use crate::{
    conversation::{Message, Role, Usage},
    escape,
    id::Id,
    outcome::{Outcome, Truncated},
    redact,
    store::{
        Conversation, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation, Retold,
        StoredMessage,
    },
    thread::{self, Appended},
};

/// A message as a client sent it.
#[derive(Debug)]
struct NewMessage {
    role: Role,
    content: String,
    model_name: Option<String>,
    token_count: Option<i64>,
}

/// `POST /conversations/{session_id}/messages`
pub(super) async fn append(
    State(state): State<ApiState>,
    access: Access,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<MessageJson>), ApiError> {
    let Path(name) = path?;
    let mut message = NewMessage::read(&body?)?;
    redact::text(state.recorder().redact(), &mut message.content);
    let conversation = access.conversation(state.store(), &name).await?;
    let said = Message::new(message.role.clone(), message.content.as_str());
    let place = thread::append(state.store(), &conversation, &said).await?;
    let stored = message.into_row(&conversation, place);
    let rows = ExchangeRows {
        conversation: known(conversation),
        exchange: stored.exchange.clone(),
        messages: vec![stored.message.clone()],
        error: None,
        response: None,
        retold: Retold::default(),
    };
    let recorded = state.store().record(slice::from_ref(&rows)).await?;
    if !recorded.erased.is_empty() {
        return Err(ApiError::no_conversation());
    }
    Ok((StatusCode::CREATED, Json(stored.into())))
}

impl NewMessage {
    fn read(body: &Bytes) -> Result<Self, ApiError> {
        let mut fields = Fields::read(body, &["role", "content", "model_name", "token_count"])?;
        let role = match Role::from(fields.required_text("role")?.as_str()) {
            Role::Other(_) => {
                return Err(ApiError::out_of_bounds(
                    "role",
                    "unknown_role",
                    "`role` is one of system, developer, user, assistant and tool",
                ));
            }
            role => role,
        };
        let content = fields.required_text("content")?;
        let model_name = fields.text("model_name")?;
        if let Some(name) = &model_name {
            short_name("model_name", name)?;
        }
        Ok(Self {
            role,
            content,
            model_name,
            token_count: fields.count("token_count")?,
        })
    }

    /// The row of an exchange of its own, behind the conversation's last message.
    fn into_row(self, conversation: &Conversation, place: Appended) -> StoredMessage {
        let Self {
            role,
            content,
            model_name,
            token_count,
        } = self;
        let exchange_id = Id::exchange(unix_nanos());
        let exchange = ExchangeColumns {
            conversation_id: conversation.id,
            created_at: exchange_id.unix_ms(),
            exchange_id,
            tenant: conversation.tenant.clone(),
            user_id: conversation.user_identifier.clone(),
            token_id: None,
            channel_id: None,
            request_model: None,
            model_name: model_name.map(|name| escape::text(name.as_bytes()).into_owned()),
            provider: None,
            status: None,
            is_stream: false,
            outcome: Outcome::Complete,
            truncated: Truncated::No,
            first_token_ms: None,
            latency_ms: None,
            ip: None,
            trace_id: None,
            tags: None,
        };
        let message = MessageColumns {
            id: exchange_id.row(1),
            parent_id: place.parent,
            chain_hash: Some(place.chain_hash),
            message_id: None,
            role,
            choice_index: 0,
            usage: Usage::default(),
            token_count,
            finish_reason: None,
            prompt_hash: None,
            updated_at: exchange_id.unix_ms(),
            content: escape::text(content.as_bytes()).into_owned(),
            other: None,
        };
        StoredMessage { exchange, message }
    }
}

/// The row of a conversation that stands there already.
fn known(conversation: Conversation) -> NewConversation {
    let Conversation {
        id,
        tenant,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at,
        updated_at: _,
        message_count: _,
        last_day: _,
    } = conversation;
    NewConversation {
        id,
        tenant,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at,
        sends_history: false,
        parent_conversation_id: None,
    }
}

fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos().try_into().unwrap_or(u64::MAX))
}
