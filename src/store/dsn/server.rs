//! The parts of a DSN that names a server.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::DsnError;

/// A password, which nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Its name or address, an IPv6 address without brackets; for PostgreSQL also a socket's directory.
    pub name: String,
    /// Its port; the database's usual one where the DSN says nothing.
    pub port: u16,
}

/// A database server and how to log in.
///
/// `Debug` and `Display` show neither the password nor the values of parameters, which may hold one too.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Tried in order. Empty where only the parameters say.
    pub hosts: Vec<Host>,
    /// Who logs in; empty where the DSN says nothing.
    pub user: String,
    /// The password.
    pub password: Option<Secret>,
    /// The database; empty where the DSN says nothing.
    pub database: String,
    /// The parameters behind the `?`, by name.
    pub params: Vec<(String, String)>,
}

impl Server {
    /// Parses what stands behind the `//` of a URL.
    pub(super) fn from_url(rest: &str, default_port: u16) -> Result<Self, DsnError> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if rest.contains('@') {
            return Err(DsnError::NotEncoded);
        }
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(Secret(decode(password)?))),
            None => (login, None),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, params) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self {
            hosts: hosts
                .split(',')
                .filter(|host| !host.is_empty())
                .map(|host| parse_host(host, default_port))
                .collect::<Result<_, _>>()?,
            user: decode(user)?,
            password,
            database: decode(path.trim_start_matches('/'))?,
            params: parse_params(params)?,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hosts,
            user,
            password,
            database,
            params,
        } = self;
        let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Server")
            .field("hosts", hosts)
            .field("user", user)
            .field("password", password)
            .field("database", database)
            .field("params", &names)
            .finish()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.user.is_empty() || self.password.is_some() {
            f.write_str(&self.user)?;
            if self.password.is_some() {
                f.write_str(":***")?;
            }
            f.write_str("@")?;
        }
        for (index, Host { name, port }) in self.hosts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            if name.contains(':') {
                write!(f, "{separator}[{name}]:{port}")?;
            } else {
                write!(f, "{separator}{name}:{port}")?;
            }
        }
        write!(f, "/{}", self.database)
    }
}

/// Parses `host`, `host:port`, `[::1]` or `[::1]:port`.
pub(super) fn parse_host(text: &str, default_port: u16) -> Result<Host, DsnError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (name, rest) = bracketed.split_once(']').ok_or(DsnError::Host)?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return Err(DsnError::Host),
            }
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err(DsnError::Host);
    }
    Ok(Host {
        name: decode(name)?,
        port: match port {
            Some(port) => port.parse().map_err(|_| DsnError::Host)?,
            None => default_port,
        },
    })
}

/// Parses `name=value&name=value`.
pub(super) fn parse_params(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    text.split('&')
        .filter(|param| !param.is_empty())
        .map(|param| {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Says that a parameter has no meaning here. Its value may be a secret.
pub(in crate::store) fn warn_ignored(name: &str) {
    tracing::warn!(parameter = %name, "ignoring an unknown parameter of the DSN");
}

fn decode(text: &str) -> Result<String, DsnError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(String::from)
        .map_err(|_| DsnError::NotUtf8)
}
