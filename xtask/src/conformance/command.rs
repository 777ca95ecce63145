//! A case as a `holm` command line.

use std::ffi::OsString;
use std::path::Path;

use super::operation::Run;
use super::spec::{Spec, World};

/// The arguments that run a program as its case wants: `run` for commands, `up` for services.
///
/// `env` is the program's whole environment: the case's own and the addresses of its servers.
pub fn arguments(
    spec: &Spec,
    run: &Run,
    env: &[(String, String)],
    program: &Path,
    root: Option<&Path>,
) -> Vec<OsString> {
    let mut flags: Vec<OsString> = Vec::new();
    for (name, value) in env {
        flags.push("--env".into());
        flags.push(format!("{name}={value}").into());
    }
    if let Some(root) = root {
        let mut mapping = root.as_os_str().to_owned();
        mapping.push("::/");
        flags.push("--dir".into());
        flags.push(mapping);
    }
    // Cases dial and bind loopback ports that nobody knows beforehand.
    if !spec.proposals.is_empty() {
        flags.push("--allow-all-net".into());
    }

    let mut arguments: Vec<OsString> = Vec::new();
    match spec.world {
        World::Command => {
            arguments.push("run".into());
            arguments.append(&mut flags);
            arguments.push(program.into());
            arguments.extend(run.args.iter().map(OsString::from));
        }
        World::Service => {
            arguments.extend(["up", "--listen", "127.0.0.1:0"].map(OsString::from));
            arguments.append(&mut flags);
            arguments.push(program.into());
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(json: &str, env: &[(&str, &str)], root: Option<&str>) -> String {
        let spec = Spec::parse(json).unwrap();
        let super::super::operation::Operation::Run(run) = &spec.operations[0] else {
            panic!("the first operation runs");
        };
        let env: Vec<_> = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        arguments(&spec, run, &env, Path::new("a.wasm"), root.map(Path::new))
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_command_gets_its_root_and_arguments_and_no_network() {
        let json = r#"{"root": "fs.dir", "args": ["one", "two"]}"#;
        assert_eq!(
            line(json, &[], Some("tmp")),
            "run --dir tmp::/ a.wasm one two"
        );
    }

    #[test]
    fn a_service_is_served_with_its_servers_addresses() {
        let json = r#"{"proposals": ["http"], "world": "wasi:http/service"}"#;
        assert_eq!(
            line(json, &[("HTTP_SERVER_MAIN", "127.0.0.1:9")], None),
            "up --listen 127.0.0.1:0 --env HTTP_SERVER_MAIN=127.0.0.1:9 --allow-all-net a.wasm"
        );
    }
}
