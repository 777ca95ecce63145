//! Every capability and every trigger has its page.

use super::Finding;
use super::tree::Tree;

const CAPABILITIES: &str = "crates/capabilities/src/";
const TRIGGERS: &str = "crates/host/src/triggers/";

pub fn check(tree: &Tree) -> Vec<Finding> {
    let capabilities = tree.folders(CAPABILITIES).into_iter().filter(|name| {
        // Other folders share that place; a capability is what implements the trait.
        let folder = format!("{CAPABILITIES}{name}/");
        tree.texts().any(|(path, text)| {
            path.starts_with(&folder)
                && text
                    .lines()
                    .any(|line| line.starts_with("impl Capability for "))
        })
    });
    let capabilities =
        capabilities.filter_map(|name| missing(tree, CAPABILITIES, "capabilities", name));
    let triggers = tree.folders(TRIGGERS).into_iter();
    let triggers = triggers.filter_map(|name| missing(tree, TRIGGERS, "triggers", name));
    capabilities.chain(triggers).collect()
}

fn missing(tree: &Tree, below: &str, kind: &str, name: &str) -> Option<Finding> {
    let page = format!("docs/{kind}/{name}.md");
    let message = format!(
        "has no page; write {page}: what it is for, what the manifest says about it, an example, \
         its limits"
    );
    (!tree.has(&page)).then(|| Finding::in_file(&format!("{below}{name}/"), message))
}
