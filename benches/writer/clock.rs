//! The times of rows.

use std::time::{SystemTime, UNIX_EPOCH};

use tower_recording::store::UnixMillis;

pub const DAY_MS: UnixMillis = 86_400_000;

/// The time of the rows.
#[derive(Clone, Copy)]
pub enum Clock {
    /// This moment, but not past the day's end, so that a run over midnight has one table.
    Now { last: UnixMillis },
    /// From here on, a millisecond each.
    From(UnixMillis),
}

impl Clock {
    pub fn today() -> Self {
        let now = unix_millis();
        Self::Now {
            last: now - now.rem_euclid(DAY_MS) + DAY_MS - 1,
        }
    }

    pub fn tick(&mut self) -> UnixMillis {
        match self {
            Self::Now { last } => unix_millis().min(*last),
            Self::From(next) => {
                *next += 1;
                *next - 1
            }
        }
    }
}

pub fn unix_millis() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock past 1970").as_millis() as UnixMillis
}
