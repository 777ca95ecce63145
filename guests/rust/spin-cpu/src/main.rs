//! Burns processor time: `spin-cpu MS` for so many milliseconds, `spin-cpu` without end.
use std::time::{Duration, Instant};

fn main() {
    let ms = std::env::args()
        .nth(1)
        .map(|ms| ms.parse().expect("a number of milliseconds"));
    let start = Instant::now();
    let mut rounds = 0u64;
    let mut x = 1u64;
    while ms.is_none_or(|ms| start.elapsed() < Duration::from_millis(ms)) {
        for _ in 0..1_000_000 {
            x = std::hint::black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
        }
        rounds += 1;
    }
    println!("{rounds} million rounds");
}
