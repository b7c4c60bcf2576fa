//! Whether a connection is encrypted, and whose certificate is taken.

use std::path::PathBuf;

use mysql_async::SslOpts;
use rustls::crypto::{CryptoProvider, ring};

use crate::store::{DsnError, warn_ignored};

/// Parameters that other drivers need, and that mean nothing here.
const WITHOUT_MEANING: [&str; 21] = [
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
    "writeTimeout",
];

/// What of the server's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verify {
    /// Nothing: whoever can redirect packets can read them.
    Nothing,
    /// That it was issued by a known authority.
    Chain,
    /// That, and that it is the host's.
    Name,
}

/// How connections are encrypted.
///
/// | `ssl-mode` | `sslmode` | Go's `tls` | connection |
/// |---|---|---|---|
/// | `DISABLED` | `disable` | `false` | in clear text |
/// | `PREFERRED` (the default) | `allow`, `prefer` | `preferred` | encrypted, else in clear text |
/// | `REQUIRED` | `require` | `skip-verify` | encrypted, never in clear text |
/// | `VERIFY_CA` | `verify-ca`, `require` with `sslrootcert` | | and the certificate's issuer is known |
/// | `VERIFY_IDENTITY` | `verify-full` | `true` | and the certificate is the host's |
///
/// `ssl-ca` or `sslrootcert` names a file of issuers (PEM), which stand in the place of the public ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    verify: Option<Verify>,
    may_be_clear: bool,
    issuers: Option<PathBuf>,
}

impl Tls {
    pub(super) fn from_params(params: &[(String, String)]) -> Result<Self, DsnError> {
        let mut tls = Self {
            verify: Some(Verify::Nothing),
            may_be_clear: true,
            issuers: None,
        };
        let mut libpq_require = false;
        for (name, value) in params {
            let word = value.to_ascii_lowercase().replace('_', "-");
            match name.as_str() {
                "ssl-mode" | "ssl_mode" | "sslmode" | "sslMode" | "tls" => {
                    (tls.verify, tls.may_be_clear) =
                        mode(name, &word).ok_or(DsnError::Parameter("ssl-mode, sslmode or tls"))?;
                    libpq_require = word == "require";
                }
                "ssl-ca" | "ssl_ca" | "sslca" | "sslrootcert" => {
                    tls.issuers = Some(PathBuf::from(value));
                }
                name if WITHOUT_MEANING.contains(&name) => {}
                name => warn_ignored(name),
            }
        }
        if libpq_require && tls.issuers.is_some() {
            tls.verify = Some(Verify::Chain);
        }
        Ok(tls)
    }

    pub(super) fn verify(&self) -> Option<Verify> {
        self.verify
    }

    pub(super) fn may_be_clear(&self) -> bool {
        self.may_be_clear
    }

    /// What the driver is told; `None` for clear text.
    pub(super) fn options(&self) -> Option<SslOpts> {
        let verify = self.verify?;
        if CryptoProvider::get_default().is_none() {
            // The driver panics where the build has two providers and the process chose none.
            // Another thread may be first, which is as good.
            let _ = ring::default_provider().install_default();
        }
        let options = SslOpts::default()
            .with_danger_accept_invalid_certs(verify == Verify::Nothing)
            .with_danger_skip_domain_validation(verify != Verify::Name);
        Some(match (&self.issuers, verify) {
            (Some(file), Verify::Chain | Verify::Name) => options
                .with_root_certs(vec![file.clone().into()])
                .with_disable_built_in_roots(true),
            _ => options,
        })
    }
}

fn mode(parameter: &str, word: &str) -> Option<(Option<Verify>, bool)> {
    Some(match (parameter, word) {
        ("tls", "false" | "") => (None, true),
        ("tls", "preferred") => (Some(Verify::Nothing), true),
        ("tls", "skip-verify") => (Some(Verify::Nothing), false),
        ("tls", "true") => (Some(Verify::Name), false),
        ("tls", _) => return None,
        (_, "disable" | "disabled") => (None, true),
        (_, "allow" | "prefer" | "preferred") => (Some(Verify::Nothing), true),
        (_, "require" | "required") => (Some(Verify::Nothing), false),
        (_, "verify-ca") => (Some(Verify::Chain), false),
        (_, "verify-full" | "verify-identity") => (Some(Verify::Name), false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(params: &str) -> Result<Tls, DsnError> {
        let params: Vec<(String, String)> = params
            .split('&')
            .filter_map(|param| param.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Tls::from_params(&params)
    }

    #[test]
    fn every_dialect_says_the_same_modes() {
        let clear = (None, true);
        let preferred = (Some(Verify::Nothing), true);
        let required = (Some(Verify::Nothing), false);
        let chain = (Some(Verify::Chain), false);
        let name = (Some(Verify::Name), false);
        for (params, expected) in [
            ("", preferred),
            ("ssl-mode=DISABLED", clear),
            ("ssl-mode=PREFERRED", preferred),
            ("ssl-mode=REQUIRED", required),
            ("ssl-mode=REQUIRED&ssl-ca=ca.pem", required),
            ("ssl-mode=VERIFY_CA", chain),
            ("ssl-mode=VERIFY_IDENTITY", name),
            ("sslmode=disable", clear),
            ("sslmode=prefer", preferred),
            ("sslmode=require", required),
            ("sslrootcert=ca.pem&sslmode=require", chain),
            ("sslmode=verify-ca", chain),
            ("sslmode=verify-full", name),
            ("tls=false", clear),
            ("tls=preferred", preferred),
            ("tls=skip-verify", required),
            ("tls=true", name),
        ] {
            let tls = tls(params).unwrap();
            assert_eq!((tls.verify(), tls.may_be_clear()), expected, "{params}");
        }
    }

    #[test]
    fn what_decides_about_encryption_is_never_guessed() {
        for params in ["ssl-mode=VERIFY", "sslmode=", "tls=custom"] {
            assert!(tls(params).is_err(), "{params}");
        }
    }
}
