//! Connections that change their protocol, to WebSocket for one: bytes to and fro from then on.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::Request;
use http::{HeaderMap, HeaderValue, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

/// The protocol that a request wants to change to. HTTP/2 is none: each connection settles that itself.
pub(crate) fn requested(request: &Request) -> Option<HeaderValue> {
    let protocol = request.headers().get(header::UPGRADE)?;
    let asked = request
        .headers()
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    (asked && request.version() == Version::HTTP_11 && protocol != "h2c").then(|| protocol.clone())
}

/// Writes that this connection changes to `protocol`.
pub(crate) fn announce(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// The tunnels that are open. The server knows nothing of them: to it their connections have ended.
#[derive(Clone, Default)]
pub(crate) struct Tunnels(Arc<Mutex<JoinSet<()>>>);

impl Tunnels {
    /// Carries bytes both ways, once both sides have changed, until one of them hangs up.
    pub(crate) fn open(&self, client: OnUpgrade, upstream: OnUpgrade) {
        let mut tunnels = self.lock();
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(carry(client, upstream));
    }

    /// Waits until none is open.
    pub(crate) async fn ended(&self) {
        while poll_fn(|cx| self.lock().poll_join_next(cx)).await.is_some() {}
    }

    /// Cuts off those that are open, and says how many.
    pub(crate) async fn cut(&self) -> usize {
        let mut tunnels = mem::take(&mut *self.lock());
        let open = tunnels.len();
        tunnels.shutdown().await;
        open
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn carry(client: OnUpgrade, upstream: OnUpgrade) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(sides) => sides,
        Err(error) => {
            tracing::warn!(%error, "a connection did not change its protocol");
            return;
        }
    };
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    // How a tunnel ends is a matter of those who use it.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
}
