//! What every database does the same: each fact is written once and tested on all of them.
//!
//! A test is a function over a [`Database`], named in the list below; what only one database does
//! is tested beside its store.

pub(crate) mod databases;
mod days;
mod deletion;
mod erasure;
mod lists;
mod mode;
mod reads;
mod recall;
mod replica;
mod retention;
mod retold;
mod search;
pub(super) mod rows;
mod stats;
mod tables;
mod together;
pub(super) mod truth;
pub(super) mod writes;

/// What a test needs of a database: a fresh one, stores over it, and what another program sees.
pub(crate) trait Database: Sized + Send + Sync + 'static {
    type Store: super::Store + super::replica::Replicable;

    /// A number that changes when a table, a view or an index comes or goes.
    const SCHEMA: &str;
    /// Has the database look at what stands in the messages of 2025-01-15.
    const ANALYZE: &str;
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

    /// Bytes in SQL.
    fn bytes(hex: &str) -> String {
        format!("x'{hex}'")
    }

    /// An id in SQL.
    fn id(id: crate::id::Id) -> String {
        Self::bytes(&id.to_string().replace('-', ""))
    }

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

    fn store_in(&self, daily: bool) -> Self::Store {
        if daily {
            self.store()
        } else {
            self.single_table_store()
        }
    }

    /// Adds a row to `response_ids`, seen at this time.
    async fn add_response_id(&self, seen_at: super::UnixMillis);

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
        pages_before_an_id_make_the_whole_conversation,
        a_page_ends_where_its_text_gets_long,
    }
    lists "multi_thread" {
        a_user_sees_what_was_last_active_first,
        a_user_sees_the_same_from_a_single_table,
        a_name_finds_every_user_who_uses_it,
        pages_by_place_make_the_whole_list,
        a_place_stays_where_its_conversation_stood,
        the_order_is_right_whatever_has_been_counted,
        one_that_was_made_by_hand_is_as_new_as_its_rows,
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
    search "current_thread" {
        a_text_is_found_on_its_day_newest_first,
    }
    stats "current_thread" {
        stats_are_what_the_rows_say,
        stats_of_a_range_that_ends_before_it_begins_are_empty,
        sums_stop_at_the_largest_number,
    }
    recall "current_thread" {
        hashes_are_found_in_every_conversation_newest_day_first,
        what_was_stored_lately_is_not_looked_for_in_older_days,
        many_hashes_may_be_asked_for_at_once,
        a_head_is_the_newest_message_with_a_hash,
        what_was_asked_last_is_known_where_its_answer_is_not_whole,
        responses_are_found_while_their_answers_stand_there,
        once_a_client_sends_its_history_it_stays_so,
        the_secret_is_the_same_in_every_process,
    }
    replica "current_thread" {
        rows_are_read_from_the_replica_and_the_primary_says_what_there_is,
        nothing_is_ever_written_to_the_replica,
        what_was_removed_is_never_read_from_a_replica_that_lags,
        what_was_deleted_is_never_read_from_a_replica_that_lags,
        what_somebody_deleted_by_hand_is_not_read_from_the_replica,
        a_replica_that_cannot_answer_is_done_without,
    }
    tables "multi_thread" {
        of_several_who_make_a_day_at_once_one_does,
        a_made_day_takes_rows_and_is_seen_by_views,
        only_tables_of_rows_are_listed,
        estimates_are_near_what_is_counted,
        dropping_says_what_went_and_with_how_many_rows,
        what_is_left_after_dropping_is_counted_right,
        what_comes_after_its_day_was_dropped_adds_to_its_usage,
        a_writer_makes_a_conversation_again_that_was_dropped,
    }
    deletion "multi_thread" {
        a_conversation_goes_with_all_its_rows_and_no_other,
        what_began_before_does_not_come_back,
        conversations_are_made_and_renamed,
        a_large_conversation_goes_in_parts,
        deleting_while_others_write_leaves_nothing,
    }
    retold "multi_thread" {
        a_history_that_is_sent_again_is_not_stored_again,
        a_history_without_a_name_is_not_stored_under_another,
        what_a_deleted_conversation_would_have_held_does_not_come_back,
    }
    erasure "multi_thread" {
        a_user_goes_from_every_table_with_exact_counts,
        who_is_named_like_an_address_deletes_only_his_own,
        what_a_user_said_elsewhere_goes_too,
        a_conversation_is_as_new_as_what_is_left_of_it,
        a_conversation_made_by_hand_begins_behind_the_erasure_of_its_user,
    }
    retention "multi_thread" {
        so_many_days_are_kept_and_the_rest_goes,
        without_retention_all_is_kept,
        usage_has_a_cutoff_of_its_own,
        rejects_and_response_ids_go_with_their_days,
        a_day_of_many_rows_leaves_a_single_table,
        several_processes_drop_while_others_write,
    }
    mode "multi_thread" {
        every_row_is_found_in_both_modes,
        setting_the_mode_that_is_changes_nothing,
        a_new_database_may_change_its_mode,
        the_same_schema_comes_back,
        retention_goes_on_in_the_other_mode,
        writers_follow_without_a_row_lost_or_twice,
    }
    together "multi_thread" {
        two_stores_write_one_database_at_once,
        stores_that_send_the_same_rows_meet_without_a_deadlock,
        closing_while_late_rows_come_loses_none,
    }
}
