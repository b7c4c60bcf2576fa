//! Completions that did not pass through the layer, recorded as if they had.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use tower::Service;

use crate::{
    body::RecordingBody, context::RecordingContext, recorder::Recorder, service::RecordingService,
};

const PATH: &str = "/v1/chat/completions";
/// Tells that there is a conversation's name, which the context has.
const IN_CONTEXT: HeaderValue = HeaderValue::from_static("context");

impl Recorder {
    /// Records a completion that your application asked for and that did not pass through the layer:
    /// the messages, in OpenAI's shape, and the response. Of the messages those are stored that the
    /// conversation does not hold yet. MES: `SaveChatCompletion`.
    ///
    /// The context says whose it is and in which conversation. Returns once it is accounted for in
    /// [`metrics`](Self::metrics), as [`flush`](Self::flush) does.
    pub async fn save_chat_completion(
        &self,
        context: RecordingContext,
        messages: &[Value],
        response: &Value,
        model_name: &str,
    ) {
        self.save(context, messages, model_name, 200, response)
            .await;
    }

    /// Records a completion that failed: an HTTP status and what the provider said, to be found with
    /// [`Store::errors`](crate::store::Store::errors). A code that is no status is recorded as 500,
    /// and told with the message. MES: `SaveErrorConversation`.
    pub async fn save_error_conversation(
        &self,
        context: RecordingContext,
        messages: &[Value],
        error_code: u16,
        error_message: &str,
        model_name: &str,
    ) {
        let error = json!({ "error": { "message": error_message, "code": error_code } });
        let status = if error_code >= 400 { error_code } else { 500 };
        self.save(context, messages, model_name, status, &error)
            .await;
    }

    async fn save(
        &self,
        context: RecordingContext,
        messages: &[Value],
        model_name: &str,
        status: u16,
        response: &Value,
    ) {
        let asked = json!({ "model": model_name, "messages": messages });
        let asked = Whole::new(&asked);
        let mut request = Request::new(asked);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static(PATH);
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        if context.known().conversation_id.is_some() {
            headers.insert(self.rules().session_header.clone(), IN_CONTEXT);
        }
        request.extensions_mut().insert(context);
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: Whole::new(response),
        };
        let mut service = RecordingService::new(answer, self.clone());
        let Ok(response) = service.call(request).await;
        read(response.into_body()).await;
        self.flush().await;
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body that is there as a whole.
struct Whole(Option<Bytes>);

impl Whole {
    fn new(value: &Value) -> Self {
        Self(Some(value.to_string().into()))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A model that gives this answer, once it has read what it was asked.
struct Answer {
    status: StatusCode,
    body: Whole,
}

impl Service<Request<RecordingBody<Whole>>> for Answer {
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Whole>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecordingBody<Whole>>) -> Self::Future {
        let mut asked = pin!(request.into_body());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // It is never pending.
        while let Poll::Ready(Some(_)) = asked.as_mut().poll_frame(&mut cx) {}
        let mut response = Response::new(Whole(self.body.0.take()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        ready(Ok(response))
    }
}

async fn read(body: impl Body) {
    let mut body = pin!(body);
    while poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_some() {}
}
