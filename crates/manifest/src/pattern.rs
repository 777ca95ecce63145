//! The simple regular expressions of a schema: `^[a-z][a-z0-9-]*$`.
//!
//! A sequence of characters and classes, each with `*`, `+`, `?` or nothing behind it.
//! Anything richer is not understood, and then enforced by the check of its fragment.

/// Whether `text` matches; `None` if the pattern is richer than what is understood.
pub(crate) fn matches(pattern: &str, text: &str) -> Option<bool> {
    let steps = read(pattern.strip_prefix('^')?.strip_suffix('$')?)?;
    // All the steps the text may be at: linear in the text, whatever the pattern.
    let mut at = vec![false; steps.len() + 1];
    at[0] = true;
    skip(&steps, &mut at);
    for char in text.chars() {
        let mut next = vec![false; steps.len() + 1];
        for (index, step) in steps.iter().enumerate() {
            if at[index] && step.allows(char) {
                next[index + 1] = true;
                next[index] |= step.many;
            }
        }
        skip(&steps, &mut next);
        at = next;
    }
    Some(at[steps.len()])
}

/// Moves over steps that may stand for nothing.
fn skip(steps: &[Step], at: &mut [bool]) {
    for (index, step) in steps.iter().enumerate() {
        at[index + 1] |= at[index] && step.optional;
    }
}

struct Step {
    ranges: Vec<(char, char)>,
    negated: bool,
    optional: bool,
    many: bool,
}

impl Step {
    fn allows(&self, char: char) -> bool {
        let inside = self.ranges.iter().any(|(a, z)| (*a..=*z).contains(&char));
        inside != self.negated
    }
}

fn read(pattern: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        let mut step = Step {
            ranges: Vec::new(),
            negated: false,
            optional: false,
            many: false,
        };
        match char {
            '[' => {
                step.negated = chars.next_if_eq(&'^').is_some();
                loop {
                    let from = match chars.next()? {
                        ']' => break,
                        '\\' => escaped(chars.next()?)?,
                        '[' => return None,
                        from => from,
                    };
                    // A `-` before the closing bracket stands for itself.
                    let mut ahead = chars.clone();
                    let to = match (ahead.next(), ahead.next()) {
                        (Some('-'), Some(to)) if to != ']' && to != '\\' => {
                            chars = ahead;
                            to
                        }
                        _ => from,
                    };
                    step.ranges.push((from, to));
                }
            }
            '.' => step.negated = true,
            '\\' => {
                let char = escaped(chars.next()?)?;
                step.ranges.push((char, char));
            }
            '(' | ')' | '|' | '{' | '}' | '*' | '+' | '?' | '^' | '$' => return None,
            char => step.ranges.push((char, char)),
        }
        match chars.peek() {
            Some('*') => (step.optional, step.many) = (true, true),
            Some('+') => step.many = true,
            Some('?') => step.optional = true,
            _ => {
                steps.push(step);
                continue;
            }
        }
        chars.next();
        // A second quantifier means laziness or possession: richer than we are.
        if matches!(chars.peek(), Some('?' | '+' | '*')) {
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

/// An escaped character that stands for itself; classes such as `\d` do not.
fn escaped(char: char) -> Option<char> {
    (!char.is_ascii_alphanumeric()).then_some(char)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn simple_patterns() {
        let name = |text| matches("^[a-z][a-z0-9-]*$", text);
        assert_eq!(name("web-2"), Some(true));
        assert_eq!(name("a"), Some(true));
        for bad in ["", "2a", "Web", "a_b", "a "] {
            assert_eq!(name(bad), Some(false), "{bad}");
        }
        assert_eq!(matches("^/.*$", "/x"), Some(true));
        assert_eq!(matches("^/.*$", "x"), Some(false));
        assert_eq!(matches("^a+b?\\.c$", "aa.c"), Some(true));
        assert_eq!(matches("^a*a*a*a*a*b$", &"a".repeat(5_000)), Some(false));
    }

    #[test]
    fn richer_ones_are_left_alone() {
        for rich in [
            "a",
            "^(a|b)$",
            "^a{2}$",
            "^\\d$",
            "^a*?$",
            "^[a$",
            "^[[:x:]]$",
        ] {
            assert_eq!(matches(rich, "a"), None, "{rich}");
        }
    }
}
