//! Sends requests on to the upstream, and its answers back, as they are.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower_recording::{DEFAULT_SESSION_HEADER, DEFAULT_TAG_PREFIX};

use crate::{
    refusal::Refusal,
    tunnel::{self, Tunnels},
    upstream::Upstreams,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers that speak of one connection and not of the message.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What clients tell the gateway, beside the session and the tags: nothing of the upstream's.
const OURS: [HeaderName; 2] = [header::COOKIE, HeaderName::from_static("x-user-id")];

type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// The way to the upstreams.
pub(crate) struct Proxy {
    upstreams: Upstreams,
    client: HttpClient,
    /// Protocols are changed in HTTP/1.1 only.
    upgrading: HttpClient,
    tunnels: Tunnels,
}

impl Proxy {
    pub(crate) fn new(upstreams: Upstreams, tunnels: Tunnels) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.enforce_http(false);
        let tls = || {
            HttpsConnectorBuilder::new()
                .with_webpki_roots()
                .https_or_http()
        };
        let any = tls()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp.clone());
        let http1 = tls().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(any);
        let upgrading = Client::builder(TokioExecutor::new()).build(http1);
        Self {
            upstreams,
            client,
            upgrading,
            tunnels,
        }
    }

    pub(crate) fn into_router(self) -> Router {
        Router::new().fallback(forward).with_state(Arc::new(self))
    }
}

/// The URL below this one for a path and query.
fn target(base: &Uri, path_and_query: &str) -> Result<Uri, http::Error> {
    let uri::Parts {
        scheme, authority, ..
    } = base.clone().into_parts();
    let base = base.path().trim_end_matches('/');
    let mut target = Uri::builder().path_and_query(format!("{base}{path_and_query}"));
    if let Some(scheme) = scheme {
        target = target.scheme(scheme);
    }
    if let Some(authority) = authority {
        target = target.authority(authority);
    }
    target.build()
}

async fn forward(State(proxy): State<Arc<Proxy>>, mut request: Request) -> Response {
    if request.method() == Method::CONNECT {
        return unsupported_connect().into_response();
    }
    let path_and_query = request.uri().path_and_query();
    let upstream = proxy.upstreams.of(request.uri().path(), request.headers());
    let Some(upstream) = upstream else {
        return no_upstream().into_response();
    };
    let path_and_query = path_and_query.map_or("/", |path| path.as_str());
    let Ok(target) = target(&upstream.url, path_and_query) else {
        return Refusal::invalid("invalid_path", "this path cannot be sent on").into_response();
    };
    let protocol = tunnel::requested(&request);
    let client_side = protocol.as_ref().map(|_| hyper::upgrade::on(&mut request));

    *request.uri_mut() = target;
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    let trailers = headers
        .get(header::TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    remove_hop_by_hop(headers);
    remove_ours(headers);
    // This end has answered `Expect` by reading on; the client behind sets `Host` from the target.
    headers.remove(header::EXPECT);
    headers.remove(header::HOST);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some((name, key)) = &upstream.key {
        headers.insert(name, key.clone());
    }
    let client = match protocol {
        None => &proxy.client,
        Some(protocol) => {
            tunnel::announce(headers, protocol);
            &proxy.upgrading
        }
    };

    match client.request(request).await {
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::warn!(%error, cause, "the upstream did not answer");
            bad_gateway().into_response()
        }
        Ok(mut response) => {
            *response.version_mut() = Version::HTTP_11;
            let protocol = response.headers().get(header::UPGRADE).cloned();
            remove_hop_by_hop(response.headers_mut());
            if response.status() == StatusCode::SWITCHING_PROTOCOLS
                && let (Some(client_side), Some(protocol)) = (client_side, protocol)
            {
                tunnel::announce(response.headers_mut(), protocol);
                let upstream_side = hyper::upgrade::on(&mut response);
                proxy.tunnels.open(client_side, upstream_side);
            }
            response.map(Body::new)
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Removes what is for the gateway alone. The recorder has read it by now.
fn remove_ours(headers: &mut HeaderMap) {
    let is_tag = |name: &&HeaderName| name.as_str().starts_with(DEFAULT_TAG_PREFIX);
    let tags: Vec<HeaderName> = headers.keys().filter(is_tag).cloned().collect();
    for name in OURS.iter().chain(&tags) {
        headers.remove(name);
    }
    headers.remove(DEFAULT_SESSION_HEADER);
}

fn bad_gateway() -> Refusal {
    Refusal::new(
        StatusCode::BAD_GATEWAY,
        "server_error",
        "upstream_unreachable",
        "the upstream could not be reached or broke off",
    )
}

fn no_upstream() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "invalid_request_error",
        "no_upstream",
        "this gateway has no upstream for the API of this path",
    )
}

fn unsupported_connect() -> Refusal {
    Refusal::new(
        StatusCode::NOT_IMPLEMENTED,
        "invalid_request_error",
        "connect_unsupported",
        "this gateway opens no tunnels",
    )
}
