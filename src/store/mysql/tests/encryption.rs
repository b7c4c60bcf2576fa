//! How connections are encrypted, and whom they trust.

use std::fs;

use super::{servers::unavailable, *};
use crate::store::StoreError;

/// A server whose certificate is for `localhost`, and the file of who issued it.
fn server_with_certificate() -> (Server, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(authority, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    fs::write(path("ca.pem"), authority_certificate.pem()).unwrap();
    fs::write(path("server.pem"), certificate.pem()).unwrap();
    fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    open_to_all(&folder, &["", "ca.pem", "server.pem", "key.pem"]);
    let options = ["ca", "cert", "key"]
        .into_iter()
        .zip(["ca.pem", "server.pem", "key.pem"])
        .map(|(option, file)| format!("--ssl-{option}={}", path(file)));
    let options: Vec<String> = options.collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let ca = path("ca.pem");
    (Server::start(&options), folder, ca)
}

/// The server runs as another user.
fn open_to_all(folder: &tempfile::TempDir, names: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    for name in names {
        let path = folder.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// How many of this server's connections are encrypted once a store has written through this DSN.
async fn encrypted(database: &Database, dsn: &str) -> Result<bool, StoreError> {
    let before = database.number(FINISHED).await;
    let store = store(dsn, &StoreOptions::default());
    store.write(&[exchange("s", NOON)]).await?;
    Ok(database.number(FINISHED).await > before)
}

const FINISHED: &str = "SELECT variable_value FROM information_schema.global_status \
     WHERE variable_name = 'Ssl_finished_accepts'";

#[tokio::test]
async fn every_mode_of_encryption_does_what_it_says() {
    let (server, _folder, ca) = server_with_certificate();
    let database = Database::on(&server.dsn()).await;
    let by_address = database.dsn();
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let go = by_name
        .replace("mysql://root@", "root@tcp(")
        .replace("/test_", ")/test_");
    for (dsn, expected) in [
        (format!("{by_address}?ssl-mode=DISABLED"), Some(false)),
        (by_address.clone(), Some(true)),
        (format!("{by_address}?ssl-mode=REQUIRED"), Some(true)),
        (
            format!("{by_address}?sslmode=require&sslrootcert={ca}"),
            Some(true),
        ),
        (
            format!("{by_address}?ssl-mode=VERIFY_CA&ssl-ca={ca}"),
            Some(true),
        ),
        (format!("{by_address}?ssl-mode=VERIFY_CA"), None),
        (
            format!("{by_address}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            None,
        ),
        (
            format!("{by_name}?ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            Some(true),
        ),
        (format!("{by_name}?ssl-mode=VERIFY_IDENTITY"), None),
        (
            format!("{by_name}?sslmode=verify-full&sslrootcert={ca}.not"),
            None,
        ),
        (format!("{go}?tls=false"), Some(false)),
        (format!("{go}?tls=preferred"), Some(true)),
        (format!("{go}?tls=skip-verify"), Some(true)),
        (format!("{go}?tls=true"), None),
    ] {
        let result = encrypted(&database, &dsn).await;
        match (&result, expected) {
            (Ok(found), Some(expected)) => assert_eq!(*found, expected, "{dsn}"),
            (Err(error), None) => assert!(error.is_transient(), "{dsn}: {error}"),
            _ => panic!("{dsn}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_without_encryption_is_talked_to_only_where_that_is_allowed() {
    let server = Server::start(&["--skip-ssl"]);
    let database = Database::on(&server.dsn()).await;
    let dsn = database.dsn();
    for mode in ["", "?ssl-mode=PREFERRED", "?sslmode=disable"] {
        assert!(!encrypted(&database, &format!("{dsn}{mode}")).await.unwrap());
    }
    for mode in [
        "ssl-mode=REQUIRED",
        "sslmode=require",
        "ssl-mode=VERIFY_CA",
        "tls=skip-verify",
    ] {
        let text = unavailable(&format!("{dsn}?{mode}")).await;
        assert!(text.contains("SSL"), "{text}");
    }
}
