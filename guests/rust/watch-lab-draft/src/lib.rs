//! A component that watches a store in the older draft. What a value says it does: `fail N` traps until it
//! was tried more than N times, `sleep MS` takes its time. What it has done it prints, as `watch-lab` does.
use wasip2::clocks::monotonic_clock;

wit_bindgen::generate!({
    inline: "
        package holm:watch-lab-draft;
        world lab {
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            export wasi:keyvalue/watcher@0.2.0-draft;
        }
    ",
    path: "../../../wit/wasi-keyvalue@0.2.0-draft",
    world: "holm:watch-lab-draft/lab",
    generate_all,
});

use wasi::keyvalue::atomics;
use wasi::keyvalue::store::Bucket;

struct Lab;
export!(Lab);

impl exports::wasi::keyvalue::watcher::Guest for Lab {
    fn on_set(bucket: Bucket, key: String, value: Vec<u8>) {
        let text = String::from_utf8_lossy(&value);
        println!("begin {key} {text}");
        let (word, number) = text.split_once(' ').unwrap_or((&text, ""));
        let number: u64 = number.parse().unwrap_or_default();
        match word {
            "fail" => {
                let tries = atomics::increment(&bucket, &format!("tries of {key}"), 1);
                assert!(tries.expect("it counts") > number, "asked to");
            }
            "sleep" => monotonic_clock::subscribe_duration(number * 1_000_000).block(),
            _ => {}
        }
        let now = bucket.get(&key).expect("the store answers");
        let now = String::from_utf8(now.unwrap_or_default()).expect("it is text");
        println!("set {key} {text}, now {now}");
    }

    fn on_delete(bucket: Bucket, key: String) {
        let there = bucket.exists(&key).expect("the store answers");
        println!("deleted {key}, there: {there}");
    }
}
