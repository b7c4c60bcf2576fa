//! From the rows that were written to spans.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::{
    Array, Context, InstrumentationScope, KeyValue, StringValue, Value,
    global::{self, BoxedTracer},
    trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _},
};

use super::{content::Content, draft::Told};
use crate::{conversation::Usage, outcome::Outcome, store::ExchangeRows};

/// Hands a span of each exchange to the application's tracer provider. Without one nothing comes of it.
pub(crate) fn emit<'a>(written: impl Iterator<Item = &'a ExchangeRows>) {
    let emitted = catch_unwind(AssertUnwindSafe(|| {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let tracer = global::tracer_with_scope(scope);
        for rows in written {
            if let Some(told) = &rows.span.0 {
                emit_one(&tracer, rows, told);
            }
        }
    }));
    if emitted.is_err() {
        tracing::error!("spans were lost: who takes them panicked");
    }
}

fn emit_one(tracer: &BoxedTracer, rows: &ExchangeRows, told: &Told) {
    let operation = told.operation.unwrap_or("other");
    let name = match &rows.exchange.request_model {
        Some(model) => format!("{operation} {model}"),
        None => operation.to_owned(),
    };
    let mut attributes = attributes(rows, told, operation);
    let error = error(rows, told);
    if let Some(error) = &error {
        attributes.push(KeyValue::new("error.type", error.clone()));
    }
    let builder = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Client)
        .with_start_time(told.started)
        .with_attributes(attributes);
    let parent = told
        .parent
        .map_or_else(Context::new, |parent| parent.context());
    let mut span = tracer.build_with_context(builder, &parent);
    if let Some(content) = &told.content
        && span.is_recording()
    {
        span.set_attributes(said(content));
    }
    if error.is_some() {
        // What the provider says of it may quote what was asked.
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(told.ended);
}

fn attributes(rows: &ExchangeRows, told: &Told, operation: &'static str) -> Vec<KeyValue> {
    let columns = &rows.exchange;
    let provider = columns.provider.as_deref().map(provider_name);
    let texts = [
        ("gen_ai.operation.name", Some(operation)),
        ("gen_ai.provider.name", provider),
        ("gen_ai.request.model", columns.request_model.as_deref()),
        ("gen_ai.response.model", told.response_model.as_deref()),
        ("gen_ai.response.id", told.response_id.as_deref()),
        (
            "gen_ai.conversation.id",
            Some(rows.conversation.session_id.as_str()),
        ),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some(KeyValue::new(name, text?.to_owned())));
    let Usage {
        prompt_tokens,
        completion_tokens,
        cached_tokens,
        cache_write_tokens,
        ..
    } = told.usage;
    let is_without_cache = matches!(provider, Some("anthropic" | "aws.bedrock"));
    let numbers = [
        ("http.response.status_code", columns.status),
        (
            "gen_ai.usage.input_tokens",
            match is_without_cache {
                // The conventions count with what the cache had.
                true => prompt_tokens.map(|tokens| {
                    let cached = [cached_tokens, cache_write_tokens];
                    cached
                        .into_iter()
                        .flatten()
                        .fold(tokens, i64::saturating_add)
                }),
                false => prompt_tokens,
            },
        ),
        ("gen_ai.usage.output_tokens", completion_tokens),
        ("gen_ai.usage.cache_read.input_tokens", cached_tokens),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            cache_write_tokens,
        ),
    ];
    let numbers = numbers
        .into_iter()
        .filter_map(|(name, number)| Some(KeyValue::new(name, number?)));
    let mut attributes: Vec<KeyValue> = texts.chain(numbers).collect();
    if !told.finish_reasons.is_empty() {
        let reasons = told.finish_reasons.iter().cloned().map(StringValue::from);
        let reasons = Value::Array(Array::String(reasons.collect()));
        attributes.push(KeyValue::new("gen_ai.response.finish_reasons", reasons));
    }
    attributes
}

fn said(content: &Content) -> impl Iterator<Item = KeyValue> {
    let Content {
        instructions,
        input,
        output,
    } = content.clone();
    let texts = [
        ("gen_ai.system_instructions", instructions),
        ("gen_ai.input.messages", Some(input)),
        ("gen_ai.output.messages", Some(output)),
    ];
    texts
        .into_iter()
        .filter_map(|(name, text)| Some(KeyValue::new(name, text?)))
}

/// The kind of error, where the exchange ended in one: the provider's word, else the status, else how it
/// ended.
fn error(rows: &ExchangeRows, told: &Told) -> Option<String> {
    let columns = &rows.exchange;
    if rows.error.is_none() && columns.outcome == Outcome::Complete {
        return None;
    }
    let status = columns.status.filter(|status| *status >= 400);
    let by_status = status.map(|status| status.to_string());
    let by_outcome = || match columns.outcome {
        Outcome::Complete => "_OTHER".to_owned(),
        outcome => outcome.to_string(),
    };
    Some(told.error.clone().or(by_status).unwrap_or_else(by_outcome))
}

/// The conventions' name of a provider, where it has another than ours.
fn provider_name(provider: &str) -> &str {
    match provider {
        "google" => "gcp.gemini",
        "bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}
