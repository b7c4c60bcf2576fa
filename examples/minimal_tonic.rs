//! A model behind tonic, recorded into SQLite: `cargo run --example minimal_tonic`.

use std::{env, error::Error, future::ready, time::Duration};

use axum::{Router, extract::Request as Call, routing::post};
use prost::Message as _;
use tokio::signal::ctrl_c;
use tonic::transport::{Server, server::TcpIncoming};
use tonic::{Request, Response, Status, server::Grpc, service::Routes};
use tonic_prost::ProstCodec;
use tower_recording::conversation::{Message, Prompt, Reply, Role};
use tower_recording::{CapturedBody, Decode, RecordingLayer};

const SAY: &str = "/parrot.Parrot/Say";

#[derive(Clone, PartialEq, prost::Message)]
struct Said(#[prost(string, tag = "1")] String);

/// How a call is read: one frame each way, in which five bytes stand before the message.
#[derive(Debug)]
struct Parrot;

impl Decode for Parrot {
    fn provider(&self) -> &'static str {
        "parrot"
    }
    fn speaks(&self, path: &str) -> bool {
        path == SAY
    }
    fn prompt(&self, body: &CapturedBody<'_>) -> Option<Prompt> {
        let said = Said::decode(body.bytes.get(5..)?).ok()?;
        Some(Prompt::new(vec![Message::new(Role::User, said.0)]))
    }
    fn reply(&self, _status: u16, body: &CapturedBody<'_>) -> Option<Reply> {
        let said = Said::decode(body.bytes.get(5..)?).ok()?;
        Some(Reply::new(Message::new(Role::Assistant, said.0)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let layer = RecordingLayer::builder("sqlite:conversations.db").decode(Parrot);
    let layer = layer.build()?;
    let recorder = layer.recorder();
    let say = |said: Request<Said>| ready(Ok::<_, Status>(Response::new(said.into_inner())));
    let call = async move |call: Call| {
        let mut grpc = Grpc::new(ProstCodec::default());
        grpc.unary(tower::service_fn(say), call).await
    };
    let routes = Routes::from(Router::new().route(SAY, post(call)));
    let address = env::var("LISTEN_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let incoming = TcpIncoming::bind(address.parse()?)?;
    println!("gRPC on {}", incoming.local_addr()?);
    let server = Server::builder().layer(layer).add_routes(routes);
    tokio::select! {
        served = server.serve_with_incoming(incoming) => served?,
        _ = ctrl_c() => println!("{}", recorder.shutdown(Duration::from_secs(10)).await),
    }
    Ok(())
}
