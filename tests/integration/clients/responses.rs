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

struct Client {
    /// Whoever answers next.
    gateways: Vec<Gateway>,
    asked: usize,
}

impl Client {
    /// Sends only this, and what it goes on from; the id of the response comes back.
    async fn ask(
        &mut self,
        session: Option<&str>,
        before: Option<&str>,
        input: Value,
        output: &Value,
    ) -> String {
        self.asked += 1;
        let id = format!("resp_{}", self.asked);
        let mut headers = vec![("x-user-id", "ada")];
        headers.extend(session.map(|session| ("x-session-id", session)));
        let stream = self.asked.is_multiple_of(2);
        let asked = json!({
            "model": "gpt-5", "instructions": "Be brief.", "input": input, "previous_response_id": before,
            "stream": stream,
        });
        let answer = if stream { response_stream } else { response };
        let gateway = &self.gateways[self.asked % self.gateways.len()];
        gateway
            .ask("/v1/responses", &headers, &asked, answer(&id, output))
            .await;
        gateway.flush().await;
        id
    }
}

#[tokio::test]
async fn what_goes_on_from_a_response_stands_behind_it() {
    let calling = json!([{"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed",
        "name": "now", "arguments": "{}"}]);
    let result = json!([{"type": "function_call_output", "call_id": "call_1", "output": "noon"}]);
    let noon = answered("It is noon.");
    let again = json!([{"role": "user", "content": "Again."}]);
    for (session, processes) in [(Some("s"), 1), (None, 1), (None, 2)] {
        let mut gateways = vec![Gateway::start().await];
        if processes == 2 {
            gateways.push(gateways[0].another().await);
        }
        let mut client = Client { gateways, asked: 0 };
        let first = client
            .ask(session, None, json!("What time is it?"), &calling)
            .await;
        let second = client
            .ask(session, Some(&first), result.clone(), &noon)
            .await;
        let third = client
            .ask(session, Some(&second), again.clone(), &noon)
            .await;
        client
            .ask(session, Some(&third), json!("Again."), &noon)
            .await;

        let gateway = &client.gateways[0];
        let sessions = gateway.sessions("ada").await;
        let [found] = &sessions[..] else {
            panic!("{sessions:?}")
        };
        let turns = [
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
        assert_eq!(gateway.reads(found).await, turns);
        assert_eq!(gateway.counts(found).await, (8, 1));

        // It goes on from an earlier response, twice with the same words.
        for text in ["In Rome?", "In Rome?"] {
            let answer = answered("There too.");
            client
                .ask(session, Some(&second), json!(text), &answer)
                .await;
            let gateway = &client.gateways[0];
            let now = [&turns[..5], &["user: In Rome?", "assistant: There too."]].concat();
            assert_eq!(gateway.reads(found).await, now);
        }
        let gateway = &client.gateways[0];
        assert_eq!(gateway.sessions("ada").await.len(), 1);
        if processes == 1 {
            assert_eq!(gateway.counts(found).await, (8 + 3, 1));
        }
    }
}

#[tokio::test]
async fn the_response_of_somebody_else_is_not_gone_on_from() {
    let gateway = Gateway::start().await;
    let mut before = Value::Null;
    for (user, id) in [("ada", "resp_1"), ("bob", "resp_2")] {
        let headers = [("x-user-id", user)];
        let asked = json!({"model": "gpt-5", "input": "Hello.", "previous_response_id": before});
        let answer = response(id, &answered("Hi."));
        gateway.ask("/v1/responses", &headers, &asked, answer).await;
        before = id.into();
    }
    for user in ["ada", "bob"] {
        let sessions = gateway.sessions(user).await;
        let read = gateway.reads(&sessions[0]).await;
        assert_eq!(read, ["user: Hello.", "assistant: Hi."]);
    }
}
