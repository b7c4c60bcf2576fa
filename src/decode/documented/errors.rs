//! The errors of everybody.

use serde_json::{Value, json};

use super::{CHAT, assert_has, failed, reply};

#[test]
fn an_error_is_read_in_everybodys_shape() {
    let said = |message: &str, code: Value, kind: Value| json!({"message": message, "code": code, "type": kind});
    for (whose, body, expected) in [
        (
            "OpenAI",
            json!({"error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}),
            json!({"message": "no", "code": "model_not_found", "type": "invalid_request_error", "other": {"param": "model"}}),
        ),
        (
            "Azure",
            json!({"error": {"message": "no", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": true}}}}}),
            json!({"message": "no", "code": "content_filter", "type": null, "other": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}),
        ),
        (
            "Azure's gate",
            json!({"statusCode": 401, "message": "no"}),
            said("no", json!("401"), Value::Null),
        ),
        (
            "Anthropic",
            json!({"type": "error", "error": {"type": "not_found_error", "message": "no"}, "request_id": "req_1"}),
            json!({"message": "no", "type": "not_found_error", "other": {"request_id": "req_1"}}),
        ),
        (
            "Google",
            json!({"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}),
            json!({"message": "no", "code": "400", "type": "INVALID_ARGUMENT", "other": {"details": [{"reason": "API_KEY_INVALID"}]}}),
        ),
        (
            "OpenRouter",
            json!({"error": {"message": "no", "code": 429, "metadata": {"raw": "r", "provider_name": "p"}}, "user_id": "user_1"}),
            json!({"message": "no", "code": "429", "other": {"metadata": {"raw": "r"}, "user_id": "user_1"}}),
        ),
        (
            "xAI",
            json!({"code": "The caller does not have permission", "error": "no"}),
            said(
                "no",
                json!("The caller does not have permission"),
                Value::Null,
            ),
        ),
        (
            "DeepSeek",
            json!({"error": {"message": "no", "type": "authentication_error", "param": null, "code": "invalid_request_error"}}),
            said(
                "no",
                json!("invalid_request_error"),
                json!("authentication_error"),
            ),
        ),
        (
            "Groq",
            json!({"error": {"message": "no", "type": "invalid_request_error", "code": "tool_use_failed", "failed_generation": "<f>"}}),
            json!({"message": "no", "code": "tool_use_failed", "other": {"failed_generation": "<f>"}}),
        ),
        (
            "Together",
            json!({"id": "x", "error": {"message": "no", "type": "invalid_request_error", "param": null, "code": null}}),
            said("no", Value::Null, json!("invalid_request_error")),
        ),
        (
            "Fireworks",
            json!({"error": {"object": "error", "type": "invalid_request_error", "code": "invalid_request_error", "message": "no"}}),
            said(
                "no",
                json!("invalid_request_error"),
                json!("invalid_request_error"),
            ),
        ),
        (
            "Apigee",
            json!({"fault": {"faultstring": "no", "detail": {"errorcode": "x"}}}),
            said("no", Value::Null, Value::Null),
        ),
        (
            "vLLM",
            json!({"object": "error", "message": "no", "type": "BadRequestError", "param": null, "code": 400}),
            said("no", json!("400"), json!("BadRequestError")),
        ),
        (
            "vLLM today",
            json!({"error": {"message": "no", "type": "BadRequestError", "param": null, "code": 400}}),
            said("no", json!("400"), json!("BadRequestError")),
        ),
        (
            "llama.cpp",
            json!({"error": {"code": 503, "message": "no", "type": "unavailable_error"}}),
            said("no", json!("503"), json!("unavailable_error")),
        ),
        (
            "Perplexity",
            json!({"error": {"message": "no", "type": "invalid_model", "code": 400}}),
            said("no", json!("400"), json!("invalid_model")),
        ),
        (
            "DashScope",
            json!({"code": "InvalidApiKey", "message": "no", "request_id": "r"}),
            json!({"message": "no", "code": "InvalidApiKey", "other": {"request_id": "r"}}),
        ),
        (
            "Mistral",
            json!({"object": "error", "message": "no", "type": "invalid_model", "param": null, "code": "1500"}),
            said("no", json!("1500"), json!("invalid_model")),
        ),
        (
            "Mistral's gate",
            json!({"detail": "no"}),
            said("no", Value::Null, Value::Null),
        ),
        (
            "TGI",
            json!({"error": "no", "error_type": "validation"}),
            said("no", Value::Null, json!("validation")),
        ),
        (
            "Cloudflare",
            json!({"errors": [{"message": "no", "code": 7003}], "success": false, "result": {}, "messages": []}),
            said("no", json!("7003"), Value::Null),
        ),
        (
            "Cohere",
            json!({"id": "i", "message": "no"}),
            said("no", Value::Null, Value::Null),
        ),
        (
            "Ollama",
            json!({"error": "no"}),
            said("no", Value::Null, Value::Null),
        ),
        (
            "FastAPI",
            json!({"detail": [{"type": "missing", "loc": ["body"], "msg": "no", "input": null}]}),
            json!({"message": "no", "type": "missing", "other": {"loc": ["body"]}}),
        ),
    ] {
        println!("{whose}");
        assert_has(
            &reply(CHAT, &failed(400, body)),
            &json!({"choices": [], "error": expected}),
        );
    }
}
