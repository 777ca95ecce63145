//! Typed calls from text: `greet("Ada")`, `holm:greet/api.add(1, 2)`; arguments and results in WAVE.

use crate::artifact::Code;
use crate::call::{MakeState, Outcome, close, metered, stoppable};
use crate::core::InstanceState;
use crate::error::{Error, Result};
use crate::fault::{Ended, explain};
use crate::link::{Pre, Prepared};
use std::time::Instant;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::wasm_wave::wasm::DisplayFuncResults;
use wasmtime::component::{Component, ComponentExportIndex, Val};
use wasmtime::{Store, ValType};

/// A function that can be called, as a user names it.
struct Callable {
    /// `interface.function`, or the function alone where it is the component's own.
    name: String,
    index: ComponentExportIndex,
    ty: ComponentFunc,
}

impl<S: InstanceState> Prepared<S> {
    /// Calls an exported function; gives its results as WAVE text, empty where there are none.
    pub async fn invoke(&self, call: &str, make: MakeState<S>) -> Outcome<String> {
        let began = Instant::now();
        let mut store = match make().and_then(|state| self.store(state)) {
            Ok(store) => store,
            Err(error) => return Outcome::failed(crate::call::cannot_start(&error)),
        };
        let meter = store.data_mut().core().budget.meter.clone();
        let timeout = store.data_mut().core().budget.allowance().timeout;
        let stop = store.data_mut().core().stop.clone();
        let called = metered(&meter, timeout, self.dispatch(&mut store, call));
        let result = match stoppable(stop, called).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(yours)) => Err(yours),
            Err(error) => match explain(error, store.data_mut().core()) {
                Ended::Exit(code) => Err(Error::guest(format!(
                    "the function ended the program with exit code {code}"
                ))),
                Ended::Fault(error) => Err(*error),
            },
        };
        Outcome {
            result,
            receipt: Some(close(&mut store, began)),
            denials: store.data_mut().core().denials.list(),
        }
    }

    async fn dispatch(&self, store: &mut Store<S>, call: &str) -> wasmtime::Result<Result<String>> {
        match (&self.pre, &self.artifact.code) {
            (Pre::Component(pre), Code::Component(component)) => {
                let (callable, arguments) = match resolve(component, call) {
                    Ok(found) => found,
                    Err(error) => return Ok(Err(error)),
                };
                let instance = pre.instantiate_async(&mut *store).await?;
                let Some(function) = instance.get_func(&mut *store, callable.index) else {
                    return Ok(Err(Error::ours(format!(
                        "export `{}` was found and is gone",
                        callable.name
                    ))));
                };
                let mut results = vec![Val::Bool(false); callable.ty.results().len()];
                if self.artifact.key.concurrency {
                    store
                        .run_concurrent(async |store| {
                            function
                                .call_concurrent(store, &arguments, &mut results)
                                .await
                        })
                        .await??;
                } else {
                    function
                        .call_async(&mut *store, &arguments, &mut results)
                        .await?;
                }
                if results.is_empty() {
                    return Ok(Ok(String::new()));
                }
                Ok(Ok(DisplayFuncResults(&results).to_string()))
            }
            (Pre::Module(pre), _) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                invoke_module(store, &instance, call).await
            }
            _ => Ok(Err(Error::yours(
                "functions of a module with threads cannot be invoked",
            ))),
        }
    }
}

/// Finds the function that a call names, and reads its arguments.
fn resolve(component: &Component, call: &str) -> Result<(Callable, Vec<Val>)> {
    let example = || "write it as in WAVE: --invoke 'greet(\"Ada\")'";
    let parsed = UntypedFuncCall::parse(call).map_err(|e| {
        Error::yours(format!("`{call}` is not a call"))
            .caused_by(e.to_string())
            .help(example())
    })?;
    let wanted = parsed.name();
    let all = callables(component);
    let same = |c: &&Callable| {
        c.name == wanted
            || c.name.rsplit('.').next() == Some(wanted)
            || without_version(&c.name) == wanted
    };
    let found: Vec<&Callable> = all.iter().filter(same).collect();
    let callable = match found.as_slice() {
        [one] => one,
        [] => {
            let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
            let mut error = Error::yours(format!("the component exports no function `{wanted}`"));
            let last = |n: &&str| n.rsplit('.').next().unwrap_or(n).to_owned();
            let shorts: Vec<String> = names.iter().map(last).collect();
            if let Some(near) = holm_manifest::nearest(wanted, shorts.iter().map(String::as_str)) {
                error = error.help(format!("did you mean `{near}`?"));
            }
            return Err(error.help(match names.is_empty() {
                true => "it exports no functions that can be called by name".into(),
                false => format!("it exports: {}", names.join(", ")),
            }));
        }
        many => {
            let names: Vec<&str> = many.iter().map(|c| c.name.as_str()).collect();
            return Err(
                Error::yours(format!("`{wanted}` could be any of: {}", names.join(", ")))
                    .help("name the interface too: interface.function(…)"),
            );
        }
    };
    let types: Vec<_> = callable.ty.params().map(|(_, ty)| ty).collect();
    let arguments = parsed.to_wasm_params::<Val>(&types).map_err(|e| {
        Error::yours(format!("the arguments of `{}` do not fit", callable.name))
            .caused_by(e.to_string())
            .help(format!(
                "its signature: {}",
                signature(&callable.name, &callable.ty)
            ))
    })?;
    Ok((
        Callable {
            name: callable.name.clone(),
            index: callable.index,
            ty: callable.ty.clone(),
        },
        arguments,
    ))
}

fn callables(component: &Component) -> Vec<Callable> {
    let engine = component.engine();
    let ty = component.component_type();
    let mut all = Vec::new();
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(ty) => {
                if let Some(index) = component.get_export_index(None, name) {
                    all.push(Callable {
                        name: name.to_owned(),
                        index,
                        ty,
                    });
                }
            }
            ComponentItem::ComponentInstance(instance) => {
                let Some(outer) = component.get_export_index(None, name) else {
                    continue;
                };
                for (function, item) in instance.exports(engine) {
                    if let ComponentItem::ComponentFunc(ty) = item.ty
                        && let Some(index) = component.get_export_index(Some(&outer), function)
                    {
                        all.push(Callable {
                            name: format!("{name}.{function}"),
                            index,
                            ty,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    all
}

/// `holm:greet/api@0.1.0.add` without its version: `holm:greet/api.add`.
fn without_version(name: &str) -> String {
    match (name.find('@'), name.rfind('.')) {
        (Some(at), Some(dot)) if at < dot => format!("{}{}", &name[..at], &name[dot..]),
        _ => name.to_owned(),
    }
}

fn signature(name: &str, ty: &ComponentFunc) -> String {
    use wasmtime::component::wasm_wave::wasm::DisplayType;
    let params: Vec<String> = ty
        .params()
        .map(|(name, ty)| format!("{name}: {}", DisplayType(&ty)))
        .collect();
    let results: Vec<String> = ty
        .results()
        .map(|ty| DisplayType(&ty).to_string())
        .collect();
    let short = name.rsplit('.').next().unwrap_or(name);
    match results.is_empty() {
        true => format!("{short}({})", params.join(", ")),
        false => format!("{short}({}) -> {}", params.join(", "), results.join(", ")),
    }
}

/// Core modules: numbers only, in the same syntax.
async fn invoke_module<S: Send>(
    store: &mut Store<S>,
    instance: &wasmtime::Instance,
    call: &str,
) -> wasmtime::Result<Result<String>> {
    let (name, arguments) = match call.split_once('(') {
        None => (call.trim(), ""),
        Some((name, rest)) => match rest.trim_end().strip_suffix(')') {
            Some(arguments) => (name.trim(), arguments),
            None => {
                let error = Error::yours(format!("`{call}` is not a call"));
                return Ok(Err(error.help("write it as name(1, 2)")));
            }
        },
    };
    if let Some(initialize) = instance.get_func(&mut *store, "_initialize") {
        initialize
            .typed::<(), ()>(&*store)?
            .call_async(&mut *store, ())
            .await?;
    }
    let Some(function) = instance.get_func(&mut *store, name) else {
        let names: Vec<String> = instance
            .exports(&mut *store)
            .filter_map(|e| {
                let n = e.name().to_owned();
                e.into_func().map(|_| n)
            })
            .collect();
        let mut error = Error::yours(format!("the module exports no function `{name}`"));
        if let Some(near) = holm_manifest::nearest(name, names.iter().map(String::as_str)) {
            error = error.help(format!("did you mean `{near}`?"));
        }
        return Ok(Err(error.help(format!("it exports: {}", names.join(", ")))));
    };
    let ty = function.ty(&*store);
    let given: Vec<&str> = arguments
        .split(',')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .collect();
    if given.len() != ty.params().len() {
        return Ok(Err(Error::yours(format!(
            "`{name}` takes {} arguments, {} were given",
            ty.params().len(),
            given.len()
        ))
        .help(format!("its type: {ty}"))));
    }
    let mut values = Vec::with_capacity(given.len());
    for (text, ty) in given.iter().zip(ty.params()) {
        let value = match ty {
            ValType::I32 => text.parse().map(wasmtime::Val::I32).ok(),
            ValType::I64 => text.parse().map(wasmtime::Val::I64).ok(),
            ValType::F32 => text
                .parse::<f32>()
                .map(|f| wasmtime::Val::F32(f.to_bits()))
                .ok(),
            ValType::F64 => text
                .parse::<f64>()
                .map(|f| wasmtime::Val::F64(f.to_bits()))
                .ok(),
            _ => None,
        };
        match value {
            Some(value) => values.push(value),
            None => {
                let error = Error::yours(format!("`{text}` is not of type {ty}"));
                return Ok(Err(error.help("core modules take and give numbers alone")));
            }
        }
    }
    let mut results = vec![wasmtime::Val::I32(0); ty.results().len()];
    function
        .call_async(&mut *store, &values, &mut results)
        .await?;
    let shown: Vec<String> = results
        .iter()
        .map(|value| match value {
            wasmtime::Val::I32(v) => v.to_string(),
            wasmtime::Val::I64(v) => v.to_string(),
            wasmtime::Val::F32(v) => f32::from_bits(*v).to_string(),
            wasmtime::Val::F64(v) => f64::from_bits(*v).to_string(),
            wasmtime::Val::V128(v) => v.as_u128().to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    Ok(Ok(shown.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function for each shape of a value.
    const EXPORTS: &str = r#"(component
        (core module $m
            (func (export "two") (param i32 i32) unreachable)
            (func (export "three") (param i32 i32 i32) unreachable)
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (alias core export $i "memory" (core memory $memory))
        (alias core export $i "realloc" (core func $realloc))
        (type $record (record (field "name" string) (field "age" u8)))
        (export $person "person" (type $record))
        (func (export "people") (param "who" (list $person))
            (canon lift (core func $i "two") (memory $memory) (realloc (core func $realloc))))
        (func (export "shape") (param "one" (option char)) (param "two" (result))
            (canon lift (core func $i "three"))))"#;

    #[test]
    fn whatever_the_call_it_fits_or_is_explained() {
        let component = Component::new(
            &wasmtime::Engine::default(),
            wat::parse_str(EXPORTS).unwrap(),
        )
        .unwrap();
        let words = [
            "people(",
            "some(",
            "[{name: \"",
            "\\u{",
            "ok",
            "%",
            "...",
            ")",
        ];
        crate::fuzz::text("invoke", &words, |call| match resolve(&component, call) {
            Ok((callable, arguments)) => assert_eq!(callable.ty.params().len(), arguments.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        });
    }
}
