//! Times as PostgreSQL counts them: microseconds since 2000.

use std::time::SystemTime;

const EPOCH_MS: i64 = 946_684_800_000;
const US_PER_MS: i64 = 1000;
/// 4714-11-24 BC, the first that a `TIMESTAMPTZ` holds.
const MIN_US: i64 = -211_813_488_000_000_000;
/// The millisecond before 294277-01-01, the last.
const MAX_US: i64 = 9_223_371_331_199_999_000;

/// From milliseconds since 1970. What no `TIMESTAMPTZ` holds becomes the nearest that it does.
pub(super) fn to_pg(unix_ms: i64) -> i64 {
    unix_ms
        .saturating_sub(EPOCH_MS)
        .saturating_mul(US_PER_MS)
        .clamp(MIN_US, MAX_US)
}

/// Back to milliseconds since 1970.
pub(super) fn from_pg(us: i64) -> i64 {
    us.div_euclid(US_PER_MS) + EPOCH_MS
}

/// The time of this machine, in milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back() {
        for ms in [0, -1, 1_736_942_400_001, EPOCH_MS - 1, 253_402_300_799_999] {
            assert_eq!(from_pg(to_pg(ms)), ms);
        }
        assert_eq!(to_pg(i64::MIN), MIN_US);
        assert_eq!(to_pg(i64::MAX), MAX_US);
    }
}
