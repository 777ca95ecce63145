//! Decimal numbers as the server sends them: groups of four digits, as many as there are.

/// How long the text is that [`read`] makes, at most: eight bytes may say a hundred thousand digits.
pub(super) fn size(raw: &[u8]) -> usize {
    let field = |at: usize| Some([*raw.get(at)?, *raw.get(at + 1)?]);
    let weight = field(2).map_or(0, i16::from_be_bytes);
    let places = field(6).map_or(0, u16::from_be_bytes);
    // A group before the point for each power, one for what is below, sign and point.
    (usize::try_from(weight).unwrap_or(0) + 1) * 4 + usize::from(places) + 4 + 2
}

/// Reads a `numeric` into decimal text, with as many places after the point as the server says.
pub(super) fn read(raw: &[u8]) -> Option<String> {
    let (head, groups) = raw.split_at_checked(8)?;
    let field = |at: usize| Some([*head.get(at)?, *head.get(at + 1)?]);
    let count = usize::from(u16::from_be_bytes(field(0)?));
    let weight = i32::from(i16::from_be_bytes(field(2)?));
    let sign = u16::from_be_bytes(field(4)?);
    let places = usize::from(u16::from_be_bytes(field(6)?));
    let mut text = String::new();
    match sign {
        0x0000 => {}
        0x4000 => text.push('-'),
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    if groups.len() != count * 2 {
        return None;
    }
    // The group that stands for 10000 to the power of `at`; those that are not sent are zero.
    let group = |at: i32| -> Option<u16> {
        let Ok(index) = usize::try_from(weight - at) else {
            return Some(0);
        };
        let Some(bytes) = groups.get(index * 2..index * 2 + 2) else {
            return Some(0);
        };
        let digits = u16::from_be_bytes([bytes[0], bytes[1]]);
        (digits < 10_000).then_some(digits)
    };
    match weight {
        0.. => {
            text.push_str(&group(weight)?.to_string());
            for at in (0..weight).rev() {
                text.push_str(&format!("{:04}", group(at)?));
            }
        }
        _ => text.push('0'),
    }
    if places > 0 {
        text.push('.');
        let from = text.len();
        let mut at = -1;
        while text.len() - from < places {
            text.push_str(&format!("{:04}", group(at)?));
            at -= 1;
        }
        text.truncate(from + places);
    }
    Some(text)
}

/// Whether a guest's text is a decimal number, so that nothing else gets into a literal.
pub(super) fn is_decimal(text: &str) -> bool {
    let text = text.trim();
    let special = [
        "nan",
        "infinity",
        "+infinity",
        "-infinity",
        "inf",
        "+inf",
        "-inf",
    ];
    if special.iter().any(|known| known.eq_ignore_ascii_case(text)) {
        return true;
    }
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(part) && whole.len() + part.len() > 0 && exponent
}

/// Writes decimal text as the server would send it; for tests of the way back.
#[cfg(test)]
pub(super) fn write(text: &str) -> Vec<u8> {
    const GROUP: usize = 4;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (0x4000u16, digits),
        None => (0, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let pad = |text: String| {
        let more = (GROUP - text.len() % GROUP) % GROUP;
        (text, "0".repeat(more))
    };
    let (whole, zeros) = pad(whole.trim_start_matches('0').to_owned());
    let whole = zeros + &whole;
    let (after, zeros) = pad(part.to_owned());
    let all = whole.clone() + &after + &zeros;
    let mut groups: Vec<u16> = all
        .as_bytes()
        .chunks(GROUP)
        .map(|group| std::str::from_utf8(group).unwrap().parse().unwrap())
        .collect();
    let mut weight = (whole.len() / GROUP) as i16 - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let head = [groups.len() as u16, weight as u16, sign, part.len() as u16];
    head.into_iter()
        .chain(groups)
        .flat_map(u16::to_be_bytes)
        .collect()
}
