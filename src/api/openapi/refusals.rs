//! What routes refuse with, and when.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder},
};

type Responses = BTreeMap<String, RefOr<Response>>;

/// Any route that needs a key.
pub(in crate::api) struct Refused;

/// A route about one conversation.
pub(in crate::api) struct NoConversation;

/// A route about a user, or for an application alone.
pub(in crate::api) struct Forbidden;

/// A route that makes a conversation.
pub(in crate::api) struct Taken;

/// A route that takes a body.
pub(in crate::api) struct BadBody;

impl IntoResponses for Refused {
    fn responses() -> Responses {
        refusals([
            ("400", "The request is malformed"),
            ("401", "No valid key"),
            ("422", "A value is out of bounds"),
            ("429", "Too many requests of one principal at once"),
            ("500", "Internal error"),
            (
                "503",
                "The store cannot be reached, or too many requests at once",
            ),
        ])
    }
}

impl IntoResponses for NoConversation {
    fn responses() -> Responses {
        refusals([
            ("404", "There is no such conversation"),
            ("409", "Several conversations have this session id"),
        ])
    }
}

impl IntoResponses for Forbidden {
    fn responses() -> Responses {
        refusals([(
            "403",
            "The key belongs to another user, or to no application",
        )])
    }
}

impl IntoResponses for Taken {
    fn responses() -> Responses {
        refusals([("409", "The user has a conversation of this name")])
    }
}

impl IntoResponses for BadBody {
    fn responses() -> Responses {
        refusals([
            ("408", "The body did not come in time"),
            ("413", "The body is too large"),
        ])
    }
}

fn refusals<const N: usize>(refusals: [(&str, &str); N]) -> Responses {
    let refusal = |(status, meaning): (&str, &str)| {
        let error = Ref::from_schema_name("Error");
        let content = ContentBuilder::new().schema(Some(error)).build();
        let response = ResponseBuilder::new()
            .description(meaning)
            .content("application/json", content);
        (status.to_owned(), response.build().into())
    };
    refusals.into_iter().map(refusal).collect()
}
