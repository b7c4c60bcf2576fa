//! Whatever bodies and services do, nobody sees a difference, and it is recorded once.

mod panics;
mod scene;
mod script;

use std::sync::{Arc, LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::Value;
use tower::Layer;
use tower_recording::{
    Outcome, RecordingLayer, Truncated,
    store::{ExchangeRows, MessageColumns},
    unescape,
};

use self::{
    scene::{Answer, PATH, Scene, View, play},
    script::{Ends, Event, Length, Look, Reader, Script, Shape, Step},
};
use crate::support::Shelf;

static RECORDED: LazyLock<(Arc<Shelf>, RecordingLayer)> = LazyLock::new(|| {
    let shelf = Shelf::new();
    let layer = shelf.layer().also_record(|_, path| path == PATH).build();
    (shelf, layer.expect("a layer"))
});

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => Just(Vec::new()),
        6 => vec(any::<u8>(), 1..20),
        2 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => (any::<u8>(), 500..5000usize).prop_map(|(byte, times)| vec![byte; times]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let shape = select(vec![Shape::Whole, Shape::Chained, Shape::Ring, Shape::Shy]);
    prop_oneof![
        8 => (shape, bytes(), bytes()).prop_map(|(shape, one, two)| Step::Data(shape, one, two)),
        3 => Just(Step::Pending),
        1 => any::<u8>().prop_map(Step::Trailers),
        1 => any::<u32>().prop_map(Step::Failure),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let ends = prop_oneof![
        Just(Ends::Never),
        Just(Ends::WithNone),
        Just(Ends::WithLastStep),
        (0..6usize).prop_map(Ends::AfterSteps),
    ];
    let length = prop_oneof![
        Just(Length::Unknown),
        Just(Length::Exact),
        (0..50u64, 0..50u64).prop_map(|(below, above)| Length::Around(below, above)),
        (0..60u64).prop_map(Length::Claimed),
    ];
    (vec(step(), 0..7), ends, length).prop_map(|(steps, ends, length)| Script {
        steps,
        ends,
        length,
    })
}

fn reader() -> impl Strategy<Value = Reader> {
    let polls = prop_oneof![1 => 0..4usize, 2 => 4..12usize];
    (polls, any::<bool>()).prop_map(|(polls, obeys_end)| Reader { polls, obeys_end })
}

fn answer() -> impl Strategy<Value = Answer> {
    let status = select(vec![200u16, 200, 200, 101, 204, 304, 429, 500]);
    let response = (status, option::weighted(0.2, 0..60u64), script());
    prop_oneof![
        1 => any::<u32>().prop_map(Answer::Failure),
        8 => response.prop_map(|(status, content_length, body)| Answer::Response {
            status: StatusCode::from_u16(status).expect("a status"),
            content_length,
            body,
        }),
    ]
}

prop_compose! {
    fn scene()(
        request in script(),
        reads_request in reader(),
        not_ready in 0..3usize,
        fails_ready in prop::bool::weighted(0.05),
        thinks in 0..3usize,
        answer in answer(),
        patience in prop_oneof![1 => 0..3usize, 6 => 3..5usize],
        reads_response in reader(),
    ) -> Scene {
        Scene {
            request, reads_request, not_ready, fails_ready, thinks, answer, patience, reads_response,
        }
    }
}

/// How a body ended, and the events before that.
#[derive(PartialEq)]
enum End {
    Reached,
    Failed,
    Cut,
}

fn end(looks: &[Look], expected: Option<u64>) -> (End, Vec<&Event>) {
    let mut events = Vec::new();
    let mut passed = 0;
    for (index, look) in looks.iter().enumerate() {
        let is_frame = matches!(look.event, Event::Data(..) | Event::Trailers(_));
        if index == 0 && look.at_end {
            return (End::Reached, events);
        }
        if let Event::Data(_, bytes) = &look.event {
            passed += bytes.len() as u64;
        }
        events.push(&look.event);
        let ended_with_it = is_frame && looks.get(index + 1).is_some_and(|next| next.at_end);
        match look.event {
            Event::Failure(_) => return (End::Failed, events),
            Event::None | Event::Trailers(_) => return (End::Reached, events),
            _ if ended_with_it => return (End::Reached, events),
            Event::Dropped if look.at_end => return (End::Reached, events),
            _ => {}
        }
    }
    let all_passed = expected.is_some_and(|length| passed >= length);
    (if all_passed { End::Reached } else { End::Cut }, events)
}

fn first_exact(looks: &[Look]) -> Option<u64> {
    looks
        .first()
        .and_then(|look| look.upper.filter(|upper| *upper == look.lower))
}

/// The outcome that the view implies, and what passed of the response; `None`: the service was not called.
fn implied<'a>(scene: &Scene, view: &'a View) -> Option<(Outcome, Vec<&'a Event>)> {
    if scene.fails_ready {
        return None;
    }
    if view.failure.is_some() {
        return Some((Outcome::UpstreamError, Vec::new()));
    }
    let (
        Answer::Response {
            status,
            content_length,
            ..
        },
        Some(_),
    ) = (&scene.answer, &view.response_head)
    else {
        return Some((Outcome::ClientAbortBeforeHead, Vec::new()));
    };
    let expected = match status.as_u16() {
        101 | 204 | 304 => Some(0),
        _ => first_exact(&view.response).or(*content_length),
    };
    let (end, events) = end(&view.response, expected);
    let outcome = match end {
        End::Reached => Outcome::Complete,
        End::Failed => Outcome::UpstreamError,
        End::Cut => Outcome::ClientAbort,
    };
    Some((outcome, events))
}

/// What can be copied of these events without consuming a buffer, and whether that is all.
fn copied(events: &[&Event], scripted: &Script) -> (Vec<u8>, bool) {
    let mut copy = Vec::new();
    let mut pieces = scripted.steps.iter().filter_map(|step| match step {
        Step::Data(_, first, second) => Some((first, second)),
        _ => None,
    });
    for event in events {
        if let Event::Data(shape, bytes) = event {
            let (first, second) = pieces.next().expect("a piece");
            if *shape == Shape::Shy && !first.is_empty() && !second.is_empty() {
                copy.extend_from_slice(first);
                return (copy, false);
            }
            copy.extend_from_slice(bytes);
        }
    }
    (copy, true)
}

fn stored(message: &MessageColumns) -> Vec<u8> {
    let other: Value = message
        .other
        .as_deref()
        .and_then(|other| serde_json::from_str(other).ok())
        .expect("what was raw");
    if other["raw"]["encoding"] == "base64" {
        STANDARD.decode(&message.content).expect("base64")
    } else {
        unescape(&message.content)
    }
}

fn assert_copies(rows: &ExchangeRows, request: (Vec<u8>, bool), response: (Vec<u8>, bool)) {
    let all = request.1 && response.1;
    let truncated = rows.exchange.truncated;
    assert_eq!(truncated == Truncated::No, all, "{truncated}");
    if rows.error.is_some() {
        return;
    }
    let mut messages = rows.messages.iter();
    for (copy, is_whole) in [request, response] {
        if copy.is_empty() {
            continue;
        }
        let message = messages.next();
        let Some(kept) = message.map(stored) else {
            // A lone half of a character is left out.
            assert!(!is_whole || rows.exchange.outcome != Outcome::Complete);
            continue;
        };
        assert!(copy.starts_with(&kept));
        assert!(copy.len() - kept.len() < 4, "at most half a character");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 768,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nobody_sees_a_difference_and_every_exchange_is_recorded_once(scene in scene()) {
        let (shelf, layer) = &*RECORDED;
        let recorder = layer.recorder();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");

        let bare = play(&scene, |player| player);
        let before = recorder.metrics().accepted;
        let layered = play(&scene, |player| layer.layer(player));
        prop_assert_eq!(&layered, &bare);

        let accepted = recorder.metrics().accepted - before;
        let rows = runtime.block_on(shelf.take(&recorder));
        prop_assert_eq!(rows.len() as u64, accepted);
        let Some((outcome, events)) = implied(&scene, &bare) else {
            prop_assert_eq!(accepted, 0);
            return Ok(());
        };
        prop_assert_eq!(accepted, 1);
        let rows = &rows[0];
        prop_assert_eq!(rows.exchange.outcome, outcome);
        let status = match (&scene.answer, &bare.response_head) {
            (Answer::Response { status, .. }, Some(_)) => Some(i64::from(status.as_u16())),
            _ => None,
        };
        prop_assert_eq!(rows.exchange.status, status);

        let (_, asked) = end(&bare.request, first_exact(&bare.request));
        let asked = copied(&asked, &scene.request);
        let answered = match &scene.answer {
            Answer::Response { body, .. } => copied(&events, body),
            Answer::Failure(_) => (Vec::new(), true),
        };
        assert_copies(rows, asked, answered);
    }

    #[test]
    fn nobody_sees_a_difference_where_nothing_is_recorded(scene in scene()) {
        static IDLE: LazyLock<RecordingLayer> =
            LazyLock::new(|| Shelf::new().layer().build().expect("a layer"));
        let bare = play(&scene, |player| player);
        let layered = play(&scene, |player| IDLE.layer(player));
        prop_assert_eq!(layered, bare);
        prop_assert_eq!(IDLE.recorder().metrics().accepted, 0);
    }
}
