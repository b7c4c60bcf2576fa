//! The routes that are asked, and by whom.

use axum::{Router, body::Body};
use http::{Request, request::Parts};
use rand::rngs::SmallRng;
use time::{Date, OffsetDateTime};
use tower_recording::{
    Recorder,
    api::{self, Authenticate, Principal},
    store::UnixMillis,
};

use crate::{
    past::Past,
    question::{Kind, PAGE, Question},
};

const USER: &str = "x-user";

/// A route that reads.
#[derive(Clone, Copy)]
pub enum Route {
    Conversation,
    Messages,
    Conversations,
    Stats,
}

impl Route {
    pub const ALL: [Self; 4] = [
        Self::Conversation,
        Self::Messages,
        Self::Conversations,
        Self::Stats,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Conversation => "a conversation of one day",
            Self::Messages => "a page of messages of 30 days",
            Self::Conversations => "a user's conversations",
            Self::Stats => "a user's stats of 30 days",
        }
    }
}

/// What is asked, of the table and of the API.
pub struct Asked {
    pub question: Question,
    user: String,
    path: String,
}

impl Asked {
    pub fn draw(route: Route, past: &Past, random: &mut SmallRng) -> Self {
        let kind = match route {
            Route::Conversation => Kind::Whole,
            Route::Messages => Kind::ThirtyDays,
            Route::Conversations => Kind::Conversations,
            Route::Stats => Kind::Month,
        };
        let question = kind.draw(past, random);
        let (user, path) = match &question {
            Question::Conversation(id) | Question::Messages(id) => {
                let talk = past.talks.iter().find(|talk| talk.id == *id);
                let talk = talk.expect("a conversation");
                let name = talk.session_id();
                let path = match route {
                    Route::Messages => format!("/conversations/{name}/messages?limit={PAGE}"),
                    _ => format!("/conversations/{name}?limit={PAGE}"),
                };
                (Past::user(talk.user), path)
            }
            Question::Conversations(user) => {
                let path = format!("/conversations/user/{user}?limit={PAGE}");
                (user.clone(), path)
            }
            Question::Stats { user, from, to } => {
                let [from, to] = [from, to].map(|at| day(*at));
                let path = format!("/conversations/user/{user}/stats?from={from}&to={to}");
                (user.clone(), path)
            }
        };
        Self {
            question,
            user,
            path,
        }
    }

    pub fn request(&self) -> Request<Body> {
        let request = Request::get(&self.path).header(USER, &self.user);
        request.body(Body::empty()).expect("a request")
    }
}

/// The day of a time.
pub fn day(at: UnixMillis) -> Date {
    let time = OffsetDateTime::from_unix_timestamp(at / 1000);
    time.expect("a time").date()
}

/// The API, to which each request says whose it is.
pub fn api(recorder: &Recorder) -> Router {
    api::router(recorder.clone(), Named)
}

struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &Parts) -> Option<Principal> {
        let user = request.headers.get(USER)?.to_str().ok()?;
        Some(Principal::User(user.to_owned()))
    }
}
