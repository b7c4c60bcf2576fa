//! Reading, as MES does.

use serde_json::Value;

use super::openai;
use crate::{
    id::Id,
    identity::told,
    recorder::Recorder,
    store::{Conversation, Page, Stats, StoreError, StoredMessage, UnixMillis},
    thread::branch,
};

impl Recorder {
    /// The latest messages of a conversation's current branch, oldest first, as a chat completion
    /// takes them. MES: `GetConversationMessages`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn conversation_messages(
        &self,
        id: Id,
        limit: usize,
    ) -> Result<Vec<Value>, StoreError> {
        let page = branch::page(self.store().as_ref(), id, None, limit).await?;
        Ok(openai::messages(page.data, page.next.is_some()))
    }

    /// A user's conversations, last active first. MES: `GetUserConversations`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn user_conversations(
        &self,
        user_identifier: &str,
        limit: usize,
        offset: usize,
    ) -> Result<Page<Conversation>, StoreError> {
        let user = told(user_identifier);
        let store = self.store();
        store
            .conversations_of_user("", &user, None, offset, limit)
            .await
    }

    /// What a user said and spent from the day of `from` to the day of `to`.
    /// MES: `GetConversationStats`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn conversation_stats(
        &self,
        user_identifier: &str,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Stats, StoreError> {
        self.store()
            .stats("", &told(user_identifier), from, to)
            .await
    }

    /// The messages of a conversation, of every branch, oldest first: the latest `limit` but for the
    /// newest `offset`. MES: `GetConversationHistory`.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn conversation_history(
        &self,
        id: Id,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<StoredMessage>, StoreError> {
        let (mut before, mut skip) = (None, offset);
        let mut pages: Vec<Vec<StoredMessage>> = Vec::new();
        let mut wanted = limit;
        while wanted > 0 {
            let asked = skip.saturating_add(wanted);
            let mut page = self.store().messages(id, before, asked).await?;
            before = page.data.first().map(|row| row.message.id);
            let skipped = skip.min(page.data.len());
            page.data.truncate(page.data.len() - skipped);
            skip -= skipped;
            wanted -= page.data.len();
            pages.push(page.data);
            if !page.has_more {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }
}
