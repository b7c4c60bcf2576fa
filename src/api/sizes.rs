//! How large the days are: asked of the store seldom, and told in few numbers.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    history::exchange_now,
    partition::{Day, ERRORS, MESSAGES},
    store::{Partition, Store},
};

/// A store that takes longer is not waited for: the other metrics are told without it.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// However many ask, the store is asked no more often.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// So many of the newest days are told one by one, so that old ones do not become more and more. Those
/// made ahead, of which there are few, are told beside them.
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
    /// The sizes; the last ones where the store does not answer, and none where it never did.
    pub(super) async fn read(&self, store: &dyn Store) -> Vec<DaySize> {
        let mut last = self.0.lock().await;
        if let Some((asked, sizes)) = &*last
            && asked.elapsed() < KEPT_FOR
        {
            return sizes.clone();
        }
        let answer = timeout(ANSWER_WITHIN, store.estimated_partitions()).await;
        let sizes = match answer {
            Ok(Ok(partitions)) => by_day(&partitions, Day::from_unix_ms(exchange_now().unix_ms())),
            _ => last.take().map_or_else(Vec::new, |(_, sizes)| sizes),
        };
        *last = Some((Instant::now(), sizes.clone()));
        sizes
    }
}

/// The newest days of each table, and the older ones together.
fn by_day(partitions: &[Partition], today: Day) -> Vec<DaySize> {
    let mut sizes = Vec::new();
    for table in [MESSAGES, ERRORS] {
        let day = |partition: &Partition| match partition.table == table {
            true => Some(None),
            false => Day::of_table(table, &partition.table).map(Some),
        };
        // By day, since a store of your own may list them otherwise.
        let of_table: BTreeMap<Option<Day>, &Partition> = partitions
            .iter()
            .filter_map(|partition| Some((day(partition)?, partition)))
            .collect();
        let older = of_table.range(..=Some(today)).count();
        let older = older.saturating_sub(DAYS);
        let mut together = DaySize {
            table,
            day: "older".to_owned(),
            rows: 0,
            bytes: None,
        };
        for partition in of_table.values().take(older) {
            together.rows += partition.rows;
            if let Some(bytes) = partition.bytes {
                together.bytes = Some(together.bytes.unwrap_or(0) + bytes);
            }
        }
        if older > 0 {
            sizes.push(together);
        }
        sizes.extend(of_table.iter().skip(older).map(|(day, partition)| DaySize {
            table,
            day: day.map_or_else(|| "all".to_owned(), |day| day.to_string()),
            rows: partition.rows,
            bytes: partition.bytes,
        }));
    }
    sizes
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;
    use crate::store::{ExchangeRows, StoreError, StoreFuture};

    const FIRST_MS: i64 = 1_763_689_281_000;

    fn day(number: i64) -> Day {
        Day::from_unix_ms(FIRST_MS + number * 86_400_000)
    }

    fn days(prefix: &str, count: i64) -> Vec<Partition> {
        let of_day = |number: i64| Partition {
            table: day(number).table_name(prefix),
            day: Some(day(number).to_string()),
            rows: number,
            bytes: Some(10 * number),
        };
        (0..count).map(of_day).collect()
    }

    #[test]
    fn however_many_days_there_are_few_are_told_one_by_one_and_none_is_left_out() {
        let partitions: Vec<_> = [days(MESSAGES, 1000), days(ERRORS, 3)].concat();
        let sizes = by_day(&partitions, day(999));
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
    fn days_made_ahead_take_no_place_of_those_before() {
        let sizes = by_day(&days(MESSAGES, 20), day(16));
        let told: Vec<_> = sizes.iter().map(|size| size.day.clone()).collect();
        let one_by_one = (3..20).map(|number| day(number).to_string());
        let expected = [vec!["older".to_owned()], one_by_one.collect()].concat();
        assert_eq!(told, expected);
        assert_eq!(sizes[0].rows, 1 + 2);
    }

    #[test]
    fn a_day_whose_bytes_are_not_known_takes_nothing_from_the_sum_of_the_others() {
        let mut partitions = days(MESSAGES, 20);
        partitions[3].bytes = None;
        let sizes = by_day(&partitions, day(19));
        assert_eq!(sizes[0].bytes, Some(10 * (1 + 2 + 4 + 5)));
        for partition in &mut partitions {
            partition.bytes = None;
        }
        assert_eq!(by_day(&partitions, day(19))[0].bytes, None);
    }

    #[test]
    fn a_single_table_is_told_as_all_days() {
        let single = |table: &str| Partition {
            table: table.to_owned(),
            rows: 7,
            ..Partition::default()
        };
        let sizes = by_day(&[single(MESSAGES), single(ERRORS)], day(0));
        let told: Vec<_> = sizes.iter().map(|size| (size.table, &*size.day)).collect();
        assert_eq!(told, [(MESSAGES, "all"), (ERRORS, "all")]);
    }

    /// Tells of three days, until it hangs.
    #[derive(Debug, Default)]
    struct Hanging(AtomicBool);

    impl Store for Hanging {
        fn write<'a>(&'a self, _: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn estimated_partitions(&self) -> StoreFuture<'_, Vec<Partition>> {
            Box::pin(async {
                if self.0.load(SeqCst) {
                    std::future::pending::<Result<(), StoreError>>().await?;
                }
                Ok(days(MESSAGES, 3))
            })
        }
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_leaves_what_it_said_last() {
        let (store, sizes) = (Hanging::default(), Sizes::default());
        let told = sizes.read(&store).await;
        assert_eq!(told.len(), 3);
        store.0.store(true, SeqCst);
        let long_ago = Instant::now().checked_sub(KEPT_FOR).unwrap();
        sizes.0.lock().await.as_mut().unwrap().0 = long_ago;
        assert_eq!(sizes.read(&store).await, told);
        // It was asked, and is not asked again at once.
        let (asked, _) = sizes.0.lock().await.clone().unwrap();
        assert!(asked > long_ago + KEPT_FOR);
        assert_eq!(sizes.read(&store).await, told);
    }
}
