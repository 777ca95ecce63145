//! In which coding a client wants an answer.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// How an answer may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Brotli,
    /// Gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// From the one that is preferred to the one that is liked least.
    pub(super) const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// Its name in `content-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// The one that a client likes best (RFC 9110, 12.5.3); none if it takes none.
    pub fn wanted(headers: &HeaderMap) -> Option<Coding> {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        // In thousandths: what is said of each, and of all that nothing is said of.
        let mut said = [None; 3];
        let mut others = None;
        let mut plain = None;
        for item in texts.flat_map(|text| text.split(',')) {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight_of(weight);
            match name.trim() {
                "*" => others = Some(weight),
                name if name.eq_ignore_ascii_case("identity") => plain = Some(weight),
                name => {
                    let at = Self::ALL
                        .iter()
                        .position(|coding| name.eq_ignore_ascii_case(coding.name()));
                    // The old name of gzip.
                    let old = name.eq_ignore_ascii_case("x-gzip").then_some(2);
                    if let Some(at) = at.or(old) {
                        said[at] = Some(weight);
                    }
                }
            }
        }
        let weight = |at: usize| said[at].or(others).unwrap_or(0);
        let best = (0..3).rev().max_by_key(|at| weight(*at))?;
        // Who likes it plain better gets it plain.
        let enough = weight(best) > 0 && weight(best) >= plain.unwrap_or(0);
        enough.then(|| Self::ALL[best])
    }
}

/// `q=0.5` in thousandths; what cannot be read is 0.
fn weight_of(text: &str) -> u16 {
    let text = text.trim();
    if text.is_empty() {
        return 1000;
    }
    let value = text.strip_prefix("q=").or_else(|| text.strip_prefix("Q="));
    let value = value.and_then(|value| value.trim().parse::<f32>().ok());
    value.map_or(0, |value| (value.clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn wanted(text: &str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, text.parse().unwrap());
        Coding::wanted(&headers)
    }

    #[test]
    fn what_a_client_wants() {
        for (text, coding) in [
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip, br", Some(Coding::Brotli)),
            ("GZIP", Some(Coding::Gzip)),
            ("x-gzip", Some(Coding::Gzip)),
            ("br;q=0.5, gzip;q=0.9", Some(Coding::Gzip)),
            ("*", Some(Coding::Zstd)),
            ("*, zstd;q=0", Some(Coding::Brotli)),
            ("gzip;q=0", None),
            ("gzip;q=0.1, identity", None),
            ("gzip; q=0.1, identity;q=0", Some(Coding::Gzip)),
            ("deflate", None),
            ("gzip;q=x", None),
            ("", None),
        ] {
            assert_eq!(wanted(text), coding, "{text}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn whatever_a_client_writes_is_read() {
        let words = ["gzip", "br", "zstd", "*", ";q=", "0.5", ",", "identity"];
        crate::fuzz::text("accept-encoding", &words, |text| {
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT_ENCODING, value);
                let _ = Coding::wanted(&headers);
            }
        });
    }
}
