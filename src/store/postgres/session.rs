//! A connection that is ready for work.

use std::time::Instant;

use diesel::prelude::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::NoTls;

use super::{
    address::{Address, Wanted},
    citus,
    error::login_error,
    sqlstate::{FirstState, SqlState},
    wire::Wire,
};
use crate::store::{Host, StoreError, memory::Memory};

/// What every session begins with. A statement that takes longer than this has lost its server or
/// its index; `jit` costs more than it gives on statements of milliseconds.
/// Each statement sees what was committed before it, whatever the server's default is.
const SETTINGS: &str = "SET statement_timeout = '30s'; SET lock_timeout = '10s'; \
     SET client_min_messages = warning; SET jit = off; \
     SET default_transaction_isolation = 'read committed'";

/// A connection, and what is known of it.
pub(super) struct Session {
    pub(super) connection: AsyncPgConnection,
    pub(super) memory: Memory,
    /// What the database said of its last drop when that memory began.
    pub(super) dropped: Option<Vec<u8>>,
    pub(super) opened: Instant,
    /// Statements may go to the nodes of a cluster.
    pub(super) has_citus: bool,
    first_state: FirstState,
    socket: JoinHandle<()>,
    /// A transaction could not be ended.
    stuck: bool,
    /// Nothing is under way, so the server can be told goodbye.
    at_rest: bool,
}

impl Session {
    /// Connects to the first host that answers and will do.
    ///
    /// # Errors
    /// Transient, with what the last host said.
    pub(super) async fn open(address: &Address) -> Result<Self, StoreError> {
        let mut told = "the DSN names no host".to_owned();
        for host in &address.hosts {
            told = match timeout(address.connect_timeout, Self::open_host(address, host)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => error,
                Err(_) => "no answer in time".to_owned(),
            };
        }
        Err(StoreError::Unavailable(told))
    }

    async fn open_host(address: &Address, host: &Host) -> Result<Self, String> {
        let wire = Wire::connect(&host.name, host.port, &address.tls).await?;
        let first_state = wire.first_state();
        let login = address.login.connect_raw(wire, NoTls).await;
        let (client, socket) = login.map_err(|error| login_error(&error))?;
        let socket = tokio::spawn(async move {
            if let Err(error) = socket.await {
                tracing::debug!(error = login_error(&error), "a connection was lost");
            }
        });
        match address.wanted {
            Wanted::Any => {}
            wanted => {
                let read_only = client
                    .query_one(
                        "SELECT current_setting('transaction_read_only') = 'on'",
                        &[],
                    )
                    .await
                    .and_then(|row| row.try_get::<_, bool>(0))
                    .map_err(|error| login_error(&error))?;
                if read_only != (wanted == Wanted::ReadOnly) {
                    return Err("no host has the target_session_attrs asked for".to_owned());
                }
            }
        }
        let mut connection = AsyncPgConnection::try_from(client)
            .await
            .map_err(|error| error.to_string())?;
        connection
            .batch_execute(SETTINGS)
            .await
            .map_err(|error| error.to_string())?;
        let has_citus = citus::is_installed(&connection).await;
        Ok(Self {
            connection,
            memory: Memory::default(),
            dropped: None,
            opened: Instant::now(),
            has_citus: has_citus.map_err(|error| error.to_string())?,
            first_state,
            socket,
            stuck: false,
            at_rest: false,
        })
    }

    /// Begins a transaction; `begin` may hold further statements.
    pub(super) async fn begin(&mut self, begin: &str) -> QueryResult<()> {
        self.forget_state();
        self.connection.batch_execute(begin).await
    }

    /// Commits what went well and rolls back what did not.
    pub(super) async fn end<T>(&mut self, result: QueryResult<T>) -> QueryResult<T> {
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.connection.batch_execute(end).await;
        self.stuck |= ended.is_err();
        match (result, ended) {
            (Ok(_), Err(error)) => Err(error),
            (result, _) => result,
        }
    }

    /// Forgets the errors of what was done before.
    pub(super) fn forget_state(&mut self) {
        self.first_state.clear();
    }

    /// The code of the first error since then, or since the last [`begin`](Self::begin).
    pub(super) fn state(&self) -> Option<SqlState> {
        self.first_state.get()
    }

    /// Whether the server has gone away, or a transaction hangs.
    pub(super) fn is_lost(&self) -> bool {
        self.stuck || self.socket.is_finished()
    }

    /// Says whether something is under way.
    pub(super) fn set_at_rest(&mut self, at_rest: bool) {
        self.at_rest = at_rest;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.at_rest {
            // A goodbye would wait for the answer that nobody waits for any more.
            self.socket.abort();
        }
    }
}
