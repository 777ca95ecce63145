//! What tools are called: by names that every client takes, the same on every day.

use crate::functions::digits;

/// The longest name that all known clients take.
const CHARS_MAX: usize = 64;

/// What tells a long name from another that begins alike.
const DIGITS: usize = 8;

/// The name of a function's tool: `COMPONENT_INTERFACE_FUNCTION`, or `COMPONENT_FUNCTION` where the
/// component exports it itself. `whole` has the interface's package and version too, for a component
/// with two interfaces of one name.
pub(super) fn tool(
    component: &str,
    interface: Option<&str>,
    function: &str,
    whole: bool,
) -> String {
    let name = match interface {
        None => format!("{component}_{function}"),
        Some(interface) if whole => format!("{component}_{interface}_{function}"),
        Some(interface) => {
            let plain = interface.split('@').next().unwrap_or(interface);
            let last = plain.rsplit('/').next().unwrap_or(plain);
            format!("{component}_{last}_{function}")
        }
    };
    let plain: String = name
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() || c == '_' || c == '-' => c,
            _ => '-',
        })
        .collect();
    match plain.len() > CHARS_MAX {
        false => plain,
        true => {
            let mut short = plain[..CHARS_MAX - DIGITS - 1].to_owned();
            short.push('-');
            short.push_str(&digits(&name));
            short
        }
    }
}

/// A name that another tool has already: so much of it as fits, and digits of what it is in full.
pub(super) fn apart(name: &str, component: &str, path: &str) -> String {
    let kept = name.len().min(CHARS_MAX - DIGITS - 1);
    format!(
        "{}-{}",
        &name[..kept],
        digits(&format!("{component} {path}"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_client_takes() {
        assert_eq!(tool("shop", None, "greet", false), "shop_greet");
        let interface = Some("example:lab/tools@1.0.0");
        assert_eq!(tool("lab", interface, "price", false), "lab_tools_price");
        assert_eq!(
            tool("lab", interface, "tab.new", true),
            "lab_example-lab-tools-1-0-0_tab-new"
        );
        let long = |name: &str| tool(&"a".repeat(60), None, name, false);
        assert_eq!(long("greet").len(), CHARS_MAX);
        assert_ne!(long("greet"), long("great"));
        let other = apart(&long("greet"), "a", "greet");
        assert_eq!(other.len(), CHARS_MAX);
        assert_ne!(other, apart(&long("greet"), "a", "b:c/d.greet"));
        assert!(apart("a_b_c", "a", "b_c").starts_with("a_b_c-"));
    }
}
