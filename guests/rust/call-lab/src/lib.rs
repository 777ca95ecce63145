//! What calls from far away may meet: answers, refusals, and each way of going wrong.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::example::lab::tools::{self, Order, Refusal};
use std::cell::Cell;
use std::time::Duration;

struct Lab;
export!(Lab);

/// A tab that grows by one each time it is asked for its total.
pub struct Tab(Cell<u64>);

impl Guest for Lab {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }
}

impl tools::Guest for Lab {
    type Tab = Tab;

    fn price(order: Order) -> Result<u64, Refusal> {
        Lab::check(order.clone())?;
        Ok(order
            .items
            .iter()
            .map(|item| 250 * u64::from(item.count))
            .sum())
    }

    fn check(order: Order) -> Result<(), Refusal> {
        if order.items.is_empty() {
            return Err(Refusal::Empty);
        }
        match order.items.iter().map(|item| item.count).max() {
            Some(most) if most > 100 => Err(Refusal::TooMany(most)),
            _ => Ok(()),
        }
    }

    fn repeat(text: String, times: u32) -> String {
        text.repeat(times as usize)
    }

    fn count(data: Vec<u8>) -> u64 {
        data.len() as u64
    }

    fn print(line: String) {
        println!("{line}");
        eprintln!("{line}");
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn spin() {
        loop {
            std::hint::spin_loop();
        }
    }

    fn wait(milliseconds: u32) -> u32 {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
        milliseconds
    }

    fn crash(message: String) {
        panic!("{message}");
    }

    fn grow(mebibytes: u32) -> u32 {
        let bytes = vec![1_u8; (mebibytes as usize) << 20];
        bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() >> 20
    }

    fn exit(code: u8) {
        std::process::exit(code.into());
    }
}

impl tools::GuestTab for Tab {
    fn new(name: String) -> Self {
        Tab(Cell::new(name.len() as u64))
    }

    fn total(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
