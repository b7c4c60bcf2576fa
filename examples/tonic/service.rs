//! The service: a model that says again what it was told. What `tonic-prost-build` would write stands here
//! by hand, so that the example builds without protoc.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, stream};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService, ServerStreamingService, UnaryService},
};
use tonic_prost::ProstCodec;

use super::messages::{ChatReply, ChatRequest, Usage};

pub const NAME: &str = "chat.v1.Chat";
pub const SAY: &str = "/chat.v1.Chat/Say";
pub const SAY_STREAMED: &str = "/chat.v1.Chat/SayStreamed";

/// Said last, it makes a call fail at once, or a stream after its first piece.
pub const FAIL: &str = "fail";

type Pieces = Pin<Box<dyn Stream<Item = Result<ChatReply, Status>> + Send>>;

#[derive(Clone, Copy, Debug)]
pub struct ChatServer;

impl NamedService for ChatServer {
    const NAME: &'static str = NAME;
}

impl Service<http::Request<Body>> for ChatServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                SAY => grpc.unary(Say, request).await,
                SAY_STREAMED => grpc.server_streaming(SayStreamed, request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct Say;

impl UnaryService<ChatRequest> for Say {
    type Response = ChatReply;
    type Future = BoxFuture<Response<ChatReply>, Status>;

    fn call(&mut self, request: Request<ChatRequest>) -> Self::Future {
        let request = request.into_inner();
        Box::pin(async move {
            let said = last(&request);
            if said == FAIL {
                return Err(busy());
            }
            let text = answer(said);
            Ok(Response::new(ChatReply {
                text: text.concat(),
                ..end(&request, text.len())
            }))
        })
    }
}

struct SayStreamed;

impl ServerStreamingService<ChatRequest> for SayStreamed {
    type Response = ChatReply;
    type ResponseStream = Pieces;
    type Future = BoxFuture<Response<Pieces>, Status>;

    fn call(&mut self, request: Request<ChatRequest>) -> Self::Future {
        let request = request.into_inner();
        Box::pin(async move {
            let text = answer(last(&request));
            let end = end(&request, text.len());
            let piece = |text: String| ChatReply {
                id: end.id.clone(),
                model: end.model.clone(),
                text,
                ..ChatReply::default()
            };
            let mut pieces: Vec<_> = text.into_iter().map(|text| Ok(piece(text))).collect();
            if last(&request) == FAIL {
                pieces.truncate(1);
                pieces.push(Err(busy()));
            } else {
                pieces.push(Ok(end));
            }
            let pieces: Pieces = Box::pin(stream::iter(pieces));
            Ok(Response::new(pieces))
        })
    }
}

fn last(request: &ChatRequest) -> &str {
    request.turns.last().map_or("", |turn| &turn.text)
}

fn answer(said: &str) -> Vec<String> {
    vec!["You said: ".to_owned(), said.to_owned()]
}

fn end(request: &ChatRequest, pieces: usize) -> ChatReply {
    ChatReply {
        id: "reply-1".to_owned(),
        model: format!("{}-2025", request.model),
        finish_reason: "stop".to_owned(),
        usage: Some(Usage {
            prompt_tokens: request.turns.len() as i64,
            completion_tokens: pieces as i64,
        }),
        ..ChatReply::default()
    }
}

fn busy() -> Status {
    Status::resource_exhausted("no more for today, naïve one")
}
