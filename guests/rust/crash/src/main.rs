//! A command that dies three functions deep, with names and lines kept, for backtraces.
//!
//!     crash [panic|trap|divide|bounds|overflow]
mod depths;

fn main() {
    let how = std::env::args().nth(1).unwrap_or_else(|| "panic".into());
    println!("about to {how}");
    outer(&how);
}

#[inline(never)]
fn outer(how: &str) {
    let sum = depths::middle(how);
    println!("came back with {sum}");
}
