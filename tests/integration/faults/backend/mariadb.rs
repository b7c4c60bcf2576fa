//! A MariaDB database.

use mysql_async::{Conn, Opts, prelude::Queryable};

use super::{Backend, Served, Session, Wired};
use crate::servers::mariadb::{Database, Server};

/// A database on the shared server, or on one of its own.
pub(in crate::faults) struct Place {
    database: Database,
    server: Option<Server>,
}

impl Place {
    fn own_server(&mut self) -> &mut Server {
        self.server.as_mut().expect("a server of its own")
    }

    /// The database's own name.
    pub(in crate::faults) fn name(&self) -> String {
        let dsn = self.dsn();
        let (_, name) = dsn.rsplit_once('/').expect("a database in the DSN");
        name.to_owned()
    }
}

impl Backend for Place {
    type Session = Conn;

    const MIDNIGHT: &'static str = "'2071-03-02 00:00:00'";
    const MIGRATIONS: &'static str = "mysql";
    const DAY: &'static str = "DATE_FORMAT(created_at, '%Y-%m-%d')";

    async fn new() -> Self {
        Self {
            database: Database::new().await,
            server: None,
        }
    }

    fn dsn(&self) -> String {
        self.database.dsn()
    }

    async fn session(&self) -> Conn {
        let opts = Opts::from_url(&self.dsn()).expect("a DSN");
        Conn::new(opts).await.expect("a connection")
    }
}

impl Wired for Place {
    fn dsn_by(&self, port: u16) -> String {
        let dsn = self
            .dsn()
            .replace(&self.server(), &format!("127.0.0.1:{port}"));
        format!("{dsn}?ssl-mode=DISABLED")
    }
}

impl Served for Place {
    async fn alone() -> Self {
        let server = Server::start(&[]);
        Self {
            database: Database::on(&server.dsn()).await,
            server: Some(server),
        }
    }

    fn kill(&mut self) {
        self.own_server().kill();
    }

    fn run(&mut self) {
        self.own_server().run(&[]);
    }
}

impl Session for Conn {
    async fn execute(&mut self, sql: &str) {
        let done = self.query_drop(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = self.query(sql).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}
