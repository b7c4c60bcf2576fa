//! The API's description, as OpenAPI 3.1, and a page that shows it with nothing from elsewhere.

mod operations;
mod schemas;

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use http::header;
use serde_json::{Map, Value, json};

use self::operations::{OPERATIONS, Operation};

/// The page. It reads the description that lies beside it, under whatever prefix.
const PAGE: &str = include_str!("openapi/docs.html");

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// `GET /openapi.json`
pub(super) async fn read() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, DOCUMENT.as_str()).into_response()
}

/// `GET /docs`
pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tower-recording: the history API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Conversations that the recorder keeps. A user's key sees that user's; \
                an application's key acts for any user. Times are RFC 3339 in UTC.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "." }],
        "security": [{ "key": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas::all(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let Operation {
        method: _,
        path,
        id,
        summary,
        query,
        body,
        answers,
        needs_key,
    } = operation;
    let (status, kind, schema) = *answers;
    let mut responses = Map::new();
    let schema = match schema {
        "" => json!({ "type": "string" }),
        name => reference(name),
    };
    let content = json!({ kind: { "schema": schema } });
    responses.insert(
        status.to_owned(),
        json!({ "description": summary, "content": content }),
    );
    for (status, meaning) in operation.refusals() {
        let content = json!({ "application/json": { "schema": reference("Error") } });
        responses.insert(
            status.to_owned(),
            json!({ "description": meaning, "content": content }),
        );
    }
    let in_path = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    let in_path = in_path.map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let in_query = query.iter().map(|name| schemas::parameter(name));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = body {
        let content = json!({ "application/json": { "schema": reference(body) } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    if !needs_key {
        described["security"] = json!([]);
    }
    described
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let own: Vec<String> = schemas
            .keys()
            .map(|name| format!("#/components/schemas/{name}"))
            .collect();
        assert_eq!(found, own.iter().map(String::as_str).collect());
        let ids: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }

    #[test]
    fn the_page_asks_nobody_else() {
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://") && !PAGE.contains("//cdn"));
    }
}
