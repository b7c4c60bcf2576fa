//! What is known, by heart or from the database, and what is still to be asked.

use super::Look;
use crate::{
    id::Id,
    store::{ChainHash, KnownMessage, Recall},
};

/// Of many turns of a conversation in one batch each may have to be asked about after the one before it
/// has its place; the later ones are taken for new where the database was asked so often.
const MOST_TIMES_ASKED: usize = 4;

impl Look<'_> {
    /// What the conversation is called: `None` before the database was asked, `Some(None)` where it was
    /// erased, or is too old by now.
    pub(super) fn session_id(
        self,
        conversation: Id,
        recall: &mut Recall,
    ) -> Option<Option<String>> {
        if let Some(stand) = self.threader.memory.stand(conversation) {
            return Some(Some(stand.session_id.clone()));
        }
        let head = self.facts.head(conversation);
        if head.is_none() {
            recall.conversations.push(conversation);
        }
        head.map(|head| head.map(|head| head.session_id.clone()))
    }

    /// The answer that this response was: `None` before the database was asked.
    pub(super) fn find_response(self, response: &ChainHash) -> Option<Option<KnownMessage>> {
        let remembered = self.threader.memory.response(*response);
        remembered.map_or_else(
            || self.facts.response(response),
            |answer| Some(Some(*answer)),
        )
    }

    pub(super) fn find(self, conversation: Id, hash: &ChainHash) -> Option<Id> {
        let remembered = self.threader.memory.message(conversation, *hash);
        remembered.or_else(|| self.facts.message(conversation, hash))
    }

    /// The conversation of the newest answer with this hash, where that is new enough.
    pub(super) fn find_answer(self, hash: &ChainHash) -> Option<Id> {
        let remembered = self.threader.memory.answer(*hash);
        let known = remembered.or_else(|| self.facts.anywhere(hash))?;
        let age = self.asked.at.saturating_sub(known.id.unix_ms());
        (age <= self.threader.infer_within_ms).then_some(known.conversation_id)
    }

    /// Adds what was not asked yet, and says whether there was any.
    pub(super) fn want<'h>(
        self,
        hashes: impl IntoIterator<Item = &'h ChainHash>,
        recall: &mut Recall,
    ) -> bool {
        let before = recall.hashes.len();
        let unasked = hashes
            .into_iter()
            .filter(|hash| !self.facts.has_asked(hash));
        recall.hashes.extend(unasked);
        recall.hashes.len() > before
    }

    /// Adds what others may have stored lately behind this message, unless nobody else is to be reckoned
    /// with, and says whether there was any that was not asked yet. Only where the first is there may the
    /// rest be.
    pub(super) fn want_behind(
        self,
        message: KnownMessage,
        following: &[ChainHash],
        recall: &mut Recall,
    ) -> bool {
        let KnownMessage {
            conversation_id,
            id,
            chain_hash,
        } = message;
        let company = &self.threader.company;
        if self.facts.times_asked() >= MOST_TIMES_ASKED || !company.may_have_followed(id) {
            return false;
        }
        let is_of_others = self.facts.message(conversation_id, &chain_hash).is_some();
        let asked = if is_of_others { following.len() } else { 1 };
        let asked = following.iter().take(asked);
        let before = recall.recent.len();
        let unasked = asked.filter(|hash| !self.facts.has_asked_lately(hash));
        recall.recent.extend(unasked);
        recall.recent.len() > before
    }
}
