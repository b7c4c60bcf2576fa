//! Whose key a request carries.

use std::{fmt, str::FromStr};

use blake3::Hash;
use http::{header, request::Parts};

use crate::identity;

/// Whom a request speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Principal {
    /// One user, by the name that his conversations are recorded under.
    User(String),
    /// An application, which may act for any user.
    Application,
}

/// Says whom a request speaks for.
///
/// # Examples
/// ```
/// use tower_recording::api::{Authenticate, Principal};
///
/// /// Trusts the header that the ingress sets.
/// struct Ingress;
///
/// impl Authenticate for Ingress {
///     fn authenticate(&self, request: &http::request::Parts) -> Option<Principal> {
///         let user = request.headers.get("x-verified-user")?.to_str().ok()?;
///         Some(Principal::User(user.to_owned()))
///     }
/// }
/// ```
pub trait Authenticate: Send + Sync + 'static {
    /// The principal of a request with this head; `None` where it carries no valid key.
    fn authenticate(&self, request: &Parts) -> Option<Principal>;
}

/// API keys from a list such as `key:user,key2:*`, where `*` makes an application's key.
///
/// Requests carry them as `Authorization: Bearer <key>`. Only the keys' hashes are kept, and a
/// request is compared with all of them in the same time, whichever matches.
///
/// # Examples
/// ```
/// use tower_recording::api::StaticKeys;
///
/// let keys: StaticKeys = "sk-alice:alice, sk-portal:*".parse()?;
/// assert_eq!(keys.len(), 2);
/// # Ok::<_, tower_recording::api::ParseKeysError>(())
/// ```
#[derive(Clone)]
pub struct StaticKeys {
    entries: Vec<(Hash, Principal)>,
}

impl StaticKeys {
    /// The one key of an application.
    pub fn application(key: &str) -> Self {
        Self {
            entries: vec![(blake3::hash(key.as_bytes()), Principal::Application)],
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key, so that nobody gets in.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whom this key speaks for; `None` where it is in no entry. Every key takes the same time.
    pub fn principal_of(&self, key: &str) -> Option<Principal> {
        self.find(key.as_bytes()).cloned()
    }

    fn find(&self, key: &[u8]) -> Option<&Principal> {
        let hash = blake3::hash(key);
        let mut found = None;
        for (entry, principal) in &self.entries {
            if *entry == hash {
                found = Some(principal);
            }
        }
        found
    }
}

impl Authenticate for StaticKeys {
    fn authenticate(&self, request: &Parts) -> Option<Principal> {
        let value = request.headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, key) = value.split_at_checked("Bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return None;
        }
        self.find(key.trim_ascii()).cloned()
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys")
            .field("len", &self.entries.len())
            .finish_non_exhaustive()
    }
}

impl FromStr for StaticKeys {
    type Err = ParseKeysError;

    /// Reads entries `key:user` or `key:*` between commas. White space around them is ignored;
    /// a key holds no colon.
    ///
    /// # Errors
    /// Where an entry is incomplete, repeats a key or has a user of no usable name. The error tells its position and shows no key.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<(Hash, Principal)> = Vec::new();
        for (index, entry) in list.split(',').enumerate() {
            let position = index + 1;
            let (key, user) = entry
                .split_once(':')
                .map(|(key, user)| (key.trim(), user.trim()))
                .filter(|(key, user)| !key.is_empty() && !user.is_empty())
                .ok_or(ParseKeysError::Incomplete { position })?;
            if user != "*" && identity::name(user).as_deref() != Some(user) {
                return Err(ParseKeysError::UnusableUser { position });
            }
            let hash = blake3::hash(key.as_bytes());
            if entries.iter().any(|(other, _)| *other == hash) {
                return Err(ParseKeysError::Repeated { position });
            }
            let principal = match user {
                "*" => Principal::Application,
                user => Principal::User(user.to_owned()),
            };
            entries.push((hash, principal));
        }
        Ok(Self { entries })
    }
}

/// Why a list of keys could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeysError {
    /// An entry is not a key, a colon and a user.
    #[error("entry {position} of the list of keys is not `key:user` or `key:*`")]
    Incomplete {
        /// Which one, from 1.
        position: usize,
    },
    /// An entry's user has a name that clients send for nobody (such as `null` or `0`), or one
    /// longer than 255 bytes: nothing would be recorded under it.
    #[error("entry {position} of the list of keys has a user name that is not recorded as it is")]
    UnusableUser {
        /// Which one, from 1.
        position: usize,
    },
    /// An entry's key stands further ahead in the list already.
    #[error("entry {position} of the list of keys repeats the key of an earlier one")]
    Repeated {
        /// Which one, from 1.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(keys: &StaticKeys, authorization: &str) -> Option<Principal> {
        let request = http::Request::builder()
            .header(header::AUTHORIZATION, authorization)
            .body(())
            .unwrap();
        keys.authenticate(&request.into_parts().0)
    }

    #[test]
    fn a_key_speaks_for_its_user_and_a_star_for_an_application() {
        let keys: StaticKeys = "k1:alice, k2:*,\n k3:urn:user:bob".parse().unwrap();
        let alice = Some(Principal::User("alice".to_owned()));
        assert_eq!(principal(&keys, "Bearer k1"), alice);
        assert_eq!(principal(&keys, "bearer  k1 "), alice);
        assert_eq!(principal(&keys, "Bearer k2"), Some(Principal::Application));
        let bob = Some(Principal::User("urn:user:bob".to_owned()));
        assert_eq!(principal(&keys, "Bearer k3"), bob);
    }

    #[test]
    fn anything_but_a_whole_key_is_nobody() {
        let keys: StaticKeys = "k1:alice".parse().unwrap();
        for authorization in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer k",
            "Bearer k11",
            "Basic k1",
            "k1",
        ] {
            assert_eq!(principal(&keys, authorization), None, "{authorization}");
        }
        let bare = http::Request::new(()).into_parts().0;
        assert_eq!(keys.authenticate(&bare), None);
    }

    #[test]
    fn an_error_names_the_position_and_debug_the_number_and_neither_a_key() {
        for (list, position) in [
            ("", 1),
            ("sk-secret", 1),
            ("a:b,sk-secret", 2),
            ("a:b,sk-secret:", 2),
            ("a:b,:sk-secret,c:d", 2),
            ("a:b,c:d,", 3),
        ] {
            let error = list.parse::<StaticKeys>().unwrap_err();
            assert_eq!(error, ParseKeysError::Incomplete { position }, "{list}");
            assert!(!error.to_string().contains("secret"));
        }
        let error = "sk-secret:b,sk-secret:c".parse::<StaticKeys>().unwrap_err();
        assert_eq!(error, ParseKeysError::Repeated { position: 2 });
        assert!(!error.to_string().contains("secret"));
        let error = "a:b,sk-secret:null".parse::<StaticKeys>().unwrap_err();
        assert_eq!(error, ParseKeysError::UnusableUser { position: 2 });
        let keys: StaticKeys = "sk-secret:b".parse().unwrap();
        assert_eq!(format!("{keys:?}"), "StaticKeys { len: 1, .. }");
    }
}
