//! One connection that writes, and a few that read.
//!
//! Everything here blocks: it runs inside `spawn_blocking` only.

use std::{
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use diesel::{
    connection::{Connection, SimpleConnection},
    prelude::*,
    result::Error,
    sql_query,
    sqlite::SqliteConnection,
};

use super::{
    days::{Mode, TextRow},
    error::{connection_error, opening_error, store_error},
    file::DatabaseFile,
    migrate::migrate,
    readers::{Lease, Readers},
    session::{Session, lock},
};
use crate::store::{StoreError, StoreOptions, memory::Memory};

/// How long SQLite waits for another process' transaction; closing a large day takes seconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long emptying the journal waits for those who read it; nobody writes meanwhile.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(50);
/// Between two attempts to switch to WAL, which does not wait for locks by itself.
const WAL_RETRY: Duration = Duration::from_millis(20);

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file, made where there is none. A name that begins with `file:` is SQLite's own URI.
    File(String),
    /// This process' memory, gone with the store.
    Memory,
}

impl Location {
    fn url(&self) -> &str {
        match self {
            Self::File(path) => path,
            Self::Memory => ":memory:",
        }
    }
}

/// The session that writes, and what it remembers.
pub(super) struct Writer {
    pub(super) session: Session,
    pub(super) memory: Memory,
    /// When conversations were removed that the memory may have.
    pub(super) epoch: i64,
}

/// Every connection of a store.
pub(super) struct Connections {
    location: Location,
    file: DatabaseFile,
    wanted: Mode,
    /// The file is another's: it is neither made nor migrated.
    read_only: bool,
    max_lifetime: Option<Duration>,
    warned: Mutex<bool>,
    writer: Mutex<Option<Writer>>,
    readers: Readers,
}

impl Connections {
    pub(super) fn new(location: Location, options: &StoreOptions) -> Self {
        Self {
            readers: Readers::new(options, location == Location::Memory),
            file: DatabaseFile::of(&location),
            location,
            wanted: Mode::of(options.daily_partition),
            max_lifetime: options.max_lifetime,
            read_only: options.read_only,
            warned: Mutex::new(false),
            writer: Mutex::new(None),
        }
    }

    /// How many connections read; if none, the one that writes does.
    pub(super) fn readers(&self) -> usize {
        self.readers.most()
    }

    /// Runs this on the connection that writes, opened where there is none.
    ///
    /// While it runs the connection is out of its place: after a panic the next call opens another.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&mut Writer) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        let mut place = lock(&self.writer);
        let kept = place.take().filter(|writer| !self.expired(&writer.session));
        let prepared = self.readers.prepared(&self.file, kept.is_none());
        let mut writer = match kept.filter(|_| prepared) {
            Some(writer) => writer,
            None => self.open_writer()?,
        };
        let result = work(&mut writer).map_err(store_error);
        // A file that fails may have been replaced; memory is all there is.
        let keep = match &result {
            Err(error) => !error.is_transient() || self.location == Location::Memory,
            Ok(_) => true,
        };
        if keep {
            *place = Some(writer);
        }
        result
    }

    /// Runs this on the connection that writes, in one transaction that nobody else writes during.
    pub(super) fn change<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        self.write(|writer| writer.session.writing(work))
    }

    /// Brings what was changed into the file and empties the journal, so that nothing that was deleted stays
    /// there; not where somebody reads what was before, for whom nobody waits: the next call does it.
    pub(super) fn empty_journal(&self) {
        // Connecting would make a file that was removed, for everybody to read.
        if self.location == Location::Memory || !self.readers.prepared(&self.file, true) {
            return;
        }
        let emptied = connect(&self.location).and_then(|mut connection| {
            let timeout = CHECKPOINT_TIMEOUT.as_millis();
            connection
                .batch_execute(&format!("PRAGMA busy_timeout = {timeout}"))
                .and_then(|()| connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)"))
                .map_err(store_error)
        });
        if let Err(error) = emptied {
            tracing::debug!(%error, "the journal was not emptied");
        }
    }

    /// Runs this on a connection that reads, in one transaction, so that all it sees is of one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, Mode) -> QueryResult<T>,
    ) -> Result<T, StoreError> {
        if self.readers() == 0 {
            return self.write(|writer| writer.session.reading(work));
        }
        let (lease, mut session) = self.lease()?;
        let result = session.reading(work).map_err(store_error);
        if !result.as_ref().is_err_and(StoreError::is_transient) {
            lease.give_back(session);
        }
        result
    }

    /// A place among those that read, and its connection to the file that stands there.
    fn lease(&self) -> Result<(Lease<'_>, Session), StoreError> {
        loop {
            if !self.readers.prepared(&self.file, false) {
                match self.read_only {
                    true => self.adopt()?,
                    false => self.write(|_| Ok(()))?,
                }
            }
            let mut lease = self.readers.lease();
            if let Some(session) = lease.take().filter(|session| !self.expired(session)) {
                return Ok((lease, session));
            }
            if self.readers.prepared(&self.file, true) {
                let session = self.open_reader()?;
                return Ok((lease, session));
            }
        }
    }

    /// Takes the file as it is.
    fn adopt(&self) -> Result<(), StoreError> {
        self.readers.close();
        if !self.file.is_there() {
            return Err(StoreError::Unavailable("its file is not there".to_owned()));
        }
        self.readers.set_prepared(self.file.find());
        Ok(())
    }

    fn expired(&self, session: &Session) -> bool {
        self.location != Location::Memory
            && self
                .max_lifetime
                .is_some_and(|lifetime| session.opened.elapsed() > lifetime)
    }

    fn open_writer(&self) -> Result<Writer, StoreError> {
        if !self.readers.prepared(&self.file, false) {
            let closed = self.readers.close();
            self.file.remove_journals(&closed);
        }
        self.file.make();
        let file = self.file.find();
        let mut connection = connect(&self.location)?;
        if self.location != Location::Memory {
            enter_wal(&mut connection).map_err(opening_error)?;
        }
        let mode = migrate(&mut connection, self.wanted).map_err(opening_error)?;
        let mut warned = lock(&self.warned);
        if mode != self.wanted && !*warned {
            *warned = true;
            tracing::warn!(
                database = mode.as_str(),
                configured = self.wanted.as_str(),
                "the database was begun with other partitions; they are kept"
            );
        }
        if self.file.is_another(&file) {
            let replaced = "its file was replaced while it was opened";
            return Err(StoreError::Unavailable(replaced.to_owned()));
        }
        self.readers.set_prepared(self.file.find());
        Ok(Writer {
            session: Session {
                connection,
                opened: Instant::now(),
            },
            memory: Memory::default(),
            epoch: 0,
        })
    }

    fn open_reader(&self) -> Result<Session, StoreError> {
        let mut connection = connect(&self.location)?;
        connection
            .batch_execute("PRAGMA query_only = ON")
            .map_err(opening_error)?;
        Ok(Session {
            connection,
            opened: Instant::now(),
        })
    }
}

fn connect(location: &Location) -> Result<SqliteConnection, StoreError> {
    let mut connection = SqliteConnection::establish(location.url()).map_err(connection_error)?;
    let timeout = BUSY_TIMEOUT.as_millis();
    // One statement each, the timeout first: a later one may already have to wait.
    for pragma in [
        &format!("PRAGMA busy_timeout = {timeout}"),
        "PRAGMA synchronous = NORMAL",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA trusted_schema = OFF",
        "PRAGMA temp_store = MEMORY",
        // What is deleted does not stay in the file's free pages.
        "PRAGMA secure_delete = ON",
    ] {
        connection.batch_execute(pragma).map_err(opening_error)?;
    }
    Ok(connection)
}

/// WAL is a property of the file: the first process sets it, and SQLite answers the others "locked" meanwhile.
#[expect(
    clippy::disallowed_methods,
    reason = "a blocking thread, and SQLite has no other way to wait for this lock"
)]
fn enter_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let begun = Instant::now();
    loop {
        let mode = sql_query("SELECT journal_mode AS value FROM pragma_journal_mode")
            .get_result::<TextRow>(connection);
        if mode.is_ok_and(|mode| mode.value == "wal") {
            return Ok(());
        }
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(Error::DatabaseError(_, information))
                if information.message().contains("locked") && begun.elapsed() < BUSY_TIMEOUT =>
            {
                thread::sleep(WAL_RETRY);
            }
            result => return result,
        }
    }
}
