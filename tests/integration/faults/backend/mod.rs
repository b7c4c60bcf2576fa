//! The databases, as whoever runs them sees them.

pub(super) mod mariadb;
pub(super) mod postgres;
pub(super) mod sqlite;

/// A database of a test's own.
pub(super) trait Backend: Sized {
    type Session: Session;

    /// The end of the day of these tests, as this database compares times.
    const MIDNIGHT: &'static str;
    /// The folder of its migrations.
    const MIGRATIONS: &'static str;
    /// The day of a row, such as `2071-03-01`.
    const DAY: &'static str;

    async fn new() -> Self;

    fn dsn(&self) -> String;

    /// A session beside the recorder's.
    async fn session(&self) -> Self::Session;

    async fn execute(&self, sql: &str) {
        self.session().await.execute(sql).await;
    }

    /// The column `value` of each row, as text.
    async fn texts(&self, sql: &str) -> Vec<String> {
        self.session().await.texts(sql).await
    }

    /// The one number that this query answers with.
    async fn number(&self, sql: &str) -> i64 {
        self.session().await.number(sql).await
    }

    /// Nothing of what holds the rows is damaged, as far as the database can tell.
    async fn assert_intact(&self) {}
}

/// A database that is spoken to over the network.
pub(super) trait Wired: Backend {
    /// Its host and port.
    fn server(&self) -> String {
        let dsn = self.dsn();
        let (_, rest) = dsn.split_once('@').expect("a user in the DSN");
        let (server, _) = rest.split_once('/').expect("a database in the DSN");
        server.to_owned()
    }

    /// The DSN by way of this port, where nothing is encrypted.
    fn dsn_by(&self, port: u16) -> String;
}

/// A database on a server of its own, which can be crashed.
pub(super) trait Served: Backend {
    async fn alone() -> Self;

    /// Ends all of the server's processes at once.
    fn kill(&mut self);

    /// Starts the server again, with the same data.
    fn run(&mut self);
}

/// A session with a database.
pub(super) trait Session {
    async fn execute(&mut self, sql: &str);

    /// The column `value` of each row, as text.
    async fn texts(&mut self, sql: &str) -> Vec<String>;

    /// The one number that this query answers with.
    async fn number(&mut self, sql: &str) -> i64 {
        let texts = self.texts(&format!("SELECT ({sql}) AS value")).await;
        match texts.as_slice() {
            [number] => number.parse().unwrap_or_else(|_| panic!("{sql}: {number}")),
            _ => panic!("{sql}: {texts:?}"),
        }
    }
}
