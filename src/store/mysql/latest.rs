//! The latest rows of a conversation, newest day first.
//!
//! One statement asks the tables of as many days as are likely to fill the page.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use diesel::{deserialize::QueryableByName, mysql::Mysql};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl};

use super::{
    datetime::Millis,
    days,
    decode::{ConversationRow, ErrorRow, MessageRow, Weighed},
    error::Answer,
    insert::{self, Columns},
    layout::Mode,
    read::{as_limit, unless_dropped},
    statement::{Once, Statement, Value, marks},
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{MAX_PAGE_BYTES, Page, UnixMillis, columns, page::Room},
};

/// Tables that one statement asks, at most.
const MOST_TABLES: usize = 32;
/// The long texts of one row, at most.
const LONG_TEXTS: usize = 4;

/// A row of one kind.
pub(super) trait Row: QueryableByName<Mysql> + Send + 'static {
    const TABLE: &str;
    /// The columns that may be long, and what they come to.
    const TEXTS: &[&str];
    const BYTES: &str;

    fn columns() -> &'static Columns;

    /// How many of them are counted in a conversation.
    fn counted(conversation: &ConversationRow) -> i64;

    /// Its time and its id, by which it stands in its conversation.
    fn place(&self) -> (UnixMillis, Id);
}

impl Row for MessageRow {
    const TABLE: &str = MESSAGES;
    const TEXTS: &[&str] = &["content", "other", "usage"];
    const BYTES: &str = columns::MESSAGE_BYTES;

    fn columns() -> &'static Columns {
        &insert::MESSAGE
    }

    fn counted(conversation: &ConversationRow) -> i64 {
        conversation.conversation.message_count
    }

    fn place(&self) -> (UnixMillis, Id) {
        (self.0.exchange.created_at, self.0.message.id)
    }
}

impl Row for ErrorRow {
    const TABLE: &str = ERRORS;
    const TEXTS: &[&str] = &["error_message", "content", "other", "usage"];
    const BYTES: &str = columns::ERROR_BYTES;

    fn columns() -> &'static Columns {
        &insert::ERROR
    }

    fn counted(_: &ConversationRow) -> i64 {
        0
    }

    fn place(&self) -> (UnixMillis, Id) {
        (self.0.exchange.created_at, self.0.error.id)
    }
}

/// The latest rows before this one, oldest first.
pub(super) async fn page<T: Row>(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> Answer<Page<T>> {
    let latest = Latest {
        mode,
        conversation: conversation.conversation.id,
        before,
    };
    let days = days_of(connection, mode, conversation).await?;
    let counted = usize::try_from(T::counted(conversation)).unwrap_or(0);
    let likely = |rows: usize| match rows.saturating_mul(days.len()) / counted.max(1) {
        0 => 1,
        // The first and the last of them may have but a part of what a day has.
        whole => whole.saturating_add(2),
    };
    // An id tells its row's time, so that it bounds the days too.
    let last = before.map_or(Day::MAX, |before| Day::from_unix_ms(before.unix_ms()));
    let is_behind = |day: &&Day| mode == Mode::Daily && **day > last;
    let mut left = &days[days.iter().take_while(is_behind).count()..];
    let mut room = Room::new(limit);
    let mut rows = Vec::new();
    let mut least = 1;
    while !left.is_empty() && !room.has_more {
        let days = likely(room.to_look_at()).max(least);
        let (newest, older) = left.split_at(days.min(MOST_TABLES).min(left.len()));
        // Where they are less than was likely, there may be many days without any.
        least = newest.len() * 2;
        latest
            .take(connection, newest, &mut room, &mut rows)
            .await?;
        left = older;
    }
    rows.reverse();
    Ok(Page {
        data: rows,
        has_more: room.has_more,
    })
}

/// The days whose tables may hold rows of this conversation, newest first; its last one, where the rows of
/// all days are in one table.
async fn days_of(
    connection: &mut AsyncMysqlConnection,
    mode: Mode,
    conversation: &ConversationRow,
) -> Answer<Vec<Day>> {
    let (first, last) = (conversation.first_day, conversation.conversation.last_day);
    if mode == Mode::Single || first == last {
        return Ok(vec![last]);
    }
    let mut days = days::between(connection, first, last).await?;
    days.reverse();
    Ok(days)
}

/// What is asked of the tables.
struct Latest {
    mode: Mode,
    conversation: Id,
    /// Only those before the one with this id, which tells its time.
    before: Option<Id>,
}

impl Latest {
    /// Takes the newest rows of these days, as long as there is room.
    async fn take<T: Row>(
        &self,
        connection: &mut AsyncMysqlConnection,
        days: &[Day],
        room: &mut Room,
        rows: &mut Vec<T>,
    ) -> Answer<()> {
        let most = MAX_PAGE_BYTES / LONG_TEXTS / room.to_look_at() / days.len();
        let newest = self.newest::<T>(connection, days, most, room.to_look_at());
        let mut long: BTreeMap<Day, Vec<(UnixMillis, Id)>> = BTreeMap::new();
        let first = rows.len();
        for Weighed { row, bytes } in newest.await? {
            if !room.fits(bytes) {
                break;
            }
            if bytes > most {
                let (at, id) = row.place();
                let day = Day::from_unix_ms(at);
                long.entry(day).or_default().push((at, id));
            }
            rows.push(row);
        }
        if long.is_empty() {
            return Ok(());
        }
        let whole: Vec<T> = self.whole(connection, &long).await?;
        let mut whole: HashMap<Id, T> = whole.into_iter().map(|row| (row.place().1, row)).collect();
        for row in &mut rows[first..] {
            if let Some(whole) = whole.remove(&row.place().1) {
                *row = whole;
            }
        }
        Ok(())
    }

    /// So many of the newest rows of these days, newest first, and what their long texts come to. Texts that
    /// are longer than these may be are empty, so that no answer is larger than a page may be.
    async fn newest<T: Row>(
        &self,
        connection: &mut AsyncMysqlConnection,
        days: &[Day],
        most: usize,
        limit: usize,
    ) -> Answer<Vec<Weighed<T>>> {
        let newest = self.ask::<T>(connection, days, most, limit).await;
        let mut newest = match unless_dropped(connection, newest).await? {
            Some(newest) => newest,
            None => {
                let there = days::existing(connection, T::TABLE).await?;
                let is_there = |day: &&Day| there.contains(day);
                let days: Vec<Day> = days.iter().filter(is_there).copied().collect();
                match days.is_empty() {
                    true => Vec::new(),
                    false => self.ask(connection, &days, most, limit).await?,
                }
            }
        };
        // A union has no order.
        newest.sort_by_key(|weighed| Reverse(weighed.row.place()));
        Ok(newest)
    }

    async fn ask<T: Row>(
        &self,
        connection: &mut AsyncMysqlConnection,
        days: &[Day],
        most: usize,
        limit: usize,
    ) -> Answer<Vec<Weighed<T>>> {
        let mut of_day = vec![Value::Number(as_limit(most)); T::TEXTS.len()];
        of_day.push(Value::Bytes(*self.conversation.as_bytes()));
        let mut behind = "";
        if let Some(id) = self.before {
            let at = Value::Time(Millis(id.unix_ms()));
            of_day.extend([at, at, Value::Bytes(*id.as_bytes())]);
            behind = "AND created_at <= ? AND (created_at < ? OR id < ?)";
        }
        of_day.push(Value::Number(as_limit(limit)));
        let columns = without_long_texts::<T>();
        let of_table = |day: &Day| {
            format!(
                "(SELECT {columns} FROM {} AS t WHERE conversation_id = ? {behind} \
                 ORDER BY created_at DESC, id DESC LIMIT ?)",
                self.mode.table(T::TABLE, *day)
            )
        };
        let selects: Vec<String> = days.iter().map(of_table).collect();
        let newest = Statement {
            sql: &selects.join(" UNION ALL "),
            values: &of_day.repeat(days.len()),
        };
        match days {
            [day] => newest.load_of_day(connection, self.mode, *day).await,
            _ => Ok(Once(newest).load(connection).await?),
        }
    }

    /// These rows, by their days, with all that their texts are.
    async fn whole<T: Row>(
        &self,
        connection: &mut AsyncMysqlConnection,
        long: &BTreeMap<Day, Vec<(UnixMillis, Id)>>,
    ) -> Answer<Vec<T>> {
        let columns = &T::columns().sql;
        let mut values = Vec::new();
        let mut selects = Vec::new();
        for (day, places) in long {
            let times = places.iter().map(|(at, _)| *at);
            let from = times.clone().min().unwrap_or(i64::MIN);
            let to = times.max().unwrap_or(i64::MAX);
            values.push(Value::Bytes(*self.conversation.as_bytes()));
            values.extend([from, to].map(|at| Value::Time(Millis(at))));
            values.extend(places.iter().map(|(_, id)| Value::Bytes(*id.as_bytes())));
            selects.push(format!(
                "SELECT {columns} FROM {} WHERE conversation_id = ? \
                 AND created_at BETWEEN ? AND ? AND id IN ({})",
                self.mode.table(T::TABLE, *day),
                marks(places.len())
            ));
        }
        let whole = Once(Statement {
            sql: &selects.join(" UNION ALL "),
            values: &values,
        });
        Ok(whole.load(connection).await?)
    }
}

/// The columns of a row, in which the texts that are longer than a value may be are empty; and what its long
/// texts come to.
fn without_long_texts<T: Row>() -> String {
    let columns: Vec<String> = T::columns()
        .sql
        .split(", ")
        .map(
            |column| match T::TEXTS.contains(&column.trim_matches('`')) {
                true => format!(
                    "CASE WHEN octet_length({column}) > ? THEN '' ELSE {column} END AS {column}"
                ),
                false => column.to_owned(),
            },
        )
        .collect();
    format!("{}, {} AS bytes", columns.join(", "), T::BYTES)
}
