use std::hint::black_box;

#[inline(never)]
pub fn middle(how: &str) -> i32 {
    inner(how) + 1
}

#[inline(never)]
fn inner(how: &str) -> i32 {
    match how {
        "trap" => core::arch::wasm32::unreachable(),
        "divide" => black_box(1i32).wrapping_div(black_box(0)),
        "bounds" => unsafe { *black_box(0xffff_fff0 as *const i32) },
        "overflow" => endless(1),
        _ => panic!("inner gave up"),
    }
}

/// Calls itself until the stack is full.
#[inline(never)]
#[allow(unconditional_recursion)]
fn endless(depth: i32) -> i32 {
    black_box([depth; 64]).iter().sum::<i32>() + endless(depth + 1)
}
