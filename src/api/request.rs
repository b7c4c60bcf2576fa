//! What is taken from a request: names from its path, numbers from its query, fields from its body.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::ApiError;

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
    fn from(_: QueryRejection) -> Self {
        Self::malformed("the query string cannot be read, or repeats a parameter")
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

/// The parameters of a list. Those that are not known are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    limit: Option<String>,
    offset: Option<String>,
    tree: Option<String>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        bounded("limit", self.limit.as_deref(), DEFAULT_LIMIT, 1, MAX_LIMIT)
    }

    pub(super) fn offset(&self) -> Result<usize, ApiError> {
        bounded("offset", self.offset.as_deref(), 0, 0, MAX_OFFSET)
    }

    /// Whether every branch is wanted.
    pub(super) fn tree(&self) -> Result<bool, ApiError> {
        match self.tree.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::out_of_bounds(
                "tree",
                "out_of_bounds",
                "`tree` is true or false",
            )),
        }
    }
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
