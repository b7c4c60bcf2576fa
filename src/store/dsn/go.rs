//! `user:password@tcp(host:port)/database?name=value`, as go-sql-driver/mysql writes it.

use super::{
    DsnError, Host, MYSQL_PORT, Secret, Server,
    server::{parse_host, parse_params, warn_ignored},
};

/// Parameters of the Go driver that are understood, or mean nothing here.
const KNOWN_PARAMS: [&str; 22] = [
    "allowAllFiles",
    "allowCleartextPasswords",
    "allowFallbackToPlaintext",
    "allowNativePasswords",
    "allowOldPasswords",
    "charset",
    "checkConnLiveness",
    "clientFoundRows",
    "collation",
    "columnsWithAlias",
    "connectionAttributes",
    "interpolateParams",
    "loc",
    "maxAllowedPacket",
    "multiStatements",
    "parseTime",
    "readTimeout",
    "rejectReadOnly",
    "serverPubKey",
    "timeout",
    "tls",
    "writeTimeout",
];

/// Go's own default.
const DEFAULT_HOST: &str = "127.0.0.1";

/// Parses the whole DSN. The password may hold any character: the last `/` that follows an address
/// ends it, and the last `@` before that address.
pub(super) fn parse(text: &str) -> Result<Server, DsnError> {
    let (login, address, rest) = text
        .rmatch_indices('/')
        .find_map(|(slash, _)| split(&text[..slash], &text[slash + 1..]))
        .ok_or(DsnError::UnknownForm)?;
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(Secret::new(password.to_owned()))),
        None => (login, None),
    };
    let (database, params) = rest.split_once('?').unwrap_or((rest, ""));
    let mut params = parse_params(params)?;
    params.retain(|(name, _)| {
        let known = KNOWN_PARAMS.contains(&name.as_str());
        if !known {
            warn_ignored(name);
        }
        known
    });
    let host = match address {
        "" => Host {
            name: DEFAULT_HOST.to_owned(),
            port: MYSQL_PORT,
        },
        address => parse_host(address, MYSQL_PORT)?,
    };
    Ok(Server {
        hosts: vec![host],
        user: user.to_owned(),
        password,
        database: database.to_owned(),
        params,
    })
}

/// The login, the address and the rest, if what stands before the slash ends in an address.
fn split<'a>(before: &'a str, rest: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let (login, network) = before.rsplit_once('@')?;
    let address = match network {
        "" | "tcp" => "",
        network => network.strip_prefix("tcp(")?.strip_suffix(')')?,
    };
    Some((login, address, rest))
}
