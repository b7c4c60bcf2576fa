//! PostgreSQL's errors as the store's.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error};

use super::sqlstate::SqlState;
use crate::store::StoreError;

/// Classes of errors that are about the row itself: no operator mends them, and the same row fails
/// again. Their texts may quote it, so they are not shown.
const ABOUT_THE_ROW: [(&str, &str); 5] = [
    ("22", "a value is out of range"),
    ("23", "a constraint is violated"),
    ("44", "a view's condition is violated"),
    ("54", "the row is larger than the server takes"),
    ("P0", "a trigger refused the row"),
];

/// What was being done, and so which right was lacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Migrating,
    MakingDays,
    Writing,
    /// The same where Citus spreads the rows, which has one code for all that its nodes refuse.
    WritingToNodes,
    Rejecting,
    Closing,
    Dropping,
    Repartitioning,
    Reading,
}

impl Doing {
    fn needs(self) -> &'static str {
        match self {
            Self::Migrating => "CONNECT on the database, USAGE and CREATE on the schema",
            Self::MakingDays => "CREATE on the schema and to own the recorder's tables",
            Self::Writing | Self::WritingToNodes => {
                "SELECT, INSERT and UPDATE on conversations and recording_days, \
                 INSERT and SELECT on the recorder's other tables"
            }
            Self::Rejecting => "INSERT and SELECT on recording_rejects",
            Self::Closing => {
                "SELECT on the recorder's tables, UPDATE on conversations and recording_days, \
                 INSERT and DELETE on usage_daily"
            }
            Self::Dropping => {
                "to own the recorder's tables, or in a single table DELETE on them, and SELECT, \
                 INSERT, UPDATE and DELETE on the others"
            }
            Self::Repartitioning => "CREATE on the schema and to own the recorder's tables",
            Self::Reading => "SELECT on the recorder's tables",
        }
    }
}

/// Tells what may succeed later, or once an operator has mended it, from what never will.
pub(super) fn store_error(error: &Error, state: Option<SqlState>, doing: Doing) -> StoreError {
    match error {
        Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, information) => {
            let message = information.message();
            StoreError::Unavailable(match state {
                Some(state) => format!("{message} (SQLSTATE {state})"),
                None => message.to_owned(),
            })
        }
        Error::DatabaseError(_, information) => match state {
            Some(state) => database_error(&**information, state, doing),
            None => StoreError::Unavailable("an error without a SQLSTATE".to_owned()),
        },
        Error::RollbackErrorOnCommit { commit_error, .. } => {
            store_error(commit_error, state, doing)
        }
        // These two may quote the value that they stumbled over.
        Error::DeserializationError(_) => {
            StoreError::Refused("a column holds what this version cannot read".to_owned())
        }
        Error::SerializationError(_) => {
            StoreError::Refused("a value is not one that PostgreSQL can hold".to_owned())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn database_error(
    information: &(dyn DatabaseErrorInformation + Send + Sync),
    state: SqlState,
    doing: Doing,
) -> StoreError {
    let about = ABOUT_THE_ROW
        .iter()
        .find(|(class, _)| *class == state.class());
    if let Some((_, what)) = about {
        let name = [
            ("constraint", information.constraint_name()),
            ("column", information.column_name()),
            ("table", information.table_name()),
        ]
        .into_iter()
        .find_map(|(kind, name)| name.map(|name| format!(", {kind} {name}")))
        .unwrap_or_default();
        return StoreError::Refused(format!("{what} (SQLSTATE {state}{name})"));
    }
    if state == SqlState::INTERNAL {
        // Its text is a node's, and may quote a value.
        return match doing {
            Doing::WritingToNodes => {
                StoreError::Refused(format!("a node refused it (SQLSTATE {state})"))
            }
            _ => StoreError::Unavailable(format!("an internal error (SQLSTATE {state})")),
        };
    }
    let message = information.message();
    StoreError::Unavailable(if state == SqlState::NO_RIGHT {
        let needs = doing.needs();
        format!("{message} (SQLSTATE {state}; the recorder needs {needs})")
    } else {
        format!("{message} (SQLSTATE {state})")
    })
}

/// A server that could not be logged in to. Its text names the user at most.
pub(super) fn login_error(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => format!("{} (SQLSTATE {})", told.message(), told.code().code()),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(code: &str) -> StoreError {
        let information = Box::new("near \"secret\"".to_owned());
        let error = Error::DatabaseError(DatabaseErrorKind::Unknown, information);
        store_error(&error, SqlState::new(code), Doing::Writing)
    }

    #[test]
    fn what_an_operator_can_mend_is_transient() {
        for code in [
            "08006", "25006", "25P02", "28P01", "3D000", "40001", "40P01", "42501", "42703",
            "42P01", "53100", "53300", "55P03", "57014", "57P01", "57P03", "58030", "XX000",
        ] {
            assert!(classified(code).is_transient(), "{code}");
            assert!(classified(code).to_string().contains(code));
        }
        assert!(classified("42501").to_string().contains("INSERT"));
    }

    #[test]
    fn an_error_about_the_row_is_not_and_does_not_quote_it() {
        for code in ["22001", "22021", "23502", "23514", "54000", "P0001"] {
            let error = classified(code);
            assert!(!error.is_transient(), "{code}");
            assert!(error.to_string().contains(code));
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
