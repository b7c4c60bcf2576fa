//! A change of the mode that is cut off, waited for, or refused.

use std::sync::Arc;

use mysql_async::{Conn, prelude::Queryable};

use super::*;
use crate::{
    partition::{Day, ERRORS, MESSAGES},
    store::{
        mysql::{
            chunks::{self, Rows},
            days,
            error::Answer,
            layout::Mode,
            moving, read,
            session::Session,
        },
        tests::truth::{Truth, talk},
    },
};

/// The last step of a process that was ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Begun,
    CopiedInPart,
    Copied,
    Switched,
    DroppedInPart,
}

use Step::{Begun, Copied, CopiedInPart, DroppedInPart, Switched};

async fn until(session: &mut Session, wanted: Mode, last: Step) -> Answer<()> {
    let connection = &mut session.connection;
    moving::begin(connection, wanted).await?;
    match (last, wanted) {
        (Begun, _) => return Ok(()),
        (CopiedInPart, Mode::Daily) => {
            let day = Day::from_unix_ms(NOON);
            for prefix in [MESSAGES, ERRORS] {
                days::create(connection, prefix, &day.table_name(prefix)).await?;
            }
            let rows = Rows::new(Mode::Single, MESSAGES, day);
            chunks::copy(connection, &rows, &day.table_name(MESSAGES)).await?;
            return Ok(());
        }
        (CopiedInPart, Mode::Single) => {
            let table = "recording_copied_conversation_histories";
            days::create(connection, MESSAGES, table).await?;
            let rows = Rows::new(Mode::Daily, MESSAGES, Day::from_unix_ms(NOON));
            chunks::copy(connection, &rows, table).await?;
            return Ok(());
        }
        _ => moving::copy(connection, wanted).await?,
    }
    if matches!(last, Switched | DroppedInPart) {
        moving::switch(connection, wanted).await?;
    }
    Ok(())
}

/// No note is left, and no table of the other mode.
async fn assert_tidy(database: &Database, daily: bool) {
    let notes = "SELECT count(*) FROM recording_meta WHERE `key` = 'partition_move'";
    assert_eq!(database.number(notes).await, 0);
    let tables = |pattern| {
        format!(
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_type = 'BASE TABLE' AND table_name REGEXP '{pattern}'"
        )
    };
    let of_days = tables("conversation_histories_[0-9_]+$");
    let single = tables("^(recording_copied_)?(error_)?conversation_histories$");
    assert_eq!(database.number(&of_days).await > 0, daily);
    assert_eq!(database.number(&single).await, if daily { 0 } else { 2 });
    let is_daily =
        "SELECT count(*) FROM recording_meta WHERE `key` = 'partition' AND value = 'daily'";
    assert_eq!(database.number(is_daily).await, i64::from(daily));
}

#[tokio::test]
async fn a_change_that_is_cut_off_anywhere_loses_and_doubles_nothing() {
    for (daily, last) in [true, false].into_iter().flat_map(|daily| {
        [Begun, CopiedInPart, Copied, Switched, DroppedInPart].map(|last| (daily, last))
    }) {
        let database = Database::new().await;
        let store = database.store_in(daily);
        let other = database.store_in(daily);
        let mut truth = Truth::new(talk(30, -1..1, 20));
        store.write(truth.rows()).await.unwrap();
        store.maintain(NOON + HOUR).await.unwrap();
        truth.assert(&other, "before").await;
        let wanted = if daily { Mode::Single } else { Mode::Daily };
        store
            .change(move |session| Box::pin(until(session, wanted, last)))
            .await
            .unwrap();
        drop(store);
        if last == DroppedInPart {
            let table = match wanted {
                Mode::Daily => "conversation_histories",
                Mode::Single => "conversation_histories_2025_01_15",
            };
            database.execute(&format!("DROP TABLE {table}")).await;
        }
        let when = format!("{daily} {last:?}");
        truth.assert(&other, &when).await;
        let is_moved = matches!(last, Switched | DroppedInPart);
        if is_moved {
            other.prepare(NOON).await.unwrap();
        }
        // On days that there are, and on others.
        for more in [talk(31, -1..1, 5), talk(32, -2..2, 5)] {
            other.write(&more).await.unwrap();
            truth.write(more);
        }
        assert_tidy(&database, daily != is_moved).await;
        truth.assert(&other, &when).await;
        truth.assert(&database.store(), &when).await;
        let rows: usize = truth.rows().iter().map(|rows| rows.messages.len()).sum();
        let viewed = "SELECT count(*) FROM conversation_messages";
        assert_eq!(database.number(viewed).await, rows as i64, "{when}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_waits_for_whoever_moves_rows_and_follows_him() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let mover = Conn::from_url(database.dsn()).await.unwrap();
    let mover = hold_upkeep(mover).await;
    store
        .change(|session| Box::pin(until(session, Mode::Single, Copied)))
        .await
        .unwrap();
    let writer = tokio::spawn(async move {
        store.write(&[exchange("s", NOON + 1)]).await.unwrap();
        store
    });
    let waiting = "SELECT count(*) FROM information_schema.processlist \
         WHERE db = DATABASE() AND state = 'User lock'";
    while database.number(waiting).await == 0 {
        assert!(!writer.is_finished());
    }
    // It ends without having come to the switch.
    mover.disconnect().await.unwrap();
    let store = writer.await.unwrap();
    assert_eq!(count_of(&store, "s").await, 4);
    assert_tidy(&database, true).await;
}

/// What a process does that is at it.
async fn hold_upkeep(mut connection: Conn) -> Conn {
    let held: Option<i64> = connection
        .query_first(
            "SELECT GET_LOCK(CONCAT('recording.upkeep.', LEFT(SHA2(DATABASE(), 256), 32)), 0)",
        )
        .await
        .unwrap();
    assert_eq!(held, Some(1));
    connection
}

#[tokio::test]
async fn rows_that_belong_to_nothing_are_not_lost_by_a_change() {
    for orphan in [
        "DELETE FROM conversations",
        "DELETE FROM recording_days WHERE day = '2025-01-15'",
    ] {
        let database = Database::new().await;
        let store = database.single_table_store();
        store.write(&[exchange("s", NOON)]).await.unwrap();
        database.execute(orphan).await;
        let error = store.set_daily_partition(true).await.unwrap_err();
        assert!(error.to_string().contains("cannot be moved"), "{error}");
        assert_tidy(&database, false).await;
        let rows = "SELECT count(*) FROM conversation_histories";
        assert_eq!(database.number(rows).await, 2);
        store.write(&[exchange("s", NOON + 1)]).await.unwrap();
        assert_eq!(database.number(rows).await, 4);
    }
}

#[tokio::test]
async fn tables_of_somebody_else_stop_a_change_and_stay() {
    for (daily, table) in [
        (true, "conversation_histories_1999_12_31"),
        (true, "recording_copied_conversation_histories"),
        (true, "conversation_histories"),
        (false, "conversation_histories_1999_12_31"),
        (false, "recording_copied_conversation_histories"),
    ] {
        let database = Database::new().await;
        database.store_in(daily).prepare(NOON).await.unwrap();
        if daily {
            database
                .execute(&format!("DROP VIEW IF EXISTS {table}"))
                .await;
        }
        let sql = format!("CREATE TABLE {table} AS SELECT 1 AS x");
        database.execute(&sql).await;
        let store = database.store();
        let error = store.set_daily_partition(!daily).await.unwrap_err();
        assert!(error.to_string().contains("in the way"), "{error}");
        let rows = format!("SELECT count(*) FROM {table}");
        assert_eq!(database.number(&rows).await, 1);
        store.write(&[exchange("s", NOON)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_dropped_yet_keeps_nobody_from_writing() {
    let database = Database::new().await;
    let store = database.store();
    store.write(&[exchange("s", NOON)]).await.unwrap();
    let reader = read_on(&database, "conversation_histories_2025_01_15").await;
    store.set_daily_partition(false).await.unwrap();
    let other = database.store();
    for days in [0, 9] {
        let rows = exchange("s", NOON + days * DAY);
        other.write(&[rows]).await.unwrap();
    }
    assert_eq!(count_of(&other, "s").await, 6);
    let error = other.set_daily_partition(true).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    reader.disconnect().await.unwrap();
    other.maintain(NOON).await.unwrap();
    assert_tidy(&database, false).await;
    assert_eq!(count_of(&store, "s").await, 6);
}

#[tokio::test]
async fn a_copy_that_was_cut_off_and_cannot_be_dropped_yet_keeps_nobody_from_writing() {
    for (daily, copy) in [
        (true, "recording_copied_conversation_histories"),
        (false, "conversation_histories_2025_01_15"),
    ] {
        let database = Database::new().await;
        let store = database.store_in(daily);
        store.write(&[exchange("s", NOON)]).await.unwrap();
        let wanted = if daily { Mode::Single } else { Mode::Daily };
        store
            .change(move |session| Box::pin(until(session, wanted, CopiedInPart)))
            .await
            .unwrap();
        let reader = read_on(&database, copy).await;
        let other = database.store();
        for days in [0, 9] {
            let rows = exchange("s", NOON + days * DAY);
            other.write(&[rows]).await.unwrap();
        }
        assert_eq!(count_of(&other, "s").await, 6);
        reader.disconnect().await.unwrap();
        other.maintain(NOON).await.unwrap();
        assert_tidy(&database, daily).await;
        assert_eq!(count_of(&store, "s").await, 6);
    }
}

/// Somebody whose transaction has read this table and does not end.
async fn read_on(database: &Database, table: &str) -> Conn {
    let mut reader = Conn::from_url(database.dsn()).await.unwrap();
    reader.query_drop("START TRANSACTION").await.unwrap();
    let read = format!("SELECT * FROM {table} LIMIT 1");
    reader.query_drop(read).await.unwrap();
    reader
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_move_overtakes_is_done_again() {
    for daily in [true, false] {
        let database = Database::new().await;
        let store = database.store_in(daily);
        let rows = exchange("s", NOON);
        store.write(std::slice::from_ref(&rows)).await.unwrap();
        let wanted = if daily { Mode::Single } else { Mode::Daily };
        let mover = Arc::new(database.store_in(daily));
        mover
            .change(move |session| {
                Box::pin(async move {
                    until(session, wanted, Begun).await?;
                    let day = Day::from_unix_ms(NOON);
                    for prefix in [MESSAGES, ERRORS].into_iter().filter(|_| !daily) {
                        let table = day.table_name(prefix);
                        days::create(&mut session.connection, prefix, &table).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
        let mut mover = Some(mover);
        let id = rows.conversation.id;
        let page = store.read(move |session, mode| {
            let mover = mover.take();
            Box::pin(async move {
                if let Some(mover) = mover {
                    let moved = mover.change(move |session| {
                        Box::pin(async move {
                            moving::copy(&mut session.connection, wanted).await?;
                            moving::switch(&mut session.connection, wanted).await?;
                            moving::tidy(&mut session.connection).await
                        })
                    });
                    moved.await.unwrap();
                }
                read::messages(&mut session.connection, mode, id, None, 5).await
            })
        });
        assert_eq!(page.await.unwrap().data.len(), 2, "{daily}");
    }
}
