//! What is said: exchanges of a question and its answer, as a gateway serves them.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_recording::{
    Recorder, RecordingBody, RecordingLayer,
    store::{ExchangeRows, Store, StoreFuture},
};

use crate::{
    speakers::{EXCHANGES, Speakers},
    text::sentences,
};

/// Different conversations, which are held again and again.
const SCRIPTS: usize = 1024;
const TEXT_BYTES: std::ops::Range<usize> = 500..900;
/// Exchanges that may wait for the recorder: half of its queue.
const MOST_PENDING: u64 = 8192;
const BREATH: Duration = Duration::from_millis(1);

/// What is said in one conversation. A request carries all that was said before, as clients send it.
struct Script {
    requests: [Bytes; EXCHANGES],
    responses: [Bytes; EXCHANGES],
}

impl Script {
    fn new(random: &mut StdRng) -> Self {
        let mut messages: Vec<Value> = Vec::new();
        let turns = std::array::from_fn::<_, EXCHANGES, _>(|_| {
            messages.push(json!({"role": "user", "content": text(random)}));
            let request = json!({"model": "gpt-4o", "messages": messages, "temperature": 0.7});
            let answer = text(random);
            let response = response(random, &answer);
            messages.push(json!({"role": "assistant", "content": answer}));
            [request, response].map(|body| Bytes::from(body.to_string()))
        });
        Self {
            requests: turns.each_ref().map(|[request, _]| request.clone()),
            responses: turns.each_ref().map(|[_, response]| response.clone()),
        }
    }
}

/// The bodies of exchanges.
#[derive(Clone)]
pub struct Talk {
    scripts: Arc<[Script]>,
}

impl Talk {
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let scripts = (0..SCRIPTS).map(|_| Script::new(&mut random));
        Self {
            scripts: scripts.collect(),
        }
    }

    /// The rows of as many exchanges, as the layer makes them.
    pub fn rows(&self) -> Vec<ExchangeRows> {
        let kept = Arc::new(Keeping::default());
        let layer = RecordingLayer::with_store(Arc::clone(&kept) as _).build();
        let mut gateway = Gateway::new(&layer.expect("a layer"), self);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for _ in 0..SCRIPTS * EXCHANGES {
                gateway.exchange().await;
            }
            gateway.recorder.shutdown(Duration::from_secs(10)).await;
        });
        let rows = kept.0.lock().expect("no panic").split_off(0);
        assert_eq!(rows.len(), SCRIPTS * EXCHANGES, "an exchange was lost");
        rows
    }
}

fn response(random: &mut StdRng, answer: &str) -> Value {
    let [asked, answered] = [0, 0].map(|_| random.random_range(100..400));
    json!({
        "id": format!("chatcmpl-{:024x}", random.random::<u64>()),
        "object": "chat.completion",
        "created": 1_763_690_400,
        "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": answer, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "system_fingerprint": "fp_6b68a8204b",
    })
}

fn text(random: &mut StdRng) -> String {
    let bytes = random.random_range(TEXT_BYTES);
    sentences(random, bytes)
}

/// Keeps the rows that it is given.
#[derive(Debug, Default)]
struct Keeping(Mutex<Vec<ExchangeRows>>);

impl Store for Keeping {
    fn write<'a>(&'a self, batch: &'a [ExchangeRows]) -> StoreFuture<'a, ()> {
        self.0.lock().expect("no panic").extend_from_slice(batch);
        Box::pin(async { Ok(()) })
    }
}

type Answering = tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What the upstream is to answer.
#[derive(Clone)]
struct Answer(Bytes);

/// A gateway in this process: the layer over a service that has its answers ready.
pub struct Gateway {
    service: Answering,
    pub recorder: Recorder,
    scripts: Arc<[Script]>,
    speakers: Speakers,
}

impl Gateway {
    pub fn new(layer: &RecordingLayer, talk: &Talk) -> Self {
        let upstream = service_fn(|request: Request<RecordingBody<Body>>| async {
            let (head, body) = request.into_parts();
            // Whoever proxies reads the request first.
            let _ = body.collect().await;
            let Answer(answer) = head.extensions.get().expect("an answer");
            let response = Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(answer.clone()));
            Ok::<_, Infallible>(response.expect("a response"))
        });
        let service = layer.layer(upstream);
        let service = service.map_response(|response| response.map(Body::new));
        Self {
            service: Answering::new(service),
            recorder: layer.recorder(),
            scripts: Arc::clone(&talk.scripts),
            speakers: Speakers::new(),
        }
    }

    /// Serves exchanges until then, no faster than they are recorded, and waits until all are.
    pub async fn serve(&mut self, until: Instant) {
        while Instant::now() < until {
            if self.recorder.metrics().pending() >= MOST_PENDING {
                tokio::time::sleep(BREATH).await;
                continue;
            }
            for _ in 0..32 {
                self.exchange().await;
            }
        }
        self.recorder.flush().await;
        let metrics = self.recorder.metrics();
        assert_eq!(metrics.accepted, metrics.written, "void: {metrics:?}");
        assert_eq!(metrics.shed_bytes, 0, "void: {metrics:?}");
    }

    async fn exchange(&mut self) {
        let speaker = self.speakers.next();
        let script = &self.scripts[speaker.talk % self.scripts.len()];
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, "gateway.example")
            .header(header::USER_AGENT, "OpenAI/Python 1.99.0")
            .header(header::AUTHORIZATION, "Bearer sk-0123456789abcdef")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-session-id", speaker.session_id.as_str())
            .header("x-user-id", speaker.user.as_str())
            .extension(Answer(script.responses[speaker.turn].clone()))
            .body(Body::from(script.requests[speaker.turn].clone()));
        let request = request.expect("a request");
        let service = self.service.ready().await.expect("infallible");
        let response = service.call(request).await.expect("infallible");
        response
            .into_body()
            .collect()
            .await
            .expect("a whole answer");
    }
}
