//! Reading a conversation as what was said on one branch, from its newest exchange back to its root.

mod aside;
mod bookmark;
#[cfg(feature = "api")]
mod once;
mod row;
mod walk;

pub(crate) use self::bookmark::Bookmark;
#[cfg(feature = "api")]
pub(crate) use self::once::once;

use std::collections::HashSet;

use self::{aside::asides, row::is_said, walk::Walk};
#[cfg(feature = "api")]
use crate::store::{Conversation, StoreFuture};
use crate::{
    id::Id,
    store::{KnownMessage, Page, Store, StoreError, StoredMessage},
};

/// Rows read at a time, at least: a page may have to pass over other branches. By as many of the
/// newest is judged which branch is current.
const CHUNK: usize = 64;
/// What a page of one branch needs beyond its messages: what the model was told, and one that tells
/// whether there are more.
const SPARE: usize = 14;
/// The most rows read at a time.
const MAX_CHUNK: usize = 1000;

/// A page of a branch, oldest first.
#[derive(Debug, Default)]
pub(crate) struct BranchPage {
    pub(crate) data: Vec<StoredMessage>,
    /// Where the page before this one ends; `None` where this one has the root.
    pub(crate) next: Option<Bookmark>,
}

/// The latest `limit` messages of the current branch, or of its part before the bookmark; fewer
/// where their texts come to more than a page may hold, but never none.
pub(crate) async fn page(
    store: &dyn Store,
    conversation: Id,
    from: Option<Bookmark>,
    limit: usize,
) -> Result<BranchPage, StoreError> {
    let rows = store.messages(conversation, below(from), chunk(limit));
    page_of(store, conversation, from, limit, rows.await?).await
}

/// A conversation with the rows that such a page of it begins with.
#[cfg(feature = "api")]
pub(crate) fn begun(
    store: &dyn Store,
    id: Id,
    from: Option<Bookmark>,
    limit: usize,
) -> StoreFuture<'_, Option<(Conversation, Page<StoredMessage>)>> {
    store.conversation_with_messages(id, below(from), chunk(limit))
}

/// The page that begins with these rows.
pub(crate) async fn page_of(
    store: &dyn Store,
    conversation: Id,
    from: Option<Bookmark>,
    limit: usize,
    mut rows: Page<StoredMessage>,
) -> Result<BranchPage, StoreError> {
    let mut walk = Walk::new(from);
    let aside = match from {
        Some(_) => HashSet::new(),
        None => asides(store, conversation, &rows.data).await?,
    };
    let mut before = below(from);
    'pages: while walk.goes_on(limit) {
        before = rows.data.first().map(|row| row.message.id).or(before);
        let shown = |row: &StoredMessage| !aside.contains(&row.exchange.exchange_id);
        for row in rows.data.into_iter().rev().filter(shown) {
            jump(store, conversation, &mut walk, Some(row.message.id)).await?;
            if !walk.goes_on(limit) {
                break 'pages;
            }
            walk.pass(row);
        }
        if !rows.has_more {
            jump(store, conversation, &mut walk, None).await?;
            walk.end();
            break;
        }
        rows = store.messages(conversation, before, chunk(limit)).await?;
    }
    Ok(walk.finish(limit))
}

fn below(from: Option<Bookmark>) -> Option<Id> {
    from.map(|bookmark| bookmark.below)
}

/// How many rows are read at a time.
fn chunk(limit: usize) -> usize {
    limit.saturating_add(SPARE).clamp(CHUNK, MAX_CHUNK)
}

/// The message that the current branch ends with, where newer ones are none of its turns.
pub(super) async fn head_below_asides(
    store: &dyn Store,
    conversation: Id,
) -> Result<Option<KnownMessage>, StoreError> {
    let rows = store.messages(conversation, None, CHUNK).await?.data;
    let aside = asides(store, conversation, &rows).await?;
    if aside.is_empty() {
        return Ok(None);
    }
    let mut turns = rows
        .iter()
        .rev()
        .filter(|row| is_said(row) && !aside.contains(&row.exchange.exchange_id));
    Ok(turns.find_map(|row| {
        Some(KnownMessage {
            conversation_id: conversation,
            id: row.message.id,
            chain_hash: row.message.chain_hash?,
        })
    }))
}

/// Reads the next messages of the branch where they should have come before this row, the next that
/// is passed, if there is one.
async fn jump(
    store: &dyn Store,
    conversation: Id,
    walk: &mut Walk,
    row: Option<Id>,
) -> Result<(), StoreError> {
    while let Some(skipped) = walk.skipped_before(row) {
        let found = store
            .messages(conversation, Some(skipped.next()), 1)
            .await?;
        walk.jump_to(skipped, found.data.into_iter().next());
    }
    Ok(())
}
