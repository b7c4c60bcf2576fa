//! Rows of the database as the store's own.

use std::marker::PhantomData;

use diesel::{
    deserialize::{self, FromSql, QueryableByName},
    mysql::Mysql,
    row::{NamedRow, Row},
    sql_types::{BigInt, Binary, Date, Datetime, Nullable, Text, TinyInt},
};

use super::datetime::Millis;
use crate::{
    conversation::{Role, Usage},
    id::Id,
    outcome::{Outcome, Truncated},
    partition::Day,
    store::{
        Conversation, ErrorColumns, ExchangeColumns, MessageColumns, StoredError, StoredMessage,
        UnixMillis,
    },
};

/// Takes the columns of a row one after the other, in the order of [`columns`](super::columns).
struct Columns<'r, 'a, R> {
    row: &'r R,
    next: usize,
    lifetime: PhantomData<&'a ()>,
}

impl<'r, 'a, R: Row<'a, Mysql>> Columns<'r, 'a, R> {
    fn new(row: &'r R) -> Self {
        Self {
            row,
            next: 0,
            lifetime: PhantomData,
        }
    }

    fn take<ST, T: FromSql<ST, Mysql>>(&mut self) -> deserialize::Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.get_value(index)
    }

    fn text(&mut self) -> deserialize::Result<String> {
        self.take::<Text, _>()
    }

    fn optional_text(&mut self) -> deserialize::Result<Option<String>> {
        self.take::<Nullable<Text>, _>()
    }

    fn number(&mut self) -> deserialize::Result<i64> {
        self.take::<BigInt, _>()
    }

    fn time(&mut self) -> deserialize::Result<UnixMillis> {
        self.take::<Datetime, Millis>().map(|time| time.0)
    }

    fn optional_time(&mut self) -> deserialize::Result<Option<UnixMillis>> {
        let time: Option<Millis> = self.take::<Nullable<Datetime>, _>()?;
        Ok(time.map(|time| time.0))
    }

    fn optional_number(&mut self) -> deserialize::Result<Option<i64>> {
        self.take::<Nullable<BigInt>, _>()
    }

    fn bytes(&mut self) -> deserialize::Result<[u8; 16]> {
        let bytes = self.take::<Binary, Vec<u8>>()?;
        bytes.try_into().map_err(|_| "not 16 bytes".into())
    }

    fn optional_bytes(&mut self) -> deserialize::Result<Option<[u8; 16]>> {
        let bytes = self.take::<Nullable<Binary>, Option<Vec<u8>>>()?;
        let bytes = bytes.map(|bytes| bytes.try_into().map_err(|_| "not 16 bytes"));
        Ok(bytes.transpose()?)
    }

    fn id(&mut self) -> deserialize::Result<Id> {
        self.bytes().map(Id::from_bytes)
    }

    fn optional_id(&mut self) -> deserialize::Result<Option<Id>> {
        Ok(self.optional_bytes()?.map(Id::from_bytes))
    }

    fn role(&mut self) -> deserialize::Result<Role> {
        self.text().map(|word| Role::from(word.as_str()))
    }

    fn day(&mut self) -> deserialize::Result<Day> {
        self.take::<Date, _>()
    }

    fn exchange(&mut self) -> deserialize::Result<ExchangeColumns> {
        Ok(ExchangeColumns {
            conversation_id: self.id()?,
            created_at: self.time()?,
            exchange_id: self.id()?,
            tenant: self.text()?,
            user_id: self.text()?,
            token_id: self.optional_text()?,
            channel_id: self.optional_text()?,
            request_model: self.optional_text()?,
            model_name: self.optional_text()?,
            provider: self.optional_text()?,
            status: self.optional_number()?,
            is_stream: self.take::<TinyInt, i8>()? != 0,
            outcome: Outcome::parse(&self.text()?).ok_or("not an outcome")?,
            truncated: Truncated::parse(&self.text()?).ok_or("not a truncation")?,
            first_token_ms: self.optional_number()?,
            latency_ms: self.optional_number()?,
            ip: self.optional_text()?,
            trace_id: self.optional_text()?,
            tags: self.optional_text()?,
        })
    }

    fn usage(&mut self) -> deserialize::Result<Usage> {
        Ok(Usage {
            prompt_tokens: self.optional_number()?,
            completion_tokens: self.optional_number()?,
            total_tokens: self.optional_number()?,
            cached_tokens: self.optional_number()?,
            cache_write_tokens: self.optional_number()?,
            reasoning_tokens: self.optional_number()?,
            raw: self.optional_text()?,
        })
    }
}

/// A message as read.
pub(super) struct MessageRow(pub(super) StoredMessage);

impl QueryableByName<Mysql> for MessageRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let mut columns = Columns::new(row);
        let exchange = columns.exchange()?;
        let mut message = MessageColumns {
            id: columns.id()?,
            parent_id: columns.optional_id()?,
            chain_hash: columns.optional_bytes()?,
            message_id: columns.optional_text()?,
            role: columns.role()?,
            choice_index: columns.number()?,
            token_count: columns.optional_number()?,
            finish_reason: columns.optional_text()?,
            prompt_hash: columns.optional_bytes()?,
            updated_at: columns.time()?,
            content: columns.text()?,
            other: columns.optional_text()?,
            usage: Usage::default(),
        };
        message.usage = columns.usage()?;
        Ok(Self(StoredMessage { exchange, message }))
    }
}

/// A failed exchange as read.
pub(super) struct ErrorRow(pub(super) StoredError);

impl QueryableByName<Mysql> for ErrorRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let mut columns = Columns::new(row);
        let exchange = columns.exchange()?;
        let mut error = ErrorColumns {
            id: columns.id()?,
            parent_id: columns.optional_id()?,
            message_id: columns.optional_text()?,
            role: columns.role()?,
            error_code: columns.number()?,
            error_message: columns.text()?,
            content: columns.text()?,
            other: columns.optional_text()?,
            usage: Usage::default(),
        };
        error.usage = columns.usage()?;
        Ok(Self(StoredError { exchange, error }))
    }
}

/// A conversation as read, with the count of its closed days.
#[derive(Clone)]
pub(super) struct ConversationRow {
    pub(super) conversation: Conversation,
    pub(super) first_day: Day,
    /// When the newest row of its last day was made, if that day is closed and clean.
    pub(super) newest_at: Option<UnixMillis>,
}

impl ConversationRow {
    fn take<'a, R: Row<'a, Mysql>>(columns: &mut Columns<'_, 'a, R>) -> deserialize::Result<Self> {
        let mut conversation = Conversation {
            id: columns.id()?,
            tenant: columns.text()?,
            session_id: columns.text()?,
            user_identifier: columns.text()?,
            title: columns.optional_text()?,
            session_source: columns.text()?,
            created_at: columns.time()?,
            message_count: columns.number()?,
            updated_at: 0,
            last_day: Day::default(),
        };
        conversation.updated_at = conversation.created_at;
        let first_day = columns.day()?;
        conversation.last_day = columns.day()?;
        Ok(Self {
            conversation,
            first_day,
            newest_at: columns.optional_time()?,
        })
    }
}

impl QueryableByName<Mysql> for ConversationRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        Self::take(&mut Columns::new(row))
    }
}

/// The same, with the time of its newest row.
pub(super) struct ActiveRow(pub(super) ConversationRow);

impl QueryableByName<Mysql> for ActiveRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let mut columns = Columns::new(row);
        let mut row = ConversationRow::take(&mut columns)?;
        row.conversation.updated_at = columns.time()?;
        Ok(Self(row))
    }
}

/// A row of which the long texts are empty where they are longer than one page has room for.
pub(super) struct Weighed<T> {
    pub(super) row: T,
    /// What its long texts come to.
    pub(super) bytes: usize,
}

impl<T: QueryableByName<Mysql>> QueryableByName<Mysql> for Weighed<T> {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let bytes = NamedRow::get::<BigInt, i64>(row, "bytes")?;
        Ok(Self {
            row: T::build(row)?,
            bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        })
    }
}
