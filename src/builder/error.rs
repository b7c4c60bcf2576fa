//! Why a layer could not be built.

use std::{fmt, io};

use crate::store::DsnError;

/// Why a layer could not be built. Its text never shows a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The DSN is no good.
    #[error("the DSN is not usable")]
    Dsn(#[from] DsnError),
    /// The DSN in a variable of the environment is no good.
    #[error("the DSN in the environment variable {name} is not usable")]
    VariableDsn {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: DsnError,
    },
    /// The DSN of the replica is no good.
    #[error("the replica's DSN in {name} is not usable")]
    ReplicaDsn {
        /// The variable of the environment, or the builder's method.
        name: &'static str,
        /// Why.
        #[source]
        source: DsnError,
    },
    /// A variable of the environment does not parse.
    #[error("the environment variable {name} must be {expected}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A setting is out of bounds.
    #[error("the setting {setting} must be {expected}")]
    Setting {
        /// The builder's method.
        setting: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The operating system gave no thread.
    #[error("no thread for the recorder")]
    Thread(#[source] io::Error),
}

/// An error with its causes, for a panic's message.
pub(super) struct Report<'a>(pub(super) &'a dyn std::error::Error);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
