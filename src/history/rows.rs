//! Single rows, added by hand.

use std::slice;

use super::exchange_now;
use crate::{
    conversation::{Message, Role},
    escape,
    id::Id,
    recorder::Recorder,
    redact,
    store::{
        Conversation, ErrorColumns, ExchangeColumns, ExchangeRows, MessageColumns, NewConversation,
        StoreError, StoredError, StoredMessage,
    },
    thread,
    writer::title_of,
};

impl Recorder {
    /// Adds a message behind the last one of its conversation, and says how it is stored; `None`
    /// where there is no conversation with its `conversation_id`. MES: `SaveConversationHistory`.
    ///
    /// Its role and content, its tokens and what else it holds are taken as they are; ids, times and
    /// its place are given to it.
    ///
    /// # Errors
    /// Where the database cannot be read or written to.
    pub async fn save_conversation_history(
        &self,
        history: &StoredMessage,
    ) -> Result<Option<StoredMessage>, StoreError> {
        // A conversation that is deleted from now on is deleted with this message.
        let exchange_id = exchange_now();
        let id = history.exchange.conversation_id;
        let Some(conversation) = self.store().conversation(id).await? else {
            return Ok(None);
        };
        self.append(conversation, history, exchange_id).await
    }

    /// The same for a conversation that was just read.
    pub(crate) async fn append(
        &self,
        conversation: Conversation,
        history: &StoredMessage,
        exchange_id: Id,
    ) -> Result<Option<StoredMessage>, StoreError> {
        let StoredMessage { exchange, message } = history;
        let mut content = message.content.clone();
        redact::text(self.redact(), &mut content);
        let said = Message::new(message.role.clone(), content.as_str());
        let place = thread::append(self.store().as_ref(), &conversation, &said).await?;
        let stored = StoredMessage {
            exchange: shared(exchange, &conversation, exchange_id),
            message: MessageColumns {
                id: exchange_id.row(1),
                parent_id: place.parent,
                chain_hash: Some(place.chain_hash),
                prompt_hash: None,
                updated_at: exchange_id.unix_ms(),
                content: escape::text(content.as_bytes()).into_owned(),
                ..message.clone()
            },
        };
        let mut rows = ExchangeRows {
            exchange: stored.exchange.clone(),
            messages: vec![stored.message.clone()],
            ..rows_of(conversation)
        };
        if rows.conversation.title.is_none() && stored.message.role == Role::User {
            rows.conversation.title = title_of(&stored.message.content);
        }
        Ok(self.add(&rows).await?.then_some(stored))
    }

    /// Adds a failed exchange to its conversation, and says how it is stored; `None` where there is no
    /// conversation with its `conversation_id`. MES: `SaveErrorConversationHistory`.
    ///
    /// # Errors
    /// Where the database cannot be read or written to.
    pub async fn save_error_conversation_history(
        &self,
        history: &StoredError,
    ) -> Result<Option<StoredError>, StoreError> {
        let exchange_id = exchange_now();
        let StoredError { exchange, error } = history;
        let id = exchange.conversation_id;
        let Some(conversation) = self.store().conversation(id).await? else {
            return Ok(None);
        };
        let redacted = |text: &str| {
            let mut text = text.to_owned();
            redact::text(self.redact(), &mut text);
            escape::text(text.as_bytes()).into_owned()
        };
        let stored = StoredError {
            exchange: shared(exchange, &conversation, exchange_id),
            error: ErrorColumns {
                id: exchange_id.row(1),
                content: redacted(&error.content),
                error_message: redacted(&error.error_message),
                ..error.clone()
            },
        };
        let rows = ExchangeRows {
            exchange: stored.exchange.clone(),
            error: Some(stored.error.clone()),
            ..rows_of(conversation)
        };
        Ok(self.add(&rows).await?.then_some(stored))
    }

    /// Writes these rows, and says whether their conversation was still there.
    async fn add(&self, rows: &ExchangeRows) -> Result<bool, StoreError> {
        let recorded = self.store().record(slice::from_ref(rows)).await?;
        Ok(recorded.erased.is_empty())
    }
}

/// The columns of an exchange of its own.
fn shared(given: &ExchangeColumns, conversation: &Conversation, id: Id) -> ExchangeColumns {
    ExchangeColumns {
        conversation_id: conversation.id,
        created_at: id.unix_ms(),
        exchange_id: id,
        tenant: conversation.tenant.clone(),
        user_id: conversation.user_identifier.clone(),
        ..given.clone()
    }
}

/// No rows yet of a conversation that stands there already.
fn rows_of(conversation: Conversation) -> ExchangeRows {
    let Conversation {
        id,
        tenant,
        session_id,
        user_identifier,
        title,
        session_source,
        created_at,
        ..
    } = conversation;
    ExchangeRows {
        conversation: NewConversation {
            id,
            tenant,
            session_id,
            user_identifier,
            title,
            session_source,
            created_at,
            sends_history: false,
            parent_conversation_id: None,
        },
        ..ExchangeRows::default()
    }
}
