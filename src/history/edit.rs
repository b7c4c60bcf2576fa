//! Making, renaming and deleting.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    escape::first_bytes,
    id::Id,
    identity::told,
    recorder::Recorder,
    redact,
    store::{Conversation, Deleted, NewConversation, Place, StoreError, UnixMillis, Whose},
    writer::Command,
};

/// What a title's column holds, in bytes.
const MAX_TITLE_BYTES: usize = 255;
/// Conversations of a deleted user that writers are told to forget: more than one of them remembers
/// is not worth reading a list.
const FORGOTTEN: usize = 10_000;
/// How many are listed at a time.
const LISTED: usize = 500;

impl Recorder {
    /// Makes a conversation without messages; `None` where the user has one of this name already.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    pub async fn create_conversation(
        &self,
        user_identifier: &str,
        session_id: &str,
        title: Option<&str>,
    ) -> Result<Option<Conversation>, StoreError> {
        let (user, session_id) = (told(user_identifier), told(session_id));
        let new = NewConversation {
            id: Id::conversation("", Some(&user), &session_id),
            session_id,
            user_identifier: user,
            title: title.map(|title| self.title(title)),
            session_source: "api".to_owned(),
            created_at: unix_ms(),
            ..NewConversation::default()
        };
        match self.store().create_conversation(&new).await? {
            true => self.store().conversation(new.id).await,
            false => Ok(None),
        }
    }

    /// Gives a conversation this title, of at most 255 bytes, and says whether it is there.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    pub async fn rename_conversation(&self, id: Id, title: &str) -> Result<bool, StoreError> {
        self.store()
            .rename_conversation(id, &self.title(title))
            .await
    }

    fn title(&self, title: &str) -> String {
        let mut title = title.to_owned();
        redact::text(self.redact(), &mut title);
        let title = crate::escape::text(title.as_bytes());
        first_bytes(&title, MAX_TITLE_BYTES).to_owned()
    }

    /// Deletes a conversation with all its rows, failed exchanges included, in every partition;
    /// `None` where it is not there. What is on its way to it is not stored.
    /// MES: `DeleteConversationHistory`.
    ///
    /// # Errors
    /// Where the database cannot be written to.
    pub async fn delete_conversation_history(&self, id: Id) -> Result<Option<Deleted>, StoreError> {
        let deleted = self.store().delete_conversation(id, unix_ms()).await?;
        self.forget(HashSet::from([id])).await;
        Ok(deleted)
    }

    /// The same for a conversation of this user; `None` also where it is another's, or an unnamed
    /// client's whose address is written like the user's name.
    /// MES: `DeleteUserConversation`.
    ///
    /// # Errors
    /// Where the database cannot be read or written to.
    pub async fn delete_user_conversation(
        &self,
        user_identifier: &str,
        id: Id,
    ) -> Result<Option<Deleted>, StoreError> {
        let owner = told(user_identifier);
        match self.store().conversation(id).await? {
            // The scope says whose it is: the name that a row bears may be an address.
            Some(one) if Id::conversation("", Some(&owner), &one.session_id) == id => {
                self.delete_conversation_history(id).await
            }
            _ => Ok(None),
        }
    }

    /// Deletes every conversation of a user, everything else that bears his name, and what was
    /// counted of him. Says how much that was.
    ///
    /// # Errors
    /// Where the database cannot be written to. A part may be gone then; the next call does the rest.
    pub async fn delete_user(
        &self,
        user_identifier: &str,
        whose: Whose,
    ) -> Result<Deleted, StoreError> {
        let user = told(user_identifier);
        let at = unix_ms();
        let known = self.known_of(&user).await?;
        let deleted = self.store().delete_user("", &user, whose, at).await?;
        self.forget(known).await;
        Ok(deleted)
    }

    async fn known_of(&self, user: &str) -> Result<HashSet<Id>, StoreError> {
        let mut known = HashSet::new();
        let mut after = None;
        while known.len() < FORGOTTEN {
            let page = self
                .store()
                .conversations_of_user("", user, after, 0, LISTED);
            let page = page.await?;
            after = page.data.last().map(Place::of);
            known.extend(page.data.iter().map(|one| one.id));
            if !page.has_more {
                break;
            }
        }
        Ok(known)
    }

    /// Has the writers forget these conversations before they go on.
    async fn forget(&self, conversations: HashSet<Id>) {
        let conversations = Arc::new(conversations);
        self.ask(|answer| Command::Forget(Arc::clone(&conversations), answer))
            .await;
    }
}

/// The id of an exchange that begins now.
pub(crate) fn exchange_now() -> Id {
    Id::exchange(unix_nanos())
}

fn unix_ms() -> UnixMillis {
    (unix_nanos() / 1_000_000) as UnixMillis
}

fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos().try_into().unwrap_or(u64::MAX))
}
