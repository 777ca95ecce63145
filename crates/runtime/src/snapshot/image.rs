//! The image of a started component: made, and proved.

use super::module::Module;
use super::plan::Plan;
use super::start::{ModuleState, Then, start};
use super::{Refused, rewrite};
use wasmtime::Engine;

/// A component that begins where its start ends.
#[derive(Debug)]
pub struct Image {
    /// The component, as a binary.
    pub component: Vec<u8>,
    /// Linear memory that an instance has from the beginning, in bytes.
    pub memory: u64,
}

/// Starts what `plan` describes, writes the image, and proves it.
pub(super) fn take(plan: &Plan<'_>, engine: &Engine) -> Result<Image, Refused> {
    if !plan.modules.iter().any(|m| m.starts || m.allocates) {
        return Err(Refused::NothingToStart);
    }
    let compiled = compile(engine, plan)?;
    let state = start(engine, plan, &compiled, Then::WarmUp)?;
    let modules: Vec<Vec<u8>> = plan
        .modules
        .iter()
        .zip(&state)
        .map(|(module, state)| match state {
            Some(state) => rewrite::begun(module, state),
            None => Ok(rewrite::unchanged(module)),
        })
        .collect::<Result<_, _>>()?;
    let component = plan.with_modules(&modules);
    prove(engine, plan, &compiled, &state, &component)?;
    let memories = state.iter().flatten().flat_map(|s| &s.memories);
    Ok(Image {
        component,
        memory: memories.map(|m| m.len() as u64).sum(),
    })
}

/// The proof: a second start of the original, and an instance of the image that is left as it is,
/// both hold what the image was made from.
fn prove(
    engine: &Engine,
    plan: &Plan<'_>,
    compiled: &[wasmtime::Module],
    state: &[Option<ModuleState>],
    component: &[u8],
) -> Result<(), Refused> {
    let differs = |what: &str| Err(Refused::Differs(what.into()));
    if start(engine, plan, compiled, Then::WarmUp)? != state {
        return differs("two starts do not end alike");
    }
    let image = Plan::of(component)?;
    if image.modules.iter().any(|m| m.starts) || image.modules.len() != plan.modules.len() {
        return differs("something is left to start");
    }
    // Modules that are byte for byte as they were are not compiled again.
    let both = image.modules.iter().zip(&plan.modules).zip(compiled);
    let begun: Vec<wasmtime::Module> = both
        .map(|((module, original), compiled)| {
            if module.sections == original.sections {
                Ok(compiled.clone())
            } else {
                compile_one(engine, module)
            }
        })
        .collect::<Result<_, _>>()?;
    if start(engine, &image, &begun, Then::Nothing)? != state {
        return differs("an instance of it does not begin where the start ends");
    }
    Ok(())
}

fn compile(engine: &Engine, plan: &Plan<'_>) -> Result<Vec<wasmtime::Module>, Refused> {
    plan.modules
        .iter()
        .map(|module| compile_one(engine, module))
        .collect()
}

fn compile_one(engine: &Engine, module: &Module<'_>) -> Result<wasmtime::Module, Refused> {
    wasmtime::Module::new(engine, rewrite::exposed(module))
        .map_err(|e| Refused::Shape(format!("a module that cannot be looked into: {e:#}")))
}
