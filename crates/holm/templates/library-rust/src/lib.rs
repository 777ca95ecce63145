//! Functions that others call: `wit/library.wit` says which.

wit_bindgen::generate!({ world: "library", path: "wit" });

use exports::local::library::greetings::{Guest, Person};

struct Library;
export!(Library);

impl Guest for Library {
    fn greet(who: Person) -> Result<String, String> {
        if who.name.trim().is_empty() {
            return Err("there is no name".into());
        }
        Ok(match who.title {
            Some(title) => format!("Good day, {title} {}!", who.name),
            None => format!("Hello, {}!", who.name),
        })
    }

    fn sum(numbers: Vec<i32>) -> i64 {
        numbers.into_iter().map(i64::from).sum()
    }
}
