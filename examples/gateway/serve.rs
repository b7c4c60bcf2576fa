//! Accepts connections until told to stop, and then lets open requests end.

use std::time::Duration;

use axum::{Router, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};
use tower::ServiceBuilder;
use tower_recording::PeerAddr;

use crate::{signals::Signals, tunnel::Tunnels};

/// How long to wait where a connection cannot be accepted, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the serving came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything ended by itself, or its grace was over.
    Calm,
    /// A second signal came before that.
    Hurried,
}

/// Serves HTTP/1.1 and HTTP/2 until a signal comes. Requests and tunnels that are open then have
/// `grace` to end, or until the next signal; what is left is cut off, which the recorder sees as a
/// client that has hung up.
pub(crate) async fn until(
    signals: &mut Signals,
    listener: TcpListener,
    app: Router,
    tunnels: &Tunnels,
    grace: Duration,
) -> Ending {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = signals.next() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let app = app.clone();
                    connections.spawn(connection(stream, PeerAddr(peer), app, graceful.watcher()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let open = graceful.count();
    tracing::info!(open, "stopping: open connections may finish");
    let ended = async {
        graceful.shutdown().await;
        // A request may still have become one.
        tunnels.ended().await;
    };
    let (ending, is_over) = tokio::select! {
        ended = time::timeout(grace, ended) => (Ending::Calm, ended.is_ok()),
        () = signals.next() => (Ending::Hurried, false),
    };
    if !is_over {
        while connections.try_join_next().is_some() {}
        let cut = connections.len() + tunnels.cut().await;
        tracing::warn!(cut, "connections that did not finish in time are cut off");
    }
    connections.shutdown().await;
    ending
}

async fn connection(stream: TcpStream, peer: PeerAddr, app: Router, watcher: Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let app = ServiceBuilder::new()
        .map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request
        })
        .service(app);
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new());
    http.http2().timer(TokioTimer::new());
    let served =
        http.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(error, "a connection broke off");
    }
}
