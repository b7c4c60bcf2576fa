//! Times as MySQL's DATETIME(3), in UTC whatever the server's time zone is.

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    mysql::{
        Mysql, MysqlValue,
        data_types::{MysqlTime, MysqlTimestampType},
    },
    serialize::{self, Output, ToSql},
    sql_types::{Date, Datetime},
};
use time::{Month, OffsetDateTime};

use crate::{partition::Day, store::UnixMillis};

const NANOS_PER_MS: i128 = 1_000_000;
const MICROS_PER_MS: u32 = 1_000;
/// 0001-01-01 and the last millisecond of 9999-12-31: MySQL knows no time beyond them.
const FIRST_MS: UnixMillis = -62_135_596_800_000;
const LAST_MS: UnixMillis = 253_402_300_799_999;

/// A time in milliseconds since 1970 UTC. What lies beyond MySQL's calendar is stored as its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, FromSqlRow)]
#[diesel(sql_type = Datetime)]
pub(super) struct Millis(pub(super) UnixMillis);

impl ToSql<Datetime, Mysql> for Millis {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
        let nanos = i128::from(self.0.clamp(FIRST_MS, LAST_MS)) * NANOS_PER_MS;
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos)?;
        let time = MysqlTime::new(
            at.year().unsigned_abs(),
            u8::from(at.month()).into(),
            at.day().into(),
            at.hour().into(),
            at.minute().into(),
            at.second().into(),
            (u32::from(at.millisecond()) * MICROS_PER_MS).into(),
            false,
            MysqlTimestampType::MYSQL_TIMESTAMP_DATETIME,
            0,
        );
        ToSql::<Datetime, Mysql>::to_sql(&time, &mut out.reborrow())
    }
}

impl FromSql<Datetime, Mysql> for Millis {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        let stored = <MysqlTime as FromSql<Datetime, Mysql>>::from_sql(value)?;
        let at = date(&stored)?.with_hms_micro(
            u8::try_from(stored.hour)?,
            u8::try_from(stored.minute)?,
            u8::try_from(stored.second)?,
            u32::try_from(stored.second_part)?,
        )?;
        let ms = at
            .assume_utc()
            .unix_timestamp_nanos()
            .div_euclid(NANOS_PER_MS);
        Ok(Self(i64::try_from(ms)?))
    }
}

impl FromSql<Date, Mysql> for Day {
    fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
        let stored = <MysqlTime as FromSql<Date, Mysql>>::from_sql(value)?;
        let midnight = date(&stored)?.midnight().assume_utc();
        Ok(Self::from_unix_ms(midnight.unix_timestamp() * 1_000))
    }
}

fn date(stored: &MysqlTime) -> deserialize::Result<time::Date> {
    let month = Month::try_from(u8::try_from(stored.month)?)?;
    let (year, day) = (i32::try_from(stored.year)?, u8::try_from(stored.day)?);
    Ok(time::Date::from_calendar_date(year, month, day)?)
}
