//! One test of the suite: its templates, and what it asks and expects.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A test with one of the two forms of its guest
pub struct Case {
    /// The test's folder, and `.core` behind it for the core module
    pub name: String,
    /// The text of `spin.toml`, a template
    pub manifest: String,
    /// The text of `test.json5`, a template
    test: String,
    /// The folder of the built guests
    prebuilt: PathBuf,
    /// Whether the guest is the core module
    core: bool,
}

/// What is asked and expected.
///
/// Unknown fields are errors everywhere here: an expectation that the runner does not understand must
/// not count as met.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// Requests and their answers, in order
    pub invocations: Vec<Invocation>,
    /// What must be there beside the app
    #[serde(default)]
    pub preconditions: Vec<Precondition>,
}

/// One request and what must come back
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invocation {
    /// The request
    pub request: Request,
    /// The answer
    pub response: Response,
}

/// A request
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// In lower case
    #[serde(default = "get")]
    pub method: String,
    /// With its query
    #[serde(default = "slash")]
    pub path: String,
    /// Its headers; without a Host the server's address is one
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Its body
    #[serde(default)]
    pub body: String,
}

/// An answer
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Its status
    #[serde(default = "ok")]
    pub status: u16,
    /// All headers that it may have
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Its body
    #[serde(default)]
    pub body: String,
}

/// A header
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name
    pub name: String,
    /// Its value, if that matters
    pub value: Option<String>,
    /// Whether an answer may lack it
    #[serde(default)]
    pub optional: bool,
}

/// What must be there beside the app
#[derive(PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Precondition {
    /// A store of keys and values, which hosts have by themselves
    KeyValueStore {
        /// Its name
        #[serde(rename = "label")]
        _label: String,
    },
    /// A database of SQLite, the same
    Sqlite,
    /// A server that sends a request's body back
    HttpEcho,
    /// A server that sends back what it receives
    TcpEcho,
    /// A Redis server
    Redis,
    /// A broker of MQTT
    Mqtt,
    /// A PostgreSQL server
    Postgres,
}

fn get() -> String {
    "get".into()
}

fn slash() -> String {
    "/".into()
}

fn ok() -> u16 {
    200
}

impl Case {
    /// Reads a test's folder.
    pub fn read(folder: &Path, prebuilt: &Path, core: bool) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
        };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let case = Self {
            name: match core {
                true => format!("{name}.core"),
                false => name.into_owned(),
            },
            manifest: read("spin.toml")?,
            test: read("test.json5")?,
            prebuilt: prebuilt.to_owned(),
            core,
        };
        // A test that the runner cannot read is told before any has run.
        case.test(&|_| Ok(1))?;
        Ok(case)
    }

    /// What is asked and expected, with the ports of servers filled in.
    pub fn test(&self, port: &dyn Fn(u16) -> Result<u16>) -> Result<Test> {
        let text = self.render(&self.test, port)?.0;
        json5::from_str(&text).with_context(|| format!("test.json5 of {}", self.name))
    }

    /// A template filled in, and the guests that it names: the file beside the manifest, and where it
    /// is.
    pub fn render(
        &self,
        template: &str,
        port: &dyn Fn(u16) -> Result<u16>,
    ) -> Result<(String, Vec<(String, PathBuf)>)> {
        let mut out = String::new();
        let mut guests = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("%{") {
            let (word, after) = after.split_once('}').context("`%{` without `}`")?;
            out.push_str(before);
            match word.split_once('=') {
                Some(("port", usual)) => {
                    let usual = usual
                        .parse()
                        .with_context(|| format!("`{usual}` is no port"))?;
                    out.push_str(&port(usual)?.to_string());
                }
                Some(("source", guest)) => {
                    let ending = if self.core { "core.wasm" } else { "wasm" };
                    let file = format!("{guest}.{ending}");
                    guests.push((file.clone(), self.prebuilt.join(&file)));
                    out.push_str(&file);
                }
                _ => bail!("`%{{{word}}}` is no word of a template"),
            }
            rest = after;
        }
        out.push_str(rest);
        Ok((out, guests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(core: bool) -> Case {
        Case {
            name: "a".into(),
            manifest: String::new(),
            test: "{ invocations: [{ request: { headers: [{ name: 'a', value: '%{port=7}' }] }, \
                   response: { body: \"x\" } }], preconditions: [{ kind: 'tcp-echo' }] }"
                .into(),
            prebuilt: "p".into(),
            core,
        }
    }

    #[test]
    fn templates_are_filled_in() {
        let port = |usual: u16| Ok(usual + 1000);
        let (text, guests) = case(false)
            .render("s = \"%{source=g}\" %{port=80}.", &port)
            .unwrap();
        assert_eq!(text, "s = \"g.wasm\" 1080.");
        assert_eq!(guests, [("g.wasm".to_owned(), PathBuf::from("p/g.wasm"))]);
        assert_eq!(
            case(true).render("%{source=g}", &port).unwrap().0,
            "g.core.wasm"
        );
        for bad in ["%{x}", "%{port=x}", "%{source=g"] {
            assert!(case(false).render(bad, &port).is_err(), "{bad}");
        }
        let test = case(false).test(&port).unwrap();
        let request = &test.invocations[0].request;
        assert_eq!((&*request.method, &*request.path), ("get", "/"));
        assert_eq!(request.headers[0].value.as_deref(), Some("1007"));
        assert_eq!(test.invocations[0].response.status, 200);
    }
}
