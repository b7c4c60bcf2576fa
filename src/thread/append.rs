//! The place of a message that is added by hand: behind the conversation's head.

use super::{branch, canon};
use crate::{
    conversation::Message,
    id::Id,
    store::{ChainHash, Conversation, Recall, Store, StoreError},
};

/// What an added message follows, and the hash of both.
pub(crate) struct Appended {
    pub(crate) parent: Option<Id>,
    pub(crate) chain_hash: ChainHash,
}

/// Finds the place of a message that is added to this conversation.
pub(crate) async fn append(
    store: &dyn Store,
    conversation: &Conversation,
    message: &Message,
) -> Result<Appended, StoreError> {
    let key = store.secret().await?;
    let wanted = Recall {
        conversations: vec![conversation.id],
        ..Recall::default()
    };
    let recalled = store.recall(&wanted).await?;
    let head = recalled.heads.into_iter().next();
    // Who sends no history asks nothing aside of it.
    let shown = match &head {
        Some(head) if head.sends_history => {
            branch::head_below_asides(store, conversation.id).await?
        }
        _ => None,
    };
    let head = shown.or(head.and_then(|head| head.message));
    let Conversation {
        id,
        tenant,
        session_id,
        user_identifier,
        ..
    } = conversation;
    // Whoever is known by an address only is not part of the scope.
    let named = Some(user_identifier.as_str())
        .filter(|user| Id::conversation(tenant, Some(user), session_id) == *id);
    let root = || canon::scope(&key, tenant, named, *id);
    let before = head.map_or_else(root, |head| head.chain_hash);
    Ok(Appended {
        parent: head.map(|head| head.id),
        chain_hash: canon::chained(&key, &before, &canon::digest(&key, message)),
    })
}
