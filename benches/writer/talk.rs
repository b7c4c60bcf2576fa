//! What is said: exchanges of a question and its answer, as a gateway serves them.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_recording::{
    Recorder, RecordingBody, RecordingLayer,
    store::{ExchangeRows, Store, StoreFuture},
};

use crate::{speakers::Speakers, text::sentences};

/// Different exchanges, which are sent again and again.
const EXCHANGES: usize = 4096;
const TEXT_BYTES: std::ops::Range<usize> = 500..900;
/// Exchanges that may wait for the recorder: half of its queue.
const MOST_PENDING: u64 = 8192;
const BREATH: Duration = Duration::from_millis(1);

/// The bodies of exchanges.
#[derive(Clone)]
pub struct Talk {
    requests: Arc<[Bytes]>,
    responses: Arc<[Bytes]>,
}

impl Talk {
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut requests = Vec::new();
        let mut responses = Vec::new();
        for _ in 0..EXCHANGES {
            requests.push(request(&mut random));
            responses.push(response(&mut random));
        }
        Self {
            requests: requests.into(),
            responses: responses.into(),
        }
    }

    /// The rows of all exchanges, as the layer makes them.
    pub fn rows(&self) -> Vec<ExchangeRows> {
        let kept = Arc::new(Keeping::default());
        let layer = RecordingLayer::with_store(Arc::clone(&kept) as _).build();
        let mut gateway = Gateway::new(&layer.expect("a layer"), self);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            for _ in 0..EXCHANGES {
                gateway.exchange().await;
            }
            gateway.recorder.shutdown(Duration::from_secs(10)).await;
        });
        let rows = kept.0.lock().expect("no panic").split_off(0);
        assert_eq!(rows.len(), EXCHANGES, "an exchange was lost");
        rows
    }
}

fn request(random: &mut StdRng) -> Bytes {
    let content = text(random);
    let body = json!({
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.7,
    });
    Bytes::from(body.to_string())
}

fn response(random: &mut StdRng) -> Bytes {
    let content = text(random);
    let [asked, answered] = [0, 0].map(|_| random.random_range(100..400));
    let body = json!({
        "id": format!("chatcmpl-{:024x}", random.random::<u64>()),
        "object": "chat.completion",
        "created": 1_763_690_400,
        "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": content, "refusal": null},
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
    });
    Bytes::from(body.to_string())
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

/// A gateway in this process: the layer over a service that has its answers ready.
pub struct Gateway {
    service: Answering,
    pub recorder: Recorder,
    requests: Arc<[Bytes]>,
    speakers: Speakers,
    served: usize,
}

impl Gateway {
    pub fn new(layer: &RecordingLayer, talk: &Talk) -> Self {
        let responses = Arc::clone(&talk.responses);
        let answered = AtomicUsize::new(0);
        let answered = Arc::new(answered);
        let upstream = service_fn(move |request: Request<RecordingBody<Body>>| {
            let responses = Arc::clone(&responses);
            let number = answered.fetch_add(1, Relaxed);
            async move {
                // Whoever proxies reads the request first.
                let _ = request.into_body().collect().await;
                let response = Response::builder()
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from(responses[number % responses.len()].clone()));
                Ok::<_, Infallible>(response.expect("a response"))
            }
        });
        let service = layer.layer(upstream);
        let service = service.map_response(|response| response.map(Body::new));
        Self {
            service: Answering::new(service),
            recorder: layer.recorder(),
            requests: Arc::clone(&talk.requests),
            speakers: Speakers::new(),
            served: 0,
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
        let body = self.requests[self.served % self.requests.len()].clone();
        self.served += 1;
        let speaker = self.speakers.next();
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, "gateway.example")
            .header(header::USER_AGENT, "OpenAI/Python 1.99.0")
            .header(header::AUTHORIZATION, "Bearer sk-0123456789abcdef")
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-session-id", speaker.session_id.as_str())
            .header("x-user-id", speaker.user.as_str())
            .body(Body::from(body));
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
