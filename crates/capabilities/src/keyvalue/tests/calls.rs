//! Swaps, sums and pages.

use super::*;

#[tokio::test]
async fn a_failed_swap_gives_a_handle_on_what_is_there_now() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    let cas = HostCas::new(&mut guest.view(), b(), "key".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        guest.view().current(again(&cas)).await.unwrap().unwrap(),
        None
    );
    guest
        .view()
        .set(b(), "key".into(), b"theirs".into())
        .await
        .unwrap()
        .unwrap();
    let fresh: Resource<Cas> = match guest.view().swap(cas, b"mine".into()).await.unwrap() {
        Err(CasError::CasFailed(cas)) => cas,
        swapped => panic!("{swapped:?}"),
    };
    assert_eq!(
        guest
            .view()
            .current(again(&fresh))
            .await
            .unwrap()
            .unwrap()
            .unwrap(),
        b"theirs"
    );
    guest
        .view()
        .swap(fresh, b"mine".into())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        guest
            .view()
            .get(b(), "key".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap(),
        b"mine"
    );
    assert_eq!((guest.part.handles, guest.part.held), (1, 0));
}

#[tokio::test]
async fn signed_and_unsigned_increments_stay_in_their_ranges() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    let b = || again(&bucket);
    assert_eq!(
        guest
            .view()
            .increment(b(), "n".into(), -3)
            .await
            .unwrap()
            .unwrap(),
        -3
    );
    let error = draft::increment(&mut guest.view(), b(), "n".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        other(error),
        "-3 + 1 is not between 0 and 18446744073709551615"
    );
    assert_eq!(
        draft::increment(&mut guest.view(), b(), "u".into(), u64::MAX)
            .await
            .unwrap()
            .unwrap(),
        u64::MAX
    );
    draft::increment(&mut guest.view(), b(), "u".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
    guest
        .view()
        .increment(b(), "u".into(), 1)
        .await
        .unwrap()
        .unwrap_err();
}

async fn fill(guest: &mut Guest, bucket: &Resource<Bucket>, count: usize) {
    let keys: Vec<_> = (0..count).map(|n| (format!("{n:05}"), vec![])).collect();
    for part in keys.chunks(1000) {
        guest
            .view()
            .set_many(again(bucket), part.to_vec())
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn pages_follow_a_text_cursor() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    fill(&mut guest, &bucket, 2000).await;
    let first = guest
        .view()
        .list_keys(again(&bucket), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (first.keys.len(), first.cursor.as_deref()),
        (1000, Some("00999"))
    );
    let second = guest
        .view()
        .list_keys(again(&bucket), first.cursor)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (second.keys[0].as_str(), second.keys.len(), second.cursor),
        ("01000", 1000, None)
    );
}

#[tokio::test]
async fn pages_follow_a_number_even_while_keys_are_deleted() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    fill(&mut guest, &bucket, 2500).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = draft::list_keys(&mut guest.view(), again(&bucket), cursor)
            .await
            .unwrap()
            .unwrap();
        guest
            .view()
            .delete_many(again(&bucket), page.keys.clone())
            .await
            .unwrap()
            .unwrap();
        seen.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 2500);
    // A cursor from elsewhere: another instance, or made up.
    fill(&mut guest, &bucket, 1500).await;
    let fresh = guest.open("default").await;
    let page = draft::list_keys(&mut guest.view(), again(&fresh), Some(1000))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (page.keys[0].as_str(), page.keys.len(), page.cursor),
        ("01000", 500, None)
    );
    let page = draft::list_keys(&mut guest.view(), fresh, Some(u64::MAX))
        .await
        .unwrap()
        .unwrap();
    assert!(page.keys.is_empty() && page.cursor.is_none());
}

#[tokio::test]
async fn a_missing_value_is_none_in_the_shape_of_each_draft() {
    let mut guest = Guest::new();
    let bucket = guest.open("default").await;
    guest
        .view()
        .set(again(&bucket), "a".into(), vec![1])
        .await
        .unwrap()
        .unwrap();
    let keys = vec!["a".to_owned(), "b".to_owned()];
    let new = guest
        .view()
        .get_many(again(&bucket), keys.clone())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        new,
        [("a".to_owned(), Some(vec![1])), ("b".to_owned(), None)]
    );
    let old = draft::get_many(&mut guest.view(), bucket, keys)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(old, [Some(("a".to_owned(), vec![1])), None]);
}
