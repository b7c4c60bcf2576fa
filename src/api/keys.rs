//! Keys that stand in a list, or in a file that may be read again.

mod entries;
mod error;
mod file;

use std::{
    fmt,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use http::{header, request::Parts};

use self::entries::Entries;
pub use self::error::{KeyProblem, ParseKeysError, ReadKeysError};
use super::auth::{Authenticate, Principal};

/// API keys from a list such as `key:user,key2:*`, where `*` makes an application's key, or from a
/// file that has one such entry a line.
///
/// Requests carry them as `Authorization: Bearer <key>`. Only the keys' hashes are kept, and a
/// request is compared with all of them in the same time, whichever matches. Clones share their
/// keys, so that one of them can [`reload`](Self::reload) what all of them know.
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
    known: Arc<Known>,
}

struct Known {
    entries: RwLock<Entries>,
    /// Held from the reading of a file until its keys are known, so that what was read last stays.
    reloading: Mutex<()>,
}

impl StaticKeys {
    /// The one key of an application.
    pub fn application(key: &str) -> Self {
        Self::new(Entries::application(key))
    }

    /// The keys in a file of UTF-8: an entry `key:user` or `key:*` a line, and each line with an end. White
    /// space around key and user, a byte order mark, empty lines and lines that begin with `#` are
    /// ignored. Here an entry has no comma, and no comment behind it.
    ///
    /// Write a new file beside the old one and rename it into place: one that is written over may be
    /// read when only half of its lines are there.
    ///
    /// # Errors
    /// Where the file cannot be read, a line is no usable entry, the last one has no end, or there is no
    /// key at all. The error tells file and line and shows no key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ReadKeysError> {
        Ok(Self::new(file::read(path.as_ref())?))
    }

    /// Puts the keys of this file in the place of those that are known, for all clones and all at
    /// once, and says how many there are now. It reads the file on the calling thread, after any other
    /// call that is under way.
    ///
    /// # Errors
    /// Those of [`from_file`](Self::from_file); the keys that were known then stay in force.
    ///
    /// # Examples
    /// On SIGHUP:
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn wait() -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::signal::unix::{SignalKind, signal};
    /// use tower_recording::api::StaticKeys;
    ///
    /// let keys = StaticKeys::from_file("/etc/gateway/keys")?;
    /// let mut hangups = signal(SignalKind::hangup())?;
    /// while hangups.recv().await.is_some() {
    ///     match keys.reload("/etc/gateway/keys") {
    ///         Ok(number) => println!("{number} keys"),
    ///         Err(error) => eprintln!("the keys stay as they were: {error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self, path: impl AsRef<Path>) -> Result<usize, ReadKeysError> {
        let reloading = &self.known.reloading;
        let _reloading = reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file::read(path.as_ref())?;
        let number = read.len();
        let entries = &self.known.entries;
        *entries.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(number)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is no key, so that nobody gets in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whom this key speaks for; `None` where it is in no entry. Every key takes the same time.
    pub fn principal_of(&self, key: &str) -> Option<Principal> {
        self.entries().find(key.as_bytes()).cloned()
    }

    fn new(entries: Entries) -> Self {
        Self {
            known: Arc::new(Known {
                entries: RwLock::new(entries),
                reloading: Mutex::default(),
            }),
        }
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        let entries = self.known.entries.read();
        entries.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authenticate for StaticKeys {
    fn authenticate(&self, request: &Parts) -> Option<Principal> {
        let value = request.headers.get(header::AUTHORIZATION)?.as_bytes();
        let (scheme, key) = value.split_at_checked("Bearer ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return None;
        }
        self.entries().find(key.trim_ascii()).cloned()
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys")
            .field("len", &self.len())
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
        let mut entries = Entries::default();
        for (index, entry) in list.split(',').enumerate() {
            entries.add(entry).map_err(|problem| ParseKeysError {
                position: index + 1,
                problem,
            })?;
        }
        Ok(Self::new(entries))
    }
}

#[cfg(test)]
mod tests;
