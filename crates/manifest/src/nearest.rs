//! "Did you mean": the known word closest to a misspelt one.

/// The known word closest to `word`, if one is close enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(word);
    // A third of the letters may be wrong, at least one; more than three never
    // look like a slip. Very long words are not compared, they cost quadratic time.
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    if wanted.len() > 100 {
        return None;
    }
    known
        .map(|candidate| {
            let distance = strsim::osa_distance(&wanted, &plain(candidate));
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["memory", "cpu", "timeout", "log_rate"];
        let near = |word| nearest(word, known.into_iter());
        assert_eq!(near("memroy"), Some("memory"));
        assert_eq!(near("Memory"), Some("memory"));
        assert_eq!(near("log-rate"), Some("log_rate"));
        assert_eq!(near("cup"), Some("cpu"));
        assert_eq!(near("disk"), None);
        assert_eq!(near("x"), None);
        assert_eq!(near(""), None);
    }
}
