//! The `dirs` grant and the flag beside it.

use super::{Access, Dir, Files};
use crate::{Capability, Place};
use holm_manifest::{Problem, Value};
use std::path::Path;

fn place(base: &Path) -> Place {
    Place {
        base: base.to_owned(),
        state: base.join(".holm"),
        stores: [].into(),
        shared: Default::default(),
        brokers: Default::default(),
    }
}

fn granted(base: &Path, dirs: Vec<(&str, Value)>) -> Result<Files, Problem> {
    Files::granted(Some(&Value::table(dirs)), &place(base))
}

fn with(path: &str, access: &str) -> Value {
    Value::table(vec![("path", path.into()), ("access", access.into())])
}

#[test]
fn a_plain_path_may_be_read_and_a_table_says_what_it_allows() {
    let base = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        std::fs::create_dir(base.path().join(name)).unwrap();
    }
    let files = granted(
        base.path(),
        vec![
            ("/a", "a".into()),
            ("/b", with("b", "write")),
            ("/c", with("c", "read")),
            ("/d", Value::table(vec![("path", "a".into())])),
        ],
    )
    .unwrap();
    let seen: Vec<_> = files
        .dirs()
        .iter()
        .map(|d| (d.guest.as_str(), d.access))
        .collect();
    assert_eq!(
        seen,
        [
            ("/a", Access::Read),
            ("/b", Access::Write),
            ("/c", Access::Read),
            ("/d", Access::Read)
        ]
    );
    assert_eq!(files.dirs()[0].host, base.path().join("a"));
}

#[test]
fn nothing_is_granted_when_nothing_is_said() {
    assert!(
        Files::granted(None, &place(Path::new("/")))
            .unwrap()
            .dirs()
            .is_empty()
    );
}

#[test]
fn a_missing_folder_and_a_file_are_told_apart() {
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("file"), "").unwrap();
    let missing = granted(base.path(), vec![("/data", "nowhere".into())])
        .err()
        .unwrap();
    assert_eq!(missing.message, "there is no folder `nowhere`");
    let expected = format!(
        "create it: mkdir -p {}",
        base.path().join("nowhere").display()
    );
    assert_eq!(missing.help.unwrap(), expected);
    let file = granted(base.path(), vec![("/data", "file".into())])
        .err()
        .unwrap();
    assert_eq!(file.message, "`file` is a file, not a folder");
}

#[test]
fn what_is_no_grant_is_refused() {
    let base = tempfile::tempdir().unwrap();
    assert!(granted(base.path(), vec![("", ".".into())]).is_err());
    assert!(granted(base.path(), vec![("/a", with(".", "execute"))]).is_err());
    assert!(granted(base.path(), vec![("/a", Value::integer(1))]).is_err());
}

#[test]
fn the_flag() {
    let read = |text| Dir::from_flag(text, Path::new("/base"));
    let dir = read("data").unwrap();
    assert_eq!(
        (dir.guest.as_str(), dir.host.to_str(), dir.access),
        ("data", Some("/base/data"), Access::Write)
    );
    let dir = read("/srv/x::/data:ro").unwrap();
    assert_eq!(
        (dir.guest.as_str(), dir.host.to_str(), dir.access),
        ("/data", Some("/srv/x"), Access::Read)
    );
    assert_eq!(read(".:ro").unwrap().guest, ".");
    for wrong in [
        "",
        "::",
        "a::",
        "::b",
        ":ro",
        "a:::ro",
        "a:rw",
        "a::/b:rw",
        "a::/b::/c",
        "a::/b:ro:ro",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_flag_replaces_a_folder_of_the_manifest() {
    let base = tempfile::tempdir().unwrap();
    let mut files = granted(base.path(), vec![("/data", ".".into())]).unwrap();
    files
        .add(Dir::from_flag(".::/data", base.path()).unwrap())
        .unwrap();
    assert_eq!(files.dirs().len(), 1);
    assert_eq!(files.dirs()[0].access, Access::Write);
    assert!(
        files
            .add(Dir::from_flag("gone::/gone", base.path()).unwrap())
            .is_err()
    );
}

/// `--dir`: whatever is read names two folders.
#[test]
fn flags_name_folders() {
    crate::fuzz::text("dir-flag", &["::", ":ro", "/", ".."], |text| {
        if let Ok(dir) = Dir::from_flag(text, std::path::Path::new("/base")) {
            assert!(!dir.written.is_empty() && !dir.guest.is_empty(), "{dir:?}");
        }
    });
}
