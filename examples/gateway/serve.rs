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

/// How long to wait where a connection cannot be accepted, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 and HTTP/2 until `stop`. Requests that are open then have `grace` to end; what
/// is left after it is cut off, which the recorder sees as a client that has hung up.
pub(crate) async fn until(
    stop: impl Future<Output = ()>,
    listener: TcpListener,
    app: Router,
    grace: Duration,
) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
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
    if time::timeout(grace, graceful.shutdown()).await.is_err() {
        let cut = connections.len();
        tracing::warn!(cut, "connections that did not finish in time are cut off");
    }
    connections.shutdown().await;
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
