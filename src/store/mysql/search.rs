//! Looking for a text, in the rows of one day.

use diesel::{QueryableByName, deserialize, mysql::Mysql, row::NamedRow, sql_types::Binary};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    error::Answer,
    layout::Mode,
    read::{as_limit, unless_dropped},
    statement::{Once, Statement, Value},
};
use crate::{
    id::Id,
    partition::{Day, MESSAGES},
    store::{Hit, Search},
};

/// Who asked does not wait much longer for a day. MariaDB and MySQL are told differently, and take
/// each other's for a comment.
const WITHIN: &str = "/*M! SET STATEMENT max_statement_time = 9 FOR */ \
     SELECT /*+ MAX_EXECUTION_TIME(9000) */";

struct HitRow(Hit);

impl QueryableByName<Mysql> for HitRow {
    fn build<'a>(row: &impl NamedRow<'a, Mysql>) -> deserialize::Result<Self> {
        let id = |column: &str| -> deserialize::Result<Id> {
            let bytes: Vec<u8> = NamedRow::get::<Binary, _>(row, column)?;
            let bytes = bytes.try_into().map_err(|_| "not 16 bytes")?;
            Ok(Id::from_bytes(bytes))
        };
        Ok(Self(Hit {
            conversation_id: id("conversation_id")?,
            id: id("id")?,
        }))
    }
}

/// The newest messages of the day that hold the text, newest first.
pub(super) async fn search(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    wanted: &Search,
) -> Answer<Vec<Hit>> {
    let day = Day::from_unix_ms(wanted.day);
    let mut values = vec![
        Value::Time(Millis(day.start_ms())),
        Value::Time(Millis(day.end_ms().saturating_sub(1))),
        Value::Text(&wanted.tenant),
        Value::Text(&wanted.text),
    ];
    let mut conditions = String::new();
    if let Some(user) = &wanted.user_identifier {
        conditions += " AND user_id = ?";
        values.push(Value::Text(user));
    }
    if let Some(model) = &wanted.model_name {
        conditions += " AND model_name = ?";
        values.push(Value::Text(model));
    }
    if let Some(before) = &wanted.before {
        conditions += " AND id < ?";
        values.push(Value::Bytes(*before.as_bytes()));
    }
    values.push(Value::Number(as_limit(wanted.limit)));
    let search = Once(Statement {
        sql: &format!(
            "{WITHIN} conversation_id, id FROM {} WHERE created_at BETWEEN ? AND ? AND tenant = ? \
             AND INSTR(content, ?) > 0{conditions} ORDER BY created_at DESC, id DESC LIMIT ?",
            mode.table(MESSAGES, day)
        ),
        values: &values,
    });
    let hits = search.load(connection).await.map_err(Into::into);
    let hits: Vec<HitRow> = unless_dropped(connection, hits).await?.unwrap_or_default();
    Ok(hits.into_iter().map(|HitRow(hit)| hit).collect())
}
