//! What is sent to take time or room, in every dialect that streams.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};

use super::{
    Payload, Policy, Spoken, amazon_events::tests::event, arbitrary_tests::grows, exchange,
    limits::MAX_TOOL_CALLS,
};
use crate::outcome::Truncated;

const POLICY: Policy = Policy {
    max_decoded_bytes: 1 << 20,
    max_parsed_bytes: 256 << 20,
    max_raw_bytes: 1 << 16,
    keep_media: false,
};

/// How a dialect streams.
struct Streamed {
    path: &'static str,
    content_type: &'static str,
    body: fn(&[String]) -> Vec<u8>,
    /// An event with a piece of text, and one member that nobody knows.
    text: fn(&str, &str) -> String,
    /// An event that begins this call; `None` where there are no calls.
    call: Option<fn(usize) -> String>,
    /// What stands around several calls of one event, where there may be several.
    calls: Option<(&'static str, &'static str)>,
}

const SSE: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";
const AMAZON: &str = "application/vnd.amazon.eventstream";

const DIALECTS: [Streamed; 11] = [
    Streamed {
        path: "/v1/chat/completions",
        content_type: SSE,
        body: events,
        text: |text, odd| {
            format!(r#"{{"choices":[{{"delta":{{"content":"{text}","odd":{odd}}}}}]}}"#)
        },
        call: Some(|index| {
            format!(
                r#"{{"index":{index},"id":"c{index}","function":{{"name":"f","arguments":""}}}}"#
            )
        }),
        calls: Some((r#"{"choices":[{"delta":{"tool_calls":["#, "]}}]}")),
    },
    Streamed {
        path: "/v1/completions",
        content_type: SSE,
        body: events,
        text: |text, odd| format!(r#"{{"choices":[{{"text":"{text}","odd":{odd}}}]}}"#),
        call: None,
        calls: None,
    },
    Streamed {
        path: "/v1/responses",
        content_type: SSE,
        body: events,
        text: |text, odd| {
            format!(
                r#"{{"type":"response.output_text.delta","output_index":0,"delta":"{text}","odd":{odd}}}"#
            )
        },
        call: Some(|index| {
            format!(
                r#"{{"type":"response.output_item.added","output_index":{index},"item":{{"type":"function_call","name":"f"}}}}"#
            )
        }),
        calls: None,
    },
    Streamed {
        path: "/v1/messages",
        content_type: SSE,
        body: events,
        text: anthropic_text,
        call: Some(anthropic_call),
        calls: None,
    },
    Streamed {
        path: "/v1beta/models/m:streamGenerateContent",
        content_type: SSE,
        body: events,
        text: google_text,
        call: Some(google_call),
        calls: Some(GOOGLE_CALLS),
    },
    Streamed {
        path: "/v1beta/models/m:streamGenerateContent",
        content_type: "application/json",
        body: |documents| format!("[{}]", documents.join(",\n")).into(),
        text: google_text,
        call: Some(google_call),
        calls: Some(GOOGLE_CALLS),
    },
    Streamed {
        path: "/api/chat",
        content_type: LINES,
        body: lines,
        text: |text, odd| format!(r#"{{"message":{{"content":"{text}"}},"odd":{odd}}}"#),
        call: Some(|_| r#"{"function":{"name":"f","arguments":{}}}"#.to_owned()),
        calls: Some((r#"{"message":{"tool_calls":["#, "]}}")),
    },
    Streamed {
        path: "/v1/chat",
        content_type: LINES,
        body: lines,
        text: |text, odd| {
            format!(r#"{{"event_type":"text-generation","text":"{text}","odd":{odd}}}"#)
        },
        call: Some(|index| {
            format!(
                r#"{{"event_type":"tool-calls-chunk","tool_call_delta":{{"index":{index},"name":"f"}}}}"#
            )
        }),
        calls: None,
    },
    Streamed {
        path: "/v2/chat",
        content_type: SSE,
        body: events,
        text: |text, odd| {
            format!(
                r#"{{"type":"content-delta","index":0,"delta":{{"message":{{"content":{{"text":"{text}"}}}}}},"odd":{odd}}}"#
            )
        },
        call: Some(|index| {
            format!(
                r#"{{"type":"tool-call-start","index":{index},"delta":{{"message":{{"tool_calls":{{"id":"c","function":{{"name":"f","arguments":""}}}}}}}}}}"#
            )
        }),
        calls: None,
    },
    Streamed {
        path: "/model/m/converse-stream",
        content_type: AMAZON,
        body: |documents| {
            let events = documents.iter().map(|it| event("contentBlockDelta", it));
            events.flatten().collect()
        },
        text: |text, odd| {
            format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"odd":{odd}}}"#)
        },
        call: Some(|index| {
            format!(
                r#"{{"contentBlockIndex":{index},"start":{{"toolUse":{{"toolUseId":"c","name":"f"}}}}}}"#
            )
        }),
        calls: None,
    },
    Streamed {
        path: "/model/m/invoke-with-response-stream",
        content_type: AMAZON,
        body: |documents| {
            let chunk = |it: &String| format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(it));
            let events = documents.iter().map(|it| event("chunk", &chunk(it)));
            events.flatten().collect()
        },
        text: anthropic_text,
        call: Some(anthropic_call),
        calls: None,
    },
];

fn events(documents: &[String]) -> Vec<u8> {
    let events = documents.iter().map(|it| format!("data: {it}\n\n"));
    events.collect::<String>().into()
}

fn lines(documents: &[String]) -> Vec<u8> {
    let lines = documents.iter().map(|it| format!("{it}\n"));
    lines.collect::<String>().into()
}

fn anthropic_text(text: &str, odd: &str) -> String {
    format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}},"odd":{odd}}}"#
    )
}

fn anthropic_call(index: usize) -> String {
    format!(
        r#"{{"type":"content_block_start","index":{index},"content_block":{{"type":"tool_use","id":"c","name":"f","input":{{}}}}}}"#
    )
}

fn google_text(text: &str, odd: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"odd":{odd}}}]}}"#)
}

fn google_call(index: usize) -> String {
    format!(r#"{{"functionCall":{{"id":"{index}","name":"f","args":{{}}}}}}"#)
}

const GOOGLE_CALLS: (&str, &str) = (r#"{"candidates":[{"content":{"parts":["#, "]}}]}");

impl Streamed {
    fn heard(&self, segments: &[&[u8]], content_encoding: &str) -> Spoken {
        let payload = Payload {
            content_type: self.content_type,
            content_encoding,
            segments,
            ..Payload::default()
        };
        exchange(self.path, Payload::default(), Some((200, payload)), &POLICY)
    }

    /// The text that was read, which has to be all that was.
    fn text(&self, documents: &[String]) -> String {
        let body = (self.body)(documents);
        let spoken = self.heard(&[&body], "");
        let [choice] = spoken.reply.choices.as_slice() else {
            panic!("{}: {:?}", self.path, spoken.reply.error);
        };
        assert_eq!(spoken.truncated, Truncated::No, "{}", self.path);
        assert!(!choice.message.other.contains_key("raw"), "{}", self.path);
        choice.message.content.clone()
    }
}

#[test]
fn a_hundred_thousand_frames_of_one_byte_are_one_text() {
    for dialect in &DIALECTS {
        let frames = vec![(dialect.text)("x", "null"); 100_000];
        assert_eq!(dialect.text(&frames).len(), 100_000, "{}", dialect.path);
    }
}

#[test]
fn frames_take_a_time_that_grows_with_their_number_alone() {
    for dialect in &DIALECTS {
        let texts = |size| (dialect.body)(&vec![(dialect.text)("x", "[1]"); size]);
        grows(dialect.path, dialect.content_type, texts, 16_000);
        if let (Some(call), None) = (dialect.call, dialect.calls) {
            let calls = |size| (dialect.body)(&(0..size).map(call).collect::<Vec<_>>());
            grows(dialect.path, dialect.content_type, calls, 16_000);
        }
    }
}

#[test]
fn a_body_in_segments_of_one_byte_reads_the_same() {
    for dialect in &DIALECTS {
        let frames = vec![(dialect.text)("abc", "1"); 1000];
        let plain = (dialect.body)(&frames);
        for (body, encoding) in [(gzip(&plain), "gzip"), (plain, "")] {
            let segments: Vec<&[u8]> = body.chunks(1).collect();
            let (one, many) = (
                dialect.heard(&[&body], encoding),
                dialect.heard(&segments, encoding),
            );
            assert_eq!(one.reply, many.reply, "{}", dialect.path);
            assert_eq!(one.reply.choices[0].message.content.len(), 3000);
        }
    }
}

#[test]
fn a_line_of_a_hundred_kilobytes_is_one_text() {
    let long = "x".repeat(100 << 10);
    for dialect in &DIALECTS {
        let frames = [(dialect.text)(&long, "null")];
        assert_eq!(dialect.text(&frames), long, "{}", dialect.path);
    }
}

#[test]
fn deep_nesting_spoils_no_more_than_itself() {
    let lists = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(20_000), "}".repeat(20_000));
    for dialect in &DIALECTS {
        let frames = [("a", "1"), ("b", &lists), ("c", &objects), ("d", "1")];
        let frames = frames.map(|(text, odd)| (dialect.text)(text, odd));
        assert_eq!(dialect.text(&frames), "abcd", "{}", dialect.path);
    }
}

#[test]
fn calls_beyond_their_number_take_neither_time_nor_room() {
    for dialect in &DIALECTS {
        let Some(call) = dialect.call else {
            continue;
        };
        let documents: Vec<String> = match dialect.calls {
            // A million in all.
            Some((before, after)) => (0..1000)
                .map(|event| {
                    let calls = 1000 * event..1000 * (event + 1);
                    let calls: Vec<String> = calls.map(call).collect();
                    [before, &calls.join(","), after].concat()
                })
                .collect(),
            None => (0..20_000).map(call).collect(),
        };
        let body = (dialect.body)(&documents);
        let spoken = dialect.heard(&[&body], "");
        let calls = spoken.reply.choices.iter();
        let calls: usize = calls.map(|choice| choice.message.tool_calls.len()).sum();
        assert_eq!(calls, MAX_TOOL_CALLS, "{}", dialect.path);
        assert_eq!(spoken.truncated, Truncated::Cap, "{}", dialect.path);
    }
}

#[test]
fn a_gzip_bomb_is_read_to_the_cap() {
    for dialect in &DIALECTS {
        let frames = vec![(dialect.text)(&"x".repeat(1000), "null"); 4 << 10];
        let bomb = gzip(&(dialect.body)(&frames));
        let spoken = dialect.heard(&[&bomb], "gzip");
        assert_eq!(spoken.truncated, Truncated::Cap, "{}", dialect.path);
        let content = &spoken.reply.choices[0].message.content;
        assert!(
            (500_000..=POLICY.max_decoded_bytes).contains(&content.len()),
            "{}: {}",
            dialect.path,
            content.len()
        );
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).expect("written");
    gzip.finish().expect("written")
}
