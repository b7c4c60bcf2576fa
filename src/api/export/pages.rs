//! A conversation from its beginning, though it can only be read from its end: where its pages end
//! is found out first, and then they are read once more.

use crate::{
    id::Id,
    store::{Store, StoreError, StoredMessage},
    thread::branch::{self, Bookmark},
};

/// Messages of a page.
const LIMIT: usize = 500;

/// Where a page ends.
#[derive(Clone, Copy)]
enum End {
    Branch(Bookmark),
    Tree(Id),
}

pub(super) struct Pages {
    conversation: Id,
    ends: Vec<End>,
    /// What was newest at the beginning: to read it again would show more.
    newest: Option<Vec<StoredMessage>>,
}

/// Finds the pages of a conversation's current branch, or of all of it.
pub(super) async fn find(
    store: &dyn Store,
    conversation: Id,
    every_branch: bool,
) -> Result<Pages, StoreError> {
    let (newest, mut next) = match every_branch {
        true => tree(store, conversation, None).await?,
        false => of_branch(store, conversation, None).await?,
    };
    let mut ends = Vec::new();
    while let Some(end) = next {
        ends.push(end);
        next = read(store, conversation, end).await?.1;
    }
    Ok(Pages {
        conversation,
        ends,
        newest: Some(newest),
    })
}

impl Pages {
    /// The next page, oldest first.
    pub(super) async fn next(
        &mut self,
        store: &dyn Store,
    ) -> Result<Option<Vec<StoredMessage>>, StoreError> {
        match self.ends.pop() {
            Some(end) => read(store, self.conversation, end)
                .await
                .map(|(rows, _)| Some(rows)),
            None => Ok(self.newest.take()),
        }
    }
}

type Page = (Vec<StoredMessage>, Option<End>);

async fn read(store: &dyn Store, conversation: Id, end: End) -> Result<Page, StoreError> {
    match end {
        End::Branch(bookmark) => of_branch(store, conversation, Some(bookmark)).await,
        End::Tree(before) => tree(store, conversation, Some(before)).await,
    }
}

async fn of_branch(
    store: &dyn Store,
    conversation: Id,
    from: Option<Bookmark>,
) -> Result<Page, StoreError> {
    let page = branch::page(store, conversation, from, LIMIT).await?;
    Ok((page.data, page.next.map(End::Branch)))
}

async fn tree(store: &dyn Store, conversation: Id, before: Option<Id>) -> Result<Page, StoreError> {
    let page = store.messages(conversation, before, LIMIT).await?;
    let first = page.data.first().map(|row| End::Tree(row.message.id));
    Ok((page.data, first.filter(|_| page.has_more)))
}
