//! The server's errors as the store's, told apart by their number.
//!
//! MySQL's own messages quote values and are translated, so they are neither read nor shown; and
//! diesel hands on the message without the number, so the server is asked for it.

use diesel::{
    QueryableByName,
    result::Error,
    sql_query,
    sql_types::{BigInt, Nullable, Text},
};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::store::{StoreError, replica::behind};

/// Reads the last condition of the statement before it, which is the error that ended it. Neither
/// this nor `SHOW ERRORS` can be prepared on MySQL, so the answer takes the way over variables.
const DIAGNOSE: &str = "GET DIAGNOSTICS @recording_last = NUMBER; \
     GET DIAGNOSTICS CONDITION @recording_last @recording_error = MYSQL_ERRNO, \
     @recording_text = MESSAGE_TEXT; \
     GET DIAGNOSTICS CONDITION 1 @recording_first = MYSQL_ERRNO";
/// Behind an error in a trigger MariaDB notes where it was (4094).
const DIAGNOSIS: &str = "SELECT CAST(IF(@recording_error = 4094, @recording_first, @recording_error) \
     AS SIGNED) AS number, CAST(@recording_text AS CHAR) AS text";

/// A right that the database as a whole would have to give.
pub(super) const NO_ACCESS: u16 = 1044;
/// A table that is not there.
pub(super) const NO_SUCH_TABLE: u16 = 1146;
/// Two transactions waited for each other, and this one was rolled back.
pub(super) const DEADLOCK: u16 = 1213;
/// A table was changed after the transaction's moment.
pub(super) const TABLE_CHANGED: u16 = 1412;

/// What went wrong, before it is a [`StoreError`].
#[derive(Debug)]
pub(super) enum Fault {
    /// The server has not been asked for the number yet.
    Unasked(Error),
    /// The server's number, and the missing right where that is what it is about.
    Server(u16, Option<String>),
    /// The server is gone, or was never there.
    Away(String),
    /// The rows cannot be stored, in our own words.
    Unfit(&'static str),
    /// Rows are being moved between tables, and nobody may write.
    Moving,
    /// The stamp is another than that of the database that is written to.
    Behind,
}

pub(super) type Answer<T> = Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Unasked(error)
    }
}

impl Fault {
    pub(super) fn is(&self, number: u16) -> bool {
        matches!(self, Self::Server(own, _) if *own == number)
    }

    /// Tells what may succeed later from what never will.
    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Away(text) => StoreError::Unavailable(text),
            Self::Unfit(text) => StoreError::Refused(text.to_owned()),
            Self::Moving => {
                StoreError::Unavailable("rows are being moved to other tables".to_owned())
            }
            Self::Behind => behind(),
            Self::Unasked(Error::SerializationError(_)) => {
                StoreError::Refused("a value is not one that MySQL can hold".to_owned())
            }
            Self::Unasked(Error::DeserializationError(_)) => {
                StoreError::Refused("a column holds what this version cannot read".to_owned())
            }
            Self::Unasked(_) => StoreError::Unavailable("the server did not say why".to_owned()),
            Self::Server(number, right) => match (meaning(number), right) {
                (Some(_), Some(right)) => StoreError::Unavailable(format!(
                    "the database user lacks the right {right} (error {number})"
                )),
                (Some(meaning), None) => {
                    StoreError::Unavailable(format!("{meaning} (error {number})"))
                }
                (None, _) => StoreError::Refused(refusal(number)),
            },
        }
    }
}

/// Asks the server for the number of the error that it has just answered with. Nothing may have
/// been sent on the connection since.
pub(super) async fn asked<T>(
    connection: &mut AsyncMysqlConnection,
    result: Answer<T>,
) -> Answer<T> {
    let Err(Fault::Unasked(Error::DatabaseError(kind, information))) = result else {
        return result;
    };
    let found: Result<Condition, Error> = match connection.batch_execute(DIAGNOSE).await {
        Ok(()) => sql_query(DIAGNOSIS).get_result(connection).await,
        Err(error) => Err(error),
    };
    Err(match found.map(|found| (found.number(), found.text)) {
        Ok((Some(number), text)) => server_fault(number, &text.unwrap_or_default()),
        Ok((None, _)) => Fault::Unasked(Error::DatabaseError(kind, information)),
        Err(_) => Fault::Away("the connection to the server was lost".to_owned()),
    })
}

#[derive(QueryableByName)]
struct Condition {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

impl Condition {
    fn number(&self) -> Option<u16> {
        self.number.and_then(|number| u16::try_from(number).ok())
    }
}

/// A fault from the server's number. Of its message only the name of a right is taken.
pub(super) fn server_fault(number: u16, message: &str) -> Fault {
    let right = match number {
        1142 | 1143 | 1370 => message
            .split_once(" command denied")
            .map(|(right, _)| right),
        1227 => message
            .split_once("the ")
            .and_then(|(_, rest)| rest.split_once(" privilege"))
            .map(|(right, _)| right),
        _ => None,
    };
    let is_name = |right: &&str| {
        right
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || b" _,".contains(&byte))
    };
    Fault::Server(number, right.filter(is_name).map(str::to_owned))
}

/// What an error means that is no fault of any row, so that the same call may succeed later.
fn meaning(number: u16) -> Option<&'static str> {
    Some(match number {
        1020 | 1205 | DEADLOCK | 1614 | 3101 | 3572 => "another transaction was in the way",
        1040 | 1203 | 1226 => "the server takes no more connections",
        NO_ACCESS | 1142 | 1143 | 1227 | 1370 | 3118 => "the database user lacks a right",
        1045 | 1698 | 1862 | 3955 => "the server refused the user or the password",
        1046 => "the DSN names no database",
        1049 => "the database does not exist",
        1047 | 1053 | 1077 | 1079 | 1317 | 1927 | 1129 | 1130 | 4031 => {
            "the server ended the connection or takes none"
        }
        1290 | 1792 | 1836 | 3906 => "the server is read-only",
        1021 | 1026 | 1028 | 1030 | 1114 | 1180 | 1181 | 1197 | 1598 | 1665 => {
            "the server could not write: its disk may be full"
        }
        1037 | 1038 | 1041 | 1135 | 1461 => "the server is out of memory or threads",
        1152 | 1158..=1161 | 2006 | 2013 => "the connection to the server was lost",
        1051 | 1054 | 1136 | 1356 | NO_SUCH_TABLE | TABLE_CHANGED | 1615 => {
            "the tables are not as this version made them"
        }
        1969 | 3024 => "the server ended the statement for its length",
        _ => return None,
    })
}

fn refusal(number: u16) -> String {
    let meaning = match number {
        1048 | 1364 => "a value is missing",
        1153 => "a row is larger than max_allowed_packet",
        1264 | 1690 => "a number is out of range",
        1366 | 1300 | 3854 => "a text is not UTF-8",
        1292 | 1411 => "a time is not one",
        1406 => "a text is too long",
        3819 | 4025 => "a constraint forbids it",
        1644 => "a trigger forbids it",
        _ => "the server refused it",
    };
    format!("{meaning} (error {number})")
}
