//! From a DSN to a session with the server: where it is, who logs in, and over what.

use std::time::Duration;

use mysql_async::{Conn, DriverError, Error, IoError, Opts, OptsBuilder, SslOpts};
use tokio::time::timeout;

use super::{
    error::{Answer, Fault, server_fault},
    tls::{Tls, Verify},
};
use crate::store::{DsnError, Host, Server};

/// How long a server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// After so long without a packet the system asks whether the server is still there.
const KEEPALIVE_MS: u32 = 30_000;

/// Everything that a connection is made with. It holds the password: it is never shown.
pub(super) struct Login {
    server: Server,
    tls: Tls,
}

impl Login {
    /// # Errors
    /// Where a parameter that decides about encryption is not understood: guessing could undo it.
    pub(super) fn new(server: &Server) -> Result<Self, DsnError> {
        Ok(Self {
            tls: Tls::from_params(&server.params)?,
            server: server.clone(),
        })
    }

    /// Connects to the first of the hosts that answers.
    pub(super) async fn connect(&self) -> Answer<Conn> {
        if self.server.database.is_empty() {
            return Err(Fault::Away("the DSN names no database".to_owned()));
        }
        let mut last = Fault::Away("the DSN names no host".to_owned());
        for host in &self.server.hosts {
            match timeout(CONNECT_TIMEOUT, self.connect_to(host)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = fault(error),
                Err(_) => last = Fault::Away("the server does not answer in time".to_owned()),
            }
        }
        Err(last)
    }

    async fn connect_to(&self, host: &Host) -> Result<Conn, Error> {
        let Some(options) = self.tls.options() else {
            return Conn::new(self.opts(host, None)).await;
        };
        match Conn::new(self.opts(host, Some(options.clone()))).await {
            Err(error) if self.tls.may_be_clear() && is_without_tls(&error) => {
                Conn::new(self.opts(host, None)).await
            }
            Err(error) if self.tls.verify() == Some(Verify::Chain) => {
                // The chain was found good, and only the name was not the host's: any name of the
                // certificate will do, and the chain is verified again with it.
                let Some(name) = other_name(&error) else {
                    return Err(error);
                };
                let options = options.with_danger_tls_hostname_override(Some(name));
                Conn::new(self.opts(host, Some(options))).await
            }
            result => result,
        }
    }

    fn opts(&self, host: &Host, tls: Option<SslOpts>) -> Opts {
        let Server {
            user,
            password,
            database,
            ..
        } = &self.server;
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        OptsBuilder::default()
            .ip_or_hostname(host.name.clone())
            .tcp_port(host.port)
            .user(filled(user))
            .pass(
                password
                    .as_ref()
                    .map(|password| password.expose().to_owned()),
            )
            .db_name(filled(database))
            .ssl_opts(tls)
            // A socket would be taken in place of an encrypted connection.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(KEEPALIVE_MS))
            // diesel has a cache of its own.
            .stmt_cache_size(0)
            .client_found_rows(true)
            .into()
    }
}

/// Why no connection came about. The driver's texts hold no password.
fn fault(error: Error) -> Fault {
    match error {
        Error::Server(error) => server_fault(error.code, &error.message),
        Error::Io(error) => Fault::Away(format!("the server cannot be reached: {error}")),
        Error::Driver(error) => Fault::Away(format!("the server cannot be talked to: {error}")),
        _ => Fault::Away("the server cannot be reached".to_owned()),
    }
}

/// Whether the server offers no TLS, or none that works: what "preferred" falls back for.
fn is_without_tls(error: &Error) -> bool {
    matches!(
        error,
        Error::Driver(DriverError::NoClientSslFlagFromServer) | Error::Io(IoError::Tls(_))
    ) || tls_error(error).is_some()
}

fn tls_error(error: &Error) -> Option<&rustls::Error> {
    match error {
        Error::Io(IoError::Io(error)) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// A name of the certificate that was refused for not being the host's.
fn other_name(error: &Error) -> Option<String> {
    use rustls::{CertificateError::NotValidForNameContext, Error::InvalidCertificate};
    match tls_error(error)? {
        InvalidCertificate(NotValidForNameContext { presented, .. }) => {
            presented.iter().find_map(|name| plain_name(name))
        }
        _ => None,
    }
}

/// A name of a certificate as rustls writes it: `DnsName("db.example")`, `IpAddress(127.0.0.1)`.
fn plain_name(presented: &str) -> Option<String> {
    let (_, name) = presented.split_once('(')?;
    let name = name.strip_suffix(')')?.trim_matches('"');
    Some(name.replacen("*.", "any.", 1))
}
