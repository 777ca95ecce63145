//! What a manifest grants and declares.

use super::*;

#[test]
fn a_grant_names_stores() {
    let problem = KeyValue::granted(Some(&vec!["ok", "no/good"].into()), &place(&[])).unwrap_err();
    assert_eq!(problem.message, "\"no/good\" cannot be the name of a store");
    let problem = KeyValue::granted(Some(&"default".into()), &place(&[])).unwrap_err();
    assert!(problem.is_error());
    let stores = KeyValue::granted(None, &place(&[])).unwrap();
    assert!(stores.0.is_empty());
}

#[test]
fn a_declared_store_says_what_is_wrong_with_it() {
    let problem = |pairs: Vec<(&str, Value)>| {
        let mut table = vec![("type", Value::from("keyvalue"))];
        table.extend(pairs);
        let problems = (store_fragment().check)(&Value::table(table));
        problems
            .into_iter()
            .map(|p| {
                p.label
                    .map_or(p.message.clone(), |l| format!("{}: {l}", p.message))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(problem(vec![]), [""; 0]);
    assert_eq!(
        problem(vec![("provider", "redb".into()), ("path", "x.redb".into())]),
        [""; 0]
    );
    assert_eq!(
        problem(vec![
            ("provider", "memory".into()),
            ("limit", "1 MiB".into())
        ]),
        [""; 0]
    );
    assert_eq!(
        problem(vec![("provider", "redis".into())]),
        ["the provider needs the address of its server: `url` is missing"]
    );
    assert_eq!(
        problem(vec![("provider", "rebd".into())]),
        ["unknown provider `rebd`: known here: redb, memory, redis, nats"]
    );
    assert_eq!(problem(vec![("limit", "1 MiB".into())]), [""; 0]);
    assert_eq!(
        problem(vec![("provider", "memory".into()), ("path", "x".into())]),
        ["`path` is for the provider `redb`"]
    );
    assert_eq!(
        problem(vec![("ttl", "1 h".into())]),
        ["`ttl` is for the providers `redis` and `nats`"]
    );
    for (provider, scheme) in [("redis", "redis"), ("redis", "rediss"), ("nats", "tls")] {
        let table = |url: String| {
            vec![
                ("provider", Value::from(provider)),
                ("url", url.into()),
                ("ttl", "1 h".into()),
                ("timeout", "500 ms".into()),
            ]
        };
        assert_eq!(problem(table(format!("{scheme}://:pass@host"))), [""; 0]);
        // What is wrong may be the password: it is not quoted.
        let wrong = problem(table("http://hunter2".into()));
        assert!(wrong[0].starts_with("this is not the address of such a server: expected "));
        assert!(!wrong[0].contains("hunter2"), "{wrong:?}");
    }
    let nats = |key: &'static str, value: &str| {
        let url = ("url", Value::from("nats://host"));
        problem(vec![("provider", "nats".into()), url, (key, value.into())])
    };
    assert_eq!(
        nats("bucket", "a.b"),
        ["this cannot be the name of a bucket: letters, digits, `-` and `_`"]
    );
    assert_eq!(
        nats("prefix", "a"),
        ["`prefix` is for the provider `redis`"]
    );
    assert_eq!(nats("ttl", "0 s"), ["a time of nothing: longer than 0"]);
}

#[test]
fn a_store_of_another_type_is_no_key_value_store() {
    let sql = Value::table(vec![("type", Value::from("sql"))]);
    let problem = KeyValue::granted(Some(&vec!["db"].into()), &place(&[("db", sql)])).unwrap_err();
    assert!(
        problem
            .message
            .starts_with("store `db` is declared with `type = \"sql\"`"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_store_in_memory_is_full_at_its_limit() {
    let small = Value::table(vec![
        ("type", Value::from("keyvalue")),
        ("provider", "memory".into()),
        ("limit", "100".into()),
    ]);
    let granted =
        KeyValue::granted(Some(&vec!["default"].into()), &place(&[("default", small)])).unwrap();
    let mut guest = Guest::of(&granted);
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    guest
        .view()
        .set(b(), "a".into(), vec![0; 99])
        .await
        .unwrap()
        .unwrap();
    guest
        .view()
        .set(b(), "a".into(), vec![1; 99])
        .await
        .unwrap()
        .unwrap();
    let full = guest
        .view()
        .set(b(), "b".into(), vec![])
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(other(full), "store \"default\" is full: its limit is 100 B");
    guest.view().delete(b(), "a".into()).await.unwrap().unwrap();
    guest
        .view()
        .set(b(), "b".into(), vec![0; 99])
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_told_without_its_path() {
    let mut place = place(&[]);
    place.state = "/dev/null".into();
    let mut guest = Guest::of(&KeyValue::granted(Some(&vec!["default"].into()), &place).unwrap());
    let error: store::Error = guest
        .view()
        .open("default".into())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(other(error), "store \"default\" failed");
}

/// A store's name becomes a file's name: one that is taken for a name stays in its folder.
#[test]
fn names_of_stores_are_names_of_files() {
    crate::fuzz::text("store-name", &["..", "/", "\\", "\0", "default"], |text| {
        if super::super::is_name(text) {
            let mut parts = std::path::Path::new(text).components();
            assert!(
                matches!(parts.next(), Some(std::path::Component::Normal(part)) if part == text)
            );
            assert_eq!(parts.next(), None);
            assert!(
                text.len() + ".redb".len() <= 255 && text.chars().all(|c| c.is_ascii_graphic())
            );
        }
        let read = super::super::names(&Value::from(vec![text]));
        assert_eq!(read.is_ok(), super::super::is_name(text));
    });
}
