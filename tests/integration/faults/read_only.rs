//! Databases that may only be read for a while.

use super::{
    audit::assert_stored,
    backend::{Backend, Served, mariadb, postgres, sqlite},
    traffic::{Flow, Traffic, eventually},
    volume::Volume,
};

const ENOUGH: u64 = 50;

/// Recording waits, and the traffic does not.
async fn assert_waits(traffic: &Traffic) {
    let before = traffic.metrics();
    traffic.until(|now| now.retries > before.retries + 1).await;
    let held = traffic.metrics();
    traffic.until_said(ENOUGH).await;
    assert_eq!(traffic.metrics().written, held.written);
}

/// All that was said is stored, once the database can be written to again.
async fn assert_goes_on(traffic: &Traffic, flow: Flow, place: &impl Backend) {
    traffic.until_written(ENOUGH).await;
    flow.stop().await;
    assert_stored(place, &traffic.written().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_becomes_a_standby_and_a_primary_again_is_waited_for() {
    let place = postgres::Place::alone().await;
    let traffic = Traffic::into(&place.dsn());
    let flow = traffic.flow("talk", 2);
    traffic.until_written(ENOUGH).await;
    turn_read_only(&place, "on").await;
    assert_waits(&traffic).await;
    turn_read_only(&place, "off").await;
    assert_goes_on(&traffic, flow, &place).await;
}

/// It takes effect in sessions that are open, too.
async fn turn_read_only(place: &postgres::Place, to: &str) {
    let sql = format!("ALTER SYSTEM SET default_transaction_read_only = {to}");
    place.execute(&sql).await;
    place.execute("SELECT pg_reload_conf()").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_is_read_only_for_a_while_is_waited_for() {
    let place = mariadb::Place::alone().await;
    for sql in [
        "CREATE USER recorder@'%' IDENTIFIED BY 'hunter2'",
        "GRANT ALL ON *.* TO recorder@'%'",
        "REVOKE READ_ONLY ADMIN, SUPER ON *.* FROM recorder@'%'",
    ] {
        place.execute(sql).await;
    }
    let traffic = Traffic::into(&place.dsn().replace("root@", "recorder:hunter2@"));
    let flow = traffic.flow("talk", 2);
    traffic.until_written(ENOUGH).await;
    place.execute("SET GLOBAL read_only = ON").await;
    assert_waits(&traffic).await;
    place.execute("SET GLOBAL read_only = OFF").await;
    assert_goes_on(&traffic, flow, &place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_file_on_a_read_only_volume_is_waited_for() {
    let Some(volume) = Volume::mount(64) else {
        return;
    };
    let place = sqlite::Place::within(volume.path());
    let earlier = Traffic::into(&place.dsn());
    earlier.say_all("earlier", 20, 4).await;
    let mut said = earlier.written().await;
    earlier.end().await;
    // Once the file is closed.
    eventually("no read-only volume", async || volume.make_read_only()).await;
    assert!(std::fs::write(volume.path().join("file"), "text").is_err());
    let traffic = Traffic::into(&place.dsn());
    let flow = traffic.flow("talk", 2);
    traffic.until(|now| now.accepted > ENOUGH).await;
    assert_eq!(traffic.metrics().written, 0);
    volume.make_writable();
    traffic.until_written(ENOUGH).await;
    flow.stop().await;
    said.extend(traffic.written().await);
    assert_stored(&place, &said).await;
}
