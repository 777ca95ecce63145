//! A decimal number with a unit, "1.5 GiB" or "50 ms": what sizes and times share.

/// Why a size or a time could not be read, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
}

impl Unreadable {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

/// A number as it was written: `1.25` is 125 with a scale of 2.
pub(crate) struct Quantity<'a> {
    digits: u128,
    scale: u32,
    pub(crate) unit: &'a str,
}

impl<'a> Quantity<'a> {
    /// Takes one number and the unit behind it off the front of `text`; `None`
    /// where there is no number, or one with more digits than anybody means.
    pub(crate) fn take(text: &'a str) -> Option<(Self, &'a str)> {
        let text = text.trim_start();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let valid = !whole.is_empty()
            && !fraction.contains('.')
            && (number.len() == whole.len() || !fraction.is_empty());
        // 30 digits stay far below the limit of the type, also after the largest unit.
        if !valid || whole.len() > 20 || fraction.len() > 9 {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        let rest = rest.trim_start();
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c.is_whitespace() || c == '.')
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let quantity = Self {
            digits,
            scale: fraction.len() as u32,
            unit,
        };
        Some((quantity, rest.trim_start()))
    }

    /// The number counted in the base unit, if that is a whole number that fits.
    pub(crate) fn times(&self, unit: u64) -> Option<u128> {
        let product = self.digits.checked_mul(u128::from(unit))?;
        let divisor = 10u128.pow(self.scale);
        (product % divisor == 0).then_some(product / divisor)
    }
}
