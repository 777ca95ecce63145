//! Values of each kind, there and back; resources; trouble.
wit_bindgen::generate!({ path: "wit", world: "lab", generate_all });

use exports::holm::values::carts::{Cart, CartBorrow, Guest as Carts, GuestCart};
use exports::holm::values::echo::{Color, Guest as Echo, Order, Permissions, Point, Shape};
use exports::holm::values::trouble::Guest as Trouble;
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

struct Lab;
export!(Lab);

static ALIVE: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Lab {
    fn length(text: String) -> u32 {
        text.len() as u32
    }
}

impl Echo for Lab {
    fn numbers(a: i8, b: u8, c: i16, d: u16, e: i32, f: u32) -> (i8, u8, i16, u16, i32, u32) {
        (a, b, c, d, e, f)
    }

    fn longs(a: i64, b: u64) -> (i64, u64) {
        (a, b)
    }

    fn floats(a: f32, b: f64) -> (f32, f64) {
        (a, b)
    }

    fn truth(v: bool) -> bool {
        v
    }

    fn letter(v: char) -> char {
        v
    }

    fn text(v: String) -> String {
        v
    }

    fn bytes(v: Vec<u8>) -> Vec<u8> {
        v
    }

    fn doubles(v: Vec<f64>) -> Vec<f64> {
        v
    }

    fn texts(v: Vec<String>) -> Vec<String> {
        v
    }

    fn table(v: Vec<Vec<u16>>) -> Vec<Vec<u16>> {
        v
    }

    fn maybe(v: Option<String>) -> Option<String> {
        v
    }

    fn perhaps(v: Option<Option<u32>>) -> Option<Option<u32>> {
        v
    }

    fn outcome(v: Result<u32, String>) -> Result<u32, String> {
        v
    }

    fn quiet(v: Result<(), ()>) -> Result<(), ()> {
        v
    }

    fn point_of(v: Point) -> Point {
        v
    }

    fn color_of(v: Color) -> Color {
        v
    }

    fn may(v: Permissions) -> Permissions {
        v
    }

    fn shape_of(v: Shape) -> Shape {
        v
    }

    fn order_of(v: Order) -> Order {
        v
    }

    fn many(
        a: String,
        b: String,
        c: String,
        d: String,
        e: String,
        f: String,
        g: String,
        h: String,
        i: String,
    ) -> Vec<String> {
        vec![a, b, c, d, e, f, g, h, i]
    }
}

struct Things {
    owner: String,
    count: Cell<u32>,
}

impl Drop for Things {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}

impl GuestCart for Things {
    fn new(owner: String) -> Self {
        ALIVE.fetch_add(1, Relaxed);
        Things {
            owner,
            count: Cell::new(0),
        }
    }

    fn add(&self, _thing: String, count: u32) -> u32 {
        self.count.set(self.count.get() + count);
        self.count.get()
    }

    fn larger(a: CartBorrow<'_>, b: CartBorrow<'_>) -> u32 {
        let (a, b) = (a.get::<Things>(), b.get::<Things>());
        a.count.get().max(b.count.get())
    }
}

impl Carts for Lab {
    type Cart = Things;

    fn check_out(cart: Cart) -> String {
        let things = cart.into_inner::<Things>();
        format!("{} things for {}", things.count.get(), things.owner)
    }

    fn alive() -> u32 {
        ALIVE.load(Relaxed)
    }
}

impl Trouble for Lab {
    fn calls() -> u32 {
        CALLS.fetch_add(1, Relaxed) + 1
    }

    fn fail(message: String) {
        panic!("{message}");
    }

    fn spin() {
        loop {
            std::hint::black_box(());
        }
    }

    fn zeros(bytes: u32) -> Vec<u8> {
        vec![0; bytes as usize]
    }

    fn leave(code: u8) {
        std::process::exit(code.into());
    }
}
