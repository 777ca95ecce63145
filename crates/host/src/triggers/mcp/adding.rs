//! The tools of one app: which functions of its components they are, and what each is called.

use super::toolbox::{Chosen, Table, Tool};
use super::{names, schema};
use crate::app::{App, problem};
use crate::component::Component;
use crate::functions::pattern::Pattern;
use crate::functions::{Exposed, Function};
use holm_manifest::{Problem, Span};
use holm_runtime::values::{Signature, Signatures, Surface, callable};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The tools of an app, as they are added.
pub(super) struct Adding<'a> {
    app: &'a App,
    /// Names of others' tools.
    taken: &'a BTreeSet<String>,
    tools: Table,
    refused: BTreeSet<String>,
    signatures: Vec<Arc<Signatures>>,
}

impl<'a> Adding<'a> {
    /// None yet.
    pub fn new(app: &'a App, taken: &'a BTreeSet<String>) -> Self {
        Adding {
            app,
            taken,
            tools: Table::new(),
            refused: BTreeSet::new(),
            signatures: Vec::new(),
        }
    }

    /// The tools; and what was meant and cannot be one, with the reason.
    pub fn finish(self) -> (Table, Vec<String>) {
        (self.tools, self.refused.into_iter().collect())
    }

    /// Loads a component and adds its tools; what is wrong with it.
    pub fn add(&mut self, chosen: &Chosen) -> Vec<Problem> {
        let named = |c: &&Arc<Component>| *c.name == *chosen.component;
        let Some(component) = self.app.components.iter().find(named) else {
            // The manifest's own check has said so.
            return Vec::new();
        };
        let loaded = match component.load() {
            Ok(loaded) => loaded,
            Err(problems) => return problems,
        };
        let signatures = match loaded.signatures() {
            Ok(signatures) => signatures,
            Err(error) => {
                let written = chosen.written.as_ref();
                let at = written.map_or(Span::default(), |written| written.span);
                return vec![problem(&error, at)];
            }
        };
        let check = |written| {
            chosen
                .functions
                .check(&signatures, &component.name, written)
        };
        let problems = chosen.written.as_ref().map_or(Vec::new(), check);
        let exposed = Exposed::new(&signatures, &chosen.functions);
        let names = Names::of(&component.name, &signatures);
        for function in exposed.functions {
            self.insert(names.name(&function.signature), component, function);
        }
        let refused = exposed.refused.iter();
        self.refused.extend(refused.map(|not| {
            let name = not.signature.name();
            format!("`{name}` of `{}`: {}", component.name, not.reason)
        }));
        self.signatures.push(signatures);
        problems
    }

    fn insert(&mut self, name: String, component: &Arc<Component>, function: Arc<Function>) {
        let is_it = |tool: &Tool| {
            Arc::ptr_eq(&tool.component, component)
                && tool.function.signature.position == function.signature.position
        };
        let name = match self.tools.get(&name) {
            // Two tables may list one function.
            Some(tool) if is_it(tool) => return,
            None if !self.taken.contains(&name) => name,
            _ => names::apart(&name, &component.name, &function.path()),
        };
        let tool = Tool {
            component: component.clone(),
            shown: schema::tool(name.clone(), &function),
            function,
        };
        self.tools.insert(name, Arc::new(tool));
    }

    /// Patterns of flags that mean nothing in any component, or nothing that can be called.
    pub fn meant_nothing(&self, chosen: &[Chosen]) -> Vec<Problem> {
        let of_flags = chosen.iter().find(|chosen| chosen.written.is_none());
        let patterns = of_flags.map_or(&[][..], |chosen| chosen.functions.patterns());
        let exports = || self.signatures.iter().flat_map(|s| &s.exports);
        let wrong = |pattern: &Pattern| {
            let mut meant = exports()
                .filter(|s| pattern.matches(s.interface.as_deref(), &s.local_name()))
                .peekable();
            if meant.peek().is_none() && *pattern != Pattern::All {
                let what = format!("no function is meant by --tool {pattern}");
                let help = "`holm inspect FILE` lists what a component exports";
                return Some(Problem::error(what).help(help));
            }
            let one = matches!(pattern, Pattern::One(_)).then_some(meant)?;
            let reasons: Option<Vec<String>> = one
                .map(|s| callable::check(s, Surface::ONE_CALL).err())
                .collect();
            let reason = reasons?.into_iter().next()?;
            let what = format!("--tool {pattern} cannot be called from here: {reason}");
            Some(Problem::error(what))
        };
        patterns.iter().filter_map(wrong).collect()
    }
}

/// What the functions of a component are called as tools. All of them have a say, also those that are
/// no tools: a name stays what it is when another function becomes one.
struct Names<'a> {
    component: &'a str,
    /// How many have a short name.
    short: BTreeMap<String, u32>,
}

impl<'a> Names<'a> {
    fn of(component: &'a str, signatures: &Signatures) -> Self {
        let mut short = BTreeMap::new();
        for signature in &signatures.exports {
            *short
                .entry(Self::tool(component, signature, false))
                .or_default() += 1;
        }
        Names { component, short }
    }

    fn name(&self, signature: &Signature) -> String {
        let short = Self::tool(self.component, signature, false);
        match self.short.get(&short) {
            Some(2..) => Self::tool(self.component, signature, true),
            _ => short,
        }
    }

    fn tool(component: &str, signature: &Signature, whole: bool) -> String {
        let interface = signature.interface.as_deref();
        names::tool(component, interface, &signature.local_name(), whole)
    }
}
