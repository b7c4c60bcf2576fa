//! Records one exchange into a store of its own, and says whether it arrived.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_recording::{
    RecordingBody, RecordingLayer,
    store::{ExchangeRows, Store, StoreFuture},
};

const QUESTION: &str =
    r#"{"model":"m","messages":[{"role":"user","content":"Which is postgres://ada:hunter2@db?"}]}"#;
const ANSWER: &str = r#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"A DSN."},"finish_reason":"stop"}]}"#;

#[derive(Debug, Default)]
struct Kept(Mutex<String>);

impl Store for Kept {
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(batch.iter().map(ExchangeRows::to_json));
        Box::pin(async { Ok(()) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let kept = Arc::new(Kept::default());
    let store: Arc<dyn Store> = Arc::clone(&kept) as _;
    let layer = RecordingLayer::with_store(store).build().expect("a layer");
    let service = layer.layer(service_fn(
        |request: Request<RecordingBody<Full<Bytes>>>| async {
            request.into_body().collect().await.expect("a question");
            let answer = Response::builder().header(CONTENT_TYPE, "application/json");
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::from(ANSWER)).expect("an answer"))
        },
    ));
    let question = Request::post("/v1/chat/completions").header(CONTENT_TYPE, "application/json");
    let question = question
        .body(Full::<Bytes>::from(QUESTION))
        .expect("a question");
    let answer = service.oneshot(question).await.expect("an answer");
    answer.into_body().collect().await.expect("its body");
    layer.recorder().flush().await;

    let kept = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    let is_recorded =
        kept.contains("Which is postgres://ada:[credential]@db?") && kept.contains("A DSN.");
    println!("recorded: {is_recorded}; {:?}", layer.recorder().metrics());
    match is_recorded {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
