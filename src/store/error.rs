//! Why a store could not do what it was asked.

/// Why a store could not do what it was asked. Its text never holds content or a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is away, busy or restarting: the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused the rows themselves: the same call fails again.
    #[error("the database refused the rows: {0}")]
    Refused(String),
    /// This store does not do that.
    #[error("this store does not support {0}")]
    Unsupported(&'static str),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
