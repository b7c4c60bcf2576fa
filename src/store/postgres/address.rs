//! A PostgreSQL DSN, understood: where to connect, how, and as whom.

use std::time::Duration;

use tokio_postgres::Config;

use super::tls::{SslMode, Tls};
use crate::store::{DsnError, Host, Server, dsn};

/// A host that does not answer would otherwise take the operating system's two minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// libpq's own, where no host is named.
const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 5432;

/// What libpq knows and has no meaning here.
const IGNORED: [&str; 8] = [
    "gssencmode",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "krbsrvname",
    "sslcompression",
    "tcp_user_timeout",
];

/// Which of several servers will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    Writable,
    ReadOnly,
}

/// Everything that a connection is made with. `Debug` shows no password.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) hosts: Vec<Host>,
    pub(super) login: Config,
    pub(super) tls: Tls,
    pub(super) wanted: Wanted,
    pub(super) connect_timeout: Duration,
}

impl Address {
    /// Reads the DSN.
    ///
    /// # Errors
    /// Where a parameter's value is not one, or what it asks for would not be done.
    pub(super) fn new(server: &Server) -> Result<Self, DsnError> {
        let mut login = Config::new();
        login.application_name("tower-recording");
        // TLS is spoken below, so that `verify-*` are there and errors' codes can be read.
        login.ssl_mode(tokio_postgres::config::SslMode::Disable);
        if !server.user.is_empty() {
            login.user(&server.user);
        }
        if let Some(password) = &server.password {
            login.password(password.expose());
        }
        if !server.database.is_empty() {
            login.dbname(&server.database);
        }
        let mut address = Self {
            hosts: server.hosts.clone(),
            login,
            tls: Tls::default(),
            wanted: Wanted::Any,
            connect_timeout: CONNECT_TIMEOUT,
        };
        for (name, value) in &server.params {
            address.set(name, value)?;
        }
        if address.hosts.is_empty() {
            address.hosts = hosts(DEFAULT_HOST);
        }
        Ok(address)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), DsnError> {
        match name {
            "sslmode" => self.tls.mode = ssl_mode(value)?,
            "sslrootcert" => self.tls.root_cert = Some(value.to_owned()),
            "target_session_attrs" => self.wanted = wanted(value)?,
            "connect_timeout" => {
                let seconds = value
                    .parse()
                    .map_err(|_| DsnError::Parameter("connect_timeout"))?;
                // libpq: 0 waits for ever, which nobody wants of a recorder.
                if seconds > 0 {
                    self.connect_timeout = Duration::from_secs(seconds);
                }
            }
            "application_name" => {
                self.login.application_name(value);
            }
            "options" => {
                self.login.options(value);
            }
            "user" => {
                self.login.user(value);
            }
            "password" => {
                self.login.password(value);
            }
            "dbname" => {
                self.login.dbname(value);
            }
            "host" => {
                let port = self.hosts.first().map_or(DEFAULT_PORT, |host| host.port);
                self.hosts = hosts(value);
                self.set_ports(&port.to_string())?;
            }
            "port" => {
                if self.hosts.is_empty() {
                    self.hosts = hosts(DEFAULT_HOST);
                }
                self.set_ports(value)?;
            }
            "sslcert" | "sslkey" | "sslpassword" => return Err(DsnError::Unsupported("sslcert")),
            "sslcrl" => return Err(DsnError::Unsupported("sslcrl")),
            "channel_binding" if value == "require" => {
                return Err(DsnError::Unsupported("channel_binding"));
            }
            "channel_binding" => {}
            name if IGNORED.contains(&name) => {}
            name => dsn::warn_ignored(name),
        }
        Ok(())
    }

    /// One port for all hosts, or one each.
    fn set_ports(&mut self, text: &str) -> Result<(), DsnError> {
        let ports = text
            .split(',')
            .map(|port| port.parse().map_err(|_| DsnError::Host))
            .collect::<Result<Vec<u16>, _>>()?;
        for (index, host) in self.hosts.iter_mut().enumerate() {
            host.port = match ports.as_slice() {
                [port] => *port,
                ports => *ports.get(index).ok_or(DsnError::Host)?,
            };
        }
        Ok(())
    }
}

fn hosts(names: &str) -> Vec<Host> {
    let host = |name: &str| Host {
        name: name.to_owned(),
        port: DEFAULT_PORT,
    };
    names.split(',').map(host).collect()
}

fn ssl_mode(word: &str) -> Result<SslMode, DsnError> {
    match word {
        "disable" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(DsnError::Parameter("sslmode")),
    }
}

fn wanted(word: &str) -> Result<Wanted, DsnError> {
    match word {
        "any" | "prefer-standby" => Ok(Wanted::Any),
        "read-write" | "primary" => Ok(Wanted::Writable),
        "read-only" | "standby" => Ok(Wanted::ReadOnly),
        _ => Err(DsnError::Parameter("target_session_attrs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_address(text: &str) -> Result<Address, DsnError> {
        match text.parse()? {
            dsn::Dsn::Postgres(server) => Address::new(&server),
            other => panic!("{other}"),
        }
    }

    fn address(text: &str) -> Address {
        try_address(text).unwrap()
    }

    #[test]
    fn every_sslmode_is_understood() {
        for (word, mode) in [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Prefer),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ] {
            let address = address(&format!(
                "postgres://h/d?sslmode={word}&sslrootcert=/ca.pem"
            ));
            assert_eq!(address.tls.mode, mode);
            assert_eq!(address.tls.root_cert.as_deref(), Some("/ca.pem"));
        }
        assert_eq!(address("postgres://h/d").tls.mode, SslMode::Prefer);
    }

    #[test]
    fn hosts_may_stand_in_the_parameters() {
        let named = |text: &str| -> Vec<(String, u16)> {
            let hosts = address(text).hosts.into_iter();
            hosts.map(|host| (host.name, host.port)).collect()
        };
        let pair = |name: &str, port| (name.to_owned(), port);
        assert_eq!(named("postgres:///d"), [pair("localhost", 5432)]);
        assert_eq!(named("postgres:///d?host=/run&port=6"), [pair("/run", 6)]);
        assert_eq!(
            named("postgres:///d?host=a,b&port=6,7"),
            [pair("a", 6), pair("b", 7)]
        );
        assert_eq!(named("postgres://%2Frun/d"), [pair("/run", 5432)]);
    }

    #[test]
    fn a_wrong_parameter_is_named_without_its_value() {
        for (params, name) in [
            ("sslmode=hunter2", "sslmode"),
            ("target_session_attrs=hunter2", "target_session_attrs"),
            ("connect_timeout=hunter2", "connect_timeout"),
            ("channel_binding=require", "channel_binding"),
            ("sslkey=hunter2", "sslcert"),
        ] {
            let error = try_address(&format!("postgres://u:hunter2@h/d?{params}"));
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains(name) && !error.contains("hunter2"),
                "{error}"
            );
        }
        let shown = format!("{:?}", address("postgres://u:hunter2@h/d?password=hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
