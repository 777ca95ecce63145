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

#[cfg(test)]
mod tests {
    use super::super::start::Value;
    use super::*;
    use crate::engines::{Engines, Proposals};

    fn engine() -> Engine {
        Engines::for_start(Proposals::default()).unwrap()
    }

    /// Proves what `forge` made of a component: of its plan and of the state that its start left.
    fn proved(
        wat: &str,
        forge: impl FnOnce(&Plan<'_>, &mut Vec<Option<ModuleState>>) -> Vec<Vec<u8>>,
    ) -> Result<(), Refused> {
        let binary = wat::parse_str(wat).unwrap();
        let engine = engine();
        let plan = Plan::of(&binary).unwrap();
        let compiled = compile(&engine, &plan).unwrap();
        let mut state = start(&engine, &plan, &compiled, Then::WarmUp).unwrap();
        let modules = forge(&plan, &mut state);
        let component = plan.with_modules(&modules);
        prove(&engine, &plan, &compiled, &state, &component)
    }

    /// The modules as the image has them, of a state.
    fn begun(plan: &Plan<'_>, state: &[Option<ModuleState>]) -> Vec<Vec<u8>> {
        let both = plan.modules.iter().zip(state);
        both.map(|(module, state)| rewrite::begun(module, state.as_ref().unwrap()).unwrap())
            .collect()
    }

    const STARTS: &str = r#"(component
        (core module $m (memory 1) (global $g (mut i32) (i32.const 1))
            (func $start (i32.store (i32.const 8) (i32.const 5)) (global.set $g (i32.const 2)))
            (start $start))
        (core instance (instantiate $m)))"#;

    const OTHER_THAN_THE_START: Result<(), &str> = Err(
        "its image differs from a second start: an instance of it does not begin where the start ends",
    );

    fn said(proved: Result<(), Refused>) -> Result<(), String> {
        proved.map_err(|refused| refused.to_string())
    }

    #[test]
    fn an_image_of_the_state_is_proved() {
        assert_eq!(proved(STARTS, |plan, state| begun(plan, state)), Ok(()));
    }

    #[test]
    fn an_image_that_is_wrong_by_one_bit_is_refused() {
        type Forge = fn(&mut ModuleState);
        let forgeries: [Forge; 4] = [
            |state| state.memories[0][8] ^= 1,
            |state| *state.memories[0].last_mut().unwrap() = 1,
            |state| state.memories[0].extend([0; 65_536]),
            |state| state.globals[0] = Value::I32(3),
        ];
        for forge in forgeries {
            let proved = proved(STARTS, |plan, state| {
                let mut wrong = state.clone();
                forge(wrong[0].as_mut().unwrap());
                begun(plan, &wrong)
            });
            assert_eq!(said(proved), OTHER_THAN_THE_START.map_err(str::to_owned));
        }
    }

    /// The image must not start again what it has started.
    #[test]
    fn an_image_that_would_start_again_is_refused() {
        let proved = proved(STARTS, |plan, _| {
            plan.modules.iter().map(rewrite::unchanged).collect()
        });
        let expected = "its image differs from a second start: something is left to start";
        assert_eq!(said(proved), Err(expected.to_owned()));
    }

    /// The image is what the state says, and the state is not what a start leaves.
    #[test]
    fn a_state_that_no_second_start_has_is_refused() {
        let proved = proved(STARTS, |plan, state| {
            state[0].as_mut().unwrap().memories[0][8] ^= 1;
            begun(plan, state)
        });
        let expected = "its image differs from a second start: two starts do not end alike";
        assert_eq!(said(proved), Err(expected.to_owned()));
    }

    /// Many memories are one amount, before the first byte of them is read.
    #[test]
    fn memories_of_a_start_share_one_room() {
        let memories = "(memory 400)".repeat(3);
        let wat = format!(
            "(component (core module $m {memories} (func $start) (start $start))
             (core instance (instantiate $m)))"
        );
        let refused = super::super::take(&wat::parse_str(wat).unwrap(), &engine()).unwrap_err();
        let expected = "it fails while it starts: it takes more than 64 MiB of memory";
        assert_eq!(refused.to_string(), expected);
    }
}
