//! What is taken from a request: names from its path, numbers from its query, fields from its body.

use std::str::FromStr;

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::{identity, partition::Day};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Behind it a database would walk through what it does not show.
const MAX_OFFSET: usize = 10_000;
/// What a column for names holds.
const MAX_NAME_BYTES: usize = 255;

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::malformed("the path is not UTF-8 in percent-encoding")
    }
}

impl From<QueryRejection> for ApiError {
    /// Every parameter is taken as text, so that only names can be wrong.
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Self::too_large()
        } else {
            Self::malformed("the body could not be read to its end")
        }
    }
}

/// How messages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageFormat {
    Whole,
    /// As a chat completion takes them.
    OpenAi,
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExportFormat {
    /// A line a conversation, for fine-tuning.
    OpenAiJsonl,
    Markdown,
    Csv,
}

pub(super) fn message_format(text: Option<&str>) -> Result<MessageFormat, ApiError> {
    match text {
        None => Ok(MessageFormat::Whole),
        Some("openai") => Ok(MessageFormat::OpenAi),
        Some(_) => Err(unknown_format("`format` is openai, or left out")),
    }
}

pub(super) fn export_format(text: Option<&str>) -> Result<ExportFormat, ApiError> {
    match text {
        None | Some("openai-jsonl") => Ok(ExportFormat::OpenAiJsonl),
        Some("markdown") => Ok(ExportFormat::Markdown),
        Some("csv") => Ok(ExportFormat::Csv),
        Some(_) => Err(unknown_format("`format` is openai-jsonl, markdown or csv")),
    }
}

/// Whether every branch is wanted.
pub(super) fn tree(text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(ApiError::out_of_bounds(
            "tree",
            "out_of_bounds",
            "`tree` is true or false",
        )),
    }
}

/// How many entries a page has.
pub(super) fn limit(text: Option<&str>) -> Result<usize, ApiError> {
    bounded("limit", text, DEFAULT_LIMIT, 1, MAX_LIMIT)
}

/// How many entries are left out before a page.
pub(super) fn offset(text: Option<&str>) -> Result<usize, ApiError> {
    bounded("offset", text, 0, 0, MAX_OFFSET)
}

/// The place that a page ended at.
pub(super) fn cursor<T: FromStr>(
    param: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, ApiError> {
    let read = text.map(str::parse).transpose();
    read.map_err(|_| {
        let message = format!("`{param}` is the `next` of an earlier page");
        ApiError::out_of_bounds(param, "invalid_cursor", message)
    })
}

fn unknown_format(message: &str) -> ApiError {
    ApiError::out_of_bounds("format", "unknown_format", message)
}

/// A day: a date, or what an RFC 3339 time begins with.
pub(super) fn day(param: &'static str, text: Option<&str>) -> Result<Option<Day>, ApiError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parse = |text: &str| match text.split_once('T') {
        Some((date, time)) if time.ends_with('Z') => Day::parse(date),
        Some(_) => None,
        None => Day::parse(text),
    };
    parse(text).map(Some).ok_or_else(|| {
        let message = format!("`{param}` is a date such as 2025-01-15, of UTC");
        ApiError::out_of_bounds(param, "not_a_date", message)
    })
}

fn bounded(
    param: &'static str,
    text: Option<&str>,
    default: usize,
    min: usize,
    max: usize,
) -> Result<usize, ApiError> {
    let Some(text) = text else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| {
            let message = format!("`{param}` is a whole number from {min} to {max}");
            ApiError::out_of_bounds(param, "out_of_bounds", message)
        })
}

/// Refuses `user` as a session id: the paths of users' lists begin with it.
pub(super) fn not_reserved(name: &str) -> Result<(), ApiError> {
    if name == "user" {
        return Err(reserved_session_id());
    }
    Ok(())
}

/// 422 for `user` as a session id.
pub(super) fn reserved_session_id() -> ApiError {
    ApiError::out_of_bounds(
        "session_id",
        "reserved_session_id",
        "`user` is no session id",
    )
}

/// A name that fits its column.
pub(super) fn short_name(param: &str, name: &str) -> Result<(), ApiError> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) {
        return Ok(());
    }
    let message = format!("`{param}` has 1 to {MAX_NAME_BYTES} bytes");
    Err(ApiError::out_of_bounds(param, "out_of_bounds", message))
}

/// A name that stands for itself: none that clients send for nobody.
pub(super) fn usable_name(param: &str, name: &str) -> Result<(), ApiError> {
    short_name(param, name)?;
    if identity::name(name).as_deref() == Some(name) {
        return Ok(());
    }
    let message = format!("`{param}` is no name that anybody bears");
    Err(ApiError::out_of_bounds(param, "unusable_name", message))
}

/// A title of 1 to 255 bytes.
pub(super) fn title(title: &str) -> Result<(), ApiError> {
    match title.trim().len() {
        0 => Err(ApiError::out_of_bounds(
            "title",
            "empty_title",
            "`title` is not empty",
        )),
        _ if title.len() > MAX_NAME_BYTES => {
            let message = format!("`title` has at most {MAX_NAME_BYTES} bytes");
            Err(ApiError::out_of_bounds("title", "title_too_long", message))
        }
        _ => Ok(()),
    }
}

/// The fields of a JSON object, taken out one by one.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body that holds no field but the `known` ones.
    ///
    /// # Errors
    /// 400, with the name of the first field that is not known. No error shows a value.
    pub(super) fn read(body: &Bytes, known: &[&str]) -> Result<Self, ApiError> {
        let fields: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| ApiError::malformed("the body is not a JSON object"))?;
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self(fields)),
            Some(name) => {
                let message = format!("unknown field `{name}`");
                Err(ApiError::bad_field(name, "unknown_field", message))
            }
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| {
            ApiError::bad_field(name, "missing_field", format!("`{name}` is missing"))
        })
    }

    /// A string; absent where it is null.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                let message = format!("`{name}` is a string");
                Err(ApiError::bad_field(name, "wrong_type", message))
            }
        }
    }

    /// A number of things; absent where it is null.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match number.as_i64().filter(|count| *count >= 0) {
                Some(count) => Ok(Some(count)),
                None => {
                    let message = format!("`{name}` is a whole number from 0 to {}", i64::MAX);
                    Err(ApiError::out_of_bounds(name, "out_of_bounds", message))
                }
            },
            Some(_) => {
                let message = format!("`{name}` is a number");
                Err(ApiError::bad_field(name, "wrong_type", message))
            }
        }
    }
}
