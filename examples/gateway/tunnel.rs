//! Connections that change their protocol, to WebSocket for one: bytes to and fro from then on.

use axum::extract::Request;
use http::{HeaderMap, HeaderValue, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

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

/// Carries bytes both ways, once both sides have changed, until one of them hangs up.
pub(crate) fn open(client: OnUpgrade, upstream: OnUpgrade) {
    tokio::spawn(async move {
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
    });
}
