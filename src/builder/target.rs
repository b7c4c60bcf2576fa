//! Where the rows go, and where they are read.

use std::sync::Arc;

use super::{BuildError, RecordingLayerBuilder};
use crate::store::{self, Dsn, DsnError, OpenError, Store, StoreOptions};

/// The variable of the environment that names the replica.
pub(super) const READ_VARIABLE: &str = "READ_SQL_DSN";

/// Where the rows go.
pub(super) enum Target {
    Dsn(String),
    /// With the variable that it stood in.
    Parsed(Dsn, &'static str),
    Store(Arc<dyn Store>),
}

/// Where the rows are read, if not where they go.
pub(super) struct Replica {
    dsn: Dsn,
    /// The variable of the environment, or the builder's method.
    name: &'static str,
}

impl Replica {
    pub(super) fn new(dsn: &str, name: &'static str) -> Result<Self, BuildError> {
        let dsn = dsn.parse();
        let dsn = dsn.map_err(|source| BuildError::ReplicaDsn { name, source })?;
        Ok(Self { dsn, name })
    }
}

impl RecordingLayerBuilder {
    /// Reads the history from a replica of the database with this DSN.
    ///
    /// The replica is a copy that the database keeps up to date by itself, such as a hot standby of
    /// PostgreSQL. It is only read: never migrated, never written to. Messages, failed exchanges,
    /// a user's conversations and stats come from it, for the history API and
    /// [`Recorder::store`](crate::Recorder::store) alike.
    ///
    /// - Which conversations there are, and whose, is asked of the primary. What was removed there is
    ///   not read from a replica that lags: until it has followed, the primary answers.
    /// - Otherwise a replica that lags shows what it has: right after
    ///   [`flush`](crate::Recorder::flush) the newest messages may still be missing.
    /// - Where the replica is away the primary answers, and the log says so once in a while.
    ///
    /// The limits on connections hold for each of the two.
    pub fn read_dsn(mut self, dsn: impl Into<String>) -> Self {
        self.replica = Some(Replica::new(&dsn.into(), "read_dsn"));
        self
    }
}

/// The store of a target, and whether it merely throws away.
pub(super) fn open(
    target: Target,
    replica: Option<Result<Replica, BuildError>>,
    options: &StoreOptions,
) -> Result<(Arc<dyn Store>, bool), BuildError> {
    let replica = replica.transpose()?;
    let (dsn, variable) = match target {
        Target::Store(_) if replica.is_some() => {
            return Err(BuildError::Setting {
                setting: "read_dsn",
                expected: "left out with a store of your own",
            });
        }
        Target::Store(store) => return Ok((store, false)),
        Target::Dsn(dsn) => (dsn.parse()?, None),
        Target::Parsed(dsn, name) => (dsn, Some(name)),
    };
    let name = replica
        .as_ref()
        .map_or(READ_VARIABLE, |replica| replica.name);
    let read = replica.as_ref().map(|replica| &replica.dsn);
    let opened = store::open(&dsn, read, options).map_err(|error| match error {
        OpenError::Replica(source) => BuildError::ReplicaDsn { name, source },
        OpenError::Primary(source) => of_primary(variable, source),
    });
    Ok((opened?, matches!(dsn, Dsn::Discard)))
}

fn of_primary(variable: Option<&'static str>, source: DsnError) -> BuildError {
    match variable {
        Some(name) => BuildError::VariableDsn { name, source },
        None => BuildError::Dsn(source),
    }
}
