//! Days, and the names of the tables that hold them: date arithmetic, no SQL.
//!
//! A day is a day of UTC. A row belongs to the day of its `created_at`, in every process and for ever.

use std::fmt;

use time::{Date, Month};

/// The prefix of the tables of messages.
pub(crate) const MESSAGES: &str = "conversation_histories";
/// The prefix of the tables of failed exchanges.
pub(crate) const ERRORS: &str = "error_conversation_histories";

const MS_PER_DAY: i64 = 86_400_000;
const MS_PER_HOUR: i64 = 3_600_000;
/// The Julian day number of 1970-01-01.
const UNIX_EPOCH_JULIAN: i32 = 2_440_588;
/// A window has so many days, or twice so many of the second.
#[cfg(feature = "postgres")]
const NEAR: i32 = 8;
#[cfg(feature = "postgres")]
const FAR: i32 = 16;
/// Days made ahead of today, so that a database that is slow or away over midnight has its tables.
const DAYS_AHEAD: i32 = 3;

/// A day of UTC between 0001-01-01 and 9999-12-31, which both ends stand for what lies beyond them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

impl Day {
    /// 0001-01-01.
    pub(crate) const MIN: Self = Self(-719_162);
    /// 9999-12-31.
    pub(crate) const MAX: Self = Self(2_932_896);

    /// The day that this time falls on.
    pub(crate) fn from_unix_ms(ms: i64) -> Self {
        let days = ms.div_euclid(MS_PER_DAY);
        let clamped = days.clamp(i64::from(Self::MIN.0), i64::from(Self::MAX.0));
        i32::try_from(clamped).map_or(Self::MAX, Self)
    }

    /// The first millisecond that falls on this day.
    pub(crate) fn start_ms(self) -> i64 {
        if self == Self::MIN {
            i64::MIN
        } else {
            i64::from(self.0) * MS_PER_DAY
        }
    }

    /// The first millisecond that falls on the day after.
    pub(crate) fn end_ms(self) -> i64 {
        if self == Self::MAX {
            i64::MAX
        } else {
            (i64::from(self.0) + 1) * MS_PER_DAY
        }
    }

    /// The day before; the first day stays.
    pub(crate) fn previous(self) -> Self {
        self.plus(-1)
    }

    /// The first and the last of the days that plans are kept for, which the newest of the days from
    /// `first` to this one lie in: all of them, where they lie in the same [`NEAR`] days, or at least
    /// [`FAR`]. Neighbours mostly have the same.
    #[cfg(feature = "postgres")]
    pub(crate) fn window(self, first: Self) -> (Self, Self) {
        let (near, far) = (self.begin_of(NEAR), self.begin_of(FAR));
        match near <= first {
            true => (near, near.plus(NEAR - 1)),
            false => (far.plus(-FAR), far.plus(FAR - 1)),
        }
    }

    /// The first of so many days that this one lies among.
    #[cfg(feature = "postgres")]
    fn begin_of(self, days: i32) -> Self {
        let begin = self.0.div_euclid(days) * days;
        Self(begin.max(Self::MIN.0))
    }

    /// The days from this one to `last`, both included.
    pub(crate) fn through(self, last: Self) -> impl DoubleEndedIterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }

    /// The oldest day that is kept at this time, beside today so many days before it.
    pub(crate) fn oldest_kept(now_ms: i64, retention_days: u32) -> Self {
        let days = i32::try_from(retention_days).unwrap_or(i32::MAX);
        Self::from_unix_ms(now_ms).plus(-days)
    }

    /// The days whose tables are to exist at this time: today and the three to come.
    pub(crate) fn ahead(now_ms: i64) -> impl DoubleEndedIterator<Item = Self> {
        let today = Self::from_unix_ms(now_ms);
        today.through(today.plus(DAYS_AHEAD))
    }

    /// The newest day that ended at least an hour before this time. It and all before it may be closed.
    pub(crate) fn newest_closable(now_ms: i64) -> Self {
        Self::from_unix_ms(now_ms.saturating_sub(MS_PER_HOUR)).previous()
    }

    /// The name of this day's table, such as `conversation_histories_2025_01_15`.
    pub(crate) fn table_name(self, prefix: &str) -> String {
        let (year, month, day) = self.civil();
        format!("{prefix}_{year:04}_{month:02}_{day:02}")
    }

    /// The day of a table with this prefix; `None` where the name is not exactly one of ours.
    pub(crate) fn of_table(prefix: &str, name: &str) -> Option<Self> {
        let date = name.strip_prefix(prefix)?.strip_prefix('_')?;
        Self::parse_separated(date, b'_')
    }

    /// Reads back what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::parse_separated(text, b'-')
    }

    fn parse_separated(text: &str, separator: u8) -> Option<Self> {
        let &[y1, y2, y3, y4, first, m1, m2, second, d1, d2] = text.as_bytes() else {
            return None;
        };
        if first != separator || second != separator {
            return None;
        }
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0i32, |number, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| number * 10 + i32::from(digit - b'0'))
            })
        };
        let year = number(&[y1, y2, y3, y4]).filter(|year| *year > 0)?;
        let month = Month::try_from(u8::try_from(number(&[m1, m2])?).ok()?).ok()?;
        let day = u8::try_from(number(&[d1, d2])?).ok()?;
        let date = Date::from_calendar_date(year, month, day).ok()?;
        Some(Self(date.to_julian_day() - UNIX_EPOCH_JULIAN))
    }

    fn plus(self, days: i32) -> Self {
        let day = self.0.saturating_add(days);
        Self(day.clamp(Self::MIN.0, Self::MAX.0))
    }

    fn civil(self) -> (i32, u8, u8) {
        let date = Date::from_julian_day(self.0 + UNIX_EPOCH_JULIAN).unwrap_or(Date::MAX);
        (date.year(), u8::from(date.month()), date.day())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn a_table_is_named_after_its_day() {
        let january = Day::from_unix_ms(1_736_899_200_000);
        assert_eq!(
            january.table_name(MESSAGES),
            "conversation_histories_2025_01_15"
        );
        assert_eq!(january.to_string(), "2025-01-15");
        assert_eq!(Day::from_unix_ms(-1).to_string(), "1969-12-31");
        assert_eq!(day("2024-03-01").previous().previous(), day("2024-02-28"));
    }

    #[test]
    fn only_our_own_names_are_read_back() {
        for name in [
            "conversation_histories",
            "conversation_histories_template",
            "conversation_histories_2025_1_15",
            "conversation_histories_2025_02_29",
            "conversation_histories_0000_01_01",
            "conversation_histories_2025_01_15_old",
            "conversation_histories_2025-01-15",
            "conversation_histories_+025_01_15",
            "error_conversation_histories_2025_01_15",
        ] {
            assert_eq!(Day::of_table(MESSAGES, name), None, "{name}");
        }
    }

    #[test]
    fn the_ends_are_where_the_calendar_says() {
        assert_eq!(Day::MIN, day("0001-01-01"));
        assert_eq!(Day::MAX, day("9999-12-31"));
        assert_eq!(Day::MIN.previous(), Day::MIN);
        assert_eq!(Day::ahead(i64::MAX).collect::<Vec<_>>(), [Day::MAX]);
        assert_eq!(Day::newest_closable(i64::MIN), Day::MIN);
    }

    #[test]
    fn a_day_may_be_closed_an_hour_after_it_ends() {
        let end = day("2025-01-15").end_ms();
        assert_eq!(
            Day::newest_closable(end + MS_PER_HOUR - 1),
            day("2025-01-14")
        );
        assert_eq!(Day::newest_closable(end + MS_PER_HOUR), day("2025-01-15"));
    }

    #[test]
    fn retention_keeps_today_and_so_many_days_before() {
        let noon = day("2025-01-15").start_ms() + 12 * MS_PER_HOUR;
        assert_eq!(Day::oldest_kept(noon, 0), day("2025-01-15"));
        assert_eq!(Day::oldest_kept(noon, 15), day("2024-12-31"));
        assert_eq!(Day::oldest_kept(noon, u32::MAX), Day::MIN);
    }

    #[test]
    fn today_and_three_more_are_made_ahead() {
        let days: Vec<String> = Day::ahead(day("2024-12-30").start_ms())
            .map(|day| day.to_string())
            .collect();
        assert_eq!(
            days,
            ["2024-12-30", "2024-12-31", "2025-01-01", "2025-01-02"]
        );
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn few_windows_have_the_newest_of_any_days() {
        let days: Vec<Day> = day("2025-01-01").through(day("2025-12-31")).collect();
        let mut windows = std::collections::BTreeSet::new();
        for last in &days {
            for length in [0, 1, 5, 20, 300] {
                let begin = last.plus(-length);
                let (first, end) = last.window(begin);
                let reaches = begin.max(last.plus(-FAR));
                assert!(first <= reaches && *last <= end, "{begin} {last}");
                windows.insert((first, end));
            }
        }
        assert!(windows.len() <= 72, "{windows:?}");
        assert_eq!(Day::MIN.window(Day::MIN).0, Day::MIN);
        assert_eq!(Day::MAX.window(Day::MIN).1, Day::MAX);
    }

    proptest! {
        #[test]
        fn every_time_lies_in_its_day(ms in any::<i64>().prop_filter("exclusive", |ms| *ms < i64::MAX)) {
            let day = Day::from_unix_ms(ms);
            prop_assert!(day.start_ms() <= ms && ms < day.end_ms());
        }

        #[test]
        fn names_and_texts_are_read_back(number in Day::MIN.0..=Day::MAX.0) {
            let day = Day(number);
            prop_assert_eq!(Day::of_table(ERRORS, &day.table_name(ERRORS)), Some(day));
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
            prop_assert_eq!(Day::from_unix_ms(day.start_ms()), day);
            prop_assert!(day == Day::MIN || day.previous().to_string() < day.to_string());
        }

        #[test]
        fn no_name_panics(name in ".*") {
            let _ = Day::of_table(MESSAGES, &format!("{MESSAGES}_{name}"));
        }
    }
}
