//! What the manifest says of a container: `[store.NAME]` with `type = "blobs"`.

use super::container::Limits;
use super::limits::OBJECT_BYTES_MAX;
use holm_manifest::{ByteSize, Fragment, Problem, Redacted, Span, Spanned, Time, Value};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How much a container holds unless the manifest says otherwise.
const MEMORY_LIMIT: ByteSize = ByteSize::mib(64);
pub(super) const FOLDER_LIMIT: ByteSize = ByteSize::gib(10);

/// How large an object may be unless the manifest says otherwise.
pub(super) const OBJECT_LIMIT: ByteSize = ByteSize::gib(5);

/// How long a server may take for an answer unless the manifest says otherwise.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The providers.
const PROVIDERS: &[&str] = &["folder", "memory", "s3"];

/// The settings of a container.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Who keeps the objects: `folder` (files, the default), `memory` (gone with the process) or `s3`
    /// (a server with that interface).
    #[schemars(example = &"folder")]
    provider: Option<Spanned<String>>,
    /// For `folder`: the folder; the default is `blobs/NAME` in the state folder.
    #[schemars(example = &"data/assets")]
    path: Option<Spanned<PathBuf>>,
    /// For `folder` and `memory`: the most that all objects may take; the default is 10 GiB in a
    /// folder, 64 MiB in memory.
    #[schemars(example = &"1 GiB")]
    limit: Option<Spanned<ByteSize>>,
    /// The largest object; the default is 5 GiB.
    #[schemars(example = &"100 MiB")]
    object_size: Option<Spanned<ByteSize>>,
    /// For `s3`: where the server is; the default is Amazon's of the region.
    #[schemars(example = &"https://objects.example.com")]
    url: Option<Spanned<Redacted<String>>>,
    /// For `s3`: the bucket; the default is the store's name.
    #[schemars(example = &"example-assets")]
    bucket: Option<Spanned<String>>,
    /// For `s3`: what the server's names begin with, a folder so to speak; the default is nothing.
    #[schemars(example = &"assets")]
    prefix: Option<Spanned<String>>,
    /// For `s3`: the region; the default is `us-east-1`.
    #[schemars(example = &"eu-central-1")]
    region: Option<Spanned<String>>,
    /// For `s3`: the id of the key that requests are signed with; without one they are not signed.
    #[schemars(example = &"{{ s3_key_id }}")]
    access_key_id: Option<Spanned<Redacted<String>>>,
    /// For `s3`: the key's secret.
    #[schemars(example = &"{{ s3_secret }}")]
    secret_access_key: Option<Spanned<Redacted<String>>>,
    /// For `s3`: the token that goes with a key for a time.
    #[schemars(example = &"{{ s3_token }}")]
    session_token: Option<Spanned<Redacted<String>>>,
    /// For `s3`: how long the server may take for one answer, a part of 8 MiB included; the default is
    /// 20 s.
    #[schemars(example = &"5 s")]
    timeout: Option<Spanned<Time>>,
}

/// `[store.NAME]` for the vocabulary of the manifest.
pub fn store_fragment() -> Fragment {
    Fragment {
        name: "blobs",
        doc: "A container of objects; one in a folder needs no words.",
        example: "[store.assets]\ntype = \"blobs\"\nprovider = \"memory\"",
        schema: schemars::schema_for!(Settings),
        check: |value| Setup::read(value).err().into_iter().collect(),
    }
}

/// A container's settings, made sure of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setup {
    pub provider: Provider,
    /// The largest object, in bytes.
    pub object: u64,
}

/// Who keeps the objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Provider {
    /// Without a path it is in the state folder.
    Folder {
        path: Option<PathBuf>,
        limit: u64,
    },
    Memory {
        limit: u64,
    },
    S3(Box<Server>),
}

/// A server with the interface of S3.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Where it is; `None`: Amazon's.
    pub url: Option<Redacted<String>>,
    /// The bucket.
    pub bucket: Option<String>,
    /// What the names in it begin with.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// What requests are signed with; `None`: they are not.
    pub key: Option<Key>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// What requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its id.
    pub id: Redacted<String>,
    /// Its secret.
    pub secret: Redacted<String>,
    /// The token that goes with it.
    pub token: Option<Redacted<String>>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            provider: Provider::Folder {
                path: None,
                limit: FOLDER_LIMIT.0,
            },
            object: OBJECT_LIMIT.0,
        }
    }
}

impl Setup {
    pub(super) fn read(value: &Value) -> Result<Self, Problem> {
        let settings: Settings = value.without("type").parse()?;
        let provider = settings.provider.clone();
        let provider = provider.unwrap_or_else(|| "folder".to_owned().into());
        let name = provider.as_str();
        if !PROVIDERS.contains(&name) {
            return Err(Problem::error(format!("unknown provider `{name}`"))
                .at(provider.span)
                .label(format!("known here: {}", PROVIDERS.join(", "))));
        }
        settings.only_for(name)?;
        let object = match &settings.object_size {
            Some(size) if size.value.0 > OBJECT_BYTES_MAX => {
                let most = ByteSize(OBJECT_BYTES_MAX);
                return Err(
                    Problem::error(format!("`object_size` can be at most {most}")).at(size.span),
                );
            }
            Some(size) => size.value.0,
            None => OBJECT_LIMIT.0,
        };
        let limit = |otherwise: ByteSize| settings.limit.as_ref().map_or(otherwise, |l| l.value).0;
        let provider = match name {
            "memory" => Provider::Memory {
                limit: limit(MEMORY_LIMIT),
            },
            "s3" => Provider::S3(Box::new(settings.server()?)),
            _ => Provider::Folder {
                limit: limit(FOLDER_LIMIT),
                path: settings.path.map(|path| path.value),
            },
        };
        Ok(Setup { provider, object })
    }

    /// What it may keep.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            object: self.object,
            total: match self.provider {
                Provider::Folder { limit, .. } | Provider::Memory { limit } => Some(limit),
                Provider::S3(_) => None,
            },
        }
    }
}

impl Settings {
    /// Refuses what is for other providers than this one.
    fn only_for(&self, provider: &str) -> Result<(), Problem> {
        fn at<T>(value: &Option<Spanned<T>>) -> Option<Span> {
            value.as_ref().map(|value| value.span)
        }
        let all = [
            ("path", at(&self.path), &["folder"][..]),
            ("limit", at(&self.limit), &["folder", "memory"]),
            ("url", at(&self.url), &["s3"]),
            ("bucket", at(&self.bucket), &["s3"]),
            ("prefix", at(&self.prefix), &["s3"]),
            ("region", at(&self.region), &["s3"]),
            ("access_key_id", at(&self.access_key_id), &["s3"]),
            ("secret_access_key", at(&self.secret_access_key), &["s3"]),
            ("session_token", at(&self.session_token), &["s3"]),
            ("timeout", at(&self.timeout), &["s3"]),
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

    fn server(&self) -> Result<Server, Problem> {
        let timeout = match &self.timeout {
            Some(time) if time.value.0.is_zero() => {
                return Err(Problem::error("a time of nothing")
                    .at(time.span)
                    .label("longer than 0"));
            }
            Some(time) => time.value.0,
            None => TIMEOUT,
        };
        Ok(Server {
            url: self.url()?,
            bucket: self.bucket()?,
            prefix: self.prefix()?,
            region: self.region()?,
            key: self.key()?,
            timeout,
        })
    }

    /// Of what is wrong with it nothing is quoted: it may have a password.
    fn url(&self) -> Result<Option<Redacted<String>>, Problem> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let wrong = |label: &str| {
            Err(Problem::error("this is not the address of such a server")
                .at(url.span)
                .label(label)
                .help("for example: url = \"https://objects.example.com\""))
        };
        let Ok(parsed) = Url::parse(url.value.reveal()) else {
            return wrong("expected https:// or http:// and a host");
        };
        if !["http", "https"].contains(&parsed.scheme()) || !parsed.has_host() {
            return wrong("expected https:// or http:// and a host");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return wrong("the key stands in `access_key_id` and `secret_access_key`");
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return wrong("nothing after the path");
        }
        Ok(Some(url.value.clone()))
    }

    fn bucket(&self) -> Result<Option<String>, Problem> {
        let Some(bucket) = &self.bucket else {
            return Ok(None);
        };
        let of_names = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        match !bucket.is_empty() && bucket.chars().all(of_names) {
            true => Ok(Some(bucket.value.clone())),
            false => Err(Problem::error("this cannot be the name of a bucket")
                .at(bucket.span)
                .label("letters, digits, `.`, `-` and `_`")),
        }
    }

    fn region(&self) -> Result<String, Problem> {
        let Some(region) = &self.region else {
            return Ok("us-east-1".to_owned());
        };
        let of_names = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        match !region.is_empty() && region.chars().all(of_names) {
            true => Ok(region.value.clone()),
            false => Err(Problem::error("this cannot be the name of a region")
                .at(region.span)
                .label("letters, digits, `-` and `_`")),
        }
    }

    /// With a `/` at its end, unless it is empty.
    fn prefix(&self) -> Result<String, Problem> {
        let Some(prefix) = &self.prefix else {
            return Ok(String::new());
        };
        let bare = prefix.strip_suffix('/').unwrap_or(prefix);
        match bare {
            "" => Ok(String::new()),
            bare => match super::limits::name(bare) {
                Ok(()) => Ok(format!("{bare}/")),
                Err(error) => Err(Problem::error("this cannot stand before a name")
                    .at(prefix.span)
                    .label(error.told)),
            },
        }
    }

    fn key(&self) -> Result<Option<Key>, Problem> {
        let missing = |key: &str, beside: Span| {
            let told = format!("`{key}` is missing");
            Err(Problem::error("a key has an id and a secret")
                .at(beside)
                .label(told))
        };
        match (&self.access_key_id, &self.secret_access_key) {
            (None, None) => match &self.session_token {
                Some(token) => missing("access_key_id", token.span),
                None => Ok(None),
            },
            (Some(id), None) => missing("secret_access_key", id.span),
            (None, Some(secret)) => missing("access_key_id", secret.span),
            (Some(id), Some(secret)) => Ok(Some(Key {
                id: id.value.clone(),
                secret: secret.value.clone(),
                token: self.session_token.as_ref().map(|token| token.value.clone()),
            })),
        }
    }
}
