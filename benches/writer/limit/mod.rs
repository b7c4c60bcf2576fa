//! The limit: rows straight into the day's table, in the fastest way that the database has.

mod copy;
mod load_data;
mod raw;

use tower_recording::store::ExchangeRows;

use self::{copy::Copy, load_data::LoadData, raw::Raw};
use crate::backend::{Backend, Database};

/// A connection that writes so.
pub enum Limit {
    Copy(Copy),
    LoadData(Box<LoadData>),
    Raw(Raw),
}

impl Limit {
    /// Connects, to write into this table.
    pub async fn new(database: &Database, table: &str) -> Self {
        match database {
            Database::Postgres(database) => {
                Self::Copy(Copy::new(database.connect().await, table).await)
            }
            Database::Mysql(database) => {
                Self::LoadData(Box::new(LoadData::new(&database.dsn(), table).await))
            }
            Database::Sqlite(path) => Self::Raw(Raw::new(path, table)),
        }
    }

    /// What it is called.
    pub fn name(backend: Backend) -> &'static str {
        match backend {
            Backend::Postgres => "binary COPY",
            Backend::Mysql => "LOAD DATA LOCAL",
            Backend::Sqlite => "raw prepared loop",
        }
    }

    /// Writes the messages of this batch in one transaction, and nothing else of it.
    pub async fn write(&mut self, batch: &[ExchangeRows]) {
        match self {
            Self::Copy(copy) => copy.write(batch).await,
            Self::LoadData(load_data) => load_data.write(batch).await,
            Self::Raw(raw) => raw.write(batch),
        }
    }
}
