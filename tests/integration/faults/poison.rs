//! A row that the database refuses.

use super::{
    audit::assert_stored,
    backend::{Backend, mariadb, postgres, sqlite},
    clock::TODAY,
    process::Process,
    traffic::text,
};

const EXCHANGES: usize = 500;
/// The number of the exchange that is refused, and how it is known.
const POISON: usize = 137;
const MARK: &str = "poison: number 137 ";

on_each!([sqlite, postgres, mariadb] a_row_that_is_refused_is_kept_aside_and_the_others_are_stored);
async fn a_row_that_is_refused_is_kept_aside_and_the_others_are_stored<B: Guarded>() {
    let place = B::new().await;
    let log = record(&place, &[B::guard(B::MESSAGES, "content")]).await;
    assert!(log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert!(!log.contains(MARK), "{log}");
    let kept = "SELECT reason AS value FROM recording_rejects";
    let reasons = place.texts(kept).await;
    assert_eq!(reasons.len(), 1);
    assert!(
        reasons[0].contains("refused") && !reasons[0].contains(MARK),
        "{reasons:?}"
    );
    let payload = format!("SELECT COUNT(*) FROM recording_rejects WHERE payload LIKE '%{MARK}%'");
    assert_eq!(place.number(&payload).await, 1);
}

on_each!([sqlite, postgres, mariadb] what_cannot_even_be_kept_aside_is_logged_without_its_content);
async fn what_cannot_even_be_kept_aside_is_logged_without_its_content<B: Guarded>() {
    let place = B::new().await;
    let guards = [
        B::guard(B::MESSAGES, "content"),
        B::guard("recording_rejects", "payload"),
    ];
    let log = record(&place, &guards).await;
    let line = log.lines().find(|line| line.contains("ERROR"));
    let line = line.unwrap_or_else(|| panic!("no error: {log}"));
    let told = ["exchange_id=", "reason=", "refused"];
    assert!(told.iter().all(|word| line.contains(word)), "{line}");
    assert!(!log.contains(MARK), "{log}");
    assert_eq!(
        place.number("SELECT COUNT(*) FROM recording_rejects").await,
        0
    );
}

on_each!([sqlite, postgres, mariadb] what_another_table_than_ours_lacks_is_waited_for);
async fn what_another_table_than_ours_lacks_is_waited_for<B: Guarded>() {
    let place = B::new().await;
    let mut recorder = begun(&place).await;
    // Somebody's trigger writes into a table that he forgot to make.
    place.execute(&B::audit(B::MESSAGES)).await;
    recorder.ask("say talk 20 2").await;
    recorder.tell("flush").await;
    recorder.until_logged(&["held back"]).await;
    place.execute("CREATE TABLE audit (said TEXT)").await;
    assert_eq!(recorder.answer().await, "flushed");
    assert_eq!(recorder.ask("count").await, "21 written 0 rejected");
    recorder.end().await;
    let mut said: Vec<_> = (0..20).map(|number| text("talk", number)).collect();
    said.push(text("first", 0));
    assert_stored(&place, &said).await;
}

/// A recorder that has made the tables of its day.
async fn begun(place: &impl Backend) -> Process {
    let mut recorder = Process::start(&place.dsn()).await;
    recorder.begin_at_noon().await;
    recorder.ask("say first 1 1").await;
    recorder.ask("flush").await;
    recorder
}

/// Records with these guards in place, and says what was logged.
async fn record(place: &impl Backend, guards: &[String]) -> String {
    let mut recorder = begun(place).await;
    for guard in guards {
        place.execute(guard).await;
    }
    recorder.ask(&format!("say poison {EXCHANGES} 10")).await;
    recorder.ask("flush").await;
    assert_eq!(
        recorder.ask("count").await,
        format!("{EXCHANGES} written 1 rejected")
    );
    let log = recorder.end().await;
    let mut said: Vec<_> = (0..EXCHANGES)
        .map(|number| text("poison", number))
        .collect();
    let poison = said.remove(POISON);
    assert!(poison.starts_with(MARK));
    said.push(text("first", 0));
    assert_stored(place, &said).await;
    log
}

/// A database that refuses what a test marks, and quotes it.
trait Guarded: Backend {
    /// The table that a guard of messages stands at.
    const MESSAGES: &'static str = TODAY;

    /// Refuses rows of this table whose column bears the mark.
    fn guard(table: &str, column: &str) -> String;

    /// Copies what is said in this table into another, `audit`.
    fn audit(table: &str) -> String;
}

impl Guarded for sqlite::Place {
    fn guard(table: &str, column: &str) -> String {
        format!(
            "CREATE TRIGGER guard_{column} BEFORE INSERT ON {table} \
             WHEN NEW.{column} LIKE '%{MARK}%' \
             BEGIN SELECT RAISE(ABORT, 'refused: ' || NEW.{column}); END"
        )
    }

    fn audit(table: &str) -> String {
        format!(
            "CREATE TRIGGER audit AFTER INSERT ON {table} \
             BEGIN INSERT INTO audit VALUES (NEW.content); END"
        )
    }
}

impl Guarded for postgres::Place {
    const MESSAGES: &'static str = "conversation_histories";

    fn guard(table: &str, column: &str) -> String {
        format!(
            "CREATE FUNCTION guard_{column}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.{column} LIKE '%{MARK}%' THEN RAISE EXCEPTION 'refused: %', NEW.{column}; END IF; \
             RETURN NEW; END $$; \
             CREATE TRIGGER guard_{column} BEFORE INSERT ON {table} \
             FOR EACH ROW EXECUTE FUNCTION guard_{column}()"
        )
    }

    fn audit(table: &str) -> String {
        format!(
            "CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO audit VALUES (NEW.content); RETURN NEW; END $$; \
             CREATE TRIGGER audit AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION copy()"
        )
    }
}

impl Guarded for mariadb::Place {
    fn guard(table: &str, column: &str) -> String {
        format!(
            "CREATE TRIGGER guard_{column} BEFORE INSERT ON {table} FOR EACH ROW BEGIN \
             DECLARE said TEXT; \
             IF NEW.{column} LIKE '%{MARK}%' THEN \
             SET said = LEFT(CONCAT('refused: ', NEW.{column}), 100); \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = said; END IF; END"
        )
    }

    fn audit(table: &str) -> String {
        format!(
            "CREATE TRIGGER audit AFTER INSERT ON {table} FOR EACH ROW \
             INSERT INTO audit VALUES (NEW.content)"
        )
    }
}
