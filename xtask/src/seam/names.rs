//! Names of WIT as `bindgen!` turns them into Rust's.

/// Of a function; keywords get an underscore.
pub fn ident(name: &str) -> String {
    match name {
        "type" | "static" | "use" | "in" | "as" | "yield" => snake(name) + "_",
        _ => snake(name),
    }
}

/// Of a module or function.
pub fn snake(name: &str) -> String {
    name.replace('-', "_").to_lowercase()
}

/// Of a type.
pub fn camel(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1.min(word.len()));
        first.to_uppercase() + rest
    };
    name.split('-').map(word).collect()
}
