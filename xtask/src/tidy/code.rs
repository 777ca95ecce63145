//! Reading Rust as the rules need it: lines without comments, and whole words.

/// The lines of a file with their numbers, cut off where a line comment starts
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, without_comment(line)))
}

/// A `//` after a colon is part of an address, not the start of a comment.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(found) = line[from..].find("//") {
        let at = from + found;
        if !line[..at].ends_with(':') {
            return &line[..at];
        }
        from = at + 2;
    }
    line
}

/// Whether `text` has `word` where no longer word around it does: `Store::new(` is not in
/// `KeyStore::new(`.
pub fn has_word(text: &str, word: &str) -> bool {
    words(text, word).next().is_some()
}

/// What follows each whole `word` in `text`
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let starts = !word.starts_with(inside) || !before.ends_with(inside);
        let ends = !word.ends_with(inside) || !after.starts_with(inside);
        (starts && ends).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_addresses_stay() {
        let code: Vec<_> = lines("a(); // b\n\"http://c\" // d\n//! e").collect();
        assert_eq!(code, [(1, "a(); "), (2, "\"http://c\" "), (3, "")]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("let s = Store::new(", "Store::new("));
        assert!(!has_word("KeyStore::new(", "Store::new("));
        assert!(!has_word("use wasmtime::Storekeeper;", "Store"));
        assert_eq!(
            words("Store, Store2, a.Store;", "Store").collect::<Vec<_>>(),
            [", Store2, a.Store;", ";"]
        );
    }
}
