//! Conversations of clients that send their history.

use std::{
    convert::Infallible,
    hint::black_box,
    ops::Range,
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_recording::{RecordingBody, RecordingLayer};

use crate::text::sentences;

const MOST_PENDING: u64 = 256;

/// How long conversations and their messages are.
pub struct Shape {
    /// Messages before the first turn.
    history: usize,
    turns: usize,
    text_bytes: usize,
    conversations: usize,
}

pub const SHAPES: [Shape; 3] = [
    Shape {
        history: 0,
        turns: 4,
        text_bytes: 200,
        conversations: 2000,
    },
    Shape {
        history: 14,
        turns: 8,
        text_bytes: 400,
        conversations: 400,
    },
    Shape {
        history: 200,
        turns: 16,
        text_bytes: 450,
        conversations: 30,
    },
];

impl Shape {
    /// Messages and bytes of this turn's request.
    pub fn request(&self, turn: usize) -> (usize, usize) {
        let talks = Talks::new(self, 1);
        (self.history + turn * 2 + 1, talks.requests[turn].len())
    }

    pub fn talks(&self) -> Talks {
        Talks::new(self, self.conversations)
    }
}

/// Requests, turn by turn of each conversation, and what answers them.
pub struct Talks {
    turns: usize,
    requests: Vec<Bytes>,
    answers: Vec<Bytes>,
}

impl Talks {
    fn new(shape: &Shape, conversations: usize) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..conversations {
            let mut say = |role: &str| {
                let text = sentences(&mut random, shape.text_bytes);
                json!({"role": role, "content": text})
            };
            let mut messages: Vec<Value> = (0..shape.history / 2)
                .flat_map(|_| [say("user"), say("assistant")])
                .collect();
            for _ in 0..shape.turns {
                messages.push(say("user"));
                let request = json!({"model": "gpt-4o", "messages": messages});
                requests.push(Bytes::from(request.to_string()));
                let answer = say("assistant");
                answers.push(reply(&answer));
                messages.push(answer);
            }
        }
        Self {
            turns: shape.turns,
            requests,
            answers,
        }
    }

    /// Holds these turns through a layer, all conversations side by side, no faster than they are
    /// recorded: what a client says next comes when its answer is stored, as it does where people read.
    pub async fn hold(&self, layer: &RecordingLayer, turns: Range<usize>) {
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
        let recorder = layer.recorder();
        let mut service: BoxCloneSyncService<_, _, Infallible> =
            BoxCloneSyncService::new(tower::Layer::layer(layer, upstream));
        for turn in turns {
            for number in (turn..self.requests.len()).step_by(self.turns) {
                while recorder.metrics().pending() >= MOST_PENDING {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let request = Request::post("/v1/chat/completions")
                    .header(header::CONTENT_TYPE, "application/json")
                    .header("x-session-id", format!("talk-{}", number / self.turns))
                    .header("x-user-id", "ada")
                    .extension(Answer(self.answers[number].clone()))
                    .body(Body::from(self.requests[number].clone()))
                    .expect("a request");
                let service = service.ready().await.expect("infallible");
                let response: Response<RecordingBody<Body>> =
                    service.call(request).await.expect("infallible");
                let _ = response.into_body().collect().await;
            }
            recorder.flush().await;
        }
    }

    /// How long it takes to parse the requests of these turns.
    pub fn parse(&self, turns: Range<usize>) -> Duration {
        let requests = self.requests.iter().enumerate();
        let requests = requests.filter(|(number, _)| turns.contains(&(number % self.turns)));
        let begun = Instant::now();
        for (_, request) in requests {
            black_box(serde_json::from_slice::<Value>(request).expect("JSON"));
        }
        begun.elapsed()
    }

    pub fn turns(&self) -> usize {
        self.turns
    }
}

/// What the upstream is to answer.
#[derive(Clone)]
struct Answer(Bytes);

fn reply(message: &Value) -> Bytes {
    let reply = json!({
        "id": "chatcmpl-1",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200},
    });
    Bytes::from(reply.to_string())
}
