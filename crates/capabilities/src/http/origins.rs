//! What a grant says of single origins beside their names: who the client is to them, whom it trusts, how
//! long it waits and how often it tries.

use super::outbound::Patience;
use super::retry::Retry;
use super::tls::Identity;
use crate::network::{Origin, OriginPolicy, Scheme, Service, Target};
use holm_manifest::{Problem, Time, Value, ValueKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An origin with more than its name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginTable {
    /// The origin, as it stands without more.
    pub origin: String,
    /// File of the certificate chain (PEM) that the client shows.
    pub client_cert: Option<PathBuf>,
    /// File of its private key (PEM).
    pub client_key: Option<PathBuf>,
    /// File of certificates (PEM) that are trusted there beside the system's.
    pub roots: Option<PathBuf>,
    /// The longest time for a connection: look-up, dial, handshake.
    pub connect_timeout: Option<Time>,
    /// The longest time for the head of a response, since the request last moved.
    pub first_byte_timeout: Option<Time>,
    /// The longest time between two pieces of a response's body.
    pub between_bytes_timeout: Option<Time>,
    /// How often a request is sent again that failed on its way.
    pub retry: Option<Retry>,
}

/// What holds for one pattern of origins.
pub struct Settings {
    origin: Origin,
    /// Who the client is, and whom it trusts; nothing special where this is missing.
    pub identity: Option<Identity>,
    /// How often a request is sent again.
    pub retry: Option<Retry>,
    connect: Option<Time>,
    first_byte: Option<Time>,
    between_bytes: Option<Time>,
}

impl Settings {
    /// Whether it holds for this origin.
    pub fn covers(&self, scheme: Scheme, target: &Target, port: u16) -> bool {
        self.origin.covers(scheme, target, port)
    }

    /// What the guest may wait for, no longer than this origin allows.
    pub fn within(&self, asked: Patience) -> Patience {
        let within = |own: Option<Time>, asked| own.map_or(asked, |own| own.0.min(asked));
        Patience {
            connect: within(self.connect, asked.connect),
            first_byte: within(self.first_byte, asked.first_byte),
            between_bytes: within(self.between_bytes, asked.between_bytes),
        }
    }
}

/// All that a grant says.
#[derive(Default)]
pub struct Granted {
    /// Which origins.
    pub policy: OriginPolicy,
    /// What holds for some of them; the first whose pattern covers an origin is meant.
    pub settings: Vec<Arc<Settings>>,
}

impl Granted {
    /// Reads `http = […]`, and the files that it names, which lie below `base`. Without `base` no file is
    /// read.
    pub fn read(value: &Value, base: Option<&Path>) -> (Granted, Vec<Problem>) {
        let items = match &value.kind {
            ValueKind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut problems = Vec::new();
        let mut settings = Vec::new();
        let mut names = Vec::new();
        for item in items {
            let Some(origin) = item.get("origin").filter(|_| item.as_table().is_some()) else {
                names.push(item.clone());
                continue;
            };
            names.push(origin.clone());
            match settings_of(item, base) {
                Ok(found) => settings.extend(found.map(Arc::new)),
                Err(problem) => problems.push(problem),
            }
        }
        let names = Value::new(ValueKind::Array(names), value.span);
        let (policy, wrong) = OriginPolicy::read(Service::Http, &names);
        problems.extend(wrong);
        (Granted { policy, settings }, problems)
    }

    /// The schema of what [`Granted::read`] reads.
    pub fn schema() -> schemars::Schema {
        let mut table = schemars::schema_for!(OriginTable);
        table.remove("$schema");
        table.remove("title");
        let mut schema = OriginPolicy::schema();
        // What it refers to is looked for at the top.
        if let Some(types) = table.remove("$defs") {
            schema.insert("$defs".into(), types);
        }
        let mut item = table.to_value();
        if let Some(item) = item.as_object_mut() {
            item.insert("type".into(), serde_json::json!(["string", "object"]));
        }
        schema.insert("items".into(), item);
        schema
    }
}

/// What a table says; nothing if its origin cannot be read, which is told of elsewhere.
fn settings_of(value: &Value, base: Option<&Path>) -> Result<Option<Settings>, Problem> {
    let table: OriginTable = value.parse()?;
    let at = |key: &str| value.get(key).unwrap_or(value).span;
    let Ok(origin) = Origin::parse(Service::Http, &table.origin) else {
        return Ok(None);
    };
    let identity = match (&table.client_cert, &table.client_key) {
        (Some(_), None) => {
            let problem = Problem::error("a certificate without its key").at(at("client_cert"));
            return Err(problem.help("add a line: client_key = \"key.pem\""));
        }
        (None, Some(_)) => {
            let problem = Problem::error("a key without its certificate").at(at("client_key"));
            return Err(problem.help("add a line: client_cert = \"cert.pem\""));
        }
        (None, None) if table.roots.is_none() => None,
        (pair, _) => Some((pair.as_ref().zip(table.client_key.as_ref()), &table.roots)),
    };
    for (key, time) in [
        ("connect_timeout", table.connect_timeout),
        ("first_byte_timeout", table.first_byte_timeout),
        ("between_bytes_timeout", table.between_bytes_timeout),
    ] {
        if time.is_some_and(Time::is_zero) {
            return Err(Problem::error("no origin answers in no time").at(at(key)));
        }
    }
    if identity.is_some() && !origin.may_be(Scheme::Https) {
        let problem = Problem::error("an origin in the clear has no certificates");
        return Err(problem
            .at(at("origin"))
            .help("write https:// in place of http://"));
    }
    let identity = match (identity, base) {
        (Some((pair, roots)), Some(base)) => {
            let file = |path: &PathBuf| base.join(path);
            let pair = pair.map(|(cert, key)| (file(cert), file(key)));
            let read = Identity::read(pair, roots.as_ref().map(file));
            Some(read.map_err(|(key, what)| Problem::error(what).at(at(key)))?)
        }
        _ => None,
    };
    Ok(Some(Settings {
        origin,
        identity,
        retry: table.retry,
        connect: table.connect_timeout,
        first_byte: table.first_byte_timeout,
        between_bytes: table.between_bytes_timeout,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(items: Vec<Value>) -> (Granted, Vec<String>) {
        let (granted, problems) = Granted::read(&Value::array(items), None);
        (granted, problems.into_iter().map(|p| p.message).collect())
    }

    fn table(origin: &str, more: Vec<(&str, Value)>) -> Value {
        let mut all = vec![("origin", Value::from(origin))];
        all.extend(more);
        Value::table(all)
    }

    #[test]
    fn the_first_that_covers_an_origin_is_meant() {
        let seconds = |text: &str| vec![("first_byte_timeout", Value::from(text))];
        let (granted, problems) = read(vec![
            "https://plain.example".into(),
            table("https://a.example", seconds("2 s")),
            table("https://*.example", seconds("9 s")),
        ]);
        assert_eq!(problems, [""; 0]);
        let wait = |host: &str| {
            let target = Target::parse(host).unwrap();
            assert!(
                granted.policy.may_send(Scheme::Https, &target, 443),
                "{host}"
            );
            let covers = |one: &&Arc<Settings>| one.covers(Scheme::Https, &target, 443);
            let found = granted.settings.iter().find(covers)?;
            Some(found.within(Patience::of(None)).first_byte)
        };
        assert_eq!(wait("a.example"), Some(Duration::from_secs(2)));
        assert_eq!(wait("b.example"), Some(Duration::from_secs(9)));
        assert_eq!(wait("plain.example"), Some(Duration::from_secs(9)));
        let target = Target::parse("a.example").unwrap();
        assert!(!granted.settings[0].covers(Scheme::Http, &target, 80));
    }

    #[test]
    fn a_guest_that_waits_less_does() {
        let (granted, _) = read(vec![table(
            "https://a.example",
            vec![("connect_timeout", Value::from("5 s"))],
        )]);
        let patience = |seconds| Patience {
            connect: Duration::from_secs(seconds),
            ..Patience::of(None)
        };
        let settings = &granted.settings[0];
        assert_eq!(settings.within(patience(1)), patience(1));
        assert_eq!(settings.within(patience(10)), patience(5));
    }

    #[test]
    fn what_is_refused() {
        for (item, what) in [
            (table("a.example", vec![]), "an origin without a scheme"),
            (
                table("https://a", vec![("client_cert", "c.pem".into())]),
                "a certificate without its key",
            ),
            (
                table("https://a", vec![("client_key", "k.pem".into())]),
                "a key without its certificate",
            ),
            (
                table("http://a", vec![("roots", "r.pem".into())]),
                "an origin in the clear has no certificates",
            ),
            (
                table("http://a", vec![("connect_timeout", "0 s".into())]),
                "no origin answers in no time",
            ),
            (
                table("http://a", vec![("timeout", "1 s".into())]),
                "unknown key `timeout`",
            ),
            (
                Value::table(vec![("roots", Value::from("r.pem"))]),
                "expected a string",
            ),
        ] {
            assert_eq!(read(vec![item]).1, [what]);
        }
    }
}
