//! What the manifest says of a store: `[store.NAME]` with `type = "keyvalue"`.

use holm_manifest::{ByteSize, Fragment, Problem, Redacted, Spanned, Time, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How much a store in memory holds unless the manifest says otherwise.
const MEMORY_LIMIT: ByteSize = ByteSize::mib(64);

/// How much a store in a file holds unless the manifest says otherwise.
pub(super) const FILE_LIMIT: ByteSize = ByteSize::mib(1024);

/// How long a call waits for a server unless the manifest says otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The providers that this build has.
const PROVIDERS: &[&str] = &["redb", "memory", "redis", "nats"];

/// The settings of a store.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Who keeps the data: `redb` (a file, the default), `memory` (gone with the process), `redis`
    /// or `nats` (a server).
    #[schemars(example = &"redb")]
    provider: Option<Spanned<String>>,
    /// For `redb`: the file; the default is `keyvalue/NAME.redb` in the state folder.
    #[schemars(example = &"data/sessions.redb")]
    path: Option<Spanned<PathBuf>>,
    /// For `redb` and `memory`: the most that keys and values may take; the default is 1 GiB in a
    /// file, 64 MiB in memory.
    #[schemars(example = &"64 MiB")]
    limit: Option<Spanned<ByteSize>>,
    /// For `redis` and `nats`: where the server is.
    #[schemars(example = &"redis://127.0.0.1:6379")]
    url: Option<Spanned<Redacted<String>>>,
    /// For `redis`: what the server's keys begin with; the default is `NAME/`.
    #[schemars(example = &"sessions:")]
    prefix: Option<Spanned<String>>,
    /// For `nats`: the bucket; the default is the store's name.
    #[schemars(example = &"sessions")]
    bucket: Option<Spanned<String>>,
    /// For `redis` and `nats`: how long a value lasts after it was written; the default is for ever.
    #[schemars(example = &"1 h")]
    ttl: Option<Spanned<Time>>,
    /// For `redis` and `nats`: how long a call waits for the server; the default is 5 s.
    #[schemars(example = &"5 s")]
    timeout: Option<Spanned<Time>>,
}

/// `[store.NAME]` for the vocabulary of the manifest.
pub fn store_fragment() -> Fragment {
    Fragment {
        name: "keyvalue",
        doc: "A key-value store; an embedded one needs no words.",
        example: "[store.sessions]\ntype = \"keyvalue\"\nprovider = \"memory\"",
        schema: schemars::schema_for!(Settings),
        check: |value| Setup::read(value).err().into_iter().collect(),
    }
}

/// A store's settings, made sure of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setup {
    /// Without a path it is kept in the state folder.
    Redb {
        path: Option<PathBuf>,
        limit: u64,
    },
    Memory {
        limit: u64,
    },
    Redis {
        url: Redacted<String>,
        prefix: Option<String>,
        ttl: Option<Duration>,
        timeout: Duration,
    },
    Nats {
        url: Redacted<String>,
        bucket: Option<String>,
        ttl: Option<Duration>,
        timeout: Duration,
    },
}

impl Setup {
    pub(super) fn read(value: &Value) -> Result<Self, Problem> {
        let settings: Settings = value.without("type").parse()?;
        let provider = settings.provider.clone();
        let provider = provider.unwrap_or_else(|| "redb".to_owned().into());
        let name = provider.as_str();
        if !PROVIDERS.contains(&name) {
            return Err(Problem::error(format!("unknown provider `{name}`"))
                .at(provider.span)
                .label(format!("known here: {}", PROVIDERS.join(", "))));
        }
        settings.only_for(name)?;
        let limit = |otherwise: ByteSize| settings.limit.as_ref().map_or(otherwise, |l| l.value).0;
        let ttl = settings.ttl.as_ref().map(|ttl| ttl.value.0);
        let timeout = settings
            .timeout
            .as_ref()
            .map_or(TIMEOUT, |time| time.value.0);
        if let Some(time) = [&settings.ttl, &settings.timeout]
            .into_iter()
            .flatten()
            .find(|time| time.value.0.is_zero())
        {
            return Err(Problem::error("a time of nothing")
                .at(time.span)
                .label("longer than 0"));
        }
        Ok(match name {
            "memory" => Setup::Memory {
                limit: limit(MEMORY_LIMIT),
            },
            "redis" => Setup::Redis {
                url: settings.server(value, &["redis", "rediss"])?,
                prefix: settings.prefix.map(|prefix| prefix.value),
                ttl,
                timeout,
            },
            "nats" => Setup::Nats {
                url: settings.server(value, &["nats", "tls"])?,
                bucket: settings.bucket()?,
                ttl,
                timeout,
            },
            _ => Setup::Redb {
                limit: limit(FILE_LIMIT),
                path: settings.path.map(|path| path.value),
            },
        })
    }
}

impl Settings {
    /// Refuses what is for other providers than this one.
    fn only_for(&self, provider: &str) -> Result<(), Problem> {
        let all = [
            ("path", self.path.as_ref().map(|v| v.span), &["redb"][..]),
            (
                "limit",
                self.limit.as_ref().map(|v| v.span),
                &["redb", "memory"],
            ),
            ("url", self.url.as_ref().map(|v| v.span), &["redis", "nats"]),
            ("prefix", self.prefix.as_ref().map(|v| v.span), &["redis"]),
            ("bucket", self.bucket.as_ref().map(|v| v.span), &["nats"]),
            ("ttl", self.ttl.as_ref().map(|v| v.span), &["redis", "nats"]),
            (
                "timeout",
                self.timeout.as_ref().map(|v| v.span),
                &["redis", "nats"],
            ),
        ];
        for (key, span, providers) in all {
            if let Some(span) = span.filter(|_| !providers.contains(&provider)) {
                let (word, names) = match providers {
                    [one] => ("provider", format!("`{one}`")),
                    more => ("providers", format!("`{}`", more.join("` and `"))),
                };
                return Err(Problem::error(format!("`{key}` is for the {word} {names}")).at(span));
            }
        }
        Ok(())
    }

    /// The address of the server. Of what is wrong with it nothing is quoted: it may have a password.
    fn server(&self, table: &Value, schemes: &[&str]) -> Result<Redacted<String>, Problem> {
        let example = format!("for example: url = \"{}://127.0.0.1\"", schemes[0]);
        let Some(url) = &self.url else {
            let problem = Problem::error("the provider needs the address of its server");
            return Err(problem
                .at(table.span)
                .label("`url` is missing")
                .help(example));
        };
        let parsed = Url::parse(url.value.reveal()).ok();
        let fits = |url: &Url| schemes.contains(&url.scheme()) && url.has_host();
        match parsed.is_some_and(|url| fits(&url)) {
            true => Ok(url.value.clone()),
            false => Err(Problem::error("this is not the address of such a server")
                .at(url.span)
                .label(format!("expected {}://HOST", schemes.join(":// or ")))
                .help(example)),
        }
    }

    /// The bucket, or none where the store's name can be one.
    fn bucket(&self) -> Result<Option<String>, Problem> {
        let Some(bucket) = &self.bucket else {
            return Ok(None);
        };
        let of_names = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        match !bucket.is_empty() && bucket.chars().all(of_names) {
            true => Ok(Some(bucket.value.clone())),
            false => Err(Problem::error("this cannot be the name of a bucket")
                .at(bucket.span)
                .label("letters, digits, `-` and `_`")),
        }
    }
}
