//! The token that a caller at a port must have. Only its digest is kept, and compared without
//! telling by the time it takes how much of it was right.

use holm_runtime::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The environment's name for the admin API's.
pub const VARIABLE: &str = "HOLM_ADMIN_TOKEN";

/// Shorter ones can be guessed.
const BYTES_MIN: usize = 16;

/// The digest of a token.
pub struct Token([u8; 32]);

impl Token {
    /// The token's text, from a file, or else from a variable of the environment; none where there is
    /// neither.
    pub fn text(file: Option<&Path>, variable: &str) -> Result<Option<String>> {
        let text = match file {
            Some(file) => std::fs::read_to_string(file).map_err(|error| {
                Error::yours(format!("cannot read the token in {}", file.display()))
                    .caused_by(error.to_string())
            })?,
            None => match std::env::var(variable) {
                Ok(text) => text,
                Err(_) => return Ok(None),
            },
        };
        Ok(Some(text.trim().to_owned()))
    }

    /// A token to be asked for.
    pub fn new(text: &str) -> Result<Token> {
        let good = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < BYTES_MIN || !good {
            return Err(Error::yours(format!(
                "a token must have {BYTES_MIN} or more characters of printable ASCII"
            ))
            .help("make one: openssl rand -hex 32 > FILE"));
        }
        Ok(Token(digest(text.as_bytes())))
    }

    /// Whether this is it.
    pub fn is(&self, other: &[u8]) -> bool {
        // Of digests: they have one length, and a caller cannot choose how they begin.
        let differing = |sum, (a, b)| sum | (a ^ b);
        let other = digest(other);
        std::hint::black_box(self.0.iter().zip(other).fold(0, differing)) == 0
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_is_the_same() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        for text in ["", "secret", "0123456789abcde", "0123456789 abcdef"] {
            assert!(Token::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_last_line() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let text = Token::text(Some(&file), VARIABLE).unwrap().unwrap();
        assert_eq!(text, "0123456789abcdef");
        assert!(Token::text(Some(&temp.path().join("none")), VARIABLE).is_err());
    }
}
