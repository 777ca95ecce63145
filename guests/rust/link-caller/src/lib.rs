//! An HTTP component that calls `link-callee` over a link, a path for each thing that a test wants to
//! see: the answer is `ok`, or what is not as it should be.
use holm::linked::api::{self, Colour, Counter, Order, Point, Rights, Shape};
use std::io::Write;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

wit_bindgen::generate!({
    path: "../../wit/linked",
    world: "caller",
    additional_derives: [PartialEq, Clone],
});

struct Caller;
wasip2::http::proxy::export!(Caller);

impl wasip2::exports::http::incoming_handler::Guest for Caller {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let number: u32 = query.parse().unwrap_or(1);
        let text = match path {
            "/values" => values(),
            "/resources" => resources(),
            "/left" => left(),
            "/twice" => twice(),
            "/trap" => done(api::trap("on purpose")),
            "/exit" => done(api::exit(3)),
            "/spin" => done(api::spin()),
            "/spin-here" => spin(number),
            "/grow" => format!("{}\n", api::grow(number)),
            "/variable" => both(std::env::var("WHO").ok(), api::variable("WHO")),
            "/file" => both(
                std::fs::read_to_string("/data/file").ok(),
                api::file("/data/file").ok(),
            ),
            "/fetch" => format!("{:?}\n", api::fetch(query)),
            "/calls" => done((0..number).for_each(|_| api::nothing())),
            "/bytes" => {
                let sent = vec![7u8; number as usize];
                check(&[("bytes", api::bytes(&sent) == sent)])
            }
            _ => "hello\n".into(),
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
    }
}

fn done((): ()) -> String {
    "ok\n".into()
}

/// What this component has, and what the other has.
fn both(own: Option<String>, other: Option<String>) -> String {
    format!("{own:?} {other:?}\n")
}

fn check(checks: &[(&str, bool)]) -> String {
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|(_, right)| !right)
        .map(|(name, _)| *name)
        .collect();
    match wrong.is_empty() {
        true => "ok\n".into(),
        false => format!("wrong: {}\n", wrong.join(", ")),
    }
}

fn order(id: u64) -> Order {
    Order {
        id,
        name: "Zoë \u{1f980}\0".into(),
        price: 0.1,
        tags: vec![String::new(), "b".into()],
        note: (id % 2 == 0).then(|| "even".into()),
    }
}

fn values() -> String {
    let least = (
        u8::MIN,
        i8::MIN,
        u16::MIN,
        i16::MIN,
        u32::MIN,
        i32::MIN,
        u64::MIN,
        i64::MIN,
        f32::NEG_INFINITY,
        f64::MIN,
    );
    let most = (
        u8::MAX,
        i8::MAX,
        u16::MAX,
        i16::MAX,
        u32::MAX,
        i32::MAX,
        u64::MAX,
        i64::MAX,
        f32::MAX,
        f64::MIN_POSITIVE,
    );
    let numbers = |(a, b, c, d, e, f, g, h, i, j)| api::numbers(a, b, c, d, e, f, g, h, i, j);
    let shapes = [
        Shape::Dot,
        Shape::Circle(-0.5),
        Shape::Polygon(vec![Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 4.0 }]),
        Shape::Polygon(Vec::new()),
    ];
    let nested = Some(Ok(vec![(1, Some(order(1))), (2, None), (3, Some(order(4)))]));
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let many: Vec<Shape> = (0..2000).map(|n| Shape::Circle(n.into())).collect();
    let text = "\u{10ffff}ä€";
    check(&[
        ("least", numbers(least) == least),
        ("most", numbers(most) == most),
        ("nan", api::numbers(0, 0, 0, 0, 0, 0, 0, 0, f32::NAN, f64::NAN).9.is_nan()),
        ("text", api::text(text, '\u{1f980}', true) == (text.into(), '\u{1f980}', true)),
        ("empty text", api::text("", '\0', false) == (String::new(), '\0', false)),
        ("record", api::one_order(&order(2)) == order(2)),
        ("variants", api::shapes(&shapes) == shapes),
        ("no variants", api::shapes(&[]).is_empty()),
        ("many variants", api::shapes(&many) == many),
        (
            "enum and flags",
            api::named(Colour::Blue, Rights::READ | Rights::RUN)
                == (Colour::Blue, Rights::READ | Rights::RUN),
        ),
        ("no flags", api::named(Colour::Red, Rights::empty()).1 == Rights::empty()),
        ("nested", api::nested(nested.as_ref().map(|r| r.as_deref().map_err(String::as_str))) == nested),
        ("nested err", api::nested(Some(Err("no"))) == Some(Err("no".into()))),
        ("nested none", api::nested(None).is_none()),
        ("bytes", api::bytes(&bytes) == bytes),
        ("no bytes", api::bytes(&[]).is_empty()),
    ])
}

/// Owned, lent, moved in and out; how many there are is counted by the callee.
fn resources() -> String {
    let mut checks = vec![("none", (api::alive(), api::dropped()) == (0, 0))];
    let a = Counter::new(1);
    let b = Counter::new(10);
    checks.push(("two", (api::alive(), api::dropped()) == (2, 0)));
    checks.push(("add", a.add(2) == 3 && a.add(0) == 3));
    checks.push(("lent", api::total(&[&a, &b, &a]) == 16));
    checks.push(("lent is kept", (api::alive(), api::dropped()) == (2, 0)));
    let c = Counter::merge(a, b);
    checks.push(("merged", c.add(0) == 13));
    checks.push(("moved in ends there", (api::alive(), api::dropped()) == (1, 2)));
    api::keep(c);
    checks.push(("kept", (api::alive(), api::dropped()) == (1, 2)));
    let mut kept = api::kept();
    checks.push(("given back", kept.len() == 1 && kept[0].add(1) == 14));
    checks.push(("given back once", api::kept().is_empty()));
    kept.clear();
    checks.push(("dropped once", (api::alive(), api::dropped()) == (0, 3)));
    let many: Vec<Counter> = (0..100).map(Counter::new).collect();
    checks.push(("many", api::total(&many.iter().collect::<Vec<_>>()) == 4950));
    drop(many);
    checks.push(("all gone", (api::alive(), api::dropped()) == (0, 103)));
    check(&checks)
}

/// Handles that the event leaves behind.
fn left() -> String {
    let before = api::alive();
    for start in 0..3 {
        std::mem::forget(Counter::new(start));
    }
    format!("{before} {}\n", api::alive())
}

/// A handle that is dropped twice.
fn twice() -> String {
    let handle = Counter::new(1).take_handle();
    // SAFETY: it is not: the second drop is of a handle that is gone, which is what the test is for.
    unsafe {
        drop(Counter::from_handle(handle));
        drop(Counter::from_handle(handle));
    }
    "dropped twice\n".into()
}

fn spin(millis: u32) -> String {
    let began = std::time::Instant::now();
    while began.elapsed().as_millis() < millis.into() {}
    "ok\n".into()
}
