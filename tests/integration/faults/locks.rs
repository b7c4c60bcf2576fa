//! Rows that somebody else holds while the recorder wants to change them.

use tokio::join;

use super::{
    audit::assert_stored,
    backend::{Backend, Session, mariadb, postgres, sqlite},
    clock::{DAY, Moved, NOON},
    process::{Process, is_quiet},
    traffic::{Traffic, eventually},
};

on_each!([postgres, mariadb] a_provoked_deadlock_surfaces_nowhere);
async fn a_provoked_deadlock_surfaces_nowhere<B: Deadlocking>() {
    let place = B::new().await;
    let mut recorder = recorder_of_two_talks(&place).await;
    let ids = format!("SELECT {} AS value FROM conversations ORDER BY id", B::ID);
    let ids = place.texts(&ids).await;
    let before = place.number(B::DEADLOCKS).await;
    let mut holder = place.session().await;
    B::begin_as_survivor(&mut holder).await;
    Session::execute(&mut holder, &B::touch(&ids[1])).await;
    // The recorder has the first, and wants the second.
    speak_on_the_next_day(&mut recorder).await;
    eventually("the recorder waits", async || {
        place.number(B::WAITING).await == 1
    })
    .await;
    Session::execute(&mut holder, &B::touch(&ids[0])).await;
    Session::execute(&mut holder, "COMMIT").await;
    assert_all_stored_without_a_word(&place, recorder).await;
    let happened = async || place.number(B::DEADLOCKS).await > before;
    eventually("no deadlock", happened).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_surfaces_nowhere() {
    let place = postgres::Place::new().await;
    let mut recorder = recorder_of_two_talks(&place).await;
    place.execute(FAIL_ONCE).await;
    speak_on_the_next_day(&mut recorder).await;
    assert_all_stored_without_a_word(&place, recorder).await;
    assert!(place.number("SELECT last_value FROM tries").await > 1);
}

/// A sequence counts on, whatever becomes of its transaction.
const FAIL_ONCE: &str = "CREATE SEQUENCE tries; \
     CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     IF nextval('tries') = 1 THEN \
     RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure'; \
     END IF; RETURN NEW; END $$; \
     CREATE TRIGGER fail_once BEFORE INSERT ON conversation_histories \
     FOR EACH ROW EXECUTE FUNCTION fail_once()";

/// Two conversations that are stored, and that the recorder has to change on another day.
async fn recorder_of_two_talks(place: &impl Backend) -> Process {
    let mut recorder = Process::start(&place.dsn()).await;
    recorder.begin_at_noon().await;
    recorder.ask("say a question-a").await;
    recorder.ask("say b question-b").await;
    recorder.ask("flush").await;
    recorder
}

async fn speak_on_the_next_day(recorder: &mut Process) {
    recorder.tell("day 1").await;
    recorder.ask("say a later-a").await;
    recorder.ask("say b later-b").await;
    recorder.tell("flush").await;
}

async fn assert_all_stored_without_a_word(place: &impl Backend, mut recorder: Process) {
    assert_eq!(recorder.answer().await, "flushed");
    let log = recorder.end().await;
    assert!(is_quiet(&log), "{log}");
    let said = ["question-a", "question-b", "later-a", "later-b"].map(str::to_owned);
    assert_stored(place, &said).await;
}

/// A database that ends deadlocks.
trait Deadlocking: Backend {
    /// How many it has ended.
    const DEADLOCKS: &'static str;
    /// How many sessions wait for a row.
    const WAITING: &'static str;

    /// A conversation's id, as text.
    const ID: &'static str;

    /// Locks the one conversation with this id.
    fn touch(id: &str) -> String;

    /// Begins a transaction that is not the one to be ended.
    async fn begin_as_survivor(session: &mut Self::Session);
}

impl Deadlocking for postgres::Place {
    const DEADLOCKS: &'static str =
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    const WAITING: &'static str = "SELECT COUNT(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event = 'transactionid'";
    const ID: &'static str = "id";

    fn touch(id: &str) -> String {
        format!("UPDATE conversations SET title = title WHERE id = '{id}'")
    }

    async fn begin_as_survivor(session: &mut Self::Session) {
        // Who looks for deadlocks first is ended.
        let begin = "BEGIN; SET LOCAL deadlock_timeout = '1min'";
        Session::execute(session, begin).await;
    }
}

impl Deadlocking for mariadb::Place {
    const DEADLOCKS: &'static str = "SELECT CAST(variable_value AS SIGNED) \
         FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'";
    // What it shows is renewed only where nobody has looked for 0.1 s.
    const WAITING: &'static str = "SELECT COUNT(*) + SLEEP(0.15) \
         FROM information_schema.innodb_trx AS t \
         JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id \
         WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'";
    const ID: &'static str = "HEX(id)";

    fn touch(id: &str) -> String {
        // A scan of so few rows would lock them all.
        format!(
            "UPDATE conversations FORCE INDEX (PRIMARY) SET title = title WHERE id = UNHEX('{id}')"
        )
    }

    async fn begin_as_survivor(session: &mut Self::Session) {
        // Who has changed less is ended.
        for sql in [
            "CREATE TABLE weight (number INT)",
            "START TRANSACTION",
            "INSERT INTO weight SELECT seq FROM seq_1_to_2000",
        ] {
            session.execute(sql).await;
        }
    }
}

// At once, because each holds its lock for longer than any store waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_held_for_too_long_is_waited_for_again() {
    join!(
        outwaits::<sqlite::Place>("BEGIN IMMEDIATE"),
        outwaits::<postgres::Place>("BEGIN"),
        outwaits::<mariadb::Place>("BEGIN"),
    );
}

async fn outwaits<B: Backend>(begin: &str) {
    let place = B::new().await;
    let clock = Moved::new(&place.dsn());
    let traffic = Traffic::at(&clock);
    for number in 0..2 {
        traffic
            .say(&format!("talk-{number}"), &format!("first {number}"))
            .await;
    }
    traffic.flush().await;
    // A conversation changes when it goes on on another day.
    clock.set(NOON + DAY);
    let mut holder = place.session().await;
    Session::execute(&mut holder, begin).await;
    Session::execute(&mut holder, "UPDATE conversations SET title = 'held'").await;
    traffic.say_all("talk", 20, 2).await;
    traffic.until(|now| now.retries > 0).await;
    Session::execute(&mut holder, "COMMIT").await;
    assert_stored(&place, &traffic.written().await).await;
}
