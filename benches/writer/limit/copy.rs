//! `COPY … FROM STDIN BINARY`, a batch each.

use std::pin::pin;

use axum::body::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{Client, Statement};
use tower_recording::store::ExchangeRows;

use crate::cells::{COLUMNS, Cell, cells};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Sent on while the next are encoded.
const CHUNK_BYTES: usize = 64 << 10;
/// 2000-01-01, where PostgreSQL's time begins, in milliseconds since 1970.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;

pub struct Copy {
    client: Client,
    statement: Statement,
}

impl Copy {
    pub async fn new(client: Client, table: &str) -> Self {
        let columns = COLUMNS.join(", ");
        let sql = format!("COPY {table} ({columns}) FROM STDIN BINARY");
        let statement = client.prepare(&sql).await.expect("a statement");
        Self { client, statement }
    }

    pub async fn write(&mut self, batch: &[ExchangeRows]) {
        let sink = self.client.copy_in::<_, Bytes>(&self.statement).await;
        let mut sink = pin!(sink.expect("a COPY"));
        let mut buffer = SIGNATURE.to_vec();
        let mut sent = 0;
        for rows in batch {
            for message in &rows.messages {
                buffer.extend((COLUMNS.len() as u16).to_be_bytes());
                for cell in cells(&rows.exchange, message) {
                    put(&mut buffer, cell);
                }
                sent += 1;
            }
            if buffer.len() >= CHUNK_BYTES {
                let chunk = Bytes::from(std::mem::take(&mut buffer));
                sink.send(chunk).await.expect("a server");
                buffer.reserve(CHUNK_BYTES + (4 << 10));
            }
        }
        buffer.extend((-1i16).to_be_bytes());
        sink.send(Bytes::from(buffer)).await.expect("a server");
        let written = sink.finish().await.expect("rows that are new");
        assert_eq!(written, sent);
    }
}

fn put(buffer: &mut Vec<u8>, cell: Cell<'_>) {
    let mut field = |bytes: &[u8]| {
        buffer.extend((bytes.len() as u32).to_be_bytes());
        buffer.extend_from_slice(bytes);
    };
    match cell {
        Cell::Null => buffer.extend((-1i32).to_be_bytes()),
        Cell::Bytes(bytes) => field(bytes),
        Cell::Time(ms) => field(&((ms - POSTGRES_EPOCH_MS) * 1000).to_be_bytes()),
        Cell::Text(text) => field(text.as_bytes()),
        Cell::Number(number) => field(&number.to_be_bytes()),
        Cell::Flag(flag) => field(&[u8::from(flag)]),
    }
}
