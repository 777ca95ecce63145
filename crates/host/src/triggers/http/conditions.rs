//! Conditional requests (RFC 9110, 13): has the client this file already?

use http::HeaderMap;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};
use sha2::{Digest, Sha256};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What tells two versions of a file apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// With its quotes. From inode, size and time: a file is not read to be named.
    pub etag: String,
    /// In whole seconds, as HTTP has it; absent where HTTP cannot write it.
    pub modified: Option<SystemTime>,
}

impl Version {
    /// The version of a file.
    pub fn of(meta: &Metadata) -> Version {
        let mut hash = Sha256::new();
        for number in [
            meta.dev(),
            meta.ino(),
            meta.size(),
            meta.mtime() as u64,
            meta.mtime_nsec() as u64,
        ] {
            hash.update(number.to_le_bytes());
        }
        let digits: String = hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let last = 253_402_300_799; // the end of the year 9999
        let modified = u64::try_from(meta.mtime())
            .ok()
            .filter(|seconds| *seconds <= last);
        Version {
            etag: format!("\"{digits}\""),
            modified: modified.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
        }
    }
}

/// The conditions of a request for a file.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    none_match: Option<String>,
    modified_since: Option<SystemTime>,
    range: Option<String>,
    if_range: Option<String>,
}

impl Conditions {
    /// Reads them; one that cannot be read is none.
    pub fn of(headers: &HeaderMap) -> Conditions {
        let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let tags: Vec<&str> = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let since = headers
            .get(IF_MODIFIED_SINCE)
            .and_then(|value| value.to_str().ok());
        Conditions {
            none_match: (!tags.is_empty()).then(|| tags.join(",")),
            modified_since: since.and_then(|text| httpdate::parse_http_date(text).ok()),
            range: text(RANGE),
            if_range: text(IF_RANGE),
        }
    }

    /// Does the client have this version?
    pub fn has(&self, version: &Version) -> bool {
        if let Some(tags) = &self.none_match {
            return tags
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == version.etag);
        }
        match (self.modified_since, version.modified) {
            (Some(since), Some(modified)) => modified <= since,
            _ => false,
        }
    }

    /// The range that is asked for, if it is a range of this version.
    pub fn range(&self, version: &Version) -> Option<&str> {
        let range = self.range.as_deref()?;
        let same = match self.if_range.as_deref() {
            None => true,
            Some(tag) if tag.starts_with('"') => tag == version.etag,
            Some(date) => {
                httpdate::parse_http_date(date).is_ok_and(|date| Some(date) == version.modified)
            }
        };
        same.then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(headers: &[(http::HeaderName, &str)]) -> Conditions {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()));
        Conditions::of(&pairs.collect())
    }

    #[test]
    fn conditions_are_met_or_not() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let version = Version {
            etag: "\"a\"".to_owned(),
            modified: httpdate::parse_http_date(date).ok(),
        };
        let has = |headers: &[_]| conditions(headers).has(&version);
        assert!(has(&[(IF_NONE_MATCH, "\"a\"")]));
        assert!(has(&[(IF_NONE_MATCH, "\"b\", W/\"a\"")]));
        assert!(has(&[(IF_NONE_MATCH, "*")]));
        assert!(has(&[(IF_MODIFIED_SINCE, date)]));
        assert!(!has(&[]));
        assert!(!has(&[(IF_NONE_MATCH, "\"b\"")]));
        assert!(
            !has(&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, date)]),
            "the tag decides"
        );
        assert!(!has(&[(
            IF_MODIFIED_SINCE,
            "Sun, 06 Nov 1994 08:49:36 GMT"
        )]));
        assert!(!has(&[(IF_MODIFIED_SINCE, "yesterday")]));

        let range = |if_range: &str| {
            let conditions = conditions(&[(RANGE, "bytes=0-"), (IF_RANGE, if_range)]);
            conditions.range(&version).is_some()
        };
        assert!(range("\"a\"") && range(date));
        assert!(!range("\"b\"") && !range("W/\"a\"") && !range("Sun, 06 Nov 1994 08:49:38 GMT"));
    }

    /// All the headers of a request that we read, from one text: a name, a colon, a value.
    #[test]
    fn whatever_a_client_sends_is_met_or_not() {
        let version = Version {
            etag: "\"a\"".to_owned(),
            modified: httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").ok(),
        };
        let words = [
            "\n",
            "if-none-match: ",
            "if-range: ",
            "range: bytes=",
            "W/\"a\"",
            "*",
            " GMT",
        ];
        crate::fuzz::text("headers", &words, |text| {
            let fields = text.lines().filter_map(|line| line.split_once(": "));
            let headers: HeaderMap = fields
                .filter_map(|(name, value)| {
                    let name: http::HeaderName = name.parse().ok()?;
                    Some((name, value.parse().ok()?))
                })
                .collect();
            let conditions = Conditions::of(&headers);
            let sent =
                headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE);
            assert!(sent || !conditions.has(&version));
            assert!(headers.contains_key(RANGE) || conditions.range(&version).is_none());
        });
    }
}
