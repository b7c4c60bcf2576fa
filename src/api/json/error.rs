//! What is answered in place of what was asked for.

use serde::Serialize;
use utoipa::ToSchema;

/// A refusal, in the shape that OpenAI's clients parse.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(in crate::api) struct ErrorJson {
    #[schema(inline)]
    pub(in crate::api) error: Reason,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Reason {
    pub(in crate::api) message: String,
    pub(in crate::api) r#type: &'static str,
    /// The parameter or field that it is about.
    #[schema(required)]
    pub(in crate::api) param: Option<String>,
    pub(in crate::api) code: &'static str,
    /// The conversations among which an application's key has to choose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::api) ids: Vec<String>,
}
