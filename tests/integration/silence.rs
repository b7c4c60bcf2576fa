//! What our own log lines say, at TRACE: nothing of what people said.

use std::{
    fmt::{Debug, Write},
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::post,
};
use diesel::{Connection, connection::SimpleConnection, sqlite::SqliteConnection};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_recording::{RecordingLayer, api};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Registry,
    layer::{Context, Layer, SubscriberExt},
    registry::LookupSpan,
};

use crate::{
    servers::{mariadb, postgres},
    support::sqlite_dsn,
};

/// What is said, asked, answered and refused.
const SAID: &str = "hunter2";
const KEY: &str = "sk-portal";

/// Every line and every span of ours so far, whatever its level.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

static LISTENING: LazyLock<()> = LazyLock::new(|| {
    let listening = Registry::default().with(Ours);
    tracing::subscriber::set_global_default(listening).expect("no other subscriber");
});

/// Keeps what our own targets say.
struct Ours;

impl Ours {
    fn keep(metadata: &tracing::Metadata<'_>, record: impl FnOnce(&mut Line)) {
        if metadata.target().starts_with("tower_recording") {
            let mut line = Line(format!("{} {}", metadata.level(), metadata.target()));
            record(&mut line);
            let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line.0);
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ours {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        Self::keep(event.metadata(), |line| event.record(line));
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        Self::keep(span.metadata(), |line| span.record(line));
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(metadata) = context.metadata(span) {
            Self::keep(metadata, |line| values.record(line));
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string takes everything");
    }
}

/// Says back what it was told: as JSON, as a stream, as an error, or as nothing that can be read.
async fn model(asked: Bytes) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let asked = String::from_utf8_lossy(&asked);
    let json = [("content-type", "application/json")];
    let answer = |finish: &str| {
        format!(
            r#"{{"id":"r","model":"m","choices":[{{"index":0,"finish_reason":{finish},"message":{{"role":"assistant","content":"{SAID}"}},"delta":{{"content":"{SAID}"}}}}]}}"#
        )
    };
    if asked.contains("fail") {
        let error = format!(r#"{{"error":{{"message":"{SAID}","type":"t","code":"c"}}}}"#);
        (StatusCode::TOO_MANY_REQUESTS, json, error)
    } else if asked.contains("stream") {
        let events = format!("data: {}\n\ndata: {{{SAID}\n\n", answer("null"));
        (
            StatusCode::OK,
            [("content-type", "text/event-stream")],
            events,
        )
    } else if asked.contains("garbage") {
        (StatusCode::OK, json, format!("{{\"choices\": {SAID}"))
    } else {
        (StatusCode::OK, json, answer("\"stop\""))
    }
}

async fn send(app: &Router, request: Request<Body>) -> StatusCode {
    let response = app.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    response.into_body().collect().await.expect("a whole body");
    status
}

fn chat(session: &str, body: String) -> Request<Body> {
    Request::post("/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-session-id", session)
        .header("x-user-id", "ada")
        .header("x-tag-secret", SAID)
        .body(Body::from(body))
        .expect("a request")
}

fn asking(word: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{SAID} {word}"}}]}}"#)
}

fn history(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .body(Body::from(body.to_owned()))
        .expect("a request")
}

/// Records, reads, fails and is refused. `refuse` makes a table refuse what holds `refused`, in a
/// text that quotes it, and then takes the rejects away.
async fn says_nothing_of_content(dsn: String, refuse: impl AsyncFnOnce(String)) {
    LazyLock::force(&LISTENING);
    let layer = RecordingLayer::new(dsn);
    let recorder = layer.recorder();
    let app = Router::new()
        .route("/v1/chat/completions", post(model))
        .layer(layer)
        .merge(api::router(
            recorder.clone(),
            api::StaticKeys::application(KEY),
        ));
    for word in ["hello", "stream", "fail", "garbage"] {
        send(&app, chat("talk", asking(word))).await;
    }
    send(&app, chat("talk", format!("no JSON at all: {SAID}"))).await;
    recorder.flush().await;
    for (method, path, body, status) in [
        ("GET", "/conversations/talk?tree=true", "", 200),
        ("GET", "/conversations/hunter2", "", 404),
        ("GET", "/conversations/talk?limit=hunter2", "", 422),
        (
            "POST",
            "/conversations/talk/messages",
            r#"{"role":"user","content":"hunter2"}"#,
            201,
        ),
        (
            "POST",
            "/conversations/talk/messages",
            r#"{"role":"hunter2"#,
            400,
        ),
    ] {
        let answered = send(&app, history(method, path, body)).await;
        assert_eq!(answered, status, "{method} {path} {body}");
    }

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.expect("a clock").as_millis()).expect("a time");
    let table = recorder.store().conversation_history_table_name(now).await;
    refuse(table.expect("a table")).await;
    send(&app, chat("talk", asking("refused"))).await;
    recorder.flush().await;
    let body = r#"{"role":"user","content":"hunter2 refused"}"#;
    let posted = history("POST", "/conversations/talk/messages", body);
    assert_eq!(send(&app, posted).await, 500);
    assert_eq!(recorder.metrics().rejected, 1);
    assert_eq!(recorder.shutdown(Duration::from_secs(20)).await.left, 0);

    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for said in ["the database refused an exchange", "the store failed"] {
        assert!(lines.iter().any(|line| line.contains(said)), "{lines:#?}");
    }
    for line in lines {
        assert!(!line.contains(SAID), "{line}");
    }
}

#[tokio::test]
async fn our_lines_say_nothing_of_content_over_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.db");
    says_nothing_of_content(sqlite_dsn(folder.path()), async |table| {
        let path = path.to_str().expect("UTF-8");
        let mut connection = SqliteConnection::establish(path).expect("the file");
        let sql = format!(
            "CREATE TRIGGER refusing BEFORE INSERT ON {table} WHEN NEW.content LIKE '%refused%' \
             BEGIN SELECT RAISE(ABORT, 'no ' || NEW.content); END; \
             CREATE TRIGGER full BEFORE INSERT ON recording_rejects \
             BEGIN SELECT RAISE(ABORT, 'no ' || NEW.payload); END"
        );
        connection.batch_execute(&sql).expect("a trigger");
    })
    .await;
}

#[tokio::test]
async fn our_lines_say_nothing_of_content_over_postgresql() {
    let database = postgres::Database::new().await;
    says_nothing_of_content(database.dsn(), async |_| {
        let sql = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.content LIKE '%refused%' THEN RAISE EXCEPTION 'no: %', NEW.content; END IF; \
             RETURN NEW; END $$; \
             CREATE TRIGGER refusing BEFORE INSERT ON conversation_histories \
             FOR EACH ROW EXECUTE FUNCTION refuse(); \
             ALTER TABLE recording_rejects ADD CHECK (length(payload) < 0)";
        database.execute(sql).await;
    })
    .await;
}

#[tokio::test]
async fn our_lines_say_nothing_of_content_over_mariadb() {
    let database = mariadb::Database::new().await;
    says_nothing_of_content(database.dsn(), async |table| {
        for sql in [
            &*format!(
                "CREATE TRIGGER refusing BEFORE INSERT ON {table} FOR EACH ROW BEGIN \
                 IF NEW.content LIKE '%refused%' THEN SET @quoted = LEFT(NEW.content, 100); \
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @quoted; END IF; END"
            ),
            "ALTER TABLE recording_rejects ADD CHECK (length(payload) < 0)",
        ] {
            database.execute(sql).await;
        }
    })
    .await;
}
