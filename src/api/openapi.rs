//! The API's description, as OpenAPI 3.1, and a page that shows it with nothing from elsewhere. What a route
//! takes and answers stands beside its handler.

mod refusals;

use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::header;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ObjectBuilder,
        schema::Type,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

pub(super) use self::refusals::{BadBody, Forbidden, NoConversation, Refused, Taken};
use super::{json::ErrorJson, state::ApiState};

/// The page. It reads the description that lies beside it, under whatever prefix.
const PAGE: &str = include_str!("openapi/docs.html");

/// What holds for all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tower-recording: the history API",
        description = "Conversations that the recorder keeps. A user's key sees that user's; an application's key \
                       acts for any user. Times are RFC 3339 in UTC.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = ".")),
    security(("key" = [])),
    components(schemas(ErrorJson)),
    modifiers(&Bearer),
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("key", bearer);
    }
}

/// One of these words.
pub(super) fn one_of<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    text.enum_values(Some(words))
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "readDescription",
    security(()),
    responses((status = 200, description = "It", body = Object)),
)]
pub(super) async fn read(State(state): State<ApiState>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, state.description().clone()).into_response()
}

/// A page that shows this document
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "readDocs",
    security(()),
    responses((status = 200, description = "It", body = String, content_type = "text/html")),
)]
pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{super::router::routes, *};

    /// Every reference in this value.
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn what_the_document_refers_to_is_in_it_and_nothing_else_is() {
        let (_, description) = routes();
        let document = serde_json::to_value(&description).unwrap();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let own: Vec<String> = schemas
            .keys()
            .map(|name| format!("#/components/schemas/{name}"))
            .collect();
        assert_eq!(found, own.iter().map(String::as_str).collect());
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let ids: Vec<&str> = operations
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }

    #[test]
    fn the_page_asks_nobody_else() {
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("//cdn"));
    }
}
