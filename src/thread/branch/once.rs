//! What two gateways stored of the same words, read once.

use std::collections::{HashMap, HashSet};

use super::row::is_prompt;
use crate::{
    conversation::Role,
    id::Id,
    store::{ChainHash, StoredMessage},
};

/// These rows, oldest first, without what was said in words that stand there already in the same place:
/// gateways that did not know of each other both stored it. What followed the second follows the first.
/// An answer that the model gave again is another one.
pub(crate) fn once(mut rows: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let hash_of: HashMap<Id, Option<ChainHash>> = rows
        .iter()
        .map(|row| (row.message.id, row.message.chain_hash))
        .collect();
    let followed: HashSet<(Id, Id)> = rows
        .iter()
        .filter_map(|row| Some((row.exchange.exchange_id, row.message.parent_id?)))
        .collect();
    let mut first: HashMap<ChainHash, Id> = HashMap::new();
    let mut kept_for: HashMap<Id, Id> = HashMap::new();
    rows.retain_mut(|row| {
        let (id, hash) = (row.message.id, row.message.chain_hash);
        let parent = row.message.parent_id;
        // A reminder moves no chain on.
        let is_reminder = parent.is_some_and(|parent| hash_of.get(&parent) == Some(&hash));
        if let Some(kept) = parent.and_then(|parent| kept_for.get(&parent)) {
            row.message.parent_id = Some(*kept);
        }
        let Some(hash) = hash.filter(|_| !is_reminder && !is_prompt(row)) else {
            return true;
        };
        let was_sent = row.message.role != Role::Assistant
            || followed.contains(&(row.exchange.exchange_id, id));
        let kept = *first.entry(hash).or_insert(id);
        if kept == id || !was_sent {
            return true;
        }
        kept_for.insert(id, kept);
        false
    });
    rows
}
