//! From a DSN to a store.

use std::{sync::Arc, time::Duration};

use crate::settings::{DEFAULT_MAX_IDLE_CONNS, DEFAULT_MAX_LIFETIME, DEFAULT_MAX_OPEN_CONNS};

use super::{
    Dsn, DsnError, Server, Store,
    discard::Discard,
    replica::{REST, Replicable, Replicated},
};

/// How a store keeps its tables and its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreOptions {
    /// A table a day. A database that was begun otherwise stays as it was begun.
    pub(crate) daily_partition: bool,
    /// Connections open at once, readers and writer together; 0 sets no limit of its own.
    pub(crate) max_open_conns: u32,
    /// Connections kept while nobody uses them.
    pub(crate) max_idle_conns: u32,
    /// A connection older than this is replaced before its next use.
    pub(crate) max_lifetime: Option<Duration>,
    /// Days kept beside today; older ones are dropped.
    pub(crate) retention_days: Option<u32>,
    /// Days of `usage_daily` kept beside today.
    pub(crate) usage_retention_days: Option<u32>,
    /// Only read, and not even brought up to date: a replica.
    pub(crate) read_only: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            daily_partition: true,
            max_open_conns: DEFAULT_MAX_OPEN_CONNS,
            max_idle_conns: DEFAULT_MAX_IDLE_CONNS,
            max_lifetime: Some(DEFAULT_MAX_LIFETIME),
            retention_days: None,
            usage_retention_days: None,
            read_only: false,
        }
    }
}

/// Which DSN is of no use, and why.
#[derive(Debug)]
pub(crate) enum OpenError {
    Primary(DsnError),
    Replica(DsnError),
}

/// Makes the store that the DSN names, read from a replica where there is one. Nothing is connected
/// before [`Store::prepare`].
///
/// # Errors
/// Where this build has no such store, or the replica is of another kind.
pub(crate) fn open(
    dsn: &Dsn,
    replica: Option<&Dsn>,
    options: &StoreOptions,
) -> Result<Arc<dyn Store>, OpenError> {
    let Some(replica) = replica else {
        return match dsn {
            Dsn::Discard => Ok(Arc::new(Discard)),
            dsn => Ok(open_database(dsn, options).map_err(OpenError::Primary)?),
        };
    };
    let primary = open_database(dsn, options).map_err(OpenError::Primary)?;
    if !are_alike(dsn, replica) {
        return Err(OpenError::Replica(DsnError::NoReplica));
    }
    let options = StoreOptions {
        read_only: true,
        ..options.clone()
    };
    let replica = open_database(replica, &options).map_err(OpenError::Replica)?;
    Ok(Arc::new(Replicated::new(primary, replica, REST)))
}

fn are_alike(dsn: &Dsn, replica: &Dsn) -> bool {
    matches!(
        (dsn, replica),
        (Dsn::Sqlite { .. }, Dsn::Sqlite { .. })
            | (Dsn::Postgres(_), Dsn::Postgres(_))
            | (Dsn::Mysql(_), Dsn::Mysql(_))
    )
}

fn open_database(dsn: &Dsn, options: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    match dsn {
        Dsn::Sqlite { path } => open_sqlite(Some(path), options),
        Dsn::SqliteMemory => open_sqlite(None, options),
        Dsn::Postgres(server) => open_postgres(server, options),
        Dsn::Mysql(server) => open_mysql(server, options),
        // Of nothing there is no copy.
        Dsn::Discard => Err(DsnError::NoReplica),
    }
}

#[cfg(feature = "sqlite")]
fn open_sqlite(
    path: Option<&String>,
    options: &StoreOptions,
) -> Result<Arc<dyn Replicable>, DsnError> {
    use super::sqlite::{Location, SqliteStore};
    let location = path.map_or(Location::Memory, |path| Location::File(path.clone()));
    Ok(Arc::new(SqliteStore::new(location, options)))
}

#[cfg(not(feature = "sqlite"))]
fn open_sqlite(_: Option<&String>, _: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    Err(DsnError::FeatureOff("sqlite"))
}

#[cfg(feature = "postgres")]
fn open_postgres(server: &Server, options: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    use super::postgres::PostgresStore;
    Ok(Arc::new(PostgresStore::new(server, options)?))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_: &Server, _: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    Err(DsnError::FeatureOff("postgres"))
}

#[cfg(feature = "mysql")]
fn open_mysql(server: &Server, options: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    Ok(Arc::new(super::mysql::MysqlStore::new(server, options)?))
}

#[cfg(not(feature = "mysql"))]
fn open_mysql(_: &Server, _: &StoreOptions) -> Result<Arc<dyn Replicable>, DsnError> {
    Err(DsnError::FeatureOff("mysql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_not_there_says_what_to_do() {
        let options = StoreOptions::default();
        let postgres = open(&"postgres://h/d".parse().unwrap(), None, &options);
        assert_eq!(postgres.is_ok(), cfg!(feature = "postgres"));
        let mysql = open(&"root@tcp(h)/d".parse().unwrap(), None, &options);
        assert_eq!(mysql.is_ok(), cfg!(feature = "mysql"));
        let sqlite = open(&Dsn::SqliteMemory, None, &options);
        assert_eq!(sqlite.is_ok(), cfg!(feature = "sqlite"));
    }
}
