use serde_json::json;

use super::{
    super::{Payload, Policy, Spoken, own_exchange},
    *,
};
use crate::{
    RecordingLayer,
    conversation::{Message, ProviderError, Role, ToolCall},
    outcome::Truncated,
};

const POLICY: Policy = Policy {
    max_decoded_bytes: 1 << 20,
    max_parsed_bytes: 1 << 20,
    max_raw_bytes: 64,
    keep_media: false,
};

/// Reads `say <text>`.
#[derive(Debug)]
struct Saying;

impl Decode for Saying {
    fn provider(&self) -> &'static str {
        "sayings"
    }

    fn speaks(&self, path: &str) -> bool {
        path == "/say"
    }

    fn prompt(&self, body: &CapturedBody<'_>) -> Option<Prompt> {
        let said = std::str::from_utf8(body.bytes).ok()?.strip_prefix("say ")?;
        let mut message = Message::new(Role::Other("user".to_owned()), said);
        message.put_other("seen", r#"{"\u0000":["\u0000",7]}"#);
        message.put_other("word", "not JSON");
        let mut prompt = Prompt::new(vec![Message::new(Role::System, body.path), message]);
        prompt.model = Some("m\0".to_owned());
        prompt.claim("user", "ada");
        Some(prompt)
    }

    fn reply(&self, status: u16, body: &CapturedBody<'_>) -> Option<Reply> {
        let said = std::str::from_utf8(body.bytes).ok()?.strip_prefix("say ")?;
        let mut message = Message::new(Role::Assistant, said);
        message.tool_calls = vec![ToolCall::default(); 5000];
        let mut reply = Reply::new(message);
        if status == 503 {
            let mut error = ProviderError::new("away");
            error.put_other("until\0", r#"{"hour":7}"#);
            reply.error = Some(error);
        }
        Some(reply)
    }
}

fn heard(request: &[u8], status: u16, response: &[u8]) -> Spoken {
    let (request, response) = ([request], [response]);
    let payload = |segments| Payload {
        segments,
        ..Payload::default()
    };
    let answer = Some((status, payload(&response)));
    own_exchange(&Saying, "/say", payload(&request), answer, &POLICY)
}

#[test]
fn what_the_application_reads_is_brought_into_stored_form_and_within_the_limits() {
    let Spoken {
        provider,
        prompt,
        reply,
        truncated,
        ..
    } = heard(b"say a\0", 200, b"say \xe2\x90\x9b");
    assert_eq!(provider, Some("sayings"));
    assert_eq!(prompt.model.as_deref(), Some("m␛00"));
    assert_eq!(prompt.instructions[0].content, "/say");
    let [said] = &prompt.messages[..] else {
        panic!("{prompt:?}");
    };
    assert_eq!((&said.role, said.content.as_str()), (&Role::User, "a␛00"));
    assert_eq!(said.other["seen"], json!({ "␛00": ["␛00", 7] }));
    assert_eq!(said.other["word"], "not JSON");
    assert_eq!(prompt.claims.get("user"), Some("ada"));
    let answer = &reply.choices[0].message;
    assert_eq!(answer.content, "␛␛");
    assert_eq!(answer.tool_calls.len(), 4096);
    assert_eq!(answer.tool_calls[0].kind, "function");
    assert_eq!(truncated, Truncated::Cap);
}

#[test]
fn what_it_does_not_read_is_kept_as_it_came() {
    let spoken = heard(b"shout", 200, b"shout");
    assert_eq!(spoken.provider, None);
    assert_eq!(spoken.prompt.messages[0].content, "shout");
    assert!(spoken.reply.choices[0].message.other.contains_key("raw"));
    let long = [b"say ", &[b'a'; 600_000][..]].concat();
    let spoken = heard(&long, 200, b"say b");
    assert_eq!(spoken.prompt.messages[0].content.len(), 64);
    assert_eq!(spoken.truncated, Truncated::Budget);
    assert_eq!(spoken.reply.choices[0].message.content, "b");
}

#[test]
fn a_failure_is_its_error_or_the_body() {
    let error = |status, body: &[u8]| heard(b"say a", status, body).reply.error;
    let message = |status, body: &[u8]| error(status, body).map(|error| error.message);
    let away = error(503, b"say it").expect("an error");
    assert_eq!(away.message, "away");
    assert_eq!(away.other["until␛00"], json!({ "hour": 7 }));
    assert_eq!(message(500, b"say it").as_deref(), Some("say it"));
    assert_eq!(
        message(500, br#"{"error":{"message":"no"}}"#).as_deref(),
        Some("no")
    );
}

#[derive(Debug)]
struct Named(&'static str);

impl Decode for Named {
    fn provider(&self) -> &'static str {
        self.0
    }

    fn speaks(&self, _path: &str) -> bool {
        false
    }

    fn prompt(&self, _body: &CapturedBody<'_>) -> Option<Prompt> {
        None
    }

    fn reply(&self, _status: u16, _body: &CapturedBody<'_>) -> Option<Reply> {
        None
    }
}

#[test]
fn a_layer_is_not_built_with_a_provider_that_its_column_does_not_hold() {
    const LONGEST: &str = match str::from_utf8(&[b'p'; 255]) {
        Ok(name) => name,
        Err(_) => unreachable!(),
    };
    const TOO_LONG: &str = match str::from_utf8(&[b'p'; 256]) {
        Ok(name) => name,
        Err(_) => unreachable!(),
    };
    let build = |provider| {
        RecordingLayer::builder("discard:")
            .decode(Named(provider))
            .build()
            .map_err(|error| error.to_string())
    };
    assert!(build(LONGEST).is_ok());
    for provider in [TOO_LONG, "p\0", "␛"] {
        let error = build(provider).expect_err("no layer");
        assert!(error.starts_with("the setting decode must be"), "{error}");
    }
}

#[test]
fn a_body_of_a_test_is_whole() {
    let body = CapturedBody::new("/say", "text/plain", b"say it");
    assert!(!body.is_cut);
    assert!(Saying.prompt(&body).is_some());
}
