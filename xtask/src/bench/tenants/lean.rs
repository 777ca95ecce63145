//! Components made for measuring: small, each with code of its own, as many as are wanted.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

const TEMPLATE: &str = include_str!("lean.wat");

/// Makes components in the world of a guest that was built by a real toolchain.
pub struct Lean {
    resolve: Resolve,
    world: WorldId,
    types: String,
    streams: String,
    clock: String,
    poll: String,
    handler: String,
}

impl Lean {
    /// In the world of this guest: it has to answer HTTP by WASI 0.2 and to import what a command
    /// would.
    pub fn like(guest: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(guest).with_context(|| format!("cannot read {}", guest.display()))?;
        let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes)? else {
            anyhow::bail!("{} is no component", guest.display());
        };
        let name = |key: &wit_parser::WorldKey| resolve.name_world_key(key);
        let world_of = &resolve.worlds[world];
        let find = |wanted: &str, all: Vec<String>| {
            let is_wanted = |name: &String| name.split('@').next() == Some(wanted);
            all.into_iter()
                .find(is_wanted)
                .with_context(|| format!("{} has no {wanted}", guest.display()))
        };
        let import = |wanted: &str| find(wanted, world_of.imports.keys().map(name).collect());
        let handler = "wasi:http/incoming-handler";
        Ok(Lean {
            types: import("wasi:http/types")?,
            streams: import("wasi:io/streams")?,
            clock: import("wasi:clocks/monotonic-clock").unwrap_or_default(),
            poll: import("wasi:io/poll").unwrap_or_default(),
            handler: find(handler, world_of.exports.keys().map(name).collect())?,
            resolve,
            world,
        })
    }

    /// One that answers `answer`, after so many milliseconds of sleep; `own` makes its code differ
    /// from all others'.
    pub fn component(&self, answer: &str, own: u32, sleep_ms: u64) -> Result<Vec<u8>> {
        ensure!(
            answer.len() < 2048 && answer.bytes().all(|byte| byte.is_ascii_graphic()),
            "an answer is one short word"
        );
        let (imports, before) = match sleep_ms {
            0 => (String::new(), String::new()),
            ms => {
                ensure!(
                    !self.clock.is_empty(),
                    "this world has no clock to sleep by"
                );
                (self.sleep_imports(), sleep(ms))
            }
        };
        let text = TEMPLATE
            .replace("{types}", &self.types)
            .replace("{streams}", &self.streams)
            .replace("{handler}", &self.handler)
            .replace("{imports}", &imports)
            .replace("{before}", &before)
            .replace("{answer}", answer)
            .replace("{length}", &answer.len().to_string())
            .replace("{own}", &own.to_string());
        let mut module = wat::parse_str(&text).context("the template is no module")?;
        embed_component_metadata(&mut module, &self.resolve, self.world, StringEncoding::UTF8)?;
        ComponentEncoder::default()
            .validate(true)
            .module(&module)?
            .encode()
    }

    fn sleep_imports(&self) -> String {
        format!(
            "(import \"{}\" \"subscribe-duration\" (func $after (param i64) (result i32)))
             (import \"{}\" \"[method]pollable.block\" (func $block (param i32)))
             (import \"{}\" \"[resource-drop]pollable\" (func $drop-pollable (param i32)))",
            self.clock, self.poll, self.poll
        )
    }
}

fn sleep(ms: u64) -> String {
    format!(
        "(local.set $r (call $after (i64.const {})))
         (call $block (local.get $r))
         (call $drop-pollable (local.get $r))",
        ms * 1_000_000
    )
}
