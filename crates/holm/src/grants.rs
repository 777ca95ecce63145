//! Grants and limits from flags: the same values as a manifest's, by the same way.

use clap::Args;
use holm_capabilities::files::{Access, Dir};
use holm_capabilities::sockets::LOOK_UP;
use holm_capabilities::{Grants, Place};
use holm_manifest::{ByteSize, Grant, Problem, Problems, Source, Span, Time, Value};
use holm_runtime::seam::Use;
use std::path::PathBuf;
use std::sync::Arc;

/// What a program may reach; nothing else is reachable.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Grants")]
pub struct GrantFlags {
    /// A folder; the guest sees it as GUEST, or under the same name; `:ro` makes it read-only
    #[arg(long, value_name = "HOST[::GUEST][:ro]")]
    pub dir: Vec<String>,
    /// An environment variable; a name alone takes its value from Holm's own environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// A host and port that sockets may connect to: db.internal:5432, 10.0.0.0/8:*
    #[arg(long, value_name = "HOST:PORT")]
    pub net: Vec<String>,
    /// An address that sockets may listen on: 127.0.0.1:8080
    #[arg(long, value_name = "HOST:PORT")]
    pub bind: Vec<String>,
    /// An origin that HTTP requests may go to: https://api.example.com
    #[arg(long, value_name = "ORIGIN")]
    pub http: Vec<String>,
    /// Every address, to connect and to listen, private ones included
    #[arg(long)]
    pub allow_all_net: bool,
    /// A key-value store by name
    #[arg(long, value_name = "STORE")]
    pub keyvalue: Vec<String>,
    /// A container of objects by the name of its store
    #[arg(long, value_name = "STORE")]
    pub blobs: Vec<String>,
    /// A SQLite database by the name of its store
    #[arg(long, value_name = "STORE")]
    pub sqlite: Vec<String>,
    /// A Redis server: redis://db.internal:6379
    #[arg(long, value_name = "ORIGIN")]
    pub redis: Vec<String>,
    /// An MQTT broker: mqtt://broker.internal:1883
    #[arg(long, value_name = "ORIGIN")]
    pub mqtt: Vec<String>,
    /// A PostgreSQL server: postgres://db.internal:5432
    #[arg(long, value_name = "ORIGIN")]
    pub postgres: Vec<String>,
    /// A MySQL or MariaDB server: mysql://db.internal:3306
    #[arg(long, value_name = "ORIGIN")]
    pub mysql: Vec<String>,
    /// A configuration value
    #[arg(long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

/// What it may use.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Most memory: "64 MiB" [default for run: 4 GiB]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// CPU time: "500 ms", "10 s"
    #[arg(long, value_name = "TIME")]
    pub cpu: Option<Time>,
    /// Wall time: "1m30s"
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Time>,
}

impl GrantFlags {
    /// Whether a program that imports what this grant is for may be loaded.
    pub fn granted(&self, grant: &str) -> bool {
        match grant {
            "keyvalue" => !self.keyvalue.is_empty(),
            "blobs" => !self.blobs.is_empty(),
            _ => true,
        }
    }

    /// Whether the program may reach anything over a network.
    pub fn network(&self) -> bool {
        let sockets = [&self.net, &self.bind, &self.http];
        let servers = self.servers().map(|(_, origins)| origins);
        self.allow_all_net
            || sockets
                .into_iter()
                .chain(servers)
                .any(|list| !list.is_empty())
    }

    /// The grants of servers that are named by their origin.
    fn servers(&self) -> [(&'static str, &Vec<String>); 4] {
        [
            ("redis", &self.redis),
            ("mqtt", &self.mqtt),
            ("postgres", &self.postgres),
            ("mysql", &self.mysql),
        ]
    }

    /// The flags as a manifest's grants.
    pub fn grants(&self) -> Result<Vec<Grant>, Problem> {
        let mut grants = Vec::new();
        let mut add = |name: &str, value: Value| {
            grants.push(Grant {
                name: name.into(),
                name_span: Span::default(),
                value,
            });
        };
        if !self.dir.is_empty() {
            let mut dirs = Vec::new();
            for text in &self.dir {
                let dir = Dir::from_flag(text, &PathBuf::new()).map_err(Problem::error)?;
                let access = if dir.access == Access::Write {
                    "write"
                } else {
                    "read"
                };
                dirs.push((
                    dir.guest,
                    Value::table(vec![
                        ("path", Value::string(dir.written)),
                        ("access", Value::string(access)),
                    ]),
                ));
            }
            add("dirs", Value::table(dirs));
        }
        let mut env: Vec<(String, Value)> = Vec::new();
        for text in &self.env {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Value::string(value)),
                None => (
                    text.as_str(),
                    Value::table(vec![("inherit", Value::bool(true))]),
                ),
            };
            env.retain(|(set, _)| set != name);
            env.push((name.to_owned(), value));
        }
        if !env.is_empty() {
            add("env", Value::table(env));
        }
        let list = |items: &[String]| Value::array(items.iter().map(Value::string).collect());
        let all = || Value::array(vec![Value::string(holm_capabilities::network::ALL)]);
        if self.allow_all_net {
            add(
                "net",
                Value::table(vec![("connect", all()), ("listen", all())]),
            );
            add("http", all());
            for (grant, _) in self.servers() {
                add(grant, all());
            }
        } else {
            if !self.net.is_empty() || !self.bind.is_empty() {
                add(
                    "net",
                    Value::table(vec![
                        ("connect", list(&self.net)),
                        ("listen", list(&self.bind)),
                    ]),
                );
            }
            if !self.http.is_empty() {
                add("http", list(&self.http));
            }
            for (grant, origins) in self.servers() {
                if !origins.is_empty() {
                    add(grant, list(origins));
                }
            }
        }
        if !self.blobs.is_empty() {
            add("blobs", list(&self.blobs));
        }
        if !self.sqlite.is_empty() {
            add("sqlite", list(&self.sqlite));
        }
        if !self.keyvalue.is_empty() {
            add("keyvalue", list(&self.keyvalue));
        }
        let mut config = Vec::new();
        for text in &self.config {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Problem::error("it has no value").help("write --config KEY=VALUE"));
            };
            config.push((key.to_owned(), Value::string(value)));
        }
        if !config.is_empty() {
            add("config", Value::table(config));
        }
        Ok(grants)
    }

    /// The flags resolved, or all that is wrong with them.
    pub fn resolve(&self, place: &Place) -> Result<Grants, Problems> {
        let wrong = |list| Problems::new(Source::new("", ""), list);
        let resolved = self
            .grants()
            .map_err(|problem| vec![problem])
            .and_then(|grants| Grants::resolve(&grants, place));
        resolved.map_err(|list| match self.culprits(place) {
            // Each is right alone: it is in how they stand together.
            culprits if culprits.is_empty() => wrong(list),
            culprits => wrong(culprits),
        })
    }

    /// What is wrong with each flag alone, in words that begin with the flag as it was written.
    fn culprits(&self, place: &Place) -> Vec<Problem> {
        let none = GrantFlags::default;
        let of = |name: &'static str, texts: &[String], alone: &dyn Fn(&str) -> GrantFlags| {
            let ones: Vec<_> = texts
                .iter()
                .map(|text| (format!("--{name} {text}"), alone(text)))
                .collect();
            ones
        };
        let one = |text: &str| vec![text.to_owned()];
        let flags = [
            of("dir", &self.dir, &|t| GrantFlags {
                dir: one(t),
                ..none()
            }),
            of("env", &self.env, &|t| GrantFlags {
                env: one(t),
                ..none()
            }),
            of("net", &self.net, &|t| GrantFlags {
                net: one(t),
                ..none()
            }),
            of("bind", &self.bind, &|t| GrantFlags {
                bind: one(t),
                ..none()
            }),
            of("http", &self.http, &|t| GrantFlags {
                http: one(t),
                ..none()
            }),
            of("keyvalue", &self.keyvalue, &|t| GrantFlags {
                keyvalue: one(t),
                ..none()
            }),
            of("blobs", &self.blobs, &|t| GrantFlags {
                blobs: one(t),
                ..none()
            }),
            of("sqlite", &self.sqlite, &|t| GrantFlags {
                sqlite: one(t),
                ..none()
            }),
            of("redis", &self.redis, &|t| GrantFlags {
                redis: one(t),
                ..none()
            }),
            of("mqtt", &self.mqtt, &|t| GrantFlags {
                mqtt: one(t),
                ..none()
            }),
            of("postgres", &self.postgres, &|t| GrantFlags {
                postgres: one(t),
                ..none()
            }),
            of("mysql", &self.mysql, &|t| GrantFlags {
                mysql: one(t),
                ..none()
            }),
            of("config", &self.config, &|t| GrantFlags {
                config: one(t),
                ..none()
            }),
        ];
        let mut problems = Vec::new();
        for (written, alone) in flags.into_iter().flatten() {
            let resolved = alone.grants().map_err(|problem| vec![problem]);
            if let Err(list) = resolved.and_then(|grants| Grants::resolve(&grants, place)) {
                problems.extend(list.into_iter().map(|mut problem| {
                    problem.message = format!("`{written}`: {}", problem.message);
                    problem
                }));
            }
        }
        problems
    }
}

/// A place for grants without a manifest: relative to the current folder.
pub fn place_here(state: Option<PathBuf>) -> Place {
    let base = std::env::current_dir().unwrap_or_default();
    Place {
        state: state.unwrap_or_else(|| base.join(".holm")),
        base,
        stores: Arc::from(Vec::new()),
        shared: Arc::default(),
    }
}

/// The smallest set of grants that a run used, ready to paste: first as a manifest, then as flags.
pub fn explain(uses: &[Use], name: &str, grants: &Grants, given: &GrantFlags) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut flags = Vec::new();
    let _ = writeln!(text, "[component.{name}.grants]");
    let of = |grant: &str| {
        uses.iter()
            .filter(move |u| u.grant == grant)
            .collect::<Vec<_>>()
    };
    let quoted = |uses: &[&Use]| {
        uses.iter()
            .map(|u| toml_text(&u.scope))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let dirs = once(&of("dirs"));
    let lines: Vec<String> = dirs
        .iter()
        .map(|(guest, write)| {
            let host = grants.files.dirs().iter().find(|d| d.guest == *guest);
            let host = host.map_or(*guest, |d| d.written.as_str());
            let mode = if *write { "" } else { ":ro" };
            flags.push(format!(
                "--dir {}",
                shell_word(&format!("{host}::{guest}{mode}"))
            ));
            let access = if *write { "write" } else { "read" };
            let (guest, host) = (toml_text(guest), toml_text(host));
            format!("{guest} = {{ path = {host}, access = {access:?} }}")
        })
        .collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "dirs = {{ {} }}", lines.join(", "));
    }
    let env: Vec<String> = of("env")
        .iter()
        .filter_map(|u| {
            grants
                .environment
                .variables()
                .iter()
                .find(|(name, _)| *name == u.scope)
        })
        .map(|(name, value)| match given.env.contains(name) {
            // Inherited: its value is the user's and stays out of sight.
            true => {
                flags.push(format!("--env {name}"));
                format!("{} = {{ inherit = true }}", toml_key(name))
            }
            false => {
                flags.push(format!("--env {}", shell_word(&format!("{name}={value}"))));
                format!("{} = {}", toml_key(name), toml_text(value))
            }
        })
        .collect();
    if !env.is_empty() {
        let _ = writeln!(text, "env = {{ {} }}", env.join(", "));
    }
    // Whoever connects to a name has looked it up.
    let connected = |name: &str| {
        let of_name = |u: &Use| u.access == "connect" && host(&u.scope) == name;
        uses.iter().any(|u| u.grant == "net" && of_name(u))
    };
    let mut net = of("net");
    net.retain(|u| u.access != LOOK_UP || !connected(host(&u.scope)));
    let (listen, connect): (Vec<&Use>, Vec<&Use>) = net.iter().partition(|u| u.access == "listen");
    flags.extend(
        connect
            .iter()
            .map(|u| format!("--net {}", shell_word(&u.scope))),
    );
    flags.extend(
        listen
            .iter()
            .map(|u| format!("--bind {}", shell_word(&u.scope))),
    );
    match (connect.is_empty(), listen.is_empty()) {
        (true, true) => {}
        (false, true) => {
            let _ = writeln!(text, "net = [{}]", quoted(&connect));
        }
        _ => {
            let _ = writeln!(
                text,
                "net = {{ connect = [{}], listen = [{}] }}",
                quoted(&connect),
                quoted(&listen)
            );
        }
    }
    let blobs = once(&of("blobs"));
    if !blobs.is_empty() {
        let ones = blobs.iter().map(|(store, write)| match write {
            true => toml_text(store),
            false => format!("{{ store = {}, access = \"read\" }}", toml_text(store)),
        });
        let _ = writeln!(text, "blobs = [{}]", ones.collect::<Vec<_>>().join(", "));
        flags.extend(blobs.iter().map(|(store, _)| format!("--blobs {store}")));
    }
    let listed = [
        "http", "keyvalue", "sqlite", "redis", "mqtt", "postgres", "mysql",
    ];
    for grant in listed {
        let used = of(grant);
        if !used.is_empty() {
            flags.extend(
                used.iter()
                    .map(|u| format!("--{grant} {}", shell_word(&u.scope))),
            );
            let _ = writeln!(text, "{grant} = [{}]", quoted(&used));
        }
    }
    let config: Vec<String> = of("config")
        .iter()
        .map(|u| {
            let value = grants
                .config
                .values()
                .get(&u.scope)
                // Of this very command's own flags.
                .map(|value| value.reveal().clone())
                .unwrap_or_default();
            flags.push(format!(
                "--config {}",
                shell_word(&format!("{}={value}", u.scope))
            ));
            format!("{} = {}", toml_key(&u.scope), toml_text(&value))
        })
        .collect();
    if !config.is_empty() {
        let _ = writeln!(text, "config = {{ {} }}", config.join(", "));
    }
    if uses.is_empty() {
        return "# it used no grant at all\n".into();
    }
    let _ = writeln!(text, "# the same for `holm run`: {}", flags.join(" "));
    text
}

/// Each scope once, and whether it was written to.
fn once<'a>(uses: &[&'a Use]) -> Vec<(&'a str, bool)> {
    let mut scopes: Vec<(&str, bool)> = Vec::new();
    for used in uses {
        match scopes.iter_mut().find(|(scope, _)| *scope == used.scope) {
            Some((_, write)) => *write |= used.access == "write",
            None => scopes.push((&used.scope, used.access == "write")),
        }
    }
    scopes
}

/// The host of `host:port`.
fn host(scope: &str) -> &str {
    scope.rsplit_once(':').map_or(scope, |(host, _)| host)
}

/// One word of a shell's command line, quoted where it must be.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A string of TOML.
fn toml_text(text: &str) -> String {
    use std::fmt::Write as _;
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// A key of TOML.
fn toml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => toml_text(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_quoted_where_it_must_be() {
        assert_eq!(shell_word("A=b"), "A=b");
        assert_eq!(shell_word("a b::/c"), "'a b::/c'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("$HOME"), "'$HOME'");
        assert_eq!(shell_word("*:443"), "'*:443'");
        assert_eq!(toml_text("a\"b\\c\n\u{7f}"), r#""a\"b\\c\u000a\u007f""#);
        assert_eq!(toml_key("GREETING"), "GREETING");
        assert_eq!(toml_key("a.b"), "\"a.b\"");
    }
}
