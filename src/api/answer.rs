//! Answers as JSON, which for a large one takes a while.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use serde::Serialize;
use tokio::task::spawn_blocking;

use super::error::ApiError;

/// What is larger is written on a thread that serves nobody meanwhile.
const AT_ONCE_BYTES: usize = 256 << 10;

/// An answer that comes to about so many bytes.
///
/// # Errors
/// 500 where it cannot be written.
pub(super) async fn json(
    answer: impl Serialize + Send + 'static,
    bytes: usize,
) -> Result<Response, ApiError> {
    let write = move || {
        let mut json = Vec::with_capacity(bytes);
        serde_json::to_writer(&mut json, &answer).map(|()| json)
    };
    let written = if bytes <= AT_ONCE_BYTES {
        write()
    } else {
        let written = spawn_blocking(write).await;
        written.map_err(|_| ApiError::internal())?
    };
    let json = written.map_err(|_| ApiError::internal())?;
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, Bytes::from(json)).into_response())
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use serde::Serializer;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    /// Tells on which thread it is written.
    struct Told(UnboundedSender<ThreadId>);

    impl Serialize for Told {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.send(thread::current().id()).unwrap();
            serializer.serialize_unit()
        }
    }

    #[tokio::test]
    async fn a_large_answer_is_not_written_on_the_thread_that_serves() {
        let (told, mut threads) = unbounded_channel();
        for (bytes, here) in [(AT_ONCE_BYTES, true), (AT_ONCE_BYTES + 1, false)] {
            let response = json(Told(told.clone()), bytes).await.unwrap();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
            let thread = threads.recv().await.unwrap();
            assert_eq!(thread == thread::current().id(), here);
        }
    }
}
