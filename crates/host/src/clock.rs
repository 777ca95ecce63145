//! Points in time as text: for people in their own zone, for programs in UTC.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-08-14T12:03:04.567Z`
pub fn push_utc(out: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = since.subsec_millis();
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
    );
}

/// `12:03:04` where the reader is.
pub fn push_local(out: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let local = since.as_secs().saturating_add_signed(offset(since)) % 86_400;
    let _ = write!(
        out,
        "{:02}:{:02}:{:02}",
        local / 3600,
        local / 60 % 60,
        local % 60
    );
}

/// Seconds that local time is ahead of UTC.
fn offset(since: Duration) -> i64 {
    let Ok(seconds) = libc::time_t::try_from(since.as_secs()) else {
        return 0;
    };
    let mut broken_down = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; a zeroed `tm` is a valid one, so it may be
    // read even where the call failed and wrote nothing.
    unsafe {
        libc::localtime_r(&seconds, broken_down.as_mut_ptr());
        broken_down.assume_init().tm_gmtoff
    }
}

/// Year, month and day of a day since 1970-01-01, in 400-year cycles that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leaps = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// `850 µs`, `1.2 ms`, `3.4 s`
pub fn push_duration(out: &mut String, duration: Duration) {
    let micros = duration.as_secs_f64() * 1e6;
    let _ = match micros {
        m if m < 999.5 => write!(out, "{m:.0} µs"),
        m if m < 9_950.0 => write!(out, "{:.1} ms", m / 1e3),
        m if m < 999_500.0 => write!(out, "{:.0} ms", m / 1e3),
        m => write!(out, "{:.1} s", m / 1e6),
    };
}

/// `812 B`, `4.1 kB`, `100 MB`
pub fn push_bytes(out: &mut String, bytes: u64) {
    let mut value = bytes as f64;
    if bytes < 1000 {
        let _ = write!(out, "{bytes} B");
        return;
    }
    for unit in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        value /= 1000.0;
        if value < 999.5 {
            let digits = usize::from(value < 9.95);
            let _ = write!(out, "{value:.digits$} {unit}");
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_786_708_984, "2026-08-14T12:03:04.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let mut out = String::new();
            push_utc(&mut out, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(out, text);
        }
        let mut out = String::new();
        push_local(&mut out, SystemTime::now());
        assert_eq!(out.len(), 8);
    }

    #[test]
    fn amounts() {
        let duration = |micros| {
            let mut out = String::new();
            push_duration(&mut out, Duration::from_micros(micros));
            out
        };
        assert_eq!(duration(850), "850 µs");
        assert_eq!(duration(1_234), "1.2 ms");
        assert_eq!(duration(12_345), "12 ms");
        assert_eq!(duration(999_600), "1.0 s");
        let bytes = |bytes| {
            let mut out = String::new();
            push_bytes(&mut out, bytes);
            out
        };
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(4_096), "4.1 kB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(bytes(104_857_600), "105 MB");
        assert_eq!(bytes(u64::MAX), "18 EB");
    }
}
