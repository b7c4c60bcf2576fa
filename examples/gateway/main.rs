//! A reverse proxy for LLM APIs that records what passes through it, with the history API beside it.
//!
//! `cargo run --release --example gateway` starts it on `127.0.0.1:8000` with a demo model and a
//! SQLite file. `config.rs` lists the variables; those of the database are the crate's own
//! (`MES_SQL_DSN`, `SQL_DSN` and so on).

mod config;
mod demo;
mod dialect;
mod gate;
mod key;
mod log;
mod path;
mod proxy;
mod refusal;
mod serve;
mod signals;
mod tunnel;
mod upstream;

use std::{
    error::Error,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use axum::middleware::{from_fn, from_fn_with_state};
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tower_recording::{RecordingLayer, api};

use crate::{
    config::Config, gate::Gate, proxy::Proxy, serve::Ending, signals::Signals, tunnel::Tunnels,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long open requests and tunnels may go on after a signal.
const REQUEST_GRACE: Duration = Duration::from_secs(10);

/// How long the recorder may then take to write what it holds.
const RECORDER_GRACE: Duration = Duration::from_secs(20);

/// How long it may take after a second signal: enough for what is in memory, if the database answers.
const HURRIED_GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(log::filter())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    match run() {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error, "the gateway stopped");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::from_env()?;
    // Before the store is opened: a SIGHUP that nobody waits for ends the process.
    if let Some(path) = &config.keys_file {
        signals::reload_on_hangup(config.keys.clone(), path.clone())?;
    }
    let recording = RecordingLayer::from_env()?;
    let recorder = recording.recorder();

    let tunnels = Tunnels::default();
    let model = match &config.upstreams {
        Some(upstreams) => Proxy::new(upstreams.clone(), tunnels.clone()).into_router(),
        None => demo::router(),
    };
    let gate = Gate::new(config.keys.clone());
    let recorded = model
        .layer(recording)
        .layer(from_fn(path::check))
        .layer(from_fn_with_state(gate, gate::admit));
    let history = api::router(recorder.clone(), config.keys.clone());
    let history = match config.cors.clone() {
        Some(cors) => cors.apply(history),
        None => history,
    };
    let app = history.fallback_service(recorded);

    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind(config.listen_addr).await?;
    config.announce(listener.local_addr()?);
    let ending = serve::until(&mut signals, listener, app, &tunnels, REQUEST_GRACE).await;

    let grace = match ending {
        Ending::Calm => RECORDER_GRACE,
        Ending::Hurried => HURRIED_GRACE,
    };
    let report = tokio::select! {
        report = recorder.shutdown(grace) => report,
        () = signals.next() => recorder.shutdown(HURRIED_GRACE).await,
    };
    if report.left > 0 {
        tracing::warn!(%report, "the recorder has shut down, and not everything was written");
        return Ok(ExitCode::FAILURE);
    }
    tracing::info!(%report, "the recorder has shut down");
    Ok(ExitCode::SUCCESS)
}
