//! A reverse proxy for LLM APIs that records what passes through it, with the history API beside it.
//!
//! `cargo run --release --example gateway` starts it on `127.0.0.1:8000` with a demo model and a
//! SQLite file. `config.rs` lists the variables; those of the database are the crate's own
//! (`MES_SQL_DSN`, `SQL_DSN` and so on).

mod config;
mod demo;
mod gate;
mod proxy;
mod refusal;
mod serve;
mod tunnel;

use std::{
    error::Error,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use axum::{Router, middleware::from_fn_with_state, routing::get};
use mimalloc::MiMalloc;
use tokio::{net::TcpListener, signal::unix};
use tower_recording::{RecordingLayer, api};
use tracing_subscriber::EnvFilter;

use crate::{config::Config, gate::Gate, proxy::Proxy};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long open requests may go on after a signal.
const REQUEST_GRACE: Duration = Duration::from_secs(10);

/// How long the recorder may then take to write what it holds.
const RECORDER_GRACE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the gateway stopped");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<(), Box<dyn Error>> {
    let config = Config::from_env()?;
    let recording = RecordingLayer::from_env()?;
    let recorder = recording.recorder();

    let model = match &config.upstream {
        Some(upstream) => Proxy::new(upstream.clone()).into_router(),
        None => demo::router(),
    };
    let recorded = model.layer(recording).layer(from_fn_with_state(
        Gate::new(config.keys.clone()),
        gate::admit,
    ));
    let app = Router::new()
        .route("/healthz", get(async || "ok"))
        .merge(api::router(recorder.clone(), config.keys.clone()))
        .fallback_service(recorded);

    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let listener = TcpListener::bind(config.listen_addr).await?;
    config.announce(listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve::until(stop, listener, app, REQUEST_GRACE).await;

    let report = recorder.shutdown(RECORDER_GRACE).await;
    tracing::info!(%report, "the recorder has shut down");
    Ok(())
}
