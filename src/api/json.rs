//! The shapes in which conversations and messages are answered.

mod error;
mod message;

use std::cell::RefCell;

use serde::{Serialize, Serializer, ser::SerializeSeq};
use time::OffsetDateTime;
use utoipa::{
    ToSchema,
    openapi::{
        ArrayBuilder, Object, Ref,
        schema::{AnyOfBuilder, Type},
    },
};

pub(super) use self::{
    error::{ErrorJson, Reason},
    message::MessageJson,
};
use crate::{
    history::readable::readable,
    store::{Conversation, Page, Place, StoredMessage, UnixMillis},
};

/// A page of conversations, and where the next begins.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationList {
    data: Vec<ConversationJson>,
    has_more: bool,
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<Conversation>> for ConversationList {
    fn from(page: Page<Conversation>) -> Self {
        let last = page.data.last().filter(|_| page.has_more);
        Self {
            next: last.map(|last| Place::of(last).to_string()),
            data: page.data.into_iter().map(Into::into).collect(),
            has_more: page.has_more,
        }
    }
}

/// A page of messages, which go as they are written, and where the one before it ends.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageList {
    #[serde(serialize_with = "one_by_one")]
    #[schema(schema_with = whole_or_openai)]
    data: RefCell<Vec<StoredMessage>>,
    has_more: bool,
    #[schema(required)]
    next: Option<String>,
}

/// With `format=openai` messages have OpenAI's shape.
fn whole_or_openai() -> ArrayBuilder {
    let either = AnyOfBuilder::new()
        .item(Ref::from_schema_name("Message"))
        .item(Object::with_type(Type::Object));
    ArrayBuilder::new().items(either)
}

impl MessageList {
    pub(super) fn new(messages: Vec<StoredMessage>, next: Option<String>) -> Self {
        Self {
            data: RefCell::new(messages),
            has_more: next.is_some(),
            next,
        }
    }
}

/// A conversation with its latest messages, which go as they are written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transcript {
    #[serde(flatten)]
    conversation: ConversationJson,
    #[serde(serialize_with = "one_by_one")]
    #[schema(value_type = Vec<MessageJson>)]
    messages: RefCell<Vec<StoredMessage>>,
    has_more: bool,
}

impl Transcript {
    pub(super) fn new(
        conversation: Conversation,
        messages: Vec<StoredMessage>,
        has_more: bool,
    ) -> Self {
        Self {
            conversation: conversation.into(),
            messages: RefCell::new(messages),
            has_more,
        }
    }
}

/// Holds no message both as a row and as JSON.
fn one_by_one<S: Serializer>(
    rows: &RefCell<Vec<StoredMessage>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let rows = rows.take();
    let mut shown = serializer.serialize_seq(Some(rows.len()))?;
    for row in rows {
        shown.serialize_element(&MessageJson::from(row))?;
    }
    shown.end()
}

/// A conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(super) struct ConversationJson {
    #[schema(format = "uuid")]
    id: String,
    /// The name that its client gave it.
    pub(super) session_id: String,
    #[schema(required)]
    title: Option<String>,
    user_identifier: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// When its newest row was made.
    #[schema(format = DateTime)]
    updated_at: String,
    message_count: i64,
    session_source: String,
}

impl From<Conversation> for ConversationJson {
    fn from(conversation: Conversation) -> Self {
        let Conversation {
            id,
            tenant: _,
            session_id,
            user_identifier,
            title,
            session_source,
            created_at,
            updated_at,
            message_count,
            last_day: _,
        } = conversation;
        Self {
            id: id.to_string(),
            session_id: readable(session_id),
            title: title.map(readable),
            user_identifier: readable(user_identifier),
            created_at: rfc3339(created_at),
            updated_at: rfc3339(updated_at),
            message_count,
            session_source: readable(session_source),
        }
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    let nanos = i128::from(at) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(1_736_899_200_007), "2025-01-15T00:00:00.007Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }
}
