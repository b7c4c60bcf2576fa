//! Claude Code: agents within a session, reminders that come and go, and a history that is compacted.

use serde_json::{Value, json};

use super::{fixture::Gateway, models::blocks_stream};

const SESSION: &str = "5f2d3a52-77f1-4c1e-9d3c-5d8f6f0b7a11";

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn marked(mut block: Value) -> Value {
    block["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    block
}

fn reminder(said: &str) -> Value {
    text(&format!("<system-reminder>\n{said}\n</system-reminder>\n"))
}

fn call(id: &str, name: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": {"path": "src/lib.rs", "limit": 20}})
}

fn result(id: &str, content: impl Into<Value>) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": content.into()})
}

fn thinking(thought: &str) -> Value {
    json!({"type": "thinking", "thinking": thought, "signature": format!("signed {thought}")})
}

/// An agent, or the session itself.
struct Agent<'a> {
    gateway: &'a Gateway,
    headers: Vec<(&'a str, &'a str)>,
    instructions: &'a str,
    calls: usize,
}

impl<'a> Agent<'a> {
    fn new(gateway: &'a Gateway, instructions: &'a str, agent: &[(&'a str, &'a str)]) -> Self {
        let session = [("x-user-id", "ada"), ("x-claude-code-session-id", SESSION)];
        Self {
            gateway,
            headers: [&session, agent].concat(),
            instructions,
            calls: 0,
        }
    }

    /// Sends these messages, the last block of which is marked for the cache.
    async fn turn(&mut self, messages: &[(&str, Value)], answer: &Value) {
        self.calls += 1;
        let mut messages: Vec<Value> = messages
            .iter()
            .map(|(role, content)| json!({"role": role, "content": content}))
            .collect();
        let last = messages.last_mut().expect("a message");
        if let Some(block) = last["content"]
            .as_array_mut()
            .and_then(|blocks| blocks.last_mut())
        {
            *block = marked(block.take());
        }
        let billing = format!(
            "x-anthropic-billing-header: cc_version=2.1.0; cch={:05x};",
            self.calls
        );
        let asked = json!({
            "model": "claude-sonnet-4-5-20250929", "max_tokens": 32000, "stream": true,
            "system": [
                text(&billing),
                marked(text("You are Claude Code, Anthropic's official CLI for Claude.")),
                marked(text(self.instructions)),
            ],
            "tools": [{"name": "Read", "input_schema": {"type": "object"}}],
            "metadata": {"user_id": format!("user_ab_account_cd_session_{SESSION}")},
            "messages": messages,
        });
        let id = format!("msg_{}", self.calls);
        self.gateway
            .ask(
                "/v1/messages",
                &self.headers,
                &asked,
                blocks_stream(&id, answer),
            )
            .await;
    }
}

#[tokio::test]
async fn reminders_that_change_move_and_go_store_nothing_twice() {
    let gateway = Gateway::start().await;
    let mut session = Agent::new(&gateway, "Work well.", &[]);
    let opened = |date: &str| {
        json!([
            reminder(&format!("Today is {date}.")),
            text("Mend the test.")
        ])
    };
    let looked = json!([thinking("Where?"), text("I look."), call("toolu_1", "Read")]);
    session.turn(&[("user", opened("Monday"))], &looked).await;

    let with_reminder = json!([
        result("toolu_1", "fn it_works()"),
        reminder("The todo list is empty.")
    ]);
    let edited = json!([call("toolu_2", "Edit")]);
    let history = [
        ("user", opened("Monday")),
        ("assistant", looked.clone()),
        ("user", with_reminder),
    ];
    session.turn(&history, &edited).await;

    // By now it is Tuesday, and the reminder stands in another result.
    let within = "done\n\n<system-reminder>\nThe file was changed by a linter.\n</system-reminder>";
    let mut history = vec![
        ("user", opened("Tuesday")),
        ("assistant", looked.clone()),
        ("user", json!([result("toolu_1", "fn it_works()")])),
        ("assistant", edited.clone()),
        ("user", json!([result("toolu_2", within)])),
    ];
    let done = json!([text("It passes now.")]);
    session.turn(&history, &done).await;

    history[0] = (
        "user",
        json!([text("Mend the test."), reminder("Skills: none.")]),
    );
    history[4] = ("user", json!([result("toolu_2", json!([text("done")]))]));
    history.extend([("assistant", done), ("user", json!("Commit it."))]);
    session.turn(&history, &json!([text("Done.")])).await;

    let read = gateway.reads(SESSION).await;
    let system = "system: You are Claude Code, Anthropic's official CLI for Claude.\nWork well.";
    let opening = "user: <system-reminder>\nToday is Monday.\n</system-reminder>\n\nMend the test.";
    let todo = "user: <system-reminder>\nThe todo list is empty.\n</system-reminder>\n";
    let edited = format!("tool: {within} =toolu_2");
    let expected = [
        system,
        opening,
        "assistant: I look. +toolu_1",
        "tool: fn it_works() =toolu_1",
        todo,
        "assistant:  +toolu_2",
        &edited,
        "assistant: It passes now.",
        "user: Commit it.",
        "assistant: Done.",
    ];
    assert_eq!(read, expected);
    assert_eq!(gateway.counts(SESSION).await, (9, 1));
    assert_eq!(gateway.title(SESSION).await, "Mend the test.");
}

#[tokio::test]
async fn agents_are_conversations_that_know_who_began_them() {
    let gateway = Gateway::start().await;
    let mut session = Agent::new(&gateway, "Work well.", &[]);
    let asked = ("user", json!([text("Look around.")]));
    let sent = json!([call("toolu_1", "Task")]);
    session.turn(std::slice::from_ref(&asked), &sent).await;

    let mut first = Agent::new(&gateway, "Search.", &[("x-claude-code-agent-id", "a1")]);
    let task = (
        "user",
        json!([reminder("Today is Monday."), text("Find the tests.")]),
    );
    let deeper = json!([call("toolu_2", "Task")]);
    first.turn(std::slice::from_ref(&task), &deeper).await;

    let nested = [
        ("x-claude-code-agent-id", "a2"),
        ("x-claude-code-parent-agent-id", "a1"),
    ];
    let mut second = Agent::new(&gateway, "Search.", &nested);
    second
        .turn(&[("user", json!("Count them."))], &json!([text("7")]))
        .await;

    let history = [
        task,
        ("assistant", deeper),
        ("user", json!([result("toolu_2", "7")])),
    ];
    first.turn(&history, &json!([text("7 tests.")])).await;
    let history = [
        asked,
        ("assistant", sent),
        ("user", json!([result("toolu_1", "7 tests.")])),
    ];
    session.turn(&history, &json!([text("There are 7.")])).await;

    let of = |agent: &str| format!("{SESSION}:{agent}");
    assert_eq!(
        gateway.sessions("ada").await,
        [SESSION.to_owned(), of("a1"), of("a2")]
    );
    for (conversation, parent, counts, last) in [
        (SESSION.to_owned(), None, (4, 1), "assistant: There are 7."),
        (
            of("a1"),
            Some(SESSION.to_owned()),
            (4, 1),
            "assistant: 7 tests.",
        ),
        (of("a2"), Some(of("a1")), (2, 1), "assistant: 7"),
    ] {
        assert_eq!(gateway.parent(&conversation).await, parent);
        assert_eq!(
            gateway.counts(&conversation).await,
            counts,
            "{conversation}"
        );
        let read = gateway.reads(&conversation).await;
        assert_eq!(read.last().map(String::as_str), Some(last));
        assert_eq!(read.len(), counts.0 + counts.1);
    }
}

#[tokio::test]
async fn titles_topics_and_quotas_are_not_shown_for_the_session() {
    let gateway = Gateway::start().await;
    let mut session = Agent::new(&gateway, "Work well.", &[]);
    let aside = async |system: Option<&str>, said: &str, answer: &str| {
        let asked = json!({
            "model": "claude-haiku-4-5-20251001", "max_tokens": 512, "stream": true,
            "system": system.map(|told| json!([text(told)])).unwrap_or_default(),
            "metadata": {"user_id": format!("user_ab_account_cd_session_{SESSION}")},
            "messages": [{"role": "user", "content": said}],
        });
        let headers = [("x-user-id", "ada"), ("x-claude-code-session-id", SESSION)];
        let answer = blocks_stream("msg_aside", &json!([text(answer)]));
        gateway.ask("/v1/messages", &headers, &asked, answer).await;
    };
    let mut history = Vec::new();
    let told = "system: You are Claude Code, Anthropic's official CLI for Claude.\nWork well.";
    let mut expected = vec![told.to_owned()];
    aside(None, "quota", "#").await;
    for turn in 0..3 {
        let question = format!("Question {turn}.");
        history.push(("user", json!([text(&question)])));
        let answer = format!("Answer {turn}.");
        session.turn(&history, &json!([text(&answer)])).await;
        history.push(("assistant", json!([text(&answer)])));
        expected.extend([format!("user: {question}"), format!("assistant: {answer}")]);
        assert_eq!(gateway.reads(SESSION).await, expected);
        let topic = Some("Analyze if this message indicates a new conversation topic.");
        aside(topic, &question, r#"{"isNewTopic":false,"title":null}"#).await;
        aside(
            Some("Summarize this coding conversation."),
            "Question 0.",
            "Questions",
        )
        .await;
        aside(None, "quota", "#").await;
        assert_eq!(gateway.reads(SESSION).await, expected);
    }
}

#[tokio::test]
async fn a_history_that_was_compacted_is_a_branch_of_its_own() {
    let gateway = Gateway::start().await;
    let mut session = Agent::new(&gateway, "Work well.", &[]);
    let mut history = Vec::new();
    for turn in 0..5 {
        history.push(("user", json!([text(&format!("Question {turn}."))])));
        let answer = json!([text(&format!("Answer {turn}."))]);
        session.turn(&history, &answer).await;
        history.push(("assistant", answer));
    }
    history.push((
        "user",
        json!([text(
            "Create a detailed summary of the conversation so far."
        )]),
    ));
    let mut summing = Agent::new(&gateway, "You summarize conversations.", &[]);
    summing
        .turn(
            &history,
            &json!([text("<summary>Five questions.</summary>")]),
        )
        .await;
    assert_eq!(gateway.counts(SESSION).await, (12, 2));

    let summary = "This session is being continued from a previous conversation. Five questions.";
    let mut history = vec![(
        "user",
        json!([reminder("Today is Monday."), text(summary), text("Go on.")]),
    )];
    for turn in 5..8 {
        let answer = json!([text(&format!("Answer {turn}."))]);
        session.turn(&history, &answer).await;
        history.push(("assistant", answer));
        history.push(("user", json!(format!("Question {turn}."))));
    }
    let read = gateway.reads(SESSION).await;
    assert_eq!(read.len(), 7, "{read:#?}");
    assert!(read[1].ends_with("Five questions.\nGo on."));
    assert_eq!(read[6], "assistant: Answer 7.");
    // The summary's branch has the instructions at its root.
    assert_eq!(gateway.counts(SESSION).await, (12 + 6, 3));
}
