//! A client of responses that sends what is new, and the id of the response before it.

use serde_json::{Value, json};

use super::{
    fixture::Gateway,
    models::{response, response_stream},
};

fn answered(text: &str) -> Value {
    json!([{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]}])
}

#[tokio::test]
async fn what_goes_on_from_a_response_stands_behind_it() {
    let gateway = Gateway::start().await;
    let headers = [("x-user-id", "ada"), ("x-session-id", "s")];
    let mut before = Value::Null;
    let calling = json!([{"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed",
        "name": "now", "arguments": "{}"}]);
    let result = json!([{"type": "function_call_output", "call_id": "call_1", "output": "noon"}]);
    for (number, (input, output)) in [
        (json!("What time is it?"), calling),
        (result, answered("It is noon.")),
        (
            json!([{"role": "user", "content": "Again."}]),
            answered("It is noon."),
        ),
        (json!("Again."), answered("It is noon.")),
    ]
    .into_iter()
    .enumerate()
    {
        let asked = json!({
            "model": "gpt-5", "instructions": "Be brief.", "input": input, "previous_response_id": before,
            "stream": number % 2 == 1,
        });
        let id = format!("resp_{number}");
        let answer = match number % 2 {
            0 => response(&id, &output),
            _ => response_stream(&id, &output),
        };
        gateway.ask("/v1/responses", &headers, &asked, answer).await;
        before = id.into();
    }
    assert_eq!(gateway.sessions("ada").await, ["s"]);
    let expected = [
        "system: Be brief.",
        "user: What time is it?",
        "assistant:  +call_1",
        "tool: noon =call_1",
        "assistant: It is noon.",
        "user: Again.",
        "assistant: It is noon.",
        "user: Again.",
        "assistant: It is noon.",
    ];
    assert_eq!(gateway.reads("s").await, expected);
    assert_eq!(gateway.counts("s").await, (8, 1));
}
