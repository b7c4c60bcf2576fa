//! Looking for a text, a day after the other, newest first.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    access::Access,
    answer,
    error::ApiError,
    json::{ConversationJson, MessageJson},
    openapi::{Forbidden, Refused},
    request::{self, short_name},
    state::ApiState,
};
use crate::{
    escape,
    history::exchange_now,
    id::Id,
    identity,
    partition::Day,
    store::{Conversation, Hit, MAX_PAGE_BYTES, ParsePlaceError, Search, Store},
    thread::shown,
};

/// Days that are searched where none is named: this one and those before it.
const DEFAULT_DAYS: usize = 31;
/// More days than these are not searched by one request.
const MAX_DAYS: usize = 366;
/// After this time a day that is left is left for the next page.
const SEARCHED_WITHIN: Duration = Duration::from_secs(4);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// What is looked for.
    #[param(required, min_length = 1, max_length = 255)]
    q: Option<String>,
    user_identifier: Option<String>,
    model: Option<String>,
    #[param(format = Date)]
    from: Option<String>,
    #[param(format = Date)]
    to: Option<String>,
    #[param(value_type = Option<u16>, minimum = 1, maximum = 500, default = 50)]
    limit: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
}

/// Where a page ends: amid a day, or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    day: Day,
    before: Option<Id>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.before.map(|id| id.to_string()).unwrap_or_default();
        write!(f, "{}_{before}", self.day)
    }
}

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, ParsePlaceError> {
        let (day, before) = text.split_once('_').ok_or(ParsePlaceError)?;
        let before = Some(before).filter(|before| !before.is_empty());
        Ok(Self {
            day: Day::parse(day).ok_or(ParsePlaceError)?,
            before: before
                .map(|id| id.parse().map_err(|_| ParsePlaceError))
                .transpose()?,
        })
    }
}

/// A message that holds the text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hit)]
struct HitJson {
    message: MessageJson,
    conversation: ConversationJson,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HitList {
    data: Vec<HitJson>,
    has_more: bool,
    #[schema(required)]
    next: Option<String>,
    /// The first day that was searched.
    #[schema(required, format = Date)]
    from: Option<String>,
    /// The last day that was searched.
    #[schema(required, format = Date)]
    to: Option<String>,
}

/// Messages that hold a text, newest first, and the days that were searched
#[utoipa::path(
    get,
    path = "/search",
    operation_id = "search",
    params(SearchQuery),
    responses((status = 200, description = "A page of them", body = HitList), Refused, Forbidden),
)]
pub(super) async fn search(
    State(state): State<ApiState>,
    access: Access,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query?;
    let limit = request::limit(query.limit.as_deref())?;
    let days = query.days()?;
    let wanted = query.wanted(&access)?;
    let after: Option<Place> = request::cursor("after", query.after.as_deref())?;
    let mut page = Page {
        store: state.store(),
        access: &access,
        conversations: HashMap::new(),
        data: Vec::new(),
        bytes: 0,
        limit,
    };
    let begun = Instant::now();
    let (mut searched, mut next): (Vec<Day>, Option<Place>) = (Vec::new(), None);
    for day in days {
        if after.is_some_and(|place| day > place.day) {
            continue;
        }
        let is_late = begun.elapsed() > SEARCHED_WITHIN && !searched.is_empty();
        if is_late || page.data.len() == limit {
            next = Some(Place { day, before: None });
            break;
        }
        searched.push(day);
        let before = after.filter(|place| place.day == day);
        let before = before.and_then(|place| place.before);
        next = page.fill(&wanted, day, before).await?;
        if next.is_some() {
            break;
        }
    }
    let list = HitList {
        has_more: next.is_some(),
        next: next.map(|next| next.to_string()),
        from: searched.last().map(Day::to_string),
        to: searched.first().map(Day::to_string),
        data: page.data,
    };
    answer::json(list, page.bytes).await
}

impl SearchQuery {
    /// The days of the range, newest first.
    fn days(&self) -> Result<Vec<Day>, ApiError> {
        let to = request::day("to", self.to.as_deref())?;
        let to = to.unwrap_or_else(|| Day::from_unix_ms(exchange_now().unix_ms()));
        let from = request::day("from", self.from.as_deref())?;
        let days = from.unwrap_or(Day::MIN).through(to).rev();
        let Some(_) = from else {
            return Ok(days.take(DEFAULT_DAYS).collect());
        };
        let days: Vec<Day> = days.take(MAX_DAYS + 1).collect();
        if days.len() > MAX_DAYS {
            let message = format!("from `from` to `to` there are at most {MAX_DAYS} days");
            return Err(ApiError::out_of_bounds("from", "range_too_long", message));
        }
        Ok(days)
    }

    fn wanted(&self, access: &Access) -> Result<Search, ApiError> {
        let text = self.q.as_deref().ok_or_else(|| {
            ApiError::bad_field("q", "missing_field", "`q` is missing: a text to look for")
        })?;
        short_name("q", text)?;
        if let Some(user) = &self.user_identifier {
            access.user(user)?;
        }
        let user = self.user_identifier.as_deref().or(access.own_name());
        Ok(Search {
            text: escape::text(text.as_bytes()).into_owned(),
            user_identifier: user.map(identity::told),
            model_name: self.model.as_deref().map(identity::told),
            ..Search::default()
        })
    }
}

struct Page<'a> {
    store: &'a dyn Store,
    access: &'a Access,
    /// Those that were looked up; `None`: they are not to be seen.
    conversations: HashMap<Id, Option<Conversation>>,
    data: Vec<HitJson>,
    bytes: usize,
    limit: usize,
}

impl Page<'_> {
    /// Adds what the day has, and says where the next page begins if the page is full amid the day.
    async fn fill(
        &mut self,
        wanted: &Search,
        day: Day,
        mut before: Option<Id>,
    ) -> Result<Option<Place>, ApiError> {
        loop {
            let missing = self.limit - self.data.len();
            let mut wanted = wanted.clone();
            (wanted.day, wanted.before, wanted.limit) = (day.start_ms(), before, missing + 1);
            let hits = self.store.search(&wanted).await?;
            let is_last = hits.len() <= missing;
            for hit in hits {
                let is_full = self.data.len() == self.limit || self.bytes > MAX_PAGE_BYTES;
                if is_full {
                    return Ok(Some(Place { day, before }));
                }
                self.add(hit).await?;
                before = Some(hit.id);
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    async fn add(&mut self, hit: Hit) -> Result<(), ApiError> {
        let Hit {
            conversation_id,
            id,
        } = hit;
        if !self.conversations.contains_key(&conversation_id) {
            let found = self.store.conversation(conversation_id).await?;
            let seen = found.filter(|one| self.access.owns(one));
            self.conversations.insert(conversation_id, seen);
        }
        let Some(Some(conversation)) = self.conversations.get(&conversation_id) else {
            return Ok(());
        };
        // Its newest row before the next id is itself, unless it went meanwhile.
        let found = self
            .store
            .messages(conversation_id, Some(id.next()), 1)
            .await?;
        let found = found.data.into_iter().find(|row| row.message.id == id);
        if let Some(row) = found {
            self.bytes += shown::bytes(&row);
            self.data.push(HitJson {
                message: row.into(),
                conversation: conversation.clone().into(),
            });
        }
        Ok(())
    }
}
