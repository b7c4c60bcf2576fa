//! Which database: the DSN, in every form that people have one in.

mod go;
mod server;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) use server::warn_ignored;
pub use server::{Host, Secret, Server};

/// The file of the DSN `local`, in the process' working directory.
const LOCAL_PATH: &str = "conversations.db";
const POSTGRES_PORT: u16 = 5432;
const MYSQL_PORT: u16 = 3306;

/// Which database conversations are kept in.
///
/// | form | database |
/// |---|---|
/// | `sqlite:path.db`, `sqlite://path.db`, `sqlite:///absolute/path.db` | an SQLite file, made where there is none |
/// | `local` | `sqlite:conversations.db` |
/// | `sqlite::memory:` | SQLite in memory, gone with the process |
/// | `discard:` | none: exchanges are thrown away undecoded, to measure what the layer itself costs |
/// | `postgres://user:password@host:port/database?name=value`, `postgresql://…` | PostgreSQL |
/// | `mysql://user:password@host:port/database?name=value` | MySQL or MariaDB |
/// | `user:password@tcp(host:port)/database?name=value` | the same, as Go programs write it |
///
/// In a URL `@`, `:`, `/`, `?` and `#` within a user name or password are percent-encoded; in Go's
/// form they stand as they are. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dsn {
    /// An SQLite file.
    Sqlite {
        /// The file, or SQLite's own URI where it begins with `file:`.
        path: String,
    },
    /// SQLite in memory.
    SqliteMemory,
    /// None: exchanges are thrown away undecoded.
    Discard,
    /// PostgreSQL.
    Postgres(Server),
    /// MySQL or MariaDB.
    Mysql(Server),
}

/// Why a DSN is of no use. It never shows any part of the DSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsnError {
    /// It has none of the known forms.
    #[error(
        "not a known DSN: expected `sqlite:`, `local`, `postgres://`, `mysql://` or `user:password@tcp(host:port)/database`"
    )]
    UnknownForm,
    /// The file's name is missing.
    #[error("the DSN names no file")]
    NoPath,
    /// The host or port is not one.
    #[error("the DSN's host and port are not `host:port`")]
    Host,
    /// A URL has an `@` behind the host, so where its password ends is a guess.
    #[error(
        "`@`, `:`, `/`, `?` and `#` in the DSN's user name or password must be percent-encoded, as in `%40`"
    )]
    NotEncoded,
    /// A percent-encoded part is not UTF-8.
    #[error("a percent-encoded part of the DSN is not UTF-8")]
    NotUtf8,
    /// A parameter that decides how connections are made has a value that is not understood.
    #[error("the DSN's parameter `{0}` has a value that is not understood")]
    Parameter(&'static str),
    /// A parameter asks for what the crate does not do.
    #[error("the DSN's parameter `{0}` asks for what tower-recording does not do")]
    Unsupported(&'static str),
    /// A replica of what is written to is of the same kind, and on a server or in a file.
    #[error(
        "a replica must be the same kind of database as the one that is written to, on a server or in a file"
    )]
    NoReplica,
    /// This build of the crate has no such store.
    #[error("enable the feature `{0}` of tower-recording to use this DSN")]
    FeatureOff(&'static str),
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // `mysql://user:password@tcp(host)/database` is a common cross of the two forms.
        if text.contains("@tcp(") {
            let text = text.strip_prefix("mysql://").unwrap_or(text);
            return go::parse(text).map(Self::Mysql);
        }
        if text == "local" {
            return Ok(Self::Sqlite {
                path: LOCAL_PATH.to_owned(),
            });
        }
        if text == "discard:" {
            return Ok(Self::Discard);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path);
        }
        for scheme in ["postgres://", "postgresql://"] {
            if let Some(rest) = text.strip_prefix(scheme) {
                return Server::from_url(rest, POSTGRES_PORT).map(Self::Postgres);
            }
        }
        if let Some(rest) = text.strip_prefix("mysql://") {
            return Server::from_url(rest, MYSQL_PORT).map(Self::Mysql);
        }
        go::parse(text).map(Self::Mysql)
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite:{path}"),
            Self::SqliteMemory => f.write_str("sqlite::memory:"),
            Self::Discard => f.write_str("discard:"),
            Self::Postgres(server) => write!(f, "postgres://{server}"),
            Self::Mysql(server) => write!(f, "mysql://{server}"),
        }
    }
}

fn sqlite(text: &str) -> Result<Dsn, DsnError> {
    let text = text.strip_prefix("//").unwrap_or(text);
    let path = match text.split_once('?') {
        // The parameters of other programs' SQLite URLs; ours are fixed.
        Some((path, params)) if !text.starts_with("file:") => {
            for (name, _) in server::parse_params(params)? {
                server::warn_ignored(&name);
            }
            path
        }
        _ => text,
    };
    match path {
        "" => Err(DsnError::NoPath),
        ":memory:" => Ok(Dsn::SqliteMemory),
        path => Ok(Dsn::Sqlite {
            path: path.to_owned(),
        }),
    }
}
