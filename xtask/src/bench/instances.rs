//! Instances: making one and dropping it, as `holm bench-instantiate FILE N` measures it inside.

use std::process::{Command, Stdio};

use super::Bench;
use super::report::Section;

const GUEST: &str = "http-hello.wasm";

/// Asks the command; its figures are nanoseconds per instance, one number on each line.
pub fn measure(bench: &Bench) -> Section {
    let count = if bench.quick { 1_000 } else { 20_000 };
    let mut section = Section::new(format!("instantiate+drop: {GUEST}, {count} times a round"));
    let guest = match Bench::guest(GUEST) {
        Ok(guest) => guest,
        Err(missing) => {
            section.notes.push(missing);
            return section;
        }
    };
    let mut command = Command::new(&bench.holm);
    command
        .arg("bench-instantiate")
        .arg(guest)
        .arg(count.to_string());
    command
        .current_dir(bench.scratch.path())
        .stdin(Stdio::null());
    let figures = match command.output() {
        Ok(output) if output.status.success() => figures(&output.stdout),
        Ok(_) | Err(_) => None,
    };
    match figures {
        Some(figures) => section.row("holm", "wall/instance, µs", &figures),
        None => section.notes.push("not offered by this holm".to_owned()),
    }
    section
}

/// In microseconds; none where anything but numbers was printed
fn figures(printed: &[u8]) -> Option<Vec<f64>> {
    let lines = std::str::from_utf8(printed).ok()?.lines();
    let figures: Option<Vec<f64>> = lines
        .map(|line| {
            line.trim()
                .parse()
                .ok()
                .map(|nanoseconds: f64| nanoseconds / 1e3)
        })
        .collect();
    figures.filter(|figures| !figures.is_empty())
}

#[cfg(test)]
mod tests {
    use super::figures;

    #[test]
    fn only_numbers_are_figures() {
        assert_eq!(figures(b"3000\n3500.5\n"), Some(vec![3.0, 3.5005]));
        assert_eq!(figures(b"usage: holm\n"), None);
        assert_eq!(figures(b""), None);
    }
}
