use super::*;

fn mysql(text: &str) -> Server {
    match text.parse() {
        Ok(Dsn::Mysql(server)) => server,
        other => panic!("{other:?}"),
    }
}

fn postgres(text: &str) -> Server {
    match text.parse() {
        Ok(Dsn::Postgres(server)) => server,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_form_of_sqlite_is_understood() {
    for (text, path) in [
        ("sqlite:path.db", "path.db"),
        ("sqlite://path.db", "path.db"),
        ("sqlite:///abs/path.db", "/abs/path.db"),
        ("sqlite:/abs/path.db", "/abs/path.db"),
        ("sqlite:a b/ü.db", "a b/ü.db"),
        ("sqlite://path.db?mode=rwc", "path.db"),
        ("sqlite:file:path.db?mode=ro", "file:path.db?mode=ro"),
        ("local", "conversations.db"),
    ] {
        let expected = Dsn::Sqlite {
            path: path.to_owned(),
        };
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }
    assert_eq!("sqlite::memory:".parse(), Ok(Dsn::SqliteMemory));
    assert_eq!("sqlite://:memory:".parse(), Ok(Dsn::SqliteMemory));
    assert_eq!("sqlite:".parse::<Dsn>(), Err(DsnError::NoPath));
}

#[test]
fn a_url_is_taken_apart() {
    let server = postgres("postgres://us%40er:p%40s%2Fs@db.example:6432/conv?sslmode=require&x=1");
    assert_eq!(server.user, "us@er");
    assert_eq!(server.password.as_ref().map(Secret::expose), Some("p@s/s"));
    assert_eq!(server.hosts[0].name, "db.example");
    assert_eq!(server.hosts[0].port, 6432);
    assert_eq!(server.database, "conv");
    assert_eq!(
        server.params[0],
        ("sslmode".to_owned(), "require".to_owned())
    );
    assert_eq!(server.params.len(), 2);

    let server = postgres("postgresql://[::1],other:1/d");
    assert_eq!(server.hosts[0].name, "::1");
    assert_eq!(server.hosts[0].port, 5432);
    assert_eq!(server.hosts[1].port, 1);
    assert_eq!(server.password, None);
    assert_eq!(postgres("postgres:///d?host=/run").hosts, []);
    assert_eq!(mysql("mysql://root@h/d").hosts[0].port, 3306);
}

#[test]
fn a_go_password_may_hold_anything() {
    for password in [
        "123456",
        "p@ss",
        "p:w",
        "a/b",
        "@tcp(x)/y",
        "?a=b",
        "p%40",
        "://",
        "",
    ] {
        let server = mysql(&format!(
            "root:{password}@tcp(db:3307)/conv?charset=utf8mb4"
        ));
        assert_eq!(server.user, "root", "{password}");
        assert_eq!(server.password.as_ref().map(Secret::expose), Some(password));
        assert_eq!(server.hosts[0].name, "db");
        assert_eq!(server.hosts[0].port, 3307);
        assert_eq!(server.database, "conv");
    }
}

#[test]
fn go_defaults_and_slashes_in_parameters_are_understood() {
    let server = mysql("root@/conv");
    assert_eq!(server.hosts[0].name, "127.0.0.1");
    assert_eq!(server.hosts[0].port, 3306);
    let server = mysql("root:x@tcp([::1]:1)/conv?parseTime=True&loc=Asia/Shanghai&odd=1");
    assert_eq!(server.hosts[0].name, "::1");
    assert_eq!(server.database, "conv");
    let names: Vec<&str> = server
        .params
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["parseTime", "loc"]);
    assert_eq!(mysql("mysql://u:p@tcp(h:1)/d").user, "u");
    assert_eq!(mysql("sqlite:p@tcp(h:1)/d").user, "sqlite");
}

#[test]
fn no_text_shows_a_password() {
    const PASSWORD: &str = "hunter2";
    for text in [
        "postgres://u:hunter2@h/d",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:1/hunter2@h/d",
        "postgres://u:1?hunter2@h/d",
        "postgres://u:1#hunter2@h/d",
        "postgres://u:x@y/hunter2@h/d",
        "postgres://h/d?password=hunter2",
        "mysql://u:hunter2@h/d",
        "mysql://u:hunter2@tcp(h:1)/d",
        "u:hunter2@tcp(h:1)/d",
        "u:a/hunter2@tcp(h:1)/d",
        "u:hunter2@tcp(h:x)/d",
        "u:hunter2@unix(/x)/d",
        "u:hunter2",
        "sqlite:hunter2@tcp(h)/d",
        "oracle://u:hunter2@h/d",
    ] {
        let parsed = text.parse::<Dsn>();
        assert!(!format!("{parsed:?}").contains(PASSWORD), "{text}");
        let shown = parsed.map_or_else(|error| error.to_string(), |dsn| dsn.to_string());
        assert!(!shown.contains(PASSWORD), "{text}");
    }
    let dsn: Dsn = "u:hunter2@tcp(h:1)/d".parse().unwrap();
    assert_eq!(dsn.to_string(), "mysql://u:***@h:1/d");
}

#[test]
fn what_is_no_dsn_is_refused() {
    assert_eq!("".parse::<Dsn>(), Err(DsnError::UnknownForm));
    assert_eq!("oracle://h/d".parse::<Dsn>(), Err(DsnError::UnknownForm));
    assert_eq!("postgres://h:x/d".parse::<Dsn>(), Err(DsnError::Host));
    assert_eq!("postgres://[::1/d".parse::<Dsn>(), Err(DsnError::Host));
    assert_eq!("postgres://%ff@h/d".parse::<Dsn>(), Err(DsnError::NotUtf8));
    assert_eq!("u:p@tcp(h:1)".parse::<Dsn>(), Err(DsnError::UnknownForm));
}
