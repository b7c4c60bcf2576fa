use std::fs;

use super::*;

fn principal(keys: &StaticKeys, authorization: &str) -> Option<Principal> {
    let request = http::Request::builder()
        .header(header::AUTHORIZATION, authorization)
        .body(())
        .unwrap();
    keys.authenticate(&request.into_parts().0)
}

#[test]
fn a_key_speaks_for_its_user_and_a_star_for_an_application() {
    let keys: StaticKeys = "k1:alice, k2:*,\n k3:urn:user:bob".parse().unwrap();
    let alice = Some(Principal::User("alice".to_owned()));
    assert_eq!(principal(&keys, "Bearer k1"), alice);
    assert_eq!(principal(&keys, "bearer  k1 "), alice);
    assert_eq!(principal(&keys, "Bearer k2"), Some(Principal::Application));
    let bob = Some(Principal::User("urn:user:bob".to_owned()));
    assert_eq!(principal(&keys, "Bearer k3"), bob);
}

#[test]
fn anything_but_a_whole_key_is_nobody() {
    let keys: StaticKeys = "k1:alice".parse().unwrap();
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer k",
        "Bearer k11",
        "Basic k1",
        "k1",
    ] {
        assert_eq!(principal(&keys, authorization), None, "{authorization}");
    }
    let bare = http::Request::new(()).into_parts().0;
    assert_eq!(keys.authenticate(&bare), None);
}

#[test]
fn an_error_names_the_position_and_debug_the_number_and_neither_a_key() {
    use KeyProblem::{Incomplete, Repeated, UnusableUser};

    for (list, position, problem) in [
        ("", 1, Incomplete),
        ("sk-secret", 1, Incomplete),
        ("a:b,sk-secret", 2, Incomplete),
        ("a:b,sk-secret:", 2, Incomplete),
        ("a:b,:sk-secret,c:d", 2, Incomplete),
        ("a:b,c:d,", 3, Incomplete),
        ("sk-secret:b,sk-secret:c", 2, Repeated),
        ("a:b,sk-secret:null", 2, UnusableUser),
    ] {
        let error = list.parse::<StaticKeys>().unwrap_err();
        assert_eq!((error.position, error.problem), (position, problem));
        let text = error.to_string();
        assert!(text.contains(&position.to_string()) && !text.contains("secret"));
    }
    let keys: StaticKeys = "sk-secret:b".parse().unwrap();
    assert_eq!(format!("{keys:?}"), "StaticKeys { len: 1, .. }");
}

#[test]
fn a_file_has_an_entry_a_line_and_what_is_wrong_with_it_is_told_by_its_line() {
    use KeyProblem::{Comment, Incomplete, NotText, Repeated, Several, Unended, UnusableUser};

    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "\u{feff}k1 : alice\r\n\r\n\t# programs, and others\nk#2:a#b\nk3:*\n";
    fs::write(file.path(), text).unwrap();
    let keys = StaticKeys::from_file(file.path()).unwrap();
    assert_eq!(keys.len(), 3);
    let user = |name: &str| Some(Principal::User(name.to_owned()));
    assert_eq!(keys.principal_of("k1"), user("alice"));
    assert_eq!(keys.principal_of("k#2"), user("a#b"));
    assert_eq!(keys.principal_of("k3"), Some(Principal::Application));

    for (text, at, wrong) in [
        (&b"a:b\n# \xff\n\nsk-secret\n"[..], 4, Incomplete),
        (b"sk-secret:b\nc:d\nsk-secret:e\n", 3, Repeated),
        (b"sk-secret:none\n", 1, UnusableUser),
        (b"a:b\nsk-secret:\xff\n", 2, NotText),
        (b"a:b\nsk-secret:alice,sk-other:bob\n", 2, Several),
        (b"sk-secret:alice # hers\n", 1, Comment),
        (b"sk-secret:alice\t#hers\n", 1, Comment),
        (b"a:b\nsk-secret:al", 2, Unended),
        (b"a:b\n# sk-secr", 2, Unended),
    ] {
        fs::write(file.path(), text).unwrap();
        let error = keys.reload(file.path()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&*file.path().to_string_lossy()) && !said.contains("secret"));
        let ReadKeysError::Line { line, problem, .. } = error else {
            panic!("{said}");
        };
        assert_eq!((line, problem), (at, wrong), "{said}");
    }
    fs::write(file.path(), "# nobody\n\n").unwrap();
    let error = keys.reload(file.path()).unwrap_err();
    assert!(matches!(error, ReadKeysError::Empty { .. }));
    let path = file.path().to_owned();
    drop(file);
    let error = keys.reload(&path).unwrap_err();
    assert!(matches!(error, ReadKeysError::Unreadable { .. }));
    assert_eq!(keys.principal_of("k1"), user("alice"));
    assert_eq!(keys.len(), 3);
}

#[test]
fn what_one_clone_reads_again_all_know_and_nothing_of_before_is_left() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "k1:alice\nk2:bob\n").unwrap();
    let keys = StaticKeys::from_file(file.path()).unwrap();
    let clone = keys.clone();
    fs::write(file.path(), "k2:carol\nk3:*\n").unwrap();
    assert_eq!(clone.reload(file.path()).unwrap(), 2);
    assert_eq!(principal(&keys, "Bearer k1"), None);
    let carol = Some(Principal::User("carol".to_owned()));
    assert_eq!(principal(&keys, "Bearer k2"), carol);
    assert_eq!(principal(&keys, "Bearer k3"), Some(Principal::Application));
}

#[cfg(unix)]
#[test]
fn of_two_reloads_the_later_one_stays_and_keys_are_known_meanwhile() {
    use std::{process::Command, sync::mpsc, thread, time::Duration};

    let dir = tempfile::tempdir().unwrap();
    let [slow, quick] = ["slow", "quick"].map(|name| dir.path().join(name));
    assert!(
        Command::new("mkfifo")
            .arg(&slow)
            .status()
            .unwrap()
            .success()
    );
    fs::write(&quick, "k2:bob\n").unwrap();
    let keys: StaticKeys = "k0:zoe".parse().unwrap();
    let reload = |path: &Path| {
        let (keys, path) = (keys.clone(), path.to_owned());
        let (told, telling) = mpsc::channel();
        thread::spawn(move || told.send(keys.reload(path).unwrap()));
        telling
    };
    let earlier = reload(&slow);
    // It opens once the other end is being read.
    let slow = fs::File::create(&slow).unwrap();
    let later = reload(&quick);
    assert!(later.recv_timeout(Duration::from_millis(200)).is_err());
    let zoe = Some(Principal::User("zoe".to_owned()));
    assert_eq!(keys.principal_of("k0"), zoe);
    std::io::Write::write_all(&mut &slow, b"k1:alice\n").unwrap();
    drop(slow);
    assert_eq!((earlier.recv(), later.recv()), (Ok(1), Ok(1)));
    let bob = Some(Principal::User("bob".to_owned()));
    assert_eq!(keys.principal_of("k2"), bob);
    assert_eq!(keys.principal_of("k1"), None);
}
