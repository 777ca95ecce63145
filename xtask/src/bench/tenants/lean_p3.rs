//! The lean component of WASI 0.3: the floor of what a reused instance can cost.

use std::path::Path;

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};

const TEMPLATE: &str = include_str!("lean_p3.wat");

/// What it answers
const ANSWER: &str = "lean";

/// One in the world of a guest that answers HTTP by WASI 0.3.
pub fn component(like: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(like).with_context(|| format!("cannot read {}", like.display()))?;
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&bytes)? else {
        anyhow::bail!("{} is no component", like.display());
    };
    let keys = resolve.worlds[world].imports.keys();
    let keys = keys.chain(resolve.worlds[world].exports.keys());
    let names: Vec<String> = keys.map(|key| resolve.name_world_key(key)).collect();
    let find = |wanted: &str| {
        let is_wanted = |name: &&String| name.starts_with(wanted);
        let found = names.iter().find(is_wanted);
        found.with_context(|| format!("{} has no {wanted}", like.display()))
    };
    let text = TEMPLATE
        .replace("{types}", find("wasi:http/types@")?)
        .replace("{handler}", find("wasi:http/handler@")?)
        .replace("{answer}", ANSWER)
        .replace("{length}", &ANSWER.len().to_string());
    let mut module = wat::parse_str(&text).context("the template is no module")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
}
