//! The places where SDKs put their keys, and the gateway's upstreams.

use axum::{Router, body::Body};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use serde_json::{Value, json};

use crate::{
    gateway::{ALICE_KEY, Gateway},
    proxy::{client, gateway, json_of, upstream},
};

const UPSTREAM_KEY: &str = "sk-upstream";

/// Answers with what it was sent, and its own name.
fn mirror(name: &'static str) -> Router {
    Router::new().fallback(async move |uri: Uri, headers: HeaderMap| {
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            json!([name.as_str(), value.to_str().unwrap()])
        };
        let headers: Vec<Value> = headers.iter().map(header).collect();
        json!({ "name": name, "uri": uri.to_string(), "headers": headers }).to_string()
    })
}

async fn ask(gateway: &Gateway, path: &str, header: Option<(&str, &str)>) -> (StatusCode, Value) {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(gateway.url(path));
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Body::from("{}")).unwrap();
    let response = client(false).request(request).await.unwrap();
    (response.status(), json_of(response.into_body()).await)
}

#[tokio::test]
async fn a_key_is_taken_wherever_an_sdk_puts_it_and_the_upstreams_goes_on_in_its_place() {
    let url = upstream(mirror("any")).await;
    let (dir, gateway) = gateway(&url, &[("UPSTREAM_API_KEY", UPSTREAM_KEY)]).await;
    let bearer = format!("Bearer {ALICE_KEY}");
    let bearer = Some(("authorization", bearer.as_str()));
    let own = |name| Some((name, ALICE_KEY));
    let in_query =
        format!("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse&key={ALICE_KEY}");
    let sent_bearer = format!("Bearer {UPSTREAM_KEY}");
    for (path, header, name, value) in [
        (
            "/v1/chat/completions",
            bearer,
            "authorization",
            sent_bearer.as_str(),
        ),
        (
            "/v1/responses",
            own("api-key"),
            "authorization",
            &sent_bearer,
        ),
        (
            "/openai/deployments/d/chat/completions?api-version=1",
            own("api-key"),
            "api-key",
            UPSTREAM_KEY,
        ),
        ("/v1/messages", own("x-api-key"), "x-api-key", UPSTREAM_KEY),
        ("/v1/messages", bearer, "x-api-key", UPSTREAM_KEY),
        (
            "/v1beta/models/g:generateContent",
            own("x-goog-api-key"),
            "x-goog-api-key",
            UPSTREAM_KEY,
        ),
        (&in_query, None, "x-goog-api-key", UPSTREAM_KEY),
        (
            "/model/claude/converse",
            bearer,
            "authorization",
            &sent_bearer,
        ),
        ("/v2/chat", bearer, "authorization", &sent_bearer),
    ] {
        let (status, seen) = ask(&gateway, path, header).await;
        assert_eq!(status, StatusCode::OK, "{path}: {seen}");
        assert!(!seen.to_string().contains(ALICE_KEY), "{path}: {seen}");
        let headers = seen["headers"].as_array().unwrap();
        assert!(headers.contains(&json!([name, value])), "{path}: {seen}");
        assert_eq!(seen.to_string().matches(UPSTREAM_KEY).count(), 1, "{path}");
        let kept = path.replace(&format!("&key={ALICE_KEY}"), "");
        assert_eq!(seen["uri"], kept.as_str());
    }
    gateway.terminate();
    assert!(gateway.wait().success());
    let stored = std::fs::read(dir.path().join("conversations.db")).unwrap();
    // The mirror says the upstream's own key, as no upstream would.
    let mut windows = stored.windows(ALICE_KEY.len());
    assert!(!windows.any(|bytes| bytes == ALICE_KEY.as_bytes()));
}

#[tokio::test]
async fn a_wrong_key_opens_nothing_wherever_it_stands() {
    let url = upstream(mirror("any")).await;
    let (_dir, gateway) = gateway(&url, &[]).await;
    for (path, header) in [
        ("/v1/messages", Some(("x-api-key", "sk-wrong"))),
        ("/v1/messages", Some(("api-key", ""))),
        ("/v1/messages?key=sk-wrong", None),
        ("/v1/messages?keys=sk-wrong&key", None),
        ("/v1/messages", Some(("x-key", ALICE_KEY))),
        ("/v1/messages", None),
    ] {
        let (status, answer) = ask(&gateway, path, header).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_dialect_may_have_an_upstream_of_its_own_and_no_other_gets_its_key() {
    let (anthropic, google) = (
        upstream(mirror("anthropic")).await,
        upstream(mirror("google")).await,
    );
    let variables = [
        ("UPSTREAM_URL_ANTHROPIC", anthropic.as_str()),
        ("UPSTREAM_API_KEY_ANTHROPIC", UPSTREAM_KEY),
        ("UPSTREAM_URL_GOOGLE", &google),
        ("UPSTREAM_API_KEY", "sk-common"),
    ];
    // No address for all the others.
    let (_dir, gateway) = gateway("", &variables).await;
    let own = Some(("x-api-key", ALICE_KEY));
    let (_, seen) = ask(&gateway, "/v1/messages", own).await;
    assert_eq!(seen["name"], "anthropic");
    assert!(seen.to_string().contains(UPSTREAM_KEY));
    let (_, seen) = ask(&gateway, "/v1/models/g:generateContent", own).await;
    assert_eq!(seen["name"], "google");
    assert!(!seen.to_string().contains("sk-"), "{seen}");
    let (status, refused) = ask(&gateway, "/v1/chat/completions", own).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(refused["error"]["code"], "no_upstream");
}
