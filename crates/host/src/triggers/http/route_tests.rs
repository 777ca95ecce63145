//! Tests of the route table: by example, and against a reference that tries every route.

use super::*;
use proptest::prelude::*;

fn table(routes: &[(&str, Option<&str>)]) -> RouteTable {
    RouteTable::new(routes.iter().copied()).unwrap()
}

fn found<'t>(table: &'t RouteTable, host: &str, path: &str) -> Option<&'t str> {
    table
        .find(Some(host), path)
        .unwrap()
        .map(|found| found.component_route())
}

#[test]
fn the_most_specific_route_answers_whatever_the_order() {
    let mut routes = vec![
        ("/...", None),
        ("/", None),
        ("/api/...", None),
        ("/api/v1/...", None),
        ("/api/:version/status", None),
        ("/api/v1/status", None),
        ("/users/:id", None),
        ("/users/me", None),
        ("/users/me/...", None),
        ("/users/:id/posts", None),
    ];
    for _ in 0..2 {
        let table = table(&routes);
        for (path, route) in [
            ("/", "/"),
            ("//", "/"),
            ("/x", "/..."),
            ("/api", "/api/..."),
            ("/api/", "/api/..."),
            ("/apis", "/..."),
            ("//api//x", "/api/..."),
            ("/api/v1/x/y", "/api/v1/..."),
            ("/api/v1/status", "/api/v1/status"),
            ("/api/v2/status", "/api/:version/status"),
            ("/api/v1/status/", "/api/v1/status"),
            ("/users/7", "/users/:id"),
            ("/users/me", "/users/me"),
            ("/users/m%65", "/users/me"),
            ("/users/me/x", "/users/me/..."),
            ("/users/me/posts", "/users/:id/posts"),
            ("/users/a%2fb", "/users/:id"),
            ("/users", "/..."),
        ] {
            assert_eq!(found(&table, "h", path), Some(route), "{path}");
        }
        routes.reverse();
    }
}

#[test]
fn a_host_comes_before_a_path() {
    let table = table(&[
        ("/a", None),
        ("/...", Some("example.com")),
        ("/...", Some("*.example.com")),
        ("/deep", Some("*.b.example.com")),
    ]);
    let index = |host, path| table.find(host, path).unwrap().map(|found| found.index);
    let long = "x".repeat(300);
    assert_eq!(index(Some("EXAMPLE.com."), "/a"), Some(1));
    assert_eq!(index(Some("x.example.com"), "/a"), Some(2));
    assert_eq!(index(Some("a.b.example.com"), "/deep"), Some(3));
    assert_eq!(
        index(Some("a.b.example.com"), "/a"),
        Some(2),
        "falls through to the next host"
    );
    assert_eq!(index(Some("other"), "/a"), Some(0));
    assert_eq!(index(Some(&long), "/a"), Some(0));
    assert_eq!(index(None, "/a"), Some(0));
    assert_eq!(index(None, "/b"), None);
}

#[test]
fn what_a_match_tells() {
    let table = table(&[("/base/:x/:y/...", None), ("/one/:x", None), ("/...", None)]);
    let find = |path| table.find(None, path).unwrap().unwrap();
    let wild = find("/base/a%20b//c/d/e/");
    assert_eq!(wild.component_route(), "/base/:x/:y/...");
    assert_eq!(wild.base(), "/base/:x/:y");
    assert_eq!(wild.trailing_wildcard(), Some("/d/e/"));
    assert_eq!(
        wild.parameters().collect::<Vec<_>>(),
        [("x", "a%20b"), ("y", "c")]
    );
    assert_eq!(find("/base/a/b").trailing_wildcard(), Some(""));
    assert_eq!(find("/base/a/b/").trailing_wildcard(), Some("/"));
    assert_eq!(find("/").trailing_wildcard(), Some("/"));
    assert_eq!(find("/").base(), "");
    let one = find("/one/1");
    assert_eq!(
        (one.trailing_wildcard(), one.parameters().count()),
        (None, 1)
    );
}

#[test]
fn equal_routes_are_refused_with_both_named() {
    let same = |a, b| {
        RouteTable::new([a, ("/...", None), b])
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        same(("/users/:id", None), ("/users/:name/", None)).unwrap_err(),
        "the routes `/users/:id` and `/users/:name/` match the same requests"
    );
    assert_eq!(
        same(("/a", Some("x.y")), ("/%61", Some("X.Y"))).unwrap_err(),
        "the routes `/a` and `/%61` match the same requests of host `X.Y`"
    );
    assert_eq!(same(("/a", None), ("/a", Some("x"))), Ok(()));
    assert_eq!(same(("/a", None), ("/a/...", None)), Ok(()));
}

#[test]
fn a_hostile_path_is_refused_not_routed() {
    let table = table(&[("/...", None)]);
    for path in ["/a/../b", "/%2e%2e/", "/%", "*", "/%00"] {
        assert!(table.find(None, path).is_err(), "{path}");
    }
}

/// Does the pattern match? Written for reading, not for speed.
fn matches(pattern: &Pattern, path: &str) -> bool {
    let have: Vec<Vec<u8>> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_encoding::percent_decode_str(segment).collect())
        .collect();
    let want = pattern.segments();
    let enough = if pattern.is_open() {
        have.len() >= want.len()
    } else {
        have.len() == want.len()
    };
    enough
        && want.iter().zip(&have).all(|(want, have)| match want {
            Segment::Literal(literal) => **literal == **have,
            Segment::Parameter(_) => true,
        })
}

/// Sorts the most specific pattern first.
fn rank(pattern: &Pattern) -> (bool, std::cmp::Reverse<usize>, Vec<bool>) {
    let parameters = pattern
        .segments()
        .iter()
        .map(|s| matches!(s, Segment::Parameter(_)));
    (
        pattern.is_open(),
        std::cmp::Reverse(pattern.segments().len()),
        parameters.collect(),
    )
}

fn reference(patterns: &[Pattern], path: &str) -> Option<usize> {
    let matching = (0..patterns.len()).filter(|at| matches(&patterns[*at], path));
    matching.min_by_key(|at| rank(&patterns[*at]))
}

fn routes() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![4 => "[ab]", 1 => "%6[12]", 2 => Just(":p".to_owned())];
    let route = (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(parts, open)| {
        let mut text = String::new();
        for (index, part) in parts.iter().enumerate() {
            text += "/";
            text += part;
            if part == ":p" {
                text += &index.to_string();
            }
        }
        if open { text + "/..." } else { text + "/" }
    });
    prop::collection::vec(route, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn as_the_reference_says(routes in routes(), path in "(/{1,2}([abc]|%6[12])){0,6}/?") {
        let path = format!("/{path}");
        let mut kept: Vec<(&str, Option<&str>)> = Vec::new();
        for route in &routes {
            kept.push((route, None));
            if RouteTable::new(kept.iter().copied()).is_err() {
                kept.pop();
            }
        }
        let table = RouteTable::new(kept).unwrap();
        let found = table.find(None, &path).unwrap();
        prop_assert_eq!(found.map(|found| found.index), reference(table.patterns(), &path));
        if let Some(found) = found {
            let pattern = &table.patterns()[found.index];
            let parameters = pattern.segments().iter().filter(|s| matches!(s, Segment::Parameter(_)));
            prop_assert_eq!(found.parameters().count(), parameters.count());
            if let Some(rest) = found.trailing_wildcard() {
                prop_assert!(path.ends_with(rest) && (rest.is_empty() || rest.starts_with('/')));
            }
        }
    }
}

#[test]
fn patterns_read_back_and_match_themselves() {
    let words = [
        "/", "/...", "/:a", "%2f", "%2e%2e", "..", "%", "\0", "{id}", "*",
    ];
    crate::fuzz::text("route", &words, |text| {
        let Ok(pattern) = Pattern::parse(text) else {
            return;
        };
        assert_eq!(Pattern::parse(pattern.text()), Ok(pattern.clone()));
        let table = RouteTable::new([(text, None)]).unwrap();
        let literal = pattern
            .segments()
            .iter()
            .all(|s| matches!(s, Segment::Literal(_)));
        if literal && !pattern.is_open() {
            let found = table.find(None, text).unwrap();
            assert!(found.is_some(), "it does not match itself");
        }
    });
}

/// However a path is written, it is refused, or goes where its decoded segments go.
#[test]
fn a_path_has_one_meaning() {
    let table =
        RouteTable::new([("/:a/...", Some("*.a")), ("/a/...", None), ("/...", None)]).unwrap();
    let words = ["/", "//", "%2f", "%2e", "..", "%61", "%", "\0", "a"];
    crate::fuzz::text("path", &words, |text| {
        let Ok(found) = table.find(None, text) else {
            assert!(path::check(text).is_err());
            return;
        };
        let first =
            path::split_first(text).map(|(first, _)| path::decode(first).collect::<Vec<_>>());
        let expected = if first.as_deref() == Some(b"a") { 1 } else { 2 };
        assert_eq!(found.map(|found| found.index), Some(expected));
        let _ = table.find(Some(text), text);
    });
}
