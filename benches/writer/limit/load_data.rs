//! `LOAD DATA LOCAL INFILE`, a batch each.

use std::io::Write as _;

use axum::body::Bytes;
use futures_util::{StreamExt, stream};
use mysql_async::{Conn, Opts, prelude::Queryable};
use time::OffsetDateTime;
use tower_recording::store::{ExchangeRows, UnixMillis};

use crate::cells::{COLUMNS, Cell, cells};

const SESSION: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'";
const DAY_MS: UnixMillis = 86_400_000;

pub struct LoadData {
    connection: Conn,
    sql: String,
    day: (UnixMillis, String),
}

impl LoadData {
    pub async fn new(dsn: &str, table: &str) -> Self {
        let opts = Opts::from_url(dsn).expect("a DSN");
        let mut connection = Conn::new(opts).await.expect("a connection");
        connection.query_drop(SESSION).await.expect("a session");
        let columns = COLUMNS.map(|column| format!("`{column}`")).join(", ");
        // `binary`: the ids are no text, and the text is UTF-8 as it stands.
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table} CHARACTER SET binary ({columns})"
        );
        Self {
            connection,
            sql,
            day: (0, String::new()),
        }
    }

    pub async fn write(&mut self, batch: &[ExchangeRows]) {
        let mut file = Vec::with_capacity(batch.len() * (4 << 10));
        let mut sent = 0;
        for rows in batch {
            for message in &rows.messages {
                for cell in cells(&rows.exchange, message) {
                    self.put(&mut file, cell);
                    file.push(b'\t');
                }
                file.pop();
                file.push(b'\n');
                sent += 1;
            }
        }
        let file = Bytes::from(file);
        self.connection
            .set_infile_handler(async { Ok(stream::iter([Ok(file)]).boxed()) });
        let loaded = self.connection.query_drop(&self.sql).await;
        loaded.expect("a server with local_infile");
        assert_eq!(self.connection.affected_rows(), sent);
    }

    fn put(&mut self, file: &mut Vec<u8>, cell: Cell<'_>) {
        match cell {
            Cell::Null => file.extend_from_slice(b"\\N"),
            Cell::Bytes(bytes) => escape(file, bytes),
            Cell::Text(text) => escape(file, text.as_bytes()),
            Cell::Number(number) => write!(file, "{number}").expect("memory"),
            Cell::Flag(flag) => file.push(b'0' + u8::from(flag)),
            Cell::Time(ms) => {
                let (day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
                if self.day.0 != day || self.day.1.is_empty() {
                    let date = OffsetDateTime::from_unix_timestamp(ms / 1000);
                    self.day = (day, date.expect("a time").date().to_string());
                }
                let (seconds, ms) = (of_day / 1000, of_day % 1000);
                let [h, m, s] = [seconds / 3600, seconds / 60 % 60, seconds % 60];
                write!(file, "{} {h:02}:{m:02}:{s:02}.{ms:03}", self.day.1).expect("memory");
            }
        }
    }
}

fn escape(file: &mut Vec<u8>, mut bytes: &[u8]) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | 0);
    while let Some(position) = bytes.iter().position(special) {
        let (before, rest) = bytes.split_at(position);
        file.extend_from_slice(before);
        file.push(b'\\');
        file.push(if rest[0] == 0 { b'0' } else { rest[0] });
        bytes = &rest[1..];
    }
    file.extend_from_slice(bytes);
}
