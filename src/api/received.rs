//! Bodies of requests, which arrive at the pace of their clients.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use tokio::time::timeout;

use super::error::ApiError;

/// A client that needs longer for what a route takes is not waited for.
const RECEIVED_WITHIN: Duration = Duration::from_secs(10);

/// The request with its whole body. Where the method takes none, it is not read.
///
/// # Errors
/// 413 where it is larger than the routes take, 408 where it does not come in time.
pub(super) async fn whole(request: Request) -> Result<Request, ApiError> {
    if request.method().is_safe() {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let body = Bytes::from_request(Request::from_parts(head.clone(), body), &());
    match timeout(RECEIVED_WITHIN, body).await {
        Ok(body) => Ok(Request::from_parts(head, body?.into())),
        Err(_) => Err(ApiError::too_slow()),
    }
}
