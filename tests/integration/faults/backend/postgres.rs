//! A PostgreSQL database.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Backend, Served, Session, Wired};
use crate::servers::postgres::{Database, Server};

/// A database on the shared server, or on one of its own.
pub(in crate::faults) struct Place {
    pub(in crate::faults) database: Database,
    server: Option<Server>,
}

impl Place {
    pub(in crate::faults) async fn on(server: Server) -> Self {
        Self {
            database: Database::on(&server.dsn()).await,
            server: Some(server),
        }
    }

    fn own_server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a server of its own")
    }
}

impl Backend for Place {
    type Session = Client;

    const MIDNIGHT: &'static str = "'2071-03-02 00:00:00+00'";
    const MIGRATIONS: &'static str = "postgres";
    const DAY: &'static str = "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')";

    async fn new() -> Self {
        Self {
            database: Database::new().await,
            server: None,
        }
    }

    fn dsn(&self) -> String {
        self.database.dsn()
    }

    async fn session(&self) -> Client {
        self.database.connect().await
    }
}

impl Wired for Place {
    fn dsn_by(&self, port: u16) -> String {
        let dsn = self.database.dsn_with("sslmode=disable");
        dsn.replace(&self.server(), &format!("127.0.0.1:{port}"))
    }
}

impl Served for Place {
    async fn alone() -> Self {
        Self::on(Server::start(&[])).await
    }

    fn kill(&mut self) {
        self.own_server().kill();
    }

    fn run(&mut self) {
        self.own_server().run(&[]);
    }
}

impl Session for Client {
    async fn execute(&mut self, sql: &str) {
        let done = self.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let answer = self.simple_query(sql).await;
        let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = answer.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get("value").expect("a value").to_owned()),
            _ => None,
        });
        rows.collect()
    }
}
