//! The gateway's keys in a file that is read again while it serves.

use std::{
    fs,
    process::{Command, Stdio},
};

use http::{Request, StatusCode, Version};
use http_body_util::Full;
use tempfile::TempDir;

use crate::{
    gateway::{Gateway, example},
    support::{HttpClient, client, send},
};

const FILE: &str = "keys";

/// A gateway whose keys stand in a file of its directory.
struct Served {
    dir: TempDir,
    gateway: Gateway,
    client: HttpClient,
}

impl Served {
    fn start(keys: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        fs::write(dir.path().join(FILE), keys).expect("a file");
        let variables = [("GATEWAY_API_KEYS", ""), ("GATEWAY_API_KEYS_FILE", FILE)];
        Self {
            gateway: Gateway::start(&dir, &variables),
            dir,
            client: client(Version::HTTP_11),
        }
    }

    /// Writes the file, hangs up, and gives the line in which the gateway says what came of it.
    fn write(&self, keys: impl AsRef<[u8]>) -> String {
        fs::write(self.dir.path().join(FILE), keys).expect("a file");
        let log = self.gateway.log();
        let seen = log.lines().len();
        self.gateway.hang_up();
        log.line_after(seen, "the keys ")
    }

    /// What the history and the model answer to this key.
    async fn statuses(&self, key: &str) -> [StatusCode; 2] {
        let history = self.status(key, "GET", "/metrics", "");
        let asked = r#"{"model":"officeai","messages":[{"role":"user","content":"hello"}]}"#;
        let model = self.status(key, "POST", "/v1/chat/completions", asked);
        [history.await, model.await]
    }

    async fn status(&self, key: &str, method: &str, path: &str, body: &'static str) -> StatusCode {
        let request = Request::builder()
            .method(method)
            .uri(self.gateway.url(path))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .expect("a request");
        send(&self.client, request).await.0.status
    }
}

const IN: [StatusCode; 2] = [StatusCode::OK; 2];
const OUT: [StatusCode; 2] = [StatusCode::UNAUTHORIZED; 2];

#[tokio::test(flavor = "multi_thread")]
async fn after_sighup_a_key_that_was_added_opens_and_one_that_was_removed_does_not() {
    let served = Served::start("sk-first:*\nsk-second:*\n");
    assert_eq!(served.statuses("sk-first").await, IN);
    assert_eq!(served.statuses("sk-third").await, OUT);
    let said = served.write("# changed\nsk-third:*\nsk-second:*\n");
    assert!(said.contains(" INFO ") && said.contains("keys=2"), "{said}");
    assert_eq!(served.statuses("sk-first").await, OUT);
    assert_eq!(served.statuses("sk-second").await, IN);
    assert_eq!(served.statuses("sk-third").await, IN);
    assert_eq!(served.statuses("sk-fourth").await, OUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_is_told_by_its_line_without_a_key() {
    let served = Served::start("sk-first:*\n");
    for (broken, told) in [
        (
            &b"sk-new:*\nsk-secret\n"[..],
            "line 2 of the file of keys keys is not `key:user` or `key:*`",
        ),
        (
            b"sk-new:*\n\nsk-secret:\xff\n",
            "line 3 of the file of keys keys is not UTF-8",
        ),
        (
            b"sk-new:*\nsk-new:bob\n",
            "line 2 of the file of keys keys repeats the key of an earlier one",
        ),
        (
            b"sk-new:*\nsk-other:bob",
            "line 2 of the file of keys keys does not end",
        ),
        (b"", "the file of keys keys holds no key"),
    ] {
        let said = served.write(broken);
        assert!(said.contains(" ERROR ") && said.contains(told), "{said}");
        assert!(!said.contains("sk-"), "{said}");
        assert_eq!(served.statuses("sk-first").await, IN);
        assert_eq!(served.statuses("sk-new").await, OUT);
    }
    // The next one that is whole is taken again.
    served.write("sk-new:*\n");
    assert_eq!(served.statuses("sk-new").await, IN);
    assert_eq!(served.statuses("sk-first").await, OUT);
}

#[test]
fn a_gateway_with_a_broken_file_of_keys_or_with_two_lists_does_not_start() {
    let dir = TempDir::new().expect("a directory");
    fs::write(dir.path().join(FILE), "sk-secret\n").expect("a file");
    for (list, told) in [
        ("", "line 1 of the file of keys keys"),
        ("sk-a:*", "both set"),
    ] {
        let output = Command::new(example("gateway"))
            .current_dir(dir.path())
            .env_clear()
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("GATEWAY_API_KEYS", list)
            .env("GATEWAY_API_KEYS_FILE", FILE)
            .stdin(Stdio::null())
            .output()
            .expect("the gateway runs");
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(told) && !said.contains("secret"), "{said}");
    }
}
