//! Every WIT type, there and back; resources, host functions, and what goes wrong.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::types::{calling, echo, things, work};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

struct Lab;
export!(Lab);

impl Guest for Lab {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn town() -> String {
        home_town()
    }
}

macro_rules! echoes {
    ($($name:ident: $ty:ty,)*) => { $(
        fn $name(v: $ty) -> $ty {
            v
        }
    )* };
}

impl echo::Guest for Lab {
    echoes! {
        truth: bool,
        small: i8,
        byte: u8,
        short: i16,
        word: u16,
        int: i32,
        count: u32,
        long: i64,
        size: u64,
        single: f32,
        double: f64,
        letter: char,
        text: String,
        raw: Vec<u8>,
        smalls: Vec<i8>,
        shorts: Vec<i16>,
        words: Vec<u16>,
        ints: Vec<i32>,
        counts: Vec<u32>,
        longs: Vec<i64>,
        sizes: Vec<u64>,
        singles: Vec<f32>,
        doubles: Vec<f64>,
        truths: Vec<bool>,
        letters: Vec<char>,
        texts: Vec<String>,
        table: Vec<Vec<u16>>,
        points: Vec<echo::Point>,
        pair: (String, u8),
        maybe: Option<u32>,
        perhaps: Option<Option<u32>>,
        outcome: Result<u32, String>,
        outcomes: Vec<Result<u32, String>>,
        point_of: echo::Point,
        all: echo::Everything,
        color_of: echo::Color,
        may: echo::Permissions,
        shape_of: echo::Shape,
    }

    fn quiet(fails: bool) -> Result<(), ()> {
        if fails { Err(()) } else { Ok(()) }
    }

    fn class(from: String, lambda: Option<String>) -> String {
        format!("{from} {}", lambda.unwrap_or_default())
    }
}

static CALLS: AtomicU32 = AtomicU32::new(0);

impl work::Guest for Lab {
    fn nothing() {}

    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn length(text: String) -> u32 {
        text.len() as u32
    }

    fn sum(values: Vec<f64>) -> f64 {
        values.iter().sum()
    }

    fn zeros(bytes: u32) -> Vec<u8> {
        vec![0; bytes as usize]
    }

    fn calls() -> u32 {
        CALLS.fetch_add(1, Relaxed) + 1
    }

    fn fail(message: String) {
        panic!("{message}");
    }

    fn spin() {
        let mut n = 0u64;
        loop {
            n = std::hint::black_box(n.wrapping_add(1));
        }
    }

    fn burn(rounds: u64) -> u64 {
        (0..rounds).fold(1, |n: u64, i| {
            std::hint::black_box(n.wrapping_mul(31).wrapping_add(i))
        })
    }

    fn grow() {
        let mut all: Vec<Vec<u8>> = Vec::new();
        loop {
            all.push(std::hint::black_box(vec![1; 1 << 20]));
        }
    }
}

static ALIVE: AtomicU32 = AtomicU32::new(0);

struct Counter(Cell<u32>);

impl Drop for Counter {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

impl things::Guest for Lab {
    type Counter = Counter;

    fn finish(counter: things::Counter) -> u32 {
        counter.get::<Counter>().0.get()
    }

    fn several(starts: Vec<u32>) -> Vec<things::Counter> {
        let make = |start| things::Counter::new(<Counter as things::GuestCounter>::new(start));
        starts.into_iter().map(make).collect()
    }

    fn alive() -> u32 {
        ALIVE.load(Relaxed)
    }
}

impl things::GuestCounter for Counter {
    fn new(start: u32) -> Self {
        ALIVE.fetch_add(1, Relaxed);
        Counter(Cell::new(start))
    }

    fn add(&self, n: u32) -> u32 {
        self.0.set(self.0.get().wrapping_add(n));
        self.0.get()
    }

    fn larger(a: things::CounterBorrow<'_>, b: things::CounterBorrow<'_>) -> u32 {
        let value = |c: &things::CounterBorrow<'_>| c.get::<Counter>().0.get();
        value(&a).max(value(&b))
    }

    fn check(&self, n: u32) {
        assert!(n > 0, "zero is no number");
    }
}

impl calling::Guest for Lab {
    fn say(who: String, what: Vec<String>) -> Result<u32, calling::Trouble> {
        holm::types::host::say(&who, &what)
    }

    fn add(a: i64, b: i64) -> i64 {
        holm::types::host::add(a, b)
    }

    fn log(line: String) {
        holm::types::host::log(&line);
    }
}
