//! What the application knows about a request, handed over in its extensions.

use std::{net::SocketAddr, sync::Arc};

/// What the application knows about a request and its client; it beats every header.
///
/// Put one into the *request's* extensions before the layer sees it (from your authentication,
/// say), or into the *response's* extensions behind it (from your routing). What the response's
/// says counts more; what neither says is taken from headers.
///
/// ```
/// use tower_recording::RecordingContext;
///
/// let mut request = http::Request::new(());
/// request
///     .extensions_mut()
///     .insert(RecordingContext::new().user_id("ada").token_id("key-7"));
/// ```
///
/// Cloning is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingContext(Arc<Known>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) tenant: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) token_id: Option<String>,
    pub(crate) channel_id: Option<String>,
    pub(crate) conversation_id: Option<String>,
    pub(crate) provider: Option<String>,
}

impl RecordingContext {
    /// A context that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose gateway this is, where one process serves several.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        self.with(|known| known.tenant = Some(tenant.into()))
    }

    /// The user, as your authentication named him. A client can then not name another.
    #[must_use]
    pub fn user_id(self, user_id: impl Into<String>) -> Self {
        self.with(|known| known.user_id = Some(user_id.into()))
    }

    /// Your id of the key that was used. Never the key itself: it is stored.
    #[must_use]
    pub fn token_id(self, token_id: impl Into<String>) -> Self {
        self.with(|known| known.token_id = Some(token_id.into()))
    }

    /// Your id of the upstream that the request was sent to.
    #[must_use]
    pub fn channel_id(self, channel_id: impl Into<String>) -> Self {
        self.with(|known| known.channel_id = Some(channel_id.into()))
    }

    /// The conversation, by the session id under which it is read.
    #[must_use]
    pub fn conversation_id(self, conversation_id: impl Into<String>) -> Self {
        self.with(|known| known.conversation_id = Some(conversation_id.into()))
    }

    /// Whose API the upstream speaks; else it is told from the path.
    #[must_use]
    pub fn provider(self, provider: impl Into<String>) -> Self {
        self.with(|known| known.provider = Some(provider.into()))
    }

    fn with(mut self, set: impl FnOnce(&mut Known)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn known(&self) -> &Known {
        &self.0
    }
}

/// The address of the peer that a connection was accepted from.
///
/// Put it into the request's extensions where you accept connections yourself; with the feature
/// `connect-info`, axum's `ConnectInfo<SocketAddr>` is read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);
