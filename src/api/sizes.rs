//! How large the days are: asked of the store seldom, and told in few numbers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{sync::Mutex, time::timeout};

use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{Partition, Store},
};

/// A store that takes longer is not waited for: the other metrics are told without it.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// However many ask, the store is asked no more often.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// So many of the newest days are told one by one, so that old ones do not become more and more.
const DAYS: usize = 14;

/// The size of one day's table, or of all older ones together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DaySize {
    pub(super) table: &'static str,
    /// `2025-01-15`, or `older`, or `all` where days have no tables of their own.
    pub(super) day: String,
    pub(super) rows: i64,
    pub(super) bytes: Option<i64>,
}

/// What the store said when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Sizes(Mutex<Option<(Instant, Vec<DaySize>)>>);

impl Sizes {
    /// The sizes; none where the store does not answer or does not know them.
    pub(super) async fn read(&self, store: &dyn Store) -> Vec<DaySize> {
        let mut last = self.0.lock().await;
        if let Some((asked, sizes)) = &*last
            && asked.elapsed() < KEPT_FOR
        {
            return sizes.clone();
        }
        let answer = timeout(ANSWER_WITHIN, store.estimated_partitions()).await;
        let sizes = match answer {
            Ok(Ok(partitions)) => by_day(&partitions),
            _ => Vec::new(),
        };
        *last = Some((Instant::now(), sizes.clone()));
        sizes
    }
}

/// The newest days of each table, and the older ones together.
fn by_day(partitions: &[Partition]) -> Vec<DaySize> {
    let mut sizes = Vec::new();
    for table in [MESSAGES, ERRORS] {
        let day = |partition: &Partition| match partition.table == table {
            true => Some("all".to_owned()),
            false => Day::of_table(table, &partition.table).map(|day| day.to_string()),
        };
        // By day, since a store of your own may list them otherwise.
        let of_table: BTreeMap<String, &Partition> = partitions
            .iter()
            .filter_map(|partition| Some((day(partition)?, partition)))
            .collect();
        let older = of_table.len().saturating_sub(DAYS);
        let mut together = DaySize {
            table,
            day: "older".to_owned(),
            rows: 0,
            bytes: None,
        };
        for partition in of_table.values().take(older) {
            together.rows += partition.rows;
            together.bytes = partition
                .bytes
                .map(|bytes| together.bytes.unwrap_or(0) + bytes);
        }
        if older > 0 {
            sizes.push(together);
        }
        sizes.extend(of_table.iter().skip(older).map(|(day, partition)| DaySize {
            table,
            day: day.clone(),
            rows: partition.rows,
            bytes: partition.bytes,
        }));
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(prefix: &str, count: i64) -> Vec<Partition> {
        let day = |number: i64| {
            let day = Day::from_unix_ms(1_763_689_281_000 + number * 86_400_000);
            Partition {
                table: day.table_name(prefix),
                day: Some(day.to_string()),
                rows: number,
                bytes: Some(10 * number),
            }
        };
        (0..count).map(day).collect()
    }

    #[test]
    fn however_many_days_there_are_few_are_told_one_by_one_and_none_is_left_out() {
        let partitions: Vec<_> = [days(MESSAGES, 1000), days(ERRORS, 3)].concat();
        let sizes = by_day(&partitions);
        assert_eq!(sizes.len(), DAYS + 1 + 3);
        let rows = |table| {
            let of_table = sizes.iter().filter(move |size| size.table == table);
            of_table.map(|size| size.rows).sum::<i64>()
        };
        assert_eq!((rows(MESSAGES), rows(ERRORS)), (999 * 1000 / 2, 3));
        assert_eq!(
            (&*sizes[0].day, sizes[0].bytes),
            ("older", Some(10 * 985 * 986 / 2))
        );
    }

    #[test]
    fn a_single_table_is_told_as_all_days() {
        let single = |table: &str| Partition {
            table: table.to_owned(),
            rows: 7,
            ..Partition::default()
        };
        let sizes = by_day(&[single(MESSAGES), single(ERRORS)]);
        let told: Vec<_> = sizes.iter().map(|size| (size.table, &*size.day)).collect();
        assert_eq!(told, [(MESSAGES, "all"), (ERRORS, "all")]);
    }
}
