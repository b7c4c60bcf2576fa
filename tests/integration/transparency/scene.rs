//! A scripted service between a scripted client and what both can see.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use http::{Extensions, HeaderMap, Request, Response, StatusCode, request, response};
use http_body::Body;
use tower::Service;

use super::script::{Failure, Look, Piece, Reader, Script, Scripted, Wakes, watch};

/// The path of every request; nothing can decode it.
pub const PATH: &str = "/raw/path";

/// What client and service do.
#[derive(Clone, Debug)]
pub struct Scene {
    pub request: Script,
    /// How the service reads the request.
    pub reads_request: Reader,
    /// How often the service is not ready, and whether it fails then.
    pub not_ready: usize,
    pub fails_ready: bool,
    /// How often the response's future is pending.
    pub thinks: usize,
    pub answer: Answer,
    /// How often the client polls the response's future before it drops it.
    pub patience: usize,
    /// How the client reads the response.
    pub reads_response: Reader,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Failure(u32),
    Response {
        status: StatusCode,
        content_length: Option<u64>,
        body: Script,
    },
}

/// Rides along in extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marker(u32);

/// What stands before a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    line: String,
    headers: HeaderMap,
    marker: Option<u32>,
}

impl Head {
    fn new(line: String, headers: HeaderMap, extensions: &Extensions) -> Self {
        let marker = extensions.get::<Marker>().map(|marker| marker.0);
        Self {
            line,
            headers,
            marker,
        }
    }

    fn of_request(parts: request::Parts) -> Self {
        let line = format!("{:?} {:?} {:?}", parts.method, parts.uri, parts.version);
        Self::new(line, parts.headers, &parts.extensions)
    }

    fn of_response(parts: response::Parts) -> Self {
        let line = format!("{:?} {:?}", parts.version, parts.status);
        Self::new(line, parts.headers, &parts.extensions)
    }
}

/// All that client and service see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub ready: Vec<Poll<Result<(), Failure>>>,
    pub request_head: Option<Head>,
    pub request: Vec<Look>,
    pub pending_heads: usize,
    pub failure: Option<Failure>,
    pub response_head: Option<Head>,
    pub response: Vec<Look>,
    /// How often the bodies themselves were polled.
    pub polls: (usize, usize),
    pub wakes: usize,
}

/// A service that plays its part of a scene.
#[derive(Clone, Debug)]
pub struct Player {
    scene: Scene,
    asked_ready: usize,
    seen: Arc<Mutex<View>>,
    polls: Arc<AtomicUsize>,
}

impl<B> Service<Request<B>> for Player
where
    B: Body<Data = Piece, Error = Failure> + 'static,
{
    type Response = Response<Scripted>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Scripted>, Failure>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.asked_ready += 1;
        if self.asked_ready <= self.scene.not_ready {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.scene.fails_ready {
            Err(Failure(7))
        } else {
            Ok(())
        })
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(self.asked_ready > self.scene.not_ready, "called unready");
        let Self { scene, seen, .. } = self.clone();
        let polls = Arc::clone(&self.polls);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let looks = watch(body, scene.reads_request);
            {
                let mut seen = seen.lock().expect("a view");
                seen.request_head = Some(Head::of_request(parts));
                seen.request = looks;
            }
            let mut thinks = scene.thinks;
            poll_fn(|cx| {
                if thinks == 0 {
                    return Poll::Ready(());
                }
                thinks -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            match scene.answer {
                Answer::Failure(number) => Err(Failure(number)),
                Answer::Response {
                    status,
                    content_length,
                    body,
                } => {
                    let mut response = Response::builder()
                        .status(status)
                        .header("x-kept", "as it is")
                        .extension(Marker(2));
                    if let Some(length) = content_length {
                        response = response.header("content-length", length);
                    }
                    Ok(response
                        .body(Scripted::new(&body, &polls))
                        .expect("a response"))
                }
            }
        })
    }
}

/// Plays a scene through what `wrap` makes of the service.
pub fn play<S, B>(scene: &Scene, wrap: impl FnOnce(Player) -> S) -> View
where
    S: Service<Request<Scripted>, Response = Response<B>, Error = Failure>,
    B: Body<Data = Piece, Error = Failure>,
{
    let seen = Arc::new(Mutex::new(View::default()));
    let polls = [Arc::default(), Arc::default()];
    let mut service = wrap(Player {
        scene: scene.clone(),
        asked_ready: 0,
        seen: Arc::clone(&seen),
        polls: Arc::clone(&polls[1]),
    });
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut view = View::default();

    loop {
        let ready = service.poll_ready(&mut cx);
        view.ready.push(ready);
        match ready {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => break,
            Poll::Ready(Err(_)) => return view,
        }
    }
    let request = Request::post(PATH)
        .header("x-session-id", "s")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .extension(Marker(1))
        .body(Scripted::new(&scene.request, &polls[0]))
        .expect("a request");
    {
        let mut future = pin!(service.call(request));
        for _ in 0..scene.patience {
            match future.as_mut().poll(&mut cx) {
                Poll::Pending => view.pending_heads += 1,
                Poll::Ready(Err(failure)) => {
                    view.failure = Some(failure);
                    break;
                }
                Poll::Ready(Ok(response)) => {
                    let (parts, body) = response.into_parts();
                    view.response_head = Some(Head::of_response(parts));
                    view.response = watch(body, scene.reads_response);
                    break;
                }
            }
        }
    }
    let inside = seen.lock().expect("a view").clone();
    View {
        request_head: inside.request_head,
        request: inside.request,
        polls: (polls[0].load(SeqCst), polls[1].load(SeqCst)),
        wakes: wakes.count(),
        ..view
    }
}
