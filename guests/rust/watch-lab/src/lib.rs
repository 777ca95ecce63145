//! A component that watches a store: it prints each change and what the store has then, and traps at the
//! value `fail`.

wit_bindgen::generate!({
    inline: "
        package holm:watch-lab;
        world lab {
            import wasi:keyvalue/store@0.2.0-draft2;
            export wasi:keyvalue/watcher@0.2.0-draft2;
        }
    ",
    path: "../../../wit/wasi-keyvalue@0.2.0-draft2",
    world: "holm:watch-lab/lab",
    generate_all,
});

use wasi::keyvalue::store::Bucket;

struct Lab;
export!(Lab);

impl exports::wasi::keyvalue::watcher::Guest for Lab {
    fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        let text = String::from_utf8_lossy(&value);
        let now = bucket.get(&key).expect("the store answers");
        let now = String::from_utf8(now.unwrap_or_default()).expect("it is text");
        println!("set {key} {text}, now {now}");
        assert!(text != "fail", "asked to");
    }

    fn on_delete(bucket: Bucket, key: String) {
        let there = bucket.exists(&key).expect("the store answers");
        println!("deleted {key}, there: {there}");
    }
}
