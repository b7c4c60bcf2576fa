//! The shapes of what is sent and answered.

use serde_json::{Value, json};

fn text() -> Value {
    json!({ "type": "string" })
}

fn optional(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn number() -> Value {
    json!({ "type": "integer" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn own(name: &str) -> Value {
    super::reference(name)
}

fn list(of: &Value) -> Value {
    json!({ "type": "array", "items": of })
}

fn counts() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "integer" } })
}

/// An object all of whose fields are there, but for the `absent` ones, which may be.
fn object(fields: &[(&str, Value)], absent: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let all = fields.iter().chain(absent).cloned();
    let properties: serde_json::Map<String, Value> = all
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// An object of a request, which takes no other fields.
fn asked(fields: &[(&str, Value)], absent: &[(&str, Value)]) -> Value {
    let mut asked = object(fields, absent);
    asked["additionalProperties"] = false.into();
    asked
}

fn page(of: &Value) -> Value {
    let fields = [
        ("data", list(of)),
        ("has_more", flag()),
        ("next", optional("string")),
    ];
    object(&fields, &[])
}

fn conversation() -> Vec<(&'static str, Value)> {
    vec![
        ("id", id()),
        ("session_id", text()),
        ("title", optional("string")),
        ("user_identifier", text()),
        ("created_at", time()),
        ("updated_at", time()),
        ("message_count", number()),
        ("session_source", text()),
    ]
}

fn message() -> Value {
    let optional_number = || optional("integer");
    let fields = [
        ("id", id()),
        ("conversation_id", id()),
        ("message_id", optional("string")),
        ("parent_id", optional("string")),
        ("exchange_id", id()),
        ("choice_index", number()),
        ("role", text()),
        ("content", text()),
        ("request_model", optional("string")),
        ("model_name", optional("string")),
        ("provider", optional("string")),
        ("status", optional_number()),
        ("token_count", optional_number()),
        ("timestamp", time()),
        ("prompt_tokens", optional_number()),
        ("completion_tokens", optional_number()),
        ("total_tokens", optional_number()),
        ("cached_tokens", optional_number()),
        ("cache_write_tokens", optional_number()),
        ("reasoning_tokens", optional_number()),
        ("usage", json!({})),
        ("is_stream", flag()),
        ("finish_reason", optional("string")),
        ("outcome", text()),
        ("truncated", text()),
        ("first_token_ms", optional_number()),
        ("latency_ms", optional_number()),
        ("other", json!({ "type": "object" })),
    ];
    let absent = ["tool_calls", "tool_call_id", "reasoning", "refusal"];
    object(&fields, &absent.map(|name| (name, json!({}))))
}

fn failure() -> Value {
    let fields = [
        ("id", id()),
        ("conversation_id", id()),
        ("exchange_id", id()),
        ("error_code", number()),
        ("error_message", text()),
        ("model_name", optional("string")),
        ("messages", json!({})),
        ("timestamp", time()),
        ("other", json!({ "type": "object" })),
    ];
    object(&fields, &[])
}

fn error() -> Value {
    let fields = [
        ("message", text()),
        ("type", text()),
        ("param", optional("string")),
        ("code", text()),
    ];
    let error = object(&fields, &[("ids", list(&id()))]);
    object(&[("error", error)], &[])
}

fn partition() -> Value {
    let fields = [
        ("table", text()),
        ("day", optional("string")),
        ("rows", number()),
        ("bytes", optional("integer")),
    ];
    object(&fields, &[])
}

/// Text that stands for itself, of at most 255 bytes.
fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 255 })
}

fn optional_name() -> Value {
    json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 255 })
}

/// All of them.
pub(super) fn all() -> Value {
    let mut transcript = conversation();
    transcript.push(("messages", list(&own("Message"))));
    transcript.push(("has_more", flag()));
    let role = json!({ "enum": ["system", "developer", "user", "assistant", "tool"] });
    let count = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX });
    // With `format=openai` they have OpenAI's shape.
    let in_page = json!({ "anyOf": [own("Message"), { "type": "object" }] });
    let hit = [
        ("message", own("Message")),
        ("conversation", own("Conversation")),
    ];
    let mut hits = page(&object(&hit, &[]));
    for end in ["from", "to"] {
        hits["properties"][end] = optional("string");
    }
    json!({
        "Conversation": object(&conversation(), &[]),
        "ConversationList": page(&own("Conversation")),
        "NewConversation": asked(
            &[("user_identifier", name())],
            &[("title", optional_name()), ("session_id", optional_name())],
        ),
        "Title": asked(&[("title", name())], &[]),
        "Transcript": object(&transcript, &[]),
        "Message": message(),
        "MessageList": page(&in_page),
        "NewMessage": asked(
            &[("role", role), ("content", text())],
            &[("model_name", optional_name()), ("token_count", count)],
        ),
        "FailureList": object(&[("data", list(&failure()))], &[]),
        "Stats": object(&[
            ("total_conversations", number()),
            ("total_messages", number()),
            ("total_tokens", number()),
            ("models_used", counts()),
            ("daily_message_count", counts()),
        ], &[]),
        "Deleted": object(&[
            ("session_id", text()),
            ("deleted", flag()),
            ("messages_deleted", number()),
            ("errors_deleted", number()),
        ], &[]),
        "Erased": object(&[
            ("user_identifier", text()),
            ("deleted", flag()),
            ("conversations_deleted", number()),
            ("messages_deleted", number()),
            ("errors_deleted", number()),
            ("rejects_deleted", number()),
            ("response_ids_deleted", number()),
            ("usage_daily_deleted", number()),
        ], &[]),
        "HitList": hits,
        "PartitionList": object(&[("data", list(&partition()))], &[]),
        "Dropped": object(&[
            ("data", list(&partition())),
            ("tables_dropped", number()),
            ("rows_deleted", number()),
            ("bytes_freed", number()),
        ], &[]),
        "Description": { "type": "object" },
        "Error": error(),
    })
}

/// A parameter of a query, by its name or by what tells it from another of the same name.
pub(super) fn parameter(key: &str) -> Value {
    let date = || json!({ "type": "string", "format": "date" });
    let (name, required, schema) = match key {
        "limit" => (
            "limit",
            false,
            json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }),
        ),
        "offset" => (
            "offset",
            false,
            json!({ "type": "integer", "minimum": 0, "maximum": 10_000, "default": 0 }),
        ),
        "tree" => (
            "tree",
            false,
            json!({ "type": "boolean", "default": false }),
        ),
        "message_format" => ("format", false, json!({ "enum": ["openai"] })),
        "export_format" => (
            "format",
            false,
            json!({ "enum": ["openai-jsonl", "markdown", "csv"], "default": "openai-jsonl" }),
        ),
        "from" | "to" => (key, false, date()),
        "before_day" => ("before", true, date()),
        "q" => ("q", true, name()),
        other => (other, false, text()),
    };
    json!({ "name": name, "in": "query", "required": required, "schema": schema })
}
