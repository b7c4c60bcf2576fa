//! The example gateway is told to stop while it is busy.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use tower_recording::RecordingLayer;

use crate::{
    gateway::{APPLICATION_KEY, Gateway},
    support::{client, messages},
};

const CLIENTS: usize = 16;
/// Enough for the queue and several batches to be under way when the signal comes.
const BEFORE_THE_SIGNAL: usize = 600;
const LONGEST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_had_ended_before_sigterm_is_in_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&folder, &[("MES_SQL_DSN", "sqlite:busy.db")]);
    let url = gateway.url("/v1/chat/completions");
    let ended = Arc::new(Mutex::new(Vec::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (url, ended, stop) = (url.clone(), Arc::clone(&ended), Arc::clone(&stop));
            tokio::spawn(async move {
                let client = client(Version::HTTP_11);
                for turn in 0.. {
                    if stop.load(SeqCst) {
                        return;
                    }
                    let session = format!("s{number}-{turn}");
                    let stream = turn % 2 == 0;
                    let body = format!(
                        r#"{{"model":"officeai","stream":{stream},"messages":[{{"role":"user","content":"turn {session}"}}]}}"#
                    );
                    let request = Request::post(&url)
                        .header("authorization", format!("Bearer {APPLICATION_KEY}"))
                        .header("content-type", "application/json")
                        .header("x-session-id", &session)
                        .header("x-user-id", "ada")
                        .body(Full::new(body.into()))
                        .expect("a request");
                    // Those that come after the signal may be refused.
                    let Ok(response) = client.request(request).await else {
                        return;
                    };
                    if response.into_body().collect().await.is_err() {
                        return;
                    }
                    ended.lock().expect("a list").push(session);
                }
            })
        })
        .collect();

    let began = Instant::now();
    while ended.lock().expect("a list").len() < BEFORE_THE_SIGNAL {
        assert!(began.elapsed() < LONGEST, "the gateway is too slow");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before_the_signal = ended.lock().expect("a list").clone();
    gateway.terminate();
    stop.store(true, SeqCst);
    for client in clients {
        client.await.expect("a client");
    }
    let status = tokio::task::spawn_blocking(|| gateway.wait()).await;
    assert!(status.expect("a status").success());

    let path = folder.path().join("busy.db");
    let reader = RecordingLayer::new(format!("sqlite:{}", path.display())).recorder();
    for session in &before_the_signal {
        let rows = messages(&reader, session).await;
        assert_eq!(rows.len(), 2, "{session}");
        assert_eq!(rows[0].message.content, format!("turn {session}"));
    }
    println!(
        "{} exchanges had ended before the signal",
        before_the_signal.len()
    );
}
