//! Text from outside, made safe for a terminal: what cannot be seen is written out.

use std::fmt::Write;

/// Appends text with every character that could move a cursor, change a colour, end a line or
/// turn the reading direction written out, as in `\x1b` and `\u{202e}`.
pub fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        push_char(out, c);
    }
}

/// The same for bytes; what is not UTF-8 is written as `\xff`.
pub fn push_bytes(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        push(out, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
}

/// At most `most` characters of it, then `…`.
pub fn push_start(out: &mut String, text: &str, most: usize) {
    for (count, c) in text.chars().enumerate() {
        if count == most {
            out.push('…');
            return;
        }
        push_char(out, c);
    }
}

fn push_char(out: &mut String, c: char) {
    let _ = match c {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\0'..'\x20' if c != '\t' => write!(out, "\\x{:02x}", u32::from(c)),
        '\x7f' => write!(out, "\\x7f"),
        c if is_hidden(c) => write!(out, "\\u{{{:x}}}", u32::from(c)),
        c => {
            out.push(c);
            Ok(())
        }
    };
}

/// Controls beyond ASCII: C1, line and paragraph separators, marks of direction.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// JSON on one line. What JSON lets through unescaped and a terminal obeys is escaped as well;
/// outside of strings such characters do not occur.
pub fn push_json(out: &mut String, value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
    for c in text.chars() {
        match c {
            '\x7f' => out.push_str("\\u007f"),
            c if is_hidden(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal() {
        let mut out = String::new();
        push(&mut out, "a\x1b[2J\r\n\u{9b}31m\u{202e}é\tß\x7f");
        assert_eq!(out, "a\\x1b[2J\\r\\n\\u{9b}31m\\u{202e}é\tß\\x7f");
        out.clear();
        push_bytes(&mut out, b"ok\xff\xc3\x28");
        assert_eq!(out, "ok\\xff\\xc3(");
        out.clear();
        push_start(&mut out, "abcdef", 3);
        push_start(&mut out, "abc", 3);
        assert_eq!(out, "abc…abc");
    }

    #[test]
    fn json_stays_json() {
        let text = "\x1b\x7f\u{9b}\"\n\u{2028}";
        let mut out = String::new();
        push_json(&mut out, &text);
        assert!(out.chars().all(|c| c.is_ascii_graphic()), "{out}");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn whatever_comes_cannot_be_felt() {
        let words = [
            "\x1b[2J", "\n", "\r", "\u{9b}", "\u{202e}", "\u{2028}", "\u{feff}", "\x7f", "é",
        ];
        crate::fuzz::bytes("printable", &words, |bytes| {
            let felt = |c: char| (c.is_control() && c != '\t') || is_hidden(c);
            let mut out = String::new();
            push_bytes(&mut out, bytes);
            assert_eq!(out.find(felt), None, "{out:?}");
            let text = String::from_utf8_lossy(bytes);
            let mut start = String::new();
            push_start(&mut start, &text, 10);
            assert_eq!(start.find(felt), None, "{start:?}");
            let mut json = String::new();
            push_json(&mut json, &text);
            assert_eq!(json.find(|c: char| felt(c) || c == '\t'), None, "{json:?}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        });
    }
}
