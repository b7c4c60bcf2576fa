//! What every database does the same: each fact is written once and tested on all of them.
//!
//! A test is a function over a [`Database`], named in the list below; what only one database does
//! is tested beside its store.

pub(super) mod databases;
mod days;
mod lists;
mod reads;
pub(super) mod rows;
mod together;
pub(super) mod writes;

/// What a test needs of a database: a fresh one, stores over it, and what another program sees.
pub(super) trait Database: Sized + Send + Sync + 'static {
    type Store: super::Store;

    /// A number that changes when a table, a view or an index comes or goes.
    const SCHEMA: &str;
    /// Whether a row of `recording_rejects` holds JSON.
    const HOLDS_JSON: &str;
    /// Whether a row of `conversation_messages` says that it is of a noon of January 2025.
    const AT_NOON: &str;
    /// The table that those of days are made from.
    const TEMPLATE: &str;
    /// Makes the messages of 2025-01-15 refuse the text `hunter2`.
    const REFUSE_HUNTER2: &str;
    /// Days that the view `conversation_histories` shows; `None`: all.
    const VIEWED_DAYS: Option<i64>;

    /// The numbers of columns and of indexes of this table, as SQL.
    fn columns_and_indexes(table: &str) -> [String; 2];

    /// An empty database of the test's own.
    async fn open() -> Self;

    /// A store over it, as another process would have one.
    fn store_with(&self, options: &super::StoreOptions) -> Self::Store;

    fn store(&self) -> Self::Store {
        self.store_with(&super::StoreOptions::default())
    }

    fn single_table_store(&self) -> Self::Store {
        self.store_with(&super::StoreOptions {
            daily_partition: false,
            ..super::StoreOptions::default()
        })
    }

    /// The one number that this query answers with.
    async fn number(&self, sql: &str) -> i64;

    async fn execute(&self, sql: &str);
}

/// Makes a test of each of these for a database. Which runtime a group runs on stands behind its name.
macro_rules! on {
    ($database:ident: $($group:ident $flavor:literal { $($test:ident,)* })*) => {
        $(mod $group {
            use crate::store::tests::{databases::$database::Database, $group as facts};
            $(
                #[tokio::test(flavor = $flavor)]
                async fn $test() {
                    facts::$test::<Database>().await;
                }
            )*
        })*
    };
}

macro_rules! suite {
    ($($facts:tt)*) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            on! { sqlite: $($facts)* }
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            on! { postgres: $($facts)* }
        }
        #[cfg(feature = "mysql")]
        mod mysql {
            on! { mysql: $($facts)* }
        }
    };
}

suite! {
    writes "current_thread" {
        every_column_comes_back_as_it_was_written,
        every_column_comes_back_from_a_single_table,
        one_connection_serves_writer_and_readers,
        the_same_batch_twice_stands_there_once,
        a_batch_across_midnight_lies_in_two_days,
        a_missing_day_is_made_when_its_first_row_comes,
        a_title_is_kept_once_it_is_known,
        an_earlier_row_widens_a_conversation_to_its_day,
        a_rejected_exchange_is_kept_aside_within_bounds,
        a_row_that_the_schema_refuses_is_no_transient_error,
        text_compares_bytes_and_keeps_its_spaces,
        names_of_255_bytes_and_texts_of_a_megabyte_fit_everywhere,
    }
    reads "current_thread" {
        what_was_never_written_is_not_found,
        one_store_serves_several_runtimes_that_come_and_go,
    }
    lists "multi_thread" {
        a_user_sees_what_was_last_active_first,
        a_user_sees_the_same_from_a_single_table,
        a_name_finds_every_user_who_uses_it,
    }
    days "multi_thread" {
        preparing_makes_today_and_three_days_and_nothing_the_second_time,
        the_database_keeps_the_mode_it_was_begun_in,
        views_follow_the_days,
        views_show_the_newest_days,
        closing_is_idempotent_and_a_late_row_is_counted_by_the_next,
        closing_a_single_table_counts_the_same,
        a_call_closes_a_week_at_most_and_the_next_goes_on,
        a_dropped_day_stops_neither_closing_nor_reading,
        a_new_day_follows_a_later_migration,
    }
    together "multi_thread" {
        four_processes_may_start_at_once,
        two_stores_write_one_database_at_once,
        stores_that_send_the_same_rows_meet_without_a_deadlock,
        four_stores_make_the_same_day_at_once,
        closing_while_late_rows_come_loses_none,
    }
}
