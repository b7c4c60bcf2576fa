//! Web pages that call the gateway's history from a browser.

use http::{HeaderMap, Method, Request, StatusCode, Version, header};
use http_body_util::Full;
use tempfile::TempDir;

use crate::{
    gateway::{ALICE_KEY, Gateway},
    support::{HttpClient, client, send},
};

const PAGE: &str = "https://app.example";
const OTHER_PAGE: &str = "https://app.example.evil";
const PATH: &str = "/conversations/user/alice";

struct Browser {
    _dir: TempDir,
    gateway: Gateway,
    client: HttpClient,
}

impl Browser {
    fn before(origins: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        Self {
            gateway: Gateway::start(&dir, &[("CORS_ALLOWED_ORIGINS", origins)]),
            _dir: dir,
            client: client(Version::HTTP_11),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (StatusCode, HeaderMap) {
        let mut request = Request::builder()
            .method(method)
            .uri(self.gateway.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default()).expect("a request");
        let (head, _) = send(&self.client, request).await;
        (head.status, head.headers)
    }

    /// What a browser asks before a page sends a key.
    async fn preflight(&self, origin: &str, method: &str) -> (StatusCode, HeaderMap) {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", method),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        self.send(Method::OPTIONS, PATH, &headers).await
    }

    async fn get(&self, origin: &str, key: &str) -> (StatusCode, HeaderMap) {
        let key = format!("Bearer {key}");
        let headers = [("origin", origin), ("authorization", key.as_str())];
        self.send(Method::GET, PATH, &headers).await
    }
}

fn words(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers[name].to_str().expect("text").to_ascii_lowercase()
}

fn allowed(headers: &HeaderMap) -> Option<&str> {
    assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let origin = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
    Some(origin.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_that_are_named_may_call_the_history_and_no_others() {
    let browser = Browser::before(&format!("http://localhost:3000,{PAGE}"));
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let (status, headers) = browser.preflight(PAGE, method).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(allowed(&headers), Some(PAGE));
        let methods = words(&headers, header::ACCESS_CONTROL_ALLOW_METHODS);
        let mut methods = methods.split(',');
        assert!(methods.any(|one| one == method.to_ascii_lowercase()));
        let names = words(&headers, header::ACCESS_CONTROL_ALLOW_HEADERS);
        assert!(names.contains("authorization") && names.contains("content-type"));
    }
    // A page that may ask also reads why it was refused.
    for (key, expected) in [
        (ALICE_KEY, StatusCode::OK),
        ("sk-wrong", StatusCode::UNAUTHORIZED),
    ] {
        let (status, headers) = browser.get(PAGE, key).await;
        assert_eq!((status, allowed(&headers)), (expected, Some(PAGE)));
        assert!(words(&headers, header::VARY).contains("origin"));
    }
    for page in [OTHER_PAGE, "null", "http://app.example"] {
        let (_, headers) = browser.preflight(page, "GET").await;
        assert_eq!(allowed(&headers), None, "{page}");
        let (_, headers) = browser.get(page, ALICE_KEY).await;
        assert_eq!(allowed(&headers), None, "{page}");
    }
    // Only the history: the model's routes answer as they did.
    let headers = [("origin", PAGE), ("access-control-request-method", "POST")];
    let (status, headers) = browser
        .send(Method::OPTIONS, "/v1/chat/completions", &headers)
        .await;
    assert_eq!(
        (status, allowed(&headers)),
        (StatusCode::UNAUTHORIZED, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_lets_every_page_ask_and_nobody_send_credentials() {
    let browser = Browser::before("*");
    let (status, headers) = browser.preflight(OTHER_PAGE, "DELETE").await;
    assert_eq!((status, allowed(&headers)), (StatusCode::OK, Some("*")));
    let (status, headers) = browser.get(OTHER_PAGE, ALICE_KEY).await;
    assert_eq!((status, allowed(&headers)), (StatusCode::OK, Some("*")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_list_no_page_of_another_origin_may_call() {
    let browser = Browser::before("");
    let (status, headers) = browser.preflight(PAGE, "GET").await;
    assert_eq!(
        (status, allowed(&headers)),
        (StatusCode::UNAUTHORIZED, None)
    );
    let (status, headers) = browser.get(PAGE, ALICE_KEY).await;
    assert_eq!((status, allowed(&headers)), (StatusCode::OK, None));
}
