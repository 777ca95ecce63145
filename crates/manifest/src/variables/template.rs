//! The language of templates: text, `{{ name }}`, and `{{ "text" }}` for what would be one.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text that stands for itself.
    Text(&'t str),
    /// A variable.
    Name {
        /// Its name as it is written, which may be none.
        name: &'t str,
        /// Where the name stands in the template, in bytes.
        at: usize,
    },
}

/// A `{{` without its `}}`, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unclosed(pub(super) usize);

/// Whether there is anything to fill in.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Takes a template apart.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Unclosed> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    while let Some(open) = text[begin..].find("{{").map(|at| begin + at) {
        if open > begin {
            pieces.push(Piece::Text(&text[begin..open]));
        }
        let inner = &text[open + 2..];
        let spaces = inner.len() - inner.trim_start().len();
        let (piece, length) = match inner[spaces..].strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').ok_or(Unclosed(open))?;
                let after = &quoted[end + 1..];
                let rest = after.trim_start();
                if !rest.starts_with("}}") {
                    return Err(Unclosed(open));
                }
                let length = spaces + 1 + end + 1 + (after.len() - rest.len()) + 2;
                (Piece::Text(&quoted[..end]), length)
            }
            None => {
                let end = inner.find("}}").ok_or(Unclosed(open))?;
                let name = inner[..end].trim();
                let at = open + 2 + spaces.min(end);
                (Piece::Name { name, at }, end + 2)
            }
        };
        pieces.push(piece);
        begin = open + 2 + length;
    }
    if begin < text.len() {
        pieces.push(Piece::Text(&text[begin..]));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, at: usize) -> Piece<'_> {
        Piece::Name { name, at }
    }

    #[test]
    fn templates_are_taken_apart() {
        let text = Piece::Text;
        assert_eq!(pieces("plain").unwrap(), [text("plain")]);
        assert_eq!(pieces("").unwrap(), []);
        let all = pieces("a{{b}}{{ c_1 }} } {d").unwrap();
        assert_eq!(
            all,
            [text("a"), name("b", 3), name("c_1", 9), text(" } {d")]
        );
        assert_eq!(pieces("{{}}").unwrap(), [name("", 2)]);
        let quoted = pieces(r#"{{ "{{ not one }}" }}!"#).unwrap();
        assert_eq!(quoted, [text("{{ not one }}"), text("!")]);
        for (open, at) in [
            ("a{{", 1),
            ("{{ x }", 0),
            (r#"{{ "x }}"#, 0),
            (r#"{{ "x" y }}"#, 0),
        ] {
            assert_eq!(pieces(open), Err(Unclosed(at)), "{open}");
        }
    }

    #[test]
    fn whatever_is_read_is_put_together_again() {
        crate::fuzz::text("template", &["{{", "}}", "\"", " name "], |text| {
            let Ok(pieces) = pieces(text) else {
                assert!(is_template(text));
                return;
            };
            for piece in &pieces {
                match piece {
                    Piece::Text(piece) => assert!(text.contains(piece)),
                    Piece::Name { name, at } => assert!(text[*at..].starts_with(name)),
                }
            }
            if !is_template(text) {
                let whole: Vec<_> = (!text.is_empty())
                    .then_some(Piece::Text(text))
                    .into_iter()
                    .collect();
                assert_eq!(pieces, whole);
            }
        });
    }
}
