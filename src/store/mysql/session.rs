//! A connection that is ready for work.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use diesel::sql_query;
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::time::timeout;

use super::{
    counts::Uncounted,
    days::NumberRow,
    error::{Answer, Fault, asked},
    login::Login,
};
use crate::{partition::Day, store::memory::Memory};

/// How the session is, whatever the server's own settings are: text that does not fit is refused and
/// not cut; times are UTC; nobody waits for ever for a lock. The last setting lets the server tell
/// what an error was.
const SETTINGS: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_bin; \
     SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE'; \
     SET SESSION time_zone = '+00:00', autocommit = 1, lock_wait_timeout = 10, \
     innodb_lock_wait_timeout = 10, max_error_count = 64; \
     SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// What all reads of a transaction see is of the moment of its first one.
const ONLY_READ: &str = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; \
     SET SESSION autocommit = 0";

/// How long a table is waited for, in seconds, as in the settings.
const TABLE_PATIENCE_SECONDS: u32 = 10;

/// A connection that nobody used for so long is asked whether it still is one.
const QUIET: Duration = Duration::from_secs(5);
/// What a connection keeps prepared grows from day to day: it is not used for longer than a week.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the server may take for a statement that costs it nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a server, and what the writer remembers of it.
pub(super) struct Session {
    pub(super) connection: AsyncMysqlConnection,
    pub(super) memory: Memory,
    /// The number of removals of conversations that the memory is of.
    pub(super) removals: i64,
    /// The days whose statements of recalling are prepared.
    pub(super) recalled: HashSet<Day>,
    /// The largest packet that the server takes, in bytes.
    pub(super) max_packet: usize,
    /// Of the moment that is read.
    pub(super) uncounted: Uncounted,
    /// Every transaction is one that reads, and begins with its first statement.
    pub(super) only_reads: bool,
    /// Set where the connection is not to be used again.
    pub(super) worn: bool,
    opened: Instant,
    used: Instant,
}

impl Session {
    pub(super) async fn open(login: &Login) -> Answer<Self> {
        let connection = login.connect().await?;
        let settling = async {
            let mut connection = AsyncMysqlConnection::try_from(connection)
                .await
                .map_err(|_| Fault::Away("the server refused a setting".to_owned()))?;
            let settled = settle(&mut connection).await;
            let max_packet = asked(&mut connection, settled).await?;
            Ok((connection, max_packet))
        };
        let late = || Fault::Away("the server does not answer in time".to_owned());
        let (connection, max_packet) = timeout(ANSWER_TIMEOUT, settling)
            .await
            .unwrap_or_else(|_| Err(late()))?;
        let now = Instant::now();
        Ok(Self {
            connection,
            memory: Memory::default(),
            removals: 0,
            recalled: HashSet::new(),
            max_packet,
            uncounted: Uncounted::default(),
            only_reads: false,
            worn: false,
            opened: now,
            used: now,
        })
    }

    /// Whether it may be used once more.
    pub(super) async fn is_fresh(&mut self, max_lifetime: Option<Duration>) -> bool {
        let lifetime = max_lifetime.map_or(LIFETIME, |lifetime| lifetime.min(LIFETIME));
        if self.worn || self.opened.elapsed() > lifetime {
            return false;
        }
        self.used.elapsed() < QUIET || self.answers("DO 0").await
    }

    /// Has it read from now on, and no more: nothing has to be sent to begin.
    pub(super) async fn only_read(&mut self) -> Answer<()> {
        if !self.only_reads {
            self.connection.batch_execute(ONLY_READ).await?;
            self.only_reads = true;
        }
        Ok(())
    }

    /// Leaves the transaction that a failure left open, and says whether that was possible.
    pub(super) async fn roll_back(&mut self) -> bool {
        self.answers("ROLLBACK").await
    }

    async fn answers(&mut self, statement: &str) -> bool {
        let answer = timeout(ANSWER_TIMEOUT, self.connection.batch_execute(statement)).await;
        matches!(answer, Ok(Ok(())))
    }

    pub(super) fn rest(&mut self) {
        self.used = Instant::now();
    }
}

/// Waits no longer than this for a table from now on.
pub(super) async fn hurry(connection: &mut AsyncMysqlConnection, seconds: u32) -> Answer<()> {
    let sql = format!("SET SESSION lock_wait_timeout = {seconds}");
    Ok(connection.batch_execute(&sql).await?)
}

/// Waits for a table as long as ever.
pub(super) async fn relax(connection: &mut AsyncMysqlConnection) -> Answer<()> {
    hurry(connection, TABLE_PATIENCE_SECONDS).await
}

async fn settle(connection: &mut AsyncMysqlConnection) -> Answer<usize> {
    connection.batch_execute(SETTINGS).await?;
    let row: NumberRow = sql_query("SELECT CAST(@@max_allowed_packet AS SIGNED) AS value")
        .get_result(connection)
        .await?;
    Ok(row
        .value
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(usize::MAX))
}
