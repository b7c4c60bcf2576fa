//! Hashes of keys, and whom each speaks for.

use blake3::Hash;

use super::{super::auth::Principal, error::KeyProblem};
use crate::identity;

#[derive(Default)]
pub(super) struct Entries(Vec<(Hash, Principal)>);

impl Entries {
    /// The one key of an application.
    pub(super) fn application(key: &str) -> Self {
        Self(vec![(blake3::hash(key.as_bytes()), Principal::Application)])
    }

    /// Adds `key:user`, or `key:*` for an application.
    pub(super) fn add(&mut self, entry: &str) -> Result<(), KeyProblem> {
        let (key, user) = entry
            .split_once(':')
            .map(|(key, user)| (key.trim(), user.trim()))
            .filter(|(key, user)| !key.is_empty() && !user.is_empty())
            .ok_or(KeyProblem::Incomplete)?;
        if user != "*" && identity::name(user).as_deref() != Some(user) {
            return Err(KeyProblem::UnusableUser);
        }
        let hash = blake3::hash(key.as_bytes());
        if self.0.iter().any(|(other, _)| *other == hash) {
            return Err(KeyProblem::Repeated);
        }
        let principal = match user {
            "*" => Principal::Application,
            user => Principal::User(user.to_owned()),
        };
        self.0.push((hash, principal));
        Ok(())
    }

    /// Whom the key speaks for. It is compared with every entry, and each comparison takes the same time.
    pub(super) fn find(&self, key: &[u8]) -> Option<&Principal> {
        let hash = blake3::hash(key);
        let mut found = None;
        for (entry, principal) in &self.0 {
            if *entry == hash {
                found = Some(principal);
            }
        }
        found
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
