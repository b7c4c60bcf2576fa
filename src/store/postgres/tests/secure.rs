use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair,
    generate_simple_self_signed,
};
use tempfile::TempDir;

use super::*;

/// An authority, and a server that it vouches for as `localhost`.
struct Secured {
    server: Server,
    folder: TempDir,
}

impl Secured {
    fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self {
            server: serve(&certificate.pem(), &key.serialize_pem()),
            folder,
        }
    }

    fn root(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }
}

fn serve(certificate: &str, key: &str) -> Server {
    let mut server = Server::create();
    server.write("server.crt", certificate);
    server.write("server.key", key);
    server.run(&["ssl=on"]);
    server
}

fn dsn(server: &Server, host: &str, params: &str) -> String {
    format!(
        "postgres://postgres@{host}:{}/postgres?{params}",
        server.port()
    )
}

/// Whether the store's connections are encrypted; `Err` where there are none.
async fn encrypted(dsn: &str) -> Result<bool, String> {
    let store = store(dsn, &StoreOptions::default());
    let prepared = store.prepare(NOON).await;
    prepared.map_err(|error| {
        assert!(error.is_transient(), "{error}");
        error.to_string()
    })?;
    let plain = dsn
        .split('?')
        .next()
        .unwrap()
        .replace("localhost", "127.0.0.1");
    let mut config: tokio_postgres::Config = plain.parse().unwrap();
    config.ssl_mode(tokio_postgres::config::SslMode::Disable);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one(
            "SELECT bool_and(s.ssl) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a \
             ON a.pid = s.pid WHERE a.application_name = 'tower-recording'",
            &[],
        )
        .await
        .unwrap();
    drop(store);
    Ok(row.get(0))
}

#[tokio::test]
async fn every_sslmode_does_what_it_says() {
    let secured = Secured::start();
    let root = secured.root();
    let at = |host: &str, params: &str| dsn(&secured.server, host, params);
    assert_eq!(
        encrypted(&at("localhost", "sslmode=disable")).await,
        Ok(false)
    );
    for mode in ["allow", "prefer", "require"] {
        let dsn = at("127.0.0.1", &format!("sslmode={mode}"));
        assert_eq!(encrypted(&dsn).await, Ok(true), "{mode}");
    }
    for (host, mode) in [
        ("localhost", "require"),
        ("localhost", "verify-ca"),
        ("127.0.0.1", "verify-ca"),
        ("localhost", "verify-full"),
    ] {
        let dsn = at(host, &format!("sslmode={mode}&sslrootcert={root}"));
        assert_eq!(encrypted(&dsn).await, Ok(true), "{host} {mode}");
    }
}

#[tokio::test]
async fn a_server_that_proves_nothing_is_refused() {
    let secured = Secured::start();
    let stranger = Secured::start();
    let at = |host: &str, params: &str| dsn(&secured.server, host, params);
    let (root, wrong) = (secured.root(), stranger.root());
    for (host, params, said) in [
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={root}"),
            "TLS",
        ),
        ("localhost", "sslmode=verify-full".to_owned(), "TLS"),
        ("localhost", "sslmode=verify-ca".to_owned(), "TLS"),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={wrong}"),
            "TLS",
        ),
        (
            "localhost",
            format!("sslmode=require&sslrootcert={wrong}"),
            "TLS",
        ),
        (
            "localhost",
            "sslmode=verify-ca&sslrootcert=/nowhere".to_owned(),
            "sslrootcert",
        ),
    ] {
        let text = encrypted(&at(host, &params)).await.unwrap_err();
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_root() {
    let own = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let server = serve(&own.cert.pem(), &own.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("own.pem").display().to_string();
    std::fs::write(&root, own.cert.pem()).unwrap();
    let params = format!("sslmode=verify-full&sslrootcert={root}");
    assert_eq!(
        encrypted(&dsn(&server, "localhost", &params)).await,
        Ok(true)
    );
    let refused = encrypted(&dsn(&server, "127.0.0.1", &params)).await;
    assert!(refused.unwrap_err().contains("TLS"));
}

#[tokio::test]
async fn require_never_falls_back_to_clear_text() {
    let server = Server::start(&[]);
    for mode in ["require", "verify-ca", "verify-full"] {
        let text = encrypted(&dsn(&server, "localhost", &format!("sslmode={mode}"))).await;
        assert!(text.unwrap_err().contains("no TLS"), "{mode}");
    }
    let preferred = dsn(&server, "localhost", "sslmode=prefer");
    assert_eq!(encrypted(&preferred).await, Ok(false));
}
