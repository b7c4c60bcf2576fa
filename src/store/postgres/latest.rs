//! The latest rows of a conversation.
//!
//! A plan for whichever days would have the partitions of all of them, and to make one for each read
//! takes longer than the read. So connections keep plans, each for a window of days that stands in its text.
//! Of the partitions in it a read opens those that it needs, and locks the others against being dropped.

use std::collections::HashMap;

use diesel::{deserialize::QueryableByName, pg::Pg, prelude::QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    days::between,
    decode::{ConversationRow, ErrorRow, MessageRow, PgId, Weighed, time},
    prepared::{Bind, Prepared},
    read::as_limit,
};
use crate::{
    id::Id,
    partition::{Day, ERRORS, MESSAGES},
    store::{MAX_PAGE_BYTES, Page, columns, page::Room},
};

/// Behind every id.
const LAST: Id = Id::from_bytes([255; 16]);
/// The long texts of one row, at most.
const LONG_TEXTS: usize = 4;

/// A row of one kind.
pub(super) trait Row: QueryableByName<Pg> + Send + 'static {
    const TABLE: &str;
    const COLUMNS: &str;
    /// Those that may be long, and what they come to.
    const TEXTS: &[&str];
    const BYTES: &str;

    fn id(&self) -> Id;
}

impl Row for MessageRow {
    const TABLE: &str = MESSAGES;
    const COLUMNS: &str = columns::MESSAGE;
    const TEXTS: &[&str] = &["content", "other", "usage"];
    const BYTES: &str = columns::MESSAGE_BYTES;

    fn id(&self) -> Id {
        self.0.message.id
    }
}

impl Row for ErrorRow {
    const TABLE: &str = ERRORS;
    const COLUMNS: &str = columns::ERROR;
    const TEXTS: &[&str] = &["error_message", "content", "other", "usage"];
    const BYTES: &str = columns::ERROR_BYTES;

    fn id(&self) -> Id {
        self.0.error.id
    }
}

/// The latest rows before this one, oldest first.
pub(super) async fn page<T: Row>(
    connection: &AsyncPgConnection,
    conversation: &ConversationRow,
    before: Option<Id>,
    limit: usize,
) -> QueryResult<Page<T>> {
    let before = before.unwrap_or(LAST);
    let latest = Latest {
        connection,
        conversation: conversation.conversation.id,
        first_day: conversation.first_day,
        before,
    };
    let mut room = Room::new(limit);
    let mut rows = Vec::new();
    // An id tells its row's time, so that it bounds the days too.
    let last = Day::from_unix_ms(before.unix_ms());
    let mut next = Some(last.min(conversation.conversation.last_day));
    while let Some(last) = next.filter(|last| latest.first_day <= *last) {
        let (first, end) = last.window(latest.first_day);
        let within = between(first, end);
        latest.take(&within, last, &mut room, &mut rows).await?;
        next = (!room.has_more && latest.first_day < first).then(|| first.previous());
    }
    rows.reverse();
    Ok(Page {
        data: rows,
        has_more: room.has_more,
    })
}

/// What is asked of each window.
struct Latest<'a> {
    connection: &'a AsyncPgConnection,
    conversation: Id,
    first_day: Day,
    before: Id,
}

impl Latest<'_> {
    /// Takes the newest rows within these times, up to this day, as long as there is room.
    async fn take<T: Row>(
        &self,
        within: &str,
        last: Day,
        room: &mut Room,
        rows: &mut Vec<T>,
    ) -> QueryResult<()> {
        let most = MAX_PAGE_BYTES / LONG_TEXTS / room.to_look_at();
        let newest: Vec<Weighed<T>> = Prepared {
            sql: &without_long_texts::<T>(within),
            binds: self.binds_of::<T>(last, most, room),
        }
        .load(&mut &*self.connection)
        .await?;
        let mut long = Vec::new();
        for Weighed { row, bytes } in newest {
            if !room.fits(bytes) {
                break;
            }
            if bytes > most {
                long.push((rows.len(), row.id()));
            }
            rows.push(row);
        }
        if long.is_empty() {
            return Ok(());
        }
        let ids = long.iter().map(|(_, id)| PgId(*id)).collect();
        let whole: Vec<T> = Prepared {
            sql: &format!(
                "SELECT {} FROM {} AS h WHERE conversation_id = ? AND {within} \
                 AND created_at >= ? AND created_at < ? AND id = ANY(?) \
                 ORDER BY created_at DESC, id DESC",
                T::COLUMNS,
                T::TABLE
            ),
            binds: [self.days(last).into(), vec![Bind::Ids(ids)]].concat(),
        }
        .load(&mut &*self.connection)
        .await?;
        let mut whole: HashMap<Id, T> = whole.into_iter().map(|row| (row.id(), row)).collect();
        for (index, id) in long.into_iter().rev() {
            match whole.remove(&id) {
                Some(row) => rows[index] = row,
                None => drop(rows.remove(index)),
            }
        }
        Ok(())
    }

    fn binds_of<T: Row>(&self, last: Day, most: usize, room: &Room) -> Vec<Bind> {
        let mut binds = vec![Bind::Number(as_limit(most)); T::TEXTS.len()];
        binds.extend(self.days(last));
        binds.extend([
            Bind::Time(time(self.before.unix_ms())),
            Bind::Id(PgId(self.before)),
            Bind::Number(as_limit(room.to_look_at())),
        ]);
        binds
    }

    /// The conversation, and the times up to this day, by which partitions are left out.
    fn days(&self, last: Day) -> [Bind; 3] {
        [
            Bind::Id(PgId(self.conversation)),
            Bind::Time(time(self.first_day.start_ms())),
            Bind::Time(time(last.end_ms())),
        ]
    }
}

/// The newest rows within these times, and what their long texts come to. Texts that are longer than
/// these may be are empty, so that no page is larger than it may be. The columns are taken from what
/// is found, and not in each partition.
fn without_long_texts<T: Row>(within: &str) -> String {
    let columns: Vec<String> = T::COLUMNS
        .split(", ")
        .map(|column| match T::TEXTS.contains(&column) {
            true => format!(
                "CASE WHEN octet_length({column}) > ? THEN '' ELSE {column} END AS {column}"
            ),
            false => column.to_owned(),
        })
        .collect();
    format!(
        "SELECT {}, ({})::bigint AS bytes FROM (\
         SELECT * FROM {} AS h WHERE conversation_id = ? AND {within} \
         AND created_at >= ? AND created_at < ? AND (created_at, id) < (?, ?) \
         ORDER BY created_at DESC, id DESC LIMIT ?) AS t ORDER BY created_at DESC, id DESC",
        columns.join(", "),
        T::BYTES,
        T::TABLE
    )
}
