//! Who may see which conversation. Every route asks here and nowhere else.

use std::time::Duration;

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Method, request::Parts};
use tokio::time::timeout;

use super::{auth::Principal, error::ApiError, received, request, sent, state::ApiState};
use crate::{
    id::Id,
    identity,
    store::{Conversation, Page, Place, Store, StoreError, StoreFuture, StoredMessage, Whose},
    thread::branch::{self, Bookmark},
};

/// The API serves the gateway's own tenant.
const TENANT: &str = "";

/// At most so many conversations are read at a time where some of them may have to be left out.
const WALK: usize = 500;

/// How long an answer may take: a store that takes longer does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Deleting a user or old days takes as long as there is much of it.
const DELETED_WITHIN: Duration = Duration::from_secs(600);

/// The principal of this request, and what it may do.
#[derive(Clone, Debug)]
pub(super) struct Access(Principal);

/// Lets a request with a valid key in, once it and everything accepted before it is there, and it has
/// its turn.
pub(super) async fn authenticate(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (principal, request) = admitted(&state, request)?;
    let share = state.turns().share(&principal).await?;
    let request = received::whole(request).await?;
    state.settle().await;
    let turn = state.turns().turn(request.method()).await?;
    let within = match *request.method() {
        Method::DELETE => DELETED_WITHIN,
        _ => ANSWER_WITHIN,
    };
    let Ok(response) = timeout(within, next.run(request)).await else {
        return Err(ApiError::store_unavailable());
    };
    let sent = sent::until_sent(response, || Ok((share, state.turns().sending()?)));
    drop(turn);
    sent
}

/// Lets a request with a valid key in at once, whatever its principal and others have here: whoever asks
/// how much is queued must not have it written first, and has to see an API that has too much to do.
pub(super) async fn authenticate_at_once(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (_, request) = admitted(&state, request)?;
    let answered = timeout(ANSWER_WITHIN, next.run(request)).await;
    answered.map_err(|_| ApiError::store_unavailable())
}

/// A request with a valid key, which carries its [`Access`] from here on.
fn admitted(state: &ApiState, request: Request) -> Result<(Principal, Request), ApiError> {
    let (mut head, body) = request.into_parts();
    let principal = state.principal(&head);
    let principal = principal.ok_or_else(ApiError::unauthenticated)?;
    head.extensions.insert(Access(principal.clone()));
    Ok((principal, Request::from_parts(head, body)))
}

impl<S: Sync> FromRequestParts<S> for Access {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let access = head.extensions.get::<Self>();
        access.cloned().ok_or_else(ApiError::unauthenticated)
    }
}

impl Access {
    /// The conversation that the principal calls `name`: its `id`, or a session id.
    ///
    /// An id goes first: who named his session by another conversation's id must not stand before it.
    ///
    /// # Errors
    /// 404 where there is none that the principal may see, 409 where a session id names several.
    pub(super) async fn conversation(
        &self,
        store: &dyn Store,
        name: &str,
    ) -> Result<Conversation, ApiError> {
        self.find(store, name, |id| store.conversation(id)).await
    }

    /// The same with the rows that a page of its current branch begins with.
    ///
    /// # Errors
    /// As [`conversation`](Self::conversation).
    pub(super) async fn begun(
        &self,
        store: &dyn Store,
        name: &str,
        from: Option<Bookmark>,
        limit: usize,
    ) -> Result<(Conversation, Page<StoredMessage>), ApiError> {
        let begun = |id| branch::begun(store, id, from, limit);
        self.find(store, name, begun).await
    }

    /// What `read` gives for the conversation that the principal calls `name`.
    async fn find<'a, T>(
        &self,
        store: &'a dyn Store,
        name: &str,
        read: impl Fn(Id) -> StoreFuture<'a, Option<T>>,
    ) -> Result<T, ApiError> {
        request::not_reserved(name)?;
        // Nothing of another's conversation is read, which would tell by its time how long that is.
        if let Some(id) = conversation_id(name)
            && let Some(conversation) = store.conversation(id).await?
            && self.owns(&conversation)
            && let Some(found) = read(id).await?
        {
            return Ok(found);
        }
        let session_id = identity::told(name);
        let id = match &self.0 {
            Principal::User(user) => Some(scope(user, &session_id)),
            Principal::Application => {
                let mut named = store.conversations_named(TENANT, &session_id).await?;
                if named.len() > 1 {
                    return Err(ApiError::several(named.iter().map(|one| one.id).collect()));
                }
                named.pop().map(|found| found.id)
            }
        };
        let id = id.ok_or_else(ApiError::no_conversation)?;
        read(id).await?.ok_or_else(ApiError::no_conversation)
    }

    /// The conversations of a user, last active first.
    ///
    /// # Errors
    /// 403 where the principal is another user.
    pub(super) async fn conversations_of(
        &self,
        store: &dyn Store,
        user: &str,
        after: Option<Place>,
        (limit, offset): (usize, usize),
    ) -> Result<Page<Conversation>, ApiError> {
        let whose = self.user(user)?;
        let user = identity::told(user);
        Ok(match whose {
            Whose::Named => self.walk(store, &user, after, limit, offset).await?,
            _ => {
                store
                    .conversations_of_user(TENANT, &user, after, offset, limit)
                    .await?
            }
        })
    }

    /// Whose conversations the principal may see of those that bear this user's name.
    ///
    /// # Errors
    /// 403 where the principal is another user.
    pub(super) fn user(&self, user: &str) -> Result<Whose, ApiError> {
        match &self.0 {
            Principal::User(own) if own != user => Err(ApiError::forbidden()),
            Principal::User(_) => Ok(Whose::Named),
            Principal::Application => Ok(Whose::Bearing),
        }
    }

    /// Lets the principal see what is counted by this name, which tells nobody from another who bears it.
    ///
    /// # Errors
    /// 403 where the principal is another user, or unnamed clients may bear the name as well.
    pub(super) fn counted_by(&self, user: &str) -> Result<(), ApiError> {
        match self.user(user)? {
            Whose::Named if identity::is_of_unnamed(&identity::told(user)) => {
                Err(ApiError::name_is_shared())
            }
            _ => Ok(()),
        }
    }

    /// The name under which the principal's conversations are recorded, where it has one.
    pub(super) fn own_name(&self) -> Option<&str> {
        match &self.0 {
            Principal::User(user) => Some(user),
            Principal::Application => None,
        }
    }

    /// Whether the principal may see everything.
    ///
    /// # Errors
    /// 403 where it is a user.
    pub(super) fn application(&self) -> Result<(), ApiError> {
        match &self.0 {
            Principal::User(_) => Err(ApiError::application_only()),
            Principal::Application => Ok(()),
        }
    }

    /// Reads a user's list and leaves out what only bears his name: the conversations of an unnamed
    /// client whose address is written like it.
    async fn walk(
        &self,
        store: &dyn Store,
        user: &str,
        after: Option<Place>,
        limit: usize,
        offset: usize,
    ) -> Result<Page<Conversation>, StoreError> {
        let (mut skip, mut from) = (offset, 0);
        let mut data = Vec::new();
        loop {
            let wanted = (skip + limit - data.len() + 1).min(WALK);
            let page = store
                .conversations_of_user(TENANT, user, after, from, wanted)
                .await?;
            let ended = !page.has_more || page.data.is_empty();
            from += page.data.len();
            for conversation in page.data {
                if !self.owns(&conversation) {
                    continue;
                }
                if skip > 0 {
                    skip -= 1;
                } else if data.len() < limit {
                    data.push(conversation);
                } else {
                    return Ok(Page {
                        data,
                        has_more: true,
                    });
                }
            }
            if ended {
                return Ok(Page {
                    data,
                    has_more: false,
                });
            }
        }
    }

    /// Whether the conversation lies in the principal's scope. The scope decides and not the name
    /// that the row bears, which of an unnamed client is its address.
    pub(super) fn owns(&self, conversation: &Conversation) -> bool {
        let Conversation {
            id,
            tenant,
            session_id,
            ..
        } = conversation;
        tenant == TENANT
            && match &self.0 {
                Principal::User(user) => scope(user, session_id) == *id,
                Principal::Application => true,
            }
    }
}

/// The id of what this user calls `session_id`.
fn scope(user: &str, session_id: &str) -> Id {
    Id::conversation(TENANT, Some(&identity::told(user)), session_id)
}

/// A conversation's id, if the name is one. Version 8 tells it from the UUIDs that clients name
/// their sessions by.
fn conversation_id(name: &str) -> Option<Id> {
    let id: Id = name.parse().ok()?;
    (id.as_bytes()[6] >> 4 == 8).then_some(id)
}
