//! `--repeat` and `--time`: what a call takes, and what is in the figure.

use super::target::Target;
use super::{Args, finish};
use holm_runtime::Result;
use holm_runtime::values::{Signature, Value};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Calls that come before those that are counted: a tenth of them, at most so many.
const WARM_UP_MAX: u32 = 100;

/// Makes the calls, prints the last result, and says how long they took where that is wanted.
pub async fn run(
    args: &Args,
    target: &Target,
    signature: &Signature,
    arguments: &[Value],
) -> Result<u8> {
    let repeat = args.repeat.unwrap_or(1);
    let warm_up = if args.time {
        (repeat / 10).min(WARM_UP_MAX)
    } else {
        0
    };
    let mut times = Vec::new();
    let mut last = None;
    for at in 0..warm_up + repeat {
        let arguments = arguments.to_vec();
        let began = Instant::now();
        let outcome = target
            .prepared
            .call(signature, arguments, target.make.clone())
            .await;
        let took = began.elapsed();
        if at >= warm_up {
            times.push(took);
        }
        let failed = outcome.result.is_err();
        last = Some(outcome);
        if failed {
            break;
        }
    }
    let Some(last) = last else { return Ok(0) };
    let well = last.result.is_ok();
    let code = finish(args, signature, last)?;
    if args.time && well {
        eprint!("{}", shown(signature, &mut times, warm_up));
    }
    Ok(code)
}

fn shown(signature: &Signature, times: &mut [Duration], warm_up: u32) -> String {
    times.sort_unstable();
    let calls = times.len();
    let at = |part: f64| {
        times
            .get(((calls - 1) as f64 * part).round() as usize)
            .copied()
    };
    let mut text = String::new();
    let name = signature.name();
    let _ = match calls {
        1 => writeln!(
            text,
            "time of one call of {name}, the first one in this process"
        ),
        _ => writeln!(
            text,
            "time of {calls} calls of {name} ({warm_up} before them are not counted)"
        ),
    };
    let _ = writeln!(
        text,
        "  each in a fresh instance, made and dropped within the time; reading the"
    );
    let _ = writeln!(
        text,
        "  file, the arguments and writing the result are not in it"
    );
    let rows = match calls {
        1 => vec![("time", at(0.0))],
        _ => vec![
            ("min", at(0.0)),
            ("median", at(0.5)),
            ("p99", at(0.99)),
            ("max", at(1.0)),
        ],
    };
    for (row, time) in rows {
        let us = time.unwrap_or_default().as_secs_f64() * 1e6;
        let _ = writeln!(text, "  {row:<8} {us:>12.1} µs");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use holm_runtime::values::FunctionKind;

    #[test]
    fn figures_are_of_the_calls_that_count() {
        let signature = Signature {
            interface: None,
            function: "f".into(),
            kind: FunctionKind::Free,
            params: Vec::new(),
            result: None,
            is_async: false,
            docs: None,
            position: 0,
        };
        let mut times: Vec<Duration> = (1..=101).rev().map(Duration::from_micros).collect();
        let text = shown(&signature, &mut times, 10);
        let rows: Vec<&str> = text.lines().skip(3).map(str::trim).collect();
        assert_eq!(
            rows,
            [
                "min               1.0 µs",
                "median           51.0 µs",
                "p99             100.0 µs",
                "max             101.0 µs",
            ]
        );
        assert!(text.starts_with("time of 101 calls of f (10 before them are not counted)\n"));
    }
}
