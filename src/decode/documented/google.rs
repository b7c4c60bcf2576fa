//! Google's `generateContent`, and its embeddings.

use serde_json::{Value, json};

use super::{Answer, assert_has, chunks, prompt, reply, whole};

const GENERATE: &str = "/v1beta/models/gemini-x:generateContent";
const STREAM: &str = "/v1beta/models/gemini-x:streamGenerateContent";

fn candidate(parts: Value, reason: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}],
        "modelVersion": "gemini-x-001", "responseId": "r1"})
}

#[test]
fn every_part_of_an_answer_has_its_place() {
    let mut body = candidate(
        json!([{"text": "hm", "thought": true}, {"text": "Yes", "thoughtSignature": "Cg"},
            {"executableCode": {"language": "PYTHON", "code": "1+1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, {"fileData": {"fileUri": "gs://a", "mimeType": "audio/mp3"}},
            {"functionCall": {"id": "fc1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "Ch"}, {"partOfTomorrow": {"words": "w"}}]),
        json!("STOP"),
    );
    body["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"]});
    body["candidates"][0]["safetyRatings"] = json!([{"category": "C", "probability": "LOW"}]);
    body["candidates"][0]["finishMessage"] = "done".into();
    body["wordOfTomorrow"] = "w".into();
    body["usageMetadata"] = json!({"promptTokenCount": 5, "candidatesTokenCount": 6, "totalTokenCount": 18, "cachedContentTokenCount": 2,
        "thoughtsTokenCount": 7, "toolUsePromptTokenCount": 1, "trafficType": "ON_DEMAND", "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}]});
    let found = reply(GENERATE, &whole(body));
    assert_has(
        &found,
        &json!({"id": "r1", "model": "gemini-x-001", "streamed": false,
            "usage": {"prompt": 5, "completion": 6, "total": 18, "cached": 2, "reasoning": 7},
            "choices": [{"text": "Yes", "reasoning": "hm", "finish": "STOP", "calls": [["fc1", "function_call", "f", "{\"a\":1}"]],
                "other": {"groundingMetadata": {"webSearchQueries": ["q"]}, "safetyRatings": [{"category": "C"}], "finishMessage": "done",
                    "wordOfTomorrow": "w"}}]}),
    );
    let blocks = found["choices"][0]["other"]["blocks"].to_string();
    for word in [
        "executableCode",
        "OUTCOME_OK",
        "gs://a",
        "partOfTomorrow",
        "Cg",
    ] {
        assert!(blocks.contains(word), "{word} in {blocks}");
    }
    assert!(!found.to_string().contains("AAAA"), "{found}");
}

#[test]
fn a_stream_is_the_same_in_events_and_in_a_list() {
    let mut last = candidate(json!([{"text": ""}]), json!("MAX_TOKENS"));
    last["usageMetadata"] =
        json!({"promptTokenCount": 5, "candidatesTokenCount": 6, "totalTokenCount": 11});
    let pieces = [
        candidate(json!([{"text": "h", "thought": true}]), Value::Null),
        candidate(json!([{"text": "m", "thought": true}]), Value::Null),
        candidate(json!([{"text": "Ye"}]), Value::Null),
        candidate(
            json!([{"text": "s"}, {"functionCall": {"name": "f", "args": {}}}]),
            Value::Null,
        ),
        last,
    ];
    let list = Answer {
        status: 200,
        content_type: "application/json; charset=UTF-8",
        body: Value::from(pieces.to_vec()).to_string().into(),
    };
    let mut with_returns = chunks(&pieces);
    with_returns.body = String::from_utf8(with_returns.body)
        .expect("text")
        .replace('\n', "\r\n")
        .into();
    for answer in [chunks(&pieces), list, with_returns] {
        assert_has(
            &reply(STREAM, &answer),
            &json!({"id": "r1", "streamed": true, "usage": {"total": 11}, "choices": [{"text": "Yes", "reasoning": "hm", "finish": "MAX_TOKENS",
                "calls": [[null, "function_call", "f", "{}"]]}]}),
        );
    }
}

#[test]
fn what_is_blocked_says_why() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []}, "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
        "modelVersion": "gemini-x-001"});
    assert_has(
        &reply(GENERATE, &whole(blocked)),
        &json!({"choices": [{"text": "", "finish": "PROHIBITED_CONTENT", "other": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}}], "usage": {"prompt": 5}}),
    );
    for reason in [
        "SAFETY",
        "RECITATION",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
        "UNEXPECTED_TOOL_CALL",
    ] {
        let body = json!({"candidates": [{"finishReason": reason, "index": 0, "citationMetadata": {"citations": [{"uri": "https://a"}]}}]});
        assert_has(
            &reply(GENERATE, &whole(body)),
            &json!({"choices": [{"text": "", "finish": reason, "other": {"citationMetadata": {"citations": [{"uri": "https://a"}]}}}]}),
        );
    }
}

#[test]
fn an_error_within_a_stream_keeps_what_had_arrived() {
    let pieces = [
        candidate(json!([{"text": "Ye"}]), Value::Null),
        json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE", "details": [{"@type": "t"}]}}),
    ];
    assert_has(
        &reply(STREAM, &chunks(&pieces)),
        &json!({"choices": [{"text": "Ye"}], "error": {"message": "The model is overloaded.", "code": "503", "type": "UNAVAILABLE",
            "other": {"details": [{"@type": "t"}]}}}),
    );
}

#[test]
fn a_request_may_be_spelt_either_way() {
    for asked in [
        json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user", "parts": [{"text": "a"},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}, {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "c"}}}]}], "tools": [{"googleSearch": {}}]}),
        json!({"system_instruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"parts": [{"text": "a"},
            {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}, {"role": "model", "parts": [{"function_call": {"name": "f", "args": {}}}]},
            {"role": "function", "parts": [{"function_response": {"name": "f", "response": {"output": "c"}}}]}], "tools": [{"google_search": {}}]}),
    ] {
        let found = prompt(STREAM, &asked);
        assert_has(
            &found,
            &json!({"model": "gemini-x", "stream": true, "has_tools": true, "instructions": [{"text": "Be brief."}], "messages": [
                {"role": "user", "text": "a", "other": {"content": [{"text": "a"}, {"inlineData": {"mimeType": "image/png"}}]}},
                {"role": "assistant", "calls": [[null, "function_call", "f", "{}"]]}, {"role": "tool", "text": "c", "other": {"name": "f"}}]}),
        );
        assert!(!found.to_string().contains("AAAA"), "{found}");
    }
}

#[test]
fn of_embeddings_the_texts_are_kept_and_no_vector() {
    let one = "/v1beta/models/text-embedding-004:embedContent";
    let asked = json!({"model": "models/text-embedding-004", "content": {"parts": [{"text": "a"}, {"text": "b"}]}, "taskType": "RETRIEVAL_QUERY"});
    assert_has(
        &prompt(one, &asked),
        &json!({"messages": [{"role": "user", "text": "a\nb"}]}),
    );
    let several = "/v1beta/models/text-embedding-004:batchEmbedContents";
    let asked = json!({"requests": [{"content": {"parts": [{"text": "a"}]}}, {"content": {"parts": [{"text": "b"}]}}]});
    assert_has(
        &prompt(several, &asked),
        &json!({"messages": [{"text": "a"}, {"text": "b"}]}),
    );
    let vectors = json!({"embeddings": [{"values": [0.25, 1]}, {"values": [0.75, 2]}], "usageMetadata": {"promptTokenCount": 2}});
    let found = reply(several, &whole(vectors));
    assert_has(
        &found,
        &json!({"choices": [{"other": {"embeddings": {"count": 2, "dimensions": 2}}}], "usage": {"prompt": 2}}),
    );
    assert!(!found.to_string().contains("0.25"), "{found}");
}
