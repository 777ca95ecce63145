//! The grants `net`, `http` and their like as a manifest writes them: a pattern, or a list of patterns, each
//! mistake at its place.

use super::{BadPattern, NetPolicy, OriginPolicy, Service};
use holm_manifest::{Problem, Value, ValueKind};

impl NetPolicy {
    /// Reads `net = […]`, or `net = { connect = […], listen = […] }`.
    pub fn read(value: &Value) -> (NetPolicy, Vec<Problem>) {
        let mut policy = NetPolicy::default();
        let mut problems = Vec::new();
        let Some(table) = value.as_table() else {
            let secret = each(value, &mut problems, |text| policy.add_connect(text));
            policy.secret = secret;
            return (policy, problems);
        };
        for (key, value) in table.iter() {
            match key.name.as_str() {
                "connect" => {
                    let secret = each(value, &mut problems, |text| policy.add_connect(text));
                    policy.secret |= secret;
                }
                "listen" => {
                    let secret = each(value, &mut problems, |text| policy.add_listen(text));
                    policy.secret |= secret;
                }
                other => problems.push(
                    Problem::error(format!("unknown key `{other}`"))
                        .at(key.span)
                        .help("known are `connect` and `listen`"),
                ),
            }
        }
        (policy, problems)
    }

    /// The schema of what [`NetPolicy::read`] reads.
    pub fn schema() -> schemars::Schema {
        let list = |what: &str| {
            serde_json::json!({
                "description": what,
                "type": ["string", "array"],
                "items": { "type": "string" },
            })
        };
        let connect = "Hosts and ports that may be connected to: `db.internal:5432`, \
                       `10.0.0.0/8:*`, `*.example.com:443`, `*`; the word `private` lets names lead to \
                       private addresses.";
        let listen = "Addresses and ports that may be listened on: `127.0.0.1:8080`, `0.0.0.0:*`.";
        schemars::json_schema!({
            "type": ["string", "array", "object"],
            "items": { "type": "string" },
            "properties": { "connect": list(connect), "listen": list(listen) },
            "additionalProperties": false,
        })
    }
}

impl OriginPolicy {
    /// Reads `http = […]`, or the grant of another service.
    pub fn read(service: Service, value: &Value) -> (OriginPolicy, Vec<Problem>) {
        let mut policy = OriginPolicy::of(service);
        let mut problems = Vec::new();
        let secret = each(value, &mut problems, |text| policy.add(text));
        policy.secret = secret;
        (policy, problems)
    }

    /// The schema of what [`OriginPolicy::read`] reads.
    pub fn schema() -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
        })
    }
}

/// Adds each pattern; says whether one was made of a secret variable.
fn each(
    value: &Value,
    problems: &mut Vec<Problem>,
    mut add: impl FnMut(&str) -> Result<(), BadPattern>,
) -> bool {
    let mut secret = false;
    let items = match &value.kind {
        ValueKind::Array(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    for item in items {
        secret |= matches!(item.kind, ValueKind::Secret(_));
        let problem = match item.as_str() {
            Some(text) => match add(text) {
                Ok(()) => continue,
                Err(bad) => Problem::error(bad.what).help(bad.help),
            },
            None => {
                Problem::error("expected a string").label(format!("this is {}", item.kind.name()))
            }
        };
        problems.push(problem.at(item.span));
    }
    secret
}
