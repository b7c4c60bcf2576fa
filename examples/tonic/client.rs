//! A client of the service.

use tonic::{
    Request, Response, Status, Streaming,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Error},
};
use tonic_prost::ProstCodec;

use super::{
    messages::{ChatReply, ChatRequest},
    service::{SAY, SAY_STREAMED},
};

#[derive(Clone, Debug)]
pub struct ChatClient {
    grpc: Grpc<Channel>,
}

impl ChatClient {
    pub async fn connect(address: impl std::fmt::Display) -> Result<Self, Error> {
        let channel = Channel::from_shared(format!("http://{address}"));
        let channel = channel.expect("an address").connect().await?;
        Ok(Self {
            grpc: Grpc::new(channel),
        })
    }

    pub async fn say(&mut self, request: ChatRequest) -> Result<Response<ChatReply>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(SAY);
        let codec = ProstCodec::default();
        self.grpc.unary(Request::new(request), path, codec).await
    }

    pub async fn say_streamed(
        &mut self,
        request: ChatRequest,
    ) -> Result<Streaming<ChatReply>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static(SAY_STREAMED);
        let codec = ProstCodec::default();
        let request = Request::new(request);
        let response = self.grpc.server_streaming(request, path, codec).await?;
        Ok(response.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let ready = self.grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))
    }
}
