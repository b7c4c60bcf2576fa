//! Chat completions of the sizes that are compared, as a provider words them.

use std::fmt::Write;

use axum::body::Bytes;

const WORDS: [&str; 8] = [
    " the", " record", " of", " every", " answer", " stays", " with", " you",
];

/// How the answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Json,
    Sse,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Json, Self::Sse];

    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A request of 1 KB.
pub fn request(kind: Kind) -> Bytes {
    let head = format!(
        r#"{{"model":"gpt-4o","stream":{},"messages":[{{"role":"system","content":"Answer briefly."}},{{"role":"user","content":""#,
        kind == Kind::Sse
    );
    padded(head, r#""}]}"#, 1 << 10)
}

/// A whole answer of 2 KB.
pub fn reply() -> Bytes {
    let head = r#"{"id":"chatcmpl-9f3c0c2f7a7f","object":"chat.completion","created":1763690400,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    let tail = r#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":212,"completion_tokens":431,"total_tokens":643}}"#;
    padded(head.to_owned(), tail, 2 << 10)
}

/// A streamed answer in so many frames of about 150 bytes.
pub fn events(frames: usize) -> Vec<Bytes> {
    let event = |rest: &str| {
        Bytes::from(format!(
            "data: {{\"id\":\"chatcmpl-9f3c0c2f\",\"object\":\"chat.completion.chunk\",\"created\":1763690400,\"model\":\"gpt-4o\",{rest}}}\n\n"
        ))
    };
    let delta = |index: usize| {
        event(&format!(
            r#""choices":[{{"index":0,"delta":{{"content":"{}"}}}}]"#,
            WORDS[index % WORDS.len()]
        ))
    };
    let mut events = vec![event(
        r#""choices":[{"index":0,"delta":{"role":"assistant"}}]"#,
    )];
    events.extend((3..frames).map(delta));
    events.push(event(
        r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":212,"completion_tokens":147,"total_tokens":359}"#,
    ));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

fn padded(mut text: String, tail: &str, bytes: usize) -> Bytes {
    let mut words = WORDS.iter().cycle();
    while text.len() + tail.len() < bytes {
        let room = bytes - text.len() - tail.len();
        let word = words.next().expect("an endless cycle");
        let word = word.get(..room).unwrap_or(word);
        write!(text, "{word}").expect("a string");
    }
    text.push_str(tail);
    Bytes::from(text)
}
