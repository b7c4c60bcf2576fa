//! MySQL and MariaDB: a table a day, batches of fixed lengths, a thread of its own.
//!
//! Every call is handed to the store's one thread and finished there, even when nobody waits for the
//! answer any more, so every future here may be dropped at any time.
//!
//! The database user needs, on its database and nothing beyond: `SELECT`, `INSERT`, `UPDATE`,
//! `DELETE`, `CREATE`, `ALTER`, `DROP`, `INDEX`, `CREATE VIEW` and `CREATE TEMPORARY TABLES`.

mod store;
mod driver;
mod connection;
mod session;
mod login;
mod tls;
mod lock;
mod migrate;
mod layout;
mod days;
mod views;
mod recall;
mod unanswered;
mod responses;
mod write;
mod insert;
mod statement;
mod datetime;
mod read;
mod replica;
mod list;
mod complete;
mod pages;
mod decode;
mod stats;
mod partitions;
mod turn;
mod upkeep;
mod close;
mod chunks;
mod counts;
mod retention;
mod removal;
mod moving;
mod error;
#[cfg(test)]
mod tests;

pub(crate) use store::MysqlStore;
