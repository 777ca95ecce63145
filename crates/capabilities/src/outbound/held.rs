//! What an answer takes in memory: many times the bytes on the wire, where values are small.

use super::ANSWER_BYTES_MAX;

/// What is held of one answer so far.
#[derive(Debug, Default)]
pub struct Held(u64);

/// It would be more than the host is ready to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Held {
    /// Notes that so many bytes will be held too; before they are.
    pub fn add(&mut self, bytes: usize) -> Result<(), TooLarge> {
        self.0 = self.0.saturating_add(bytes as u64);
        match self.0 > ANSWER_BYTES_MAX {
            true => Err(TooLarge),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_large_as_all_that_is_held_of_it() {
        let mut held = Held::default();
        assert_eq!(held.add(ANSWER_BYTES_MAX as usize), Ok(()));
        assert_eq!(held.add(1), Err(TooLarge));
        assert_eq!(held.add(usize::MAX), Err(TooLarge));
    }
}
