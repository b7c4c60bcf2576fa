//! The address that stands for a user without a name.

use super::*;

#[tokio::test]
async fn without_a_name_the_clients_address_is_the_user() {
    let told = gateway(
        |builder| builder,
        RecordingContext::new(),
        Some("192.0.2.7:4711"),
    )
    .await;
    told.say(&[("x-session-id", "a"), ("x-forwarded-for", "198.51.100.1")])
        .await;
    assert_eq!(told.user_of("a").await, "192.0.2.7");
    let rows = messages(&told.recorder, "a").await;
    assert_eq!(rows[0].exchange.ip.as_deref(), Some("192.0.2.7"));

    let untold = Gateway::plain().await;
    untold.say(&[("x-session-id", "b")]).await;
    assert_eq!(untold.user_of("b").await, "unknown");
    assert_eq!(messages(&untold.recorder, "b").await[0].exchange.ip, None);
}

#[tokio::test]
async fn axums_connect_info_is_an_address_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let layer = RecordingLayer::new(sqlite_dsn(folder.path()));
    let recorder = layer.recorder();
    let peer: SocketAddr = "[2001:db8::1]:9".parse().expect("an address");
    let app = Router::new()
        .route("/v1/chat/completions", post(answer))
        .layer(layer)
        .layer(Extension(ConnectInfo(peer)));
    let address = serve(app).await;
    let mut request = chat(address, "info", SAID);
    request.headers_mut().remove("x-user-id");
    send(&client(Version::HTTP_11), request).await;
    let found = conversation(&recorder, "info").await;
    assert_eq!(found.user_identifier, "2001:db8::1");
}

#[tokio::test]
async fn forwarded_addresses_count_from_the_last_trusted_proxy() {
    let cases = [
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (1, "[2001:db8::2]:443", "2001:db8::2"),
        (1, "203.0.113.9:5555", "203.0.113.9"),
        (3, "6.6.6.6", "192.0.2.7"),
        (1, "nonsense", "192.0.2.7"),
    ];
    for (proxies, header, expected) in cases {
        let trust = |builder: RecordingLayerBuilder| builder.trusted_proxies(proxies);
        let gateway = gateway(trust, RecordingContext::new(), Some("192.0.2.7:1")).await;
        gateway
            .say(&[("x-session-id", "p"), ("x-forwarded-for", header)])
            .await;
        assert_eq!(gateway.user_of("p").await, expected, "{header}");
    }
}

#[tokio::test]
async fn a_hook_finds_the_address_elsewhere() {
    let hook = |builder: RecordingLayerBuilder| {
        builder.client_ip(|headers, _| headers.get("x-real-ip")?.to_str().ok()?.parse().ok())
    };
    let gateway = gateway(hook, RecordingContext::new(), Some("192.0.2.7:1")).await;
    gateway
        .say(&[("x-session-id", "h"), ("x-real-ip", "203.0.113.5")])
        .await;
    assert_eq!(gateway.user_of("h").await, "203.0.113.5");
}
