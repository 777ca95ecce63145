//! `rate_limit`: how often one client may ask. Each key has a bucket that fills up with time; what is
//! remembered of all of them is bounded.

use holm_manifest::{Problem, Time, Value};
use http::{HeaderMap, HeaderName};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Parts of the memory that are locked apart.
const SHARDS: usize = 16;

/// Keys that one route remembers: about 2 MiB.
const KEYS_MAX: usize = 65_536;

/// `rate_limit` as the manifest writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateTable {
    /// So many requests.
    pub requests: NonZeroU32,
    /// In so much time. After a pause all of them may come at once.
    pub per: Time,
    /// The header whose value tells who asks, as `x-api-key`; without it, and for requests that lack it,
    /// the address of the client.
    pub header: Option<String>,
}

/// The memory of one limit.
pub struct Limiter {
    /// What it was made from.
    pub table: RateTable,
    header: Option<HeaderName>,
    /// The time that one request takes up, in nanoseconds.
    each: u64,
    /// How far ahead of the clock a key may be and still be let in.
    ahead: u64,
    began: Instant,
    random: RandomState,
    shards: [Mutex<HashMap<u64, u64>>; SHARDS],
}

impl Limiter {
    /// What a table says.
    ///
    /// # Errors
    /// What is wrong with it, and under which key.
    pub fn new(table: &RateTable) -> Result<Self, (&'static str, String)> {
        let per = u64::try_from(table.per.0.as_nanos()).unwrap_or(u64::MAX);
        let each = per / u64::from(table.requests.get());
        if each == 0 {
            let what = "more than a request in a nanosecond is no limit";
            return Err(("per", what.into()));
        }
        let header = table.header.as_deref().map(HeaderName::try_from);
        let header = header
            .transpose()
            .map_err(|_| ("header", "this is no name of a header".to_owned()))?;
        Ok(Limiter {
            table: table.clone(),
            header,
            each,
            ahead: per.saturating_sub(each),
            began: Instant::now(),
            random: RandomState::new(),
            shards: Default::default(),
        })
    }

    /// Lets a request in.
    ///
    /// # Errors
    /// How long to wait before the next.
    pub fn admit(&self, headers: &HeaderMap, client: IpAddr) -> Result<(), Duration> {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.admit_at(self.key(headers, client), now)
    }

    fn key(&self, headers: &HeaderMap, client: IpAddr) -> u64 {
        let value = self.header.as_ref().and_then(|name| headers.get(name));
        match (value, client) {
            (Some(value), _) => self.random.hash_one((0u8, value.as_bytes())),
            (None, IpAddr::V4(ip)) => self.random.hash_one((4u8, ip)),
            // Whoever has one address of IPv6 has the 64 bits below it.
            (None, IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => self.random.hash_one((4u8, ip)),
                None => self.random.hash_one((6u8, &ip.octets()[..8])),
            },
        }
    }

    fn admit_at(&self, key: u64, now: u64) -> Result<(), Duration> {
        let shard = &self.shards[(key >> 60) as usize % SHARDS];
        let mut keys = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let until = keys.get(&key).map_or(now, |until| (*until).max(now));
        let over = (until - now).saturating_sub(self.ahead);
        if over > 0 {
            return Err(Duration::from_nanos(over));
        }
        if !keys.contains_key(&key) && keys.len() >= KEYS_MAX / SHARDS {
            forget(&mut keys, now);
        }
        keys.insert(key, until.saturating_add(self.each));
        Ok(())
    }
}

/// Makes room for a quarter: what is past counts for nothing, and of the others those go that have asked
/// the least. A key that is forgotten begins anew.
fn forget(keys: &mut HashMap<u64, u64>, now: u64) {
    keys.retain(|_, until| *until > now);
    let most = KEYS_MAX / SHARDS * 3 / 4;
    if keys.len() <= most {
        return;
    }
    let mut all: Vec<u64> = keys.values().copied().collect();
    let cut = all.len() - most;
    let (_, least, _) = all.select_nth_unstable(cut);
    let least = *least;
    keys.retain(|_, until| *until > least);
}

/// What the schema cannot say of it.
pub fn check(value: &Value) -> Option<Problem> {
    let table: RateTable = value.parse().ok()?;
    let (key, what) = Limiter::new(&table).err()?;
    let problem = Problem::error(what).at(value.get(key).unwrap_or(value).span);
    Some(problem.help("rate_limit = { requests = 100, per = \"1 min\" }"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(requests: u32, per: &str, header: Option<&str>) -> Limiter {
        Limiter::new(&RateTable {
            requests: NonZeroU32::new(requests).unwrap(),
            per: per.parse().unwrap(),
            header: header.map(str::to_owned),
        })
        .unwrap()
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn so_many_at_once_and_then_one_for_each_share_of_the_time() {
        let limiter = limiter(3, "30 s", None);
        for _ in 0..3 {
            assert_eq!(limiter.admit_at(1, 0), Ok(()));
        }
        assert_eq!(limiter.admit_at(1, 0), Err(Duration::from_secs(10)));
        assert_eq!(limiter.admit_at(1, 9 * SECOND), Err(Duration::from_secs(1)));
        assert_eq!(limiter.admit_at(2, 0), Ok(()), "another key");
        assert_eq!(limiter.admit_at(1, 10 * SECOND), Ok(()));
        assert!(limiter.admit_at(1, 10 * SECOND).is_err());
        for _ in 0..3 {
            assert_eq!(limiter.admit_at(1, 100 * SECOND), Ok(()));
        }
        assert!(
            limiter.admit_at(1, 100 * SECOND).is_err(),
            "no more than all"
        );
    }

    #[test]
    fn who_asks() {
        let limiter = limiter(1, "1 h", Some("x-key"));
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-key", value.parse().unwrap());
            headers
        };
        let key = |headers: &HeaderMap, ip: &str| limiter.key(headers, ip.parse().unwrap());
        let none = HeaderMap::new();
        assert_eq!(key(&of("a"), "10.0.0.1"), key(&of("a"), "10.0.0.2"));
        assert_ne!(key(&of("a"), "10.0.0.1"), key(&of("b"), "10.0.0.1"));
        assert_ne!(key(&none, "10.0.0.1"), key(&none, "10.0.0.2"));
        assert_eq!(key(&none, "10.0.0.1"), key(&none, "::ffff:10.0.0.1"));
        assert_eq!(
            key(&none, "2001:db8:1:2::3"),
            key(&none, "2001:db8:1:2:9::4")
        );
        assert_ne!(key(&none, "2001:db8:1:2::3"), key(&none, "2001:db8:1:3::3"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let limiter = limiter(2, "1 h", None);
        let count = || -> usize {
            let lengths = limiter.shards.iter().map(|s| s.lock().unwrap().len());
            lengths.sum()
        };
        // One that has used up its share, and then very many others.
        assert!(limiter.admit_at(7, 0).is_ok() && limiter.admit_at(7, 0).is_ok());
        for n in 0..3 * KEYS_MAX as u64 {
            let key = limiter.random.hash_one(n);
            let _ = limiter.admit_at(key, n);
        }
        assert!(count() <= KEYS_MAX, "{}", count());
        assert!(
            limiter.admit_at(7, 0).is_err(),
            "who asked the most is remembered"
        );
    }

    #[test]
    fn what_is_refused() {
        let refused = |requests: u32, per: Time, header: Option<&str>| {
            let table = RateTable {
                requests: NonZeroU32::new(requests).unwrap(),
                per,
                header: header.map(str::to_owned),
            };
            Limiter::new(&table).err().map(|(key, _)| key)
        };
        assert_eq!(refused(1, Time::seconds(0), None), Some("per"));
        assert_eq!(refused(1, Time::seconds(1), Some("a b")), Some("header"));
        assert_eq!(refused(1, Time::MAX, Some("x-key")), None);
    }
}
