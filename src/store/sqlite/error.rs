//! SQLite's errors as the store's.

use diesel::result::{ConnectionError, DatabaseErrorKind, Error};

use crate::store::StoreError;

/// SQLite's own fixed phrases for what may be over later. diesel hands on the phrase, not the code.
const TRANSIENT: [&str; 16] = [
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "database schema has changed",
    "disk I/O error",
    "database or disk is full",
    "unable to open database file",
    "attempt to write a readonly database",
    "out of memory",
    "interrupted",
    "locking protocol",
    "access permission denied",
    "large file support is disabled",
    // The file is not ours or is damaged: an operator can put another in its place.
    "file is not a database",
    "database disk image is malformed",
    // SQLite had rolled back by itself, which it does for the errors above and no others.
    "cannot rollback",
];

/// The same with the name of what is missing: the tables are not as this version made them.
const MISSING: [&str; 2] = ["no such table: ", "no such column: "];

/// SQLite's own fixed phrases about a row.
const ABOUT_THE_ROW: [&str; 3] = [
    "string or blob too big",
    "datatype mismatch",
    "integer overflow",
];

/// Tells what may succeed later from what never will.
pub(super) fn store_error(error: Error) -> StoreError {
    match error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            unknown_error(information.message())
        }
        Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, information) => {
            StoreError::Unavailable(information.message().to_owned())
        }
        Error::DatabaseError(_, information) => {
            StoreError::Refused(information.message().to_owned())
        }
        Error::RollbackErrorOnCommit { commit_error, .. } => store_error(*commit_error),
        Error::BrokenTransactionManager | Error::AlreadyInTransaction | Error::NotInTransaction => {
            StoreError::Unavailable("the transaction was lost".to_owned())
        }
        // These two may quote the value that they stumbled over.
        Error::DeserializationError(_) => {
            StoreError::Refused("a column holds what this version cannot read".to_owned())
        }
        Error::SerializationError(_) => {
            StoreError::Refused("a value is not one that SQLite can hold".to_owned())
        }
        other => StoreError::Refused(other.to_string()),
    }
}

/// Of a message only what SQLite itself says is taken: a trigger's own text may quote the row.
fn unknown_error(message: &str) -> StoreError {
    let phrase = |phrases: &[&'static str]| {
        let mut phrases = phrases.iter();
        phrases
            .find(|phrase| message.starts_with(**phrase))
            .copied()
    };
    if let Some(phrase) = phrase(&TRANSIENT) {
        return StoreError::Unavailable(phrase.to_owned());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.".contains(&byte);
    if let Some(phrase) = phrase(&MISSING)
        && message[phrase.len()..].bytes().all(is_name)
    {
        return StoreError::Unavailable(message.to_owned());
    }
    let phrase = phrase(&ABOUT_THE_ROW).unwrap_or("a trigger or the schema refused a row");
    StoreError::Refused(phrase.to_owned())
}

/// Nothing about opening is the fault of any row.
pub(super) fn opening_error(error: Error) -> StoreError {
    match store_error(error) {
        StoreError::Refused(message) => StoreError::Unavailable(message),
        error => error,
    }
}

/// A connection that could not be made.
pub(super) fn connection_error(error: ConnectionError) -> StoreError {
    match error {
        ConnectionError::CouldntSetupConfiguration(error) => opening_error(error),
        other => StoreError::Unavailable(other.to_string()),
    }
}
