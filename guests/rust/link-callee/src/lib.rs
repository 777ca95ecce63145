//! What `link-caller` calls over a link: see `guests/wit/linked`.
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use exports::holm::linked::api::{
    Colour, Counter, CounterBorrow, Guest, GuestCounter, Order, Rights, Shape,
};
use std::cell::{Cell, RefCell};

wit_bindgen::generate!({ path: "../../wit/linked", world: "callee" });

struct Callee;
export!(Callee);

thread_local! {
    static ALIVE: Cell<u32> = const { Cell::new(0) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<Vec<Counter>> = const { RefCell::new(Vec::new()) };
}

struct Count(Cell<u32>);

impl Count {
    fn new(start: u32) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Count(Cell::new(start))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
        DROPPED.set(DROPPED.get() + 1);
    }
}

impl GuestCounter for Count {
    fn new(start: u32) -> Self {
        Count::new(start)
    }

    fn add(&self, by: u32) -> u32 {
        self.0.set(self.0.get() + by);
        self.0.get()
    }

    fn merge(a: Counter, b: Counter) -> Counter {
        let sum = a.get::<Count>().0.get() + b.get::<Count>().0.get();
        Counter::new(Count::new(sum))
    }
}

type Numbers = (u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);
type Nested = Option<Result<Vec<(u32, Option<Order>)>, String>>;

impl Guest for Callee {
    type Counter = Count;

    #[allow(clippy::too_many_arguments)]
    fn numbers(
        a: u8,
        b: i8,
        c: u16,
        d: i16,
        e: u32,
        f: i32,
        g: u64,
        h: i64,
        i: f32,
        j: f64,
    ) -> Numbers {
        (a, b, c, d, e, f, g, h, i, j)
    }

    fn text(a: String, b: char, c: bool) -> (String, char, bool) {
        (a, b, c)
    }

    fn one_order(it: Order) -> Order {
        it
    }

    fn shapes(them: Vec<Shape>) -> Vec<Shape> {
        them
    }

    fn named(a: Colour, b: Rights) -> (Colour, Rights) {
        (a, b)
    }

    fn nested(it: Nested) -> Nested {
        it
    }

    fn bytes(it: Vec<u8>) -> Vec<u8> {
        it
    }

    fn nothing() {}

    fn total(them: Vec<CounterBorrow<'_>>) -> u32 {
        them.iter().map(|it| it.get::<Count>().0.get()).sum()
    }

    fn keep(it: Counter) {
        KEPT.with_borrow_mut(|kept| kept.push(it));
    }

    fn kept() -> Vec<Counter> {
        KEPT.take()
    }

    fn alive() -> u32 {
        ALIVE.get()
    }

    fn dropped() -> u32 {
        DROPPED.get()
    }

    fn trap(message: String) {
        panic!("{message}");
    }

    fn exit(code: u8) {
        std::process::exit(code.into());
    }

    fn spin() {
        let mut number = 1u64;
        loop {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }

    fn grow(mib: u32) -> u32 {
        let memory = vec![1u8; (mib as usize) << 20];
        std::hint::black_box(&memory).len() as u32
    }

    fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.kind().to_string())
    }

    fn fetch(authority: String) -> Result<u16, String> {
        let request = OutgoingRequest::new(Fields::new());
        let set = request
            .set_scheme(Some(&Scheme::Http))
            .and_then(|()| request.set_authority(Some(&authority)))
            .and_then(|()| request.set_path_with_query(Some("/")));
        set.map_err(|()| format!("{authority} is no authority"))?;
        let response = outgoing_handler::handle(request, None).map_err(|e| e.to_string())?;
        response.subscribe().block();
        match response.get() {
            Some(Ok(Ok(response))) => Ok(response.status()),
            other => Err(format!("{other:?}")),
        }
    }
}
