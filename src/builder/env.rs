//! The way in from the environment.

use std::{env, time::Duration};

use super::{
    BuildError, RecordingLayerBuilder,
    target::{READ_VARIABLE, Replica, Target},
};
use crate::{layer::RecordingLayer, store::Dsn};

/// The DSN where the environment has none.
const DEFAULT_DSN: &str = "local";

impl RecordingLayer {
    /// As [`builder_from_env`](Self::builder_from_env), built.
    ///
    /// # Errors
    /// Where a variable does not parse (the error names it), and as [`try_new`](Self::try_new).
    pub fn from_env() -> Result<Self, BuildError> {
        Self::builder_from_env()?.build()
    }

    /// Settings from the environment: the DSN from `MES_SQL_DSN`, else `SQL_DSN`, else `local`;
    /// `MES_DAILY_PARTITION`, `MES_RETENTION_DAYS`, `SQL_MAX_IDLE_CONNS`, `SQL_MAX_OPEN_CONNS` and `SQL_MAX_LIFETIME`
    /// (seconds); and `READ_SQL_DSN`, a replica to read from
    /// ([`read_dsn`](RecordingLayerBuilder::read_dsn)). An empty variable counts as not set.
    ///
    /// # Errors
    /// Where a variable does not parse; the error names it.
    pub fn builder_from_env() -> Result<RecordingLayerBuilder, BuildError> {
        let mut builder = Self::builder(DEFAULT_DSN);
        for name in ["MES_SQL_DSN", "SQL_DSN"] {
            if let Some(dsn) = variable(name)? {
                let dsn: Dsn = dsn
                    .parse()
                    .map_err(|source| BuildError::VariableDsn { name, source })?;
                builder.target = Target::Parsed(dsn, name);
                break;
            }
        }
        if let Some(dsn) = variable(READ_VARIABLE)? {
            builder.replica = Some(Ok(Replica::new(&dsn, READ_VARIABLE)?));
        }
        let options = &mut builder.store_options;
        if let Some(daily) = parsed("MES_DAILY_PARTITION", "true or false", truth)? {
            options.daily_partition = daily;
        }
        let number = |text: &str| text.parse().ok();
        if let Some(days) = parsed("MES_RETENTION_DAYS", "a number of days", number)? {
            options.retention_days = Some(days);
        }
        if let Some(most) = parsed("SQL_MAX_IDLE_CONNS", "a number", number)? {
            options.max_idle_conns = most;
        }
        let positive = |text: &str| text.parse().ok().filter(|number| *number > 0);
        if let Some(most) = parsed("SQL_MAX_OPEN_CONNS", "a number above 0", positive)? {
            options.max_open_conns = most;
        }
        let seconds = |text: &str| text.parse().ok().map(Duration::from_secs);
        if let Some(lifetime) = parsed("SQL_MAX_LIFETIME", "a number of seconds", seconds)? {
            options.max_lifetime = (!lifetime.is_zero()).then_some(lifetime);
        }
        Ok(builder)
    }
}

fn variable(name: &'static str) -> Result<Option<String>, BuildError> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(BuildError::Variable {
            name,
            expected: "UTF-8",
        }),
    }
}

fn parsed<T>(
    name: &'static str,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, BuildError> {
    let Some(value) = variable(name)? else {
        return Ok(None);
    };
    match parse(value.trim()) {
        Some(value) => Ok(Some(value)),
        None => Err(BuildError::Variable { name, expected }),
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}
