//! Typed calls from text: `greet("Ada")`, `holm:greet/api.add(1, 2)`; arguments and results in WAVE.

use crate::call::{MakeState, Outcome, cannot_start, close, metered, stoppable};
use crate::core::InstanceState;
use crate::error::{Error, Result};
use crate::fault::{Ended, explain};
use crate::link::{Pre, Prepared};
use crate::values::json::NoHandles;
use crate::values::{Signature, Signatures, Surface, Value, callable, wave};
use std::time::Instant;
use wasmtime::{Store, ValType};

impl<S: InstanceState> Prepared<S> {
    /// Calls an exported function; gives its results as WAVE text, empty where there are none.
    pub async fn invoke(&self, call: &str, make: MakeState<S>) -> Outcome<String> {
        if let Pre::Component(_) = &self.pre {
            let resolved = Signatures::of_artifact(&self.artifact, None)
                .and_then(|signatures| resolve(&signatures, call));
            let (signature, arguments) = match resolved {
                Ok(resolved) => resolved,
                Err(error) => return Outcome::failed(error),
            };
            let outcome = self.call(&signature, arguments, make).await;
            let shown = |value: Option<Value>| match (&signature.result, value) {
                (Some(ty), Some(value)) => Ok(wave::to_string(ty, &value, &mut NoHandles)?),
                _ => Ok(String::new()),
            };
            return Outcome {
                result: outcome.result.and_then(shown),
                receipt: outcome.receipt,
                denials: outcome.denials,
            };
        }
        let began = Instant::now();
        let mut store = match make().and_then(|state| self.store(state)) {
            Ok(store) => store,
            Err(error) => return Outcome::failed(cannot_start(&error)),
        };
        let meter = store.data_mut().core().budget.meter.clone();
        let timeout = store.data_mut().core().budget.allowance().timeout;
        let stop = store.data_mut().core().stop.clone();
        let dispatched = async {
            match &self.pre {
                Pre::Module(pre) => {
                    let instance = pre.instantiate_async(&mut store).await?;
                    invoke_module(&mut store, &instance, call).await
                }
                _ => Ok(Err(Error::yours(
                    "functions of a module with threads cannot be invoked",
                ))),
            }
        };
        let result = match stoppable(stop, metered(&meter, timeout, dispatched)).await {
            Ok(result) => result,
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
}

/// Finds the function that a call names, and reads its arguments.
fn resolve(signatures: &Signatures, call: &str) -> Result<(Signature, Vec<Value>)> {
    let parsed = wave::Call::parse(call).map_err(|mismatch| {
        Error::yours(format!("`{call}` is not a call"))
            .caused_by(mismatch.to_string())
            .help("write it as in WAVE: --invoke 'greet(\"Ada\")'")
    })?;
    let signature = signatures.find(parsed.name())?;
    callable::ensure(signature, Surface::ONE_CALL)?;
    let arguments = parsed
        .arguments(signature, &mut NoHandles)
        .map_err(|mismatch| mismatch.of_arguments(signature))?;
    Ok((signature.clone(), arguments))
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
        let binary = wat::parse_str(EXPORTS).unwrap();
        let signatures = Signatures::of_binary(&binary, None).unwrap();
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
        crate::fuzz::text("invoke", &words, |call| match resolve(&signatures, call) {
            Ok((signature, arguments)) => assert_eq!(signature.params.len(), arguments.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        });
    }
}
