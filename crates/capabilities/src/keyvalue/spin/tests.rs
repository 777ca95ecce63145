//! What a guest of Spin's meets: the same stores, its own words.

use super::legacy::{self, Host as _};
use super::v2::{Error, HostStore};
use crate::keyvalue::limits::{HANDLES_MAX, PAGE_KEYS_MAX};
use crate::keyvalue::tests::{Guest, again};

#[tokio::test]
async fn a_store_does_what_spin_says_of_it() {
    let mut guest = Guest::new();
    let mut view = guest.view();
    let store = HostStore::open(&mut view, "default".into()).await;
    let store = store.unwrap().unwrap();
    let bar = || "bar".to_owned();

    HostStore::delete(&mut view, again(&store), bar())
        .await
        .unwrap()
        .unwrap();
    assert!(
        !HostStore::exists(&mut view, again(&store), bar())
            .await
            .unwrap()
            .unwrap()
    );
    assert_eq!(
        HostStore::get(&mut view, again(&store), bar())
            .await
            .unwrap()
            .unwrap(),
        None
    );

    for value in [b"baz", b"wow"] {
        let set = HostStore::set(&mut view, again(&store), bar(), value.to_vec()).await;
        set.unwrap().unwrap();
        let got = HostStore::get(&mut view, again(&store), bar()).await;
        assert_eq!(got.unwrap().unwrap().as_deref(), Some(&value[..]));
    }
    let set = HostStore::set(&mut view, again(&store), "qux".into(), Vec::new()).await;
    set.unwrap().unwrap();
    let keys = HostStore::get_keys(&mut view, again(&store)).await;
    assert_eq!(keys.unwrap().unwrap(), ["bar", "qux"]);
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_recorded() {
    let mut guest = Guest::new();
    for label in ["forbidden", "", "../up", "no spaces"] {
        let opened = HostStore::open(&mut guest.view(), label.into()).await;
        assert!(
            matches!(opened.unwrap(), Err(Error::AccessDenied)),
            "{label}"
        );
        let opened = legacy::Host::open(&mut guest.view(), label.into())
            .await
            .unwrap();
        assert!(
            matches!(opened, Err(legacy::Error::AccessDenied)),
            "{label}"
        );
    }
    // What no grant could name is not told as a grant to add.
    let denials = guest.core.denials.list();
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].line, "keyvalue = [\"forbidden\"]");
}

#[tokio::test]
async fn stores_that_stay_open_fill_the_table() {
    let mut guest = Guest::new();
    let mut view = guest.view();
    let mut last = None;
    for _ in 0..HANDLES_MAX {
        let opened = HostStore::open(&mut view, "default".into()).await;
        last = Some(opened.unwrap().unwrap());
    }
    let opened = HostStore::open(&mut view, "default".into()).await.unwrap();
    assert!(matches!(opened, Err(Error::StoreTableFull)));
    // A grant is what a guest is asked for first.
    let opened = HostStore::open(&mut view, "forbidden".into())
        .await
        .unwrap();
    assert!(matches!(opened, Err(Error::AccessDenied)));
    HostStore::drop(&mut view, last.unwrap()).await.unwrap();
    let opened = HostStore::open(&mut view, "default".into()).await.unwrap();
    assert!(opened.is_ok());
}

#[tokio::test]
async fn all_keys_are_listed_however_many() {
    let mut guest = Guest::new();
    let mut view = guest.view();
    let store = HostStore::open(&mut view, "default".into()).await;
    let store = store.unwrap().unwrap();
    let keys: Vec<String> = (0..2 * PAGE_KEYS_MAX + 1)
        .map(|n| format!("{n:06}"))
        .collect();
    for key in &keys {
        let set = HostStore::set(&mut view, again(&store), key.clone(), Vec::new()).await;
        set.unwrap().unwrap();
    }
    let listed = HostStore::get_keys(&mut view, again(&store)).await;
    assert_eq!(listed.unwrap().unwrap(), keys);
}

#[tokio::test]
async fn a_number_is_a_store_while_it_is_open() {
    let mut guest = Guest::new();
    let mut view = guest.view();
    let store = legacy::Host::open(&mut view, "default".into()).await;
    let store = store.unwrap().unwrap();
    let get = legacy::Host::get(&mut view, store, "key".into()).await;
    assert!(matches!(get.unwrap(), Err(legacy::Error::NoSuchKey)));
    let set = legacy::Host::set(&mut view, store, "key".into(), b"value".to_vec()).await;
    assert!(set.unwrap().is_ok());
    let get = legacy::Host::get(&mut view, store, "key".into()).await;
    assert_eq!(get.unwrap().unwrap(), b"value");
    assert_eq!(
        legacy::Host::get_keys(&mut view, store)
            .await
            .unwrap()
            .unwrap(),
        ["key"]
    );

    // Whatever the guest makes up as a number, and however often it closes one.
    for number in [store + 1, 77, u32::MAX] {
        let get = legacy::Host::get(&mut view, number, "key".into()).await;
        assert!(matches!(get.unwrap(), Err(legacy::Error::InvalidStore)));
        view.close(number).await.unwrap();
    }
    view.close(store).await.unwrap();
    view.close(store).await.unwrap();
    let exists = legacy::Host::exists(&mut view, store, "key".into()).await;
    assert!(matches!(exists.unwrap(), Err(legacy::Error::InvalidStore)));
}
