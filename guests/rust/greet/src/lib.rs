//! A component with typed functions, for calls from a command line and from other languages.
wit_bindgen::generate!({ path: "wit", world: "api" });

struct Greet;
export!(Greet);

impl Guest for Greet {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    fn sum(xs: Vec<f64>) -> f64 {
        xs.iter().sum()
    }

    fn divide(a: i32, b: i32) -> Result<i32, String> {
        a.checked_div(b)
            .ok_or_else(|| format!("{a} cannot be divided by {b}"))
    }

    fn midpoint(a: Point, b: Point) -> Point {
        Point {
            x: (a.x + b.x) / 2.0,
            y: (a.y + b.y) / 2.0,
        }
    }

    fn area(of: Shape) -> f64 {
        match of {
            Shape::Dot => 0.0,
            Shape::Circle(radius) => std::f64::consts::PI * radius * radius,
            Shape::Rectangle((a, b)) => ((a.x - b.x) * (a.y - b.y)).abs(),
        }
    }

    fn fail(message: String) {
        panic!("{message}");
    }
}
