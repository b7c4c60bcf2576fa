//! Which requests are recorded, and what is copied of them.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request};

use crate::{
    context::{PeerAddr, RecordingContext},
    decode::{Decode, Dialect},
    exchange::{Asked, Exchange},
    id::Id,
    prefix::AllowList,
};

/// Says of a request's method and path whether it is recorded too.
pub(crate) type AlsoRecord = dyn Fn(&Method, &str) -> bool + Send + Sync;
/// Finds the client's address.
pub(crate) type ClientIp = dyn Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync;

/// Which requests are recorded, and what is copied of them.
pub(crate) struct Rules {
    pub(crate) max_request_bytes: usize,
    pub(crate) max_response_bytes: usize,
    pub(crate) allow_list: AllowList,
    /// Dialects of the application's own.
    pub(crate) own: Vec<Arc<dyn Decode>>,
    pub(crate) also_record: Option<Box<AlsoRecord>>,
    pub(crate) client_ip: Option<Box<ClientIp>>,
    pub(crate) session_header: HeaderName,
    /// The headers that name a conversation or a user.
    pub(crate) session_headers: Vec<HeaderName>,
    pub(crate) user_headers: Vec<HeaderName>,
    /// The guides' opt-in mode: only requests that carry the session header.
    pub(crate) only_with_session: bool,
    /// Tells the client the id of its exchange.
    pub(crate) exchange_id_header: Option<HeaderName>,
    /// Whether there are several writers to choose from.
    pub(crate) sharded: bool,
    pub(crate) hasher: RandomState,
}

impl Rules {
    pub(crate) fn wants<B>(&self, request: &Request<B>) -> bool {
        let (method, path) = (request.method(), request.uri().path());
        let listed = is_llm_call(method, path)
            || (method == Method::POST && self.own.iter().any(|own| speaks(&**own, path)))
            || self.also_record.as_ref().is_some_and(|also_record| {
                // A user's closure that panics harms no request.
                catch_unwind(AssertUnwindSafe(|| also_record(method, path))).unwrap_or(false)
            });
        listed && (!self.only_with_session || request.headers().contains_key(&self.session_header))
    }

    /// Notes in an exchange that begins what is known of it.
    #[inline]
    pub(crate) fn note<B>(&self, request: &Request<B>, exchange: &mut Exchange) {
        let (headers, extensions) = (request.headers(), request.extensions());
        let context = extensions.get::<RecordingContext>().cloned();
        exchange.id = self
            .exchange_id_header
            .as_ref()
            .map(|_| Id::exchange(now()));
        exchange.peer = self.peer(headers, extensions);
        exchange.shard = self.shard(headers, context.as_ref());
        exchange.request_context = context;
        exchange.asked = Asked::of(request.method());
        exchange.max_response_bytes = self.max_response_bytes;
    }

    /// The header that tells the client the id of its exchange.
    #[inline]
    pub(crate) fn tell(&self, id: Option<Id>) -> Option<Box<(HeaderName, HeaderValue)>> {
        let (name, id) = (self.exchange_id_header.as_ref()?, id?);
        Some(Box::new((name.clone(), id.to_string().try_into().ok()?)))
    }

    #[inline]
    fn peer(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        if let Some(client_ip) = &self.client_ip
            && let Ok(Some(found)) =
                catch_unwind(AssertUnwindSafe(|| client_ip(headers, extensions)))
        {
            return Some(found);
        }
        let PeerAddr(peer) = extensions.get().copied().or_else(|| accepted(extensions))?;
        Some(SocketAddr::ip(&peer))
    }

    fn shard(&self, headers: &HeaderMap, context: Option<&RecordingContext>) -> u64 {
        if !self.sharded {
            return 0;
        }
        let first = |names: &[HeaderName]| {
            let value = names.iter().find_map(|name| headers.get(name));
            value.map_or(&b""[..], |value| value.as_bytes())
        };
        let mut names = [
            &b""[..],
            b"",
            b"",
            first(&self.session_headers),
            first(&self.user_headers),
        ];
        if let Some(context) = context {
            let known = context.known();
            let told = [&known.tenant, &known.user_id, &known.conversation_id];
            for (name, told) in names.iter_mut().zip(told) {
                *name = told.as_deref().unwrap_or_default().as_bytes();
            }
        }
        if names.iter().all(|name| name.is_empty()) {
            // A conversation of its own, which has no order to keep.
            return fastrand::u64(..);
        }
        let mut hasher = self.hasher.build_hasher();
        for name in names {
            hasher.write(name);
        }
        hasher.finish()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("only_with_session", &self.only_with_session)
            .finish_non_exhaustive()
    }
}

#[inline]
fn is_llm_call(method: &Method, path: &str) -> bool {
    method == Method::POST && Dialect::of(path).is_some()
}

/// Whether this dialect is spoken at this path. One of a user's that panics harms no request.
pub(crate) fn speaks(own: &dyn Decode, path: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| own.speaks(path))).unwrap_or(false)
}

#[cfg(feature = "connect-info")]
#[inline]
fn accepted(extensions: &Extensions) -> Option<PeerAddr> {
    let axum::extract::ConnectInfo(peer) = extensions.get().copied()?;
    Some(PeerAddr(peer))
}

#[cfg(not(feature = "connect-info"))]
fn accepted(_: &Extensions) -> Option<PeerAddr> {
    None
}

/// Nanoseconds since 1970 UTC.
pub(crate) fn now() -> u64 {
    unix_nanos(SystemTime::now())
}

/// This time in nanoseconds since 1970 UTC.
pub(crate) fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
