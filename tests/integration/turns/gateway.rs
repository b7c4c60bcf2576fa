//! A gateway before a model that has much to say.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tower_recording::{
    Recorder, RecordingLayer,
    store::{Partition, StoredMessage},
};

use super::{
    client::SESSION,
    counted::{Counted, Effort},
};
use crate::support::serve;

const LONGEST_SHUTDOWN: Duration = Duration::from_secs(20);

/// A gateway of its own, as another process would be.
pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    recorder: Recorder,
    counted: Arc<Counted>,
    /// Its store is read; it records nothing.
    reader: Recorder,
}

impl Gateway {
    pub(super) async fn over(dsn: &str) -> Self {
        let reader = RecordingLayer::new(dsn).recorder();
        let counted = Arc::new(Counted::over(Arc::clone(reader.store())));
        let layer = RecordingLayer::with_store(Arc::clone(&counted) as _).build();
        let layer = layer.expect("a layer");
        let app = Router::new().route("/v1/chat/completions", post(answer));
        Self {
            recorder: layer.recorder(),
            address: serve(app.layer(layer)).await,
            counted,
            reader,
        }
    }

    pub(super) async fn flush(&self) {
        self.recorder.flush().await;
    }

    /// What has been done since this was asked before.
    pub(super) fn effort(&self) -> Effort {
        self.counted.take()
    }

    /// Everything that is stored of the conversation.
    pub(super) async fn rows(&self) -> Vec<StoredMessage> {
        let store = self.reader.store();
        let named = store.conversations_named("", SESSION).await;
        let [conversation] = &named.expect("a readable store")[..] else {
            panic!("one conversation")
        };
        let page = store.messages(conversation.id, None, 1000).await;
        page.expect("a readable store").data
    }

    pub(super) async fn partitions(&self) -> Vec<Partition> {
        let partitions = self.reader.store().partitions().await;
        partitions.expect("a readable store")
    }

    pub(super) async fn end(self) {
        let report = self.recorder.shutdown(LONGEST_SHUTDOWN).await;
        assert_eq!(report.left, 0);
        self.reader.shutdown(LONGEST_SHUTDOWN).await;
    }
}

async fn answer(Json(asked): Json<Value>) -> Json<Value> {
    let number = asked["messages"].as_array().map_or(0, Vec::len) / 2;
    let text = format!(
        "Answer {number}: {}",
        "as high as a house, and rising. ".repeat(9)
    );
    Json(json!({
        "id": format!("chatcmpl-{number}"),
        "model": "m",
        "choices": [{
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text.trim()},
        }],
        "usage": {"prompt_tokens": 30, "completion_tokens": 60, "total_tokens": 90},
    }))
}
