//! Spans of OpenTelemetry.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    global,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::{Value, json};
use tower_recording::{RecordingLayer, RecordingLayerBuilder};

use super::{TURN, chat};

const ASKED: &str = r#"{"model":"m","messages":[{"role":"user","content":"what is a tee?"}]}"#;
const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","model":"m-2025-01-15",
    "choices":[{"index":0,"message":{"role":"assistant","content":"a copy"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":5}}}"#;
const REFUSED: &str = r#"{"error":{"message":"what is a tee? is too hard","type":"rate_limit_error","code":"too_many"}}"#;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What is told of one exchange that is recorded like this.
async fn spans_of(
    headers: &[(&str, &str)],
    answer: (u16, &str),
    set: impl FnOnce(RecordingLayerBuilder) -> RecordingLayerBuilder,
) -> Vec<SpanData> {
    let _turn = TURN.lock().await;
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
    global::set_tracer_provider(provider.build());
    let folder = tempfile::tempdir().expect("a folder");
    let dsn = format!("sqlite:{}", folder.path().join("test.db").display());
    let layer = set(RecordingLayer::builder(dsn)).build().expect("a layer");
    chat(&layer, headers, ASKED, answer).await;
    let report = layer.recorder().shutdown(Duration::from_secs(20)).await;
    assert_eq!(report.left, 0);
    exporter.get_finished_spans().expect("spans")
}

/// The attributes, as JSON.
fn attributes(span: &SpanData) -> Value {
    let attributes = span.attributes.iter().map(|attribute| {
        let value = match &attribute.value {
            opentelemetry::Value::I64(number) => json!(number),
            opentelemetry::Value::Array(opentelemetry::Array::String(texts)) => {
                texts.iter().map(|text| text.as_str()).collect()
            }
            other => json!(other.as_str()),
        };
        (attribute.key.to_string(), value)
    });
    Value::Object(attributes.collect())
}

#[tokio::test]
async fn an_exchange_that_was_written_is_a_span_under_its_caller_without_content() {
    let before = SystemTime::now();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("x-session-id", "s-1"), ("traceparent", &*traceparent)];
    let spans = spans_of(&headers, (200, ANSWER), |builder| builder).await;
    let [span] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(span.name, "chat m");
    assert_eq!(span.span_kind, SpanKind::Client);
    assert_eq!(span.status, Status::Unset);
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(span.parent_span_id.to_string(), PARENT);
    assert!(span.parent_span_is_remote);
    assert_eq!(span.instrumentation_scope.name(), "tower-recording");
    assert!(before <= span.start_time && span.start_time <= span.end_time);
    assert!(span.end_time <= SystemTime::now());
    assert_eq!(
        attributes(span),
        json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "m",
            "gen_ai.response.model": "m-2025-01-15",
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.conversation.id": "s-1",
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 5,
            "http.response.status_code": 200,
        })
    );
    let told = format!("{span:?}");
    assert!(!told.contains("tee") && !told.contains("a copy"), "{told}");
}

#[tokio::test]
async fn a_failed_exchange_is_a_span_with_the_kind_of_its_error_and_not_its_text() {
    let spans = spans_of(&[], (429, REFUSED), |builder| builder).await;
    let [span] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(span.status, Status::error(""));
    let attributes = attributes(span);
    assert_eq!(attributes["error.type"], "rate_limit_error");
    assert_eq!(attributes["http.response.status_code"], 429);
    assert!(!format!("{span:?}").contains("tee"));
}

#[tokio::test]
async fn what_was_said_is_in_a_span_where_that_is_asked_for_and_the_client_lets_it() {
    let asked = |builder: RecordingLayerBuilder| builder.span_content(true);
    let spans = spans_of(&[], (200, ANSWER), asked).await;
    let attributes_of = |spans: &[SpanData]| attributes(spans.first().expect("a span"));
    let told = attributes_of(&spans);
    let json = |name: &str| -> Value {
        serde_json::from_str(told[name].as_str().expect("a text")).expect("JSON")
    };
    assert_eq!(
        json("gen_ai.input.messages"),
        json!([{ "role": "user", "parts": [{ "type": "text", "content": "what is a tee?" }] }])
    );
    assert_eq!(
        json("gen_ai.output.messages"),
        json!([{ "role": "assistant", "finish_reason": "stop",
            "parts": [{ "type": "text", "content": "a copy" }] }])
    );
    let headers = [("cf-aig-collect-log-payload", "false")];
    let spans = spans_of(&headers, (200, ANSWER), asked).await;
    assert_eq!(attributes_of(&spans)["gen_ai.usage.input_tokens"], 11);
    let told = format!("{spans:?}");
    assert!(!told.contains("tee") && !told.contains("a copy"), "{told}");
}

#[tokio::test]
async fn what_is_not_recorded_is_no_span() {
    let headers = [("cf-aig-collect-log", "false")];
    let spans = spans_of(&headers, (200, ANSWER), |builder| builder).await;
    assert!(spans.is_empty(), "{spans:?}");
}
