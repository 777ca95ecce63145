//! Patterns of paths: `*` and `?` within a name, `**` for any number of folders.

/// Does a path match? Both are relative, with slashes. Takes time in proportion to the product of
/// both lengths at worst, whatever the pattern.
pub fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern
        .split('/')
        .filter(|name| !is_nothing(name))
        .collect();
    let path: Vec<&str> = path.split('/').filter(|name| !is_nothing(name)).collect();
    wild(
        &pattern,
        &path,
        |name| *name == "**",
        |pattern, name| name_matches(pattern, name),
    )
}

/// The folders in front of the first wildcard.
pub fn literal_prefix(pattern: &str) -> &str {
    let Some(wild) = pattern.find(['*', '?']) else {
        return pattern;
    };
    pattern[..wild]
        .rsplit_once('/')
        .map_or("", |(before, _)| before)
}

fn is_nothing(name: &str) -> bool {
    name.is_empty() || name == "."
}

fn name_matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    wild(
        &pattern,
        &name,
        |c| *c == '*',
        |pattern, c| *pattern == '?' || pattern == c,
    )
}

/// Matches with a star that stands for any number of items: on a mismatch the last star takes one
/// more; earlier ones need not be tried again.
fn wild<T>(
    pattern: &[T],
    items: &[T],
    is_star: impl Fn(&T) -> bool,
    same: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut p, mut i) = (0, 0);
    let mut retry = None;
    while i < items.len() {
        if p < pattern.len() && is_star(&pattern[p]) {
            retry = Some((p + 1, i));
            p += 1;
        } else if p < pattern.len() && same(&pattern[p], &items[i]) {
            (p, i) = (p + 1, i + 1);
        } else if let Some((after, taken)) = retry {
            retry = Some((after, taken + 1));
            (p, i) = (after, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("src/**/*.rs", "src/lib.rs", true),
            ("src/**/*.rs", "src/a/b/c.rs", true),
            ("src/**/*.rs", "src/a/b/c.txt", false),
            ("src/*.rs", "src/a/b.rs", false),
            ("./src/*.rs", "src/b.rs", true),
            ("**", "a/b/c", true),
            ("**/x", "x", true),
            ("**/x/**/y", "a/x/b/x/c/y", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*a*a*b", &"a".repeat(2000), false),
            ("Cargo.toml", "Cargo.toml", true),
            ("Cargo.toml", "a/Cargo.toml", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
        assert_eq!(literal_prefix("src/**/*.rs"), "src");
        assert_eq!(literal_prefix("src/a*/x"), "src");
        assert_eq!(literal_prefix("*.rs"), "");
        assert_eq!(literal_prefix("src/lib.rs"), "src/lib.rs");
    }

    #[test]
    fn whatever_the_pattern_it_ends() {
        crate::fuzz::text("glob", &["**", "*", "?", "/", "a"], |pattern| {
            assert!(pattern.starts_with(literal_prefix(pattern)));
            let _ = matches(pattern, "a/b/aaaaaaaaaaaaaaaaaaaaaaaa");
            if !pattern.contains(['*', '?']) {
                assert!(matches(pattern, pattern));
            }
        });
    }
}
