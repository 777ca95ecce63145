//! Engines, made lazily from a small key.
//!
//! Components of 0.1 and 0.2 run on an engine without concurrency support, which costs 8 to 13 µs
//! less per request; risky proposals are on only in the engine of an artifact that uses them; a
//! server's engines draw instances from pools. The ticker asks running guests at each epoch whether
//! they are over their CPU limit; engines for guests without such a limit are not interruptible,
//! because the check can cost a tight loop up to half of its speed.

use crate::error::{Error, Result};
use crate::pools::{self, Machine, PoolSize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use wasmparser::WasmFeatures;
use wasmtime::{Config, Engine, OptLevel};

/// Proposals that are on for every artifact: settled, and used by ordinary toolchains.
const SETTLED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Proposals that are on only for an artifact that needs them, with the names users know.
const ON_DEMAND: &[(WasmFeatures, &str)] = &[
    (WasmFeatures::GC, "gc"),
    (WasmFeatures::FUNCTION_REFERENCES, "function-references"),
    (WasmFeatures::EXCEPTIONS, "exceptions"),
    (WasmFeatures::THREADS, "threads"),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom-page-sizes"),
    (WasmFeatures::WIDE_ARITHMETIC, "wide-arithmetic"),
    (WasmFeatures::STACK_SWITCHING, "stack-switching"),
    (WasmFeatures::CM_ASYNC, "component-model-async"),
    (
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        "component-model-more-async-builtins",
    ),
    (
        WasmFeatures::CM_ASYNC_STACKFUL,
        "component-model-async-stackful",
    ),
    (
        WasmFeatures::CM_ERROR_CONTEXT,
        "component-model-error-context",
    ),
    (
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        "component-model-fixed-length-lists",
    ),
    (WasmFeatures::CM_MAP, "component-model-map"),
];

/// Proposals that the validator knows and the engine does not, to be refused by name.
const UNSUPPORTED: &[(WasmFeatures, &str)] = &[
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "shared-everything-threads",
    ),
    (
        WasmFeatures::LEGACY_EXCEPTIONS,
        "legacy-exceptions (rebuild with the standard exceptions)",
    ),
    (WasmFeatures::MEMORY_CONTROL, "memory-control"),
    (WasmFeatures::CM_VALUES, "component-model-values"),
    (
        WasmFeatures::CM_NESTED_NAMES,
        "component-model-nested-names",
    ),
    (WasmFeatures::CM_THREADING, "component-model-threading"),
    (WasmFeatures::CM_GC, "component-model-gc"),
    (WasmFeatures::CM64, "component-model-memory64"),
    (WasmFeatures::CM_IMPLEMENTS, "component-model-implements"),
];

/// The proposals beyond the settled ones that an artifact needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proposals(u64);

impl Proposals {
    /// Finds the smallest set of proposals under which the binary is valid.
    pub fn needed_by(binary: &[u8]) -> std::result::Result<Proposals, Invalid> {
        let validate = |features: WasmFeatures| {
            wasmparser::Validator::new_with_features(features)
                .validate_all(binary)
                .map(|_| ())
        };
        if validate(SETTLED).is_ok() {
            return Ok(Proposals::default());
        }
        let all = ON_DEMAND.iter().fold(SETTLED, |set, (flag, _)| set | *flag);
        if let Err(error) = validate(all) {
            let name = UNSUPPORTED
                .iter()
                .find(|(flag, _)| validate(all | *flag).is_ok());
            return Err(match name {
                Some((_, name)) => Invalid::Proposal(name),
                None => Invalid::Binary {
                    message: error.message().to_owned(),
                    offset: error.offset(),
                },
            });
        }
        let mut needed = all;
        for (flag, _) in ON_DEMAND {
            let without = needed - *flag;
            if validate(without).is_ok() {
                needed = without;
            }
        }
        Ok(Proposals((needed - SETTLED).bits()))
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        let flags = WasmFeatures::from_bits_truncate(self.0);
        ON_DEMAND
            .iter()
            .filter(|(flag, _)| flags.contains(*flag))
            .map(|(_, name)| *name)
            .collect()
    }

    /// Whether the artifact shares memory between threads.
    pub fn threads(self) -> bool {
        self.flags().contains(WasmFeatures::THREADS)
    }

    /// Whether the artifact uses the component model's concurrency.
    pub fn concurrency(self) -> bool {
        self.flags().contains(WasmFeatures::CM_ASYNC)
    }

    /// For the cache's records.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// From the cache's records; unknown bits are dropped.
    pub fn from_bits(bits: u64) -> Self {
        let known = ON_DEMAND.iter().fold(0, |set, (flag, _)| set | flag.bits());
        Proposals(bits & known)
    }

    fn flags(self) -> WasmFeatures {
        WasmFeatures::from_bits_truncate(self.0)
    }
}

/// Why a binary was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It needs a proposal that the engine does not have.
    Proposal(&'static str),
    /// It is not valid under any known proposal.
    Binary {
        /// What the validator says.
        message: String,
        /// Where in the file.
        offset: usize,
    },
}

/// What distinguishes one engine from another; machine code of one does not run on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EngineKey {
    /// WASI 0.3 and the component model's concurrency.
    pub concurrency: bool,
    /// Guests can be stopped while they compute.
    pub interruptible: bool,
    /// Guests burn fuel.
    pub fuel: bool,
    /// Bytes of a guest's stack.
    pub stack: usize,
    /// Proposals beyond the settled ones.
    pub proposals: Proposals,
    /// Instances from pools (a server) or from the operating system (a command).
    pub pooled: bool,
}

impl EngineKey {
    /// Whether its instances come from pools: shared memory never does.
    fn is_pooled(&self) -> bool {
        self.pooled && !self.proposals.threads()
    }
}

/// The engines of this process.
pub struct Engines {
    pools: PoolSize,
    made: Mutex<Made>,
}

/// The engines that there are, and what is left of the machine for more.
struct Made {
    engines: HashMap<EngineKey, Pooled>,
    machine: Machine,
}

/// An engine, and the places in its pool.
#[derive(Clone)]
pub struct Pooled {
    /// The engine.
    pub engine: Engine,
    /// One permit for each instance that may be alive; `None` where nothing is pooled.
    pub places: Option<Arc<Semaphore>>,
    /// How many places there are.
    pub size: u32,
}

impl Engines {
    /// No engine yet.
    pub fn new(pools: PoolSize) -> Self {
        Engines {
            pools,
            made: Mutex::new(Made {
                engines: HashMap::new(),
                machine: Machine::this(),
            }),
        }
    }

    /// How big the pools are to be; one that the machine has no room for is smaller.
    pub fn pools(&self) -> PoolSize {
        self.pools
    }

    /// How many components may have their code mapped beside the pools made so far.
    pub fn room_for_code(&self) -> usize {
        self.made().machine.components() as usize
    }

    /// The engine for a key, made on first use.
    pub fn get(&self, key: EngineKey) -> Result<Engine> {
        Ok(self.pooled(key)?.engine)
    }

    /// The engine for a key with its places, made on first use.
    pub fn pooled(&self, key: EngineKey) -> Result<Pooled> {
        let mut made = self.made();
        if let Some(pooled) = made.engines.get(&key) {
            return Ok(pooled.clone());
        }
        let wanted = self.pools.instances;
        let size = match key.is_pooled() {
            true => made.machine.take(&self.pools),
            false => 0,
        };
        if key.is_pooled() && size == 0 {
            let what = "the address space that this process may have holds no more instances";
            return Err(Error::yours(what).help("raise RLIMIT_AS: ulimit -v unlimited"));
        }
        if key.is_pooled() && size < wanted {
            let raise = pools::to_raise();
            tracing::warn!(
                instances = size,
                wanted,
                "a pool is smaller than wanted: raise {raise}"
            );
        }
        let engine = Engine::new(&self.config(key, size)).map_err(|e| {
            let error = Error::yours("this machine has no room for so many instances");
            match key.pooled {
                true => error
                    .help("ask for fewer: --instances N")
                    .help("or allow this process more memory addresses: ulimit -v unlimited"),
                false => Error::ours("cannot make an engine on this machine"),
            }
            .caused_by(format!("{e:#}"))
        })?;
        if key.interruptible {
            crate::ticker::add(&engine);
        }
        let pooled = Pooled {
            engine,
            places: key
                .is_pooled()
                .then(|| Arc::new(Semaphore::new(size as usize))),
            size,
        };
        made.engines.insert(key, pooled.clone());
        Ok(pooled)
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An engine on which the core modules of a component are started ahead: code that is made
    /// fast and runs once, counted in fuel so that the same component ends alike everywhere.
    pub fn for_start(proposals: Proposals) -> Result<Engine> {
        let of_components = ON_DEMAND
            .iter()
            .filter(|(_, n)| n.starts_with("component-model"));
        let of_modules = of_components.fold(proposals.flags(), |rest, (flag, _)| rest - *flag);
        let mut config = features(of_modules);
        config.concurrency_support(false);
        config.consume_fuel(true);
        config.cranelift_opt_level(OptLevel::None);
        // Its instances are read out and dropped: an image of each would be made for nothing.
        config.memory_init_cow(false);
        Engine::new(&config).map_err(|e| {
            Error::ours("cannot make an engine on this machine").caused_by(format!("{e:#}"))
        })
    }

    fn config(&self, key: EngineKey, size: u32) -> Config {
        let mut config = features(key.proposals.flags());
        config.wasm_features(WasmFeatures::CM_ASYNC, key.concurrency);
        config.shared_memory(key.proposals.threads());
        config.concurrency_support(key.concurrency);
        config.epoch_interruption(key.interruptible);
        config.consume_fuel(key.fuel);
        config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable);
        config.memory_init_cow(true);
        let stack = self.pools.stack(key.stack);
        config.max_wasm_stack(stack);
        config.async_stack_size(stack + self.pools.stack_of_host());
        // Reserve each instance's mappings from pools: RATIONALE.md has the figures.
        if key.is_pooled() {
            config.allocation_strategy(self.pools.pool(size));
            self.pools.slots(&mut config);
        }
        config
    }
}

/// The settled proposals and these.
fn features(on_demand: WasmFeatures) -> Config {
    let mut config = Config::new();
    for flag in WasmFeatures::WASM3.iter() {
        config.wasm_features(flag, SETTLED.contains(flag));
    }
    config.wasm_features(SETTLED, true);
    config.wasm_features(on_demand, true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STACK_BYTES;

    fn needed(wat: &str) -> std::result::Result<Vec<&'static str>, Invalid> {
        Proposals::needed_by(&wat::parse_str(wat).unwrap()).map(Proposals::names)
    }

    #[test]
    fn an_ordinary_module_needs_nothing() {
        assert_eq!(
            needed("(module (memory 1) (func (export \"f\") (result i32) i32.const 1))"),
            Ok(vec![])
        );
    }

    #[test]
    fn each_proposal_is_found_by_itself() {
        assert_eq!(needed("(module (memory 1 2 shared))"), Ok(vec!["threads"]));
        assert_eq!(needed("(module (memory i64 1))"), Ok(vec!["memory64"]));
        assert_eq!(needed("(module (tag (param i32)))"), Ok(vec!["exceptions"]));
        assert!(
            needed("(module (type (struct (field i32))))")
                .unwrap()
                .contains(&"gc")
        );
    }

    #[test]
    fn rubbish_is_invalid_with_a_place() {
        assert!(matches!(
            Proposals::needed_by(b"\0asm\x01\0\0\0\xff"),
            Err(Invalid::Binary { offset: 8.., .. })
        ));
    }

    #[test]
    fn engines_are_made_once_per_key() {
        let engines = Engines::new(PoolSize::of(8));
        let key = EngineKey {
            concurrency: false,
            interruptible: true,
            fuel: false,
            stack: STACK_BYTES,
            proposals: Proposals::default(),
            pooled: true,
        };
        let first = engines.get(key).unwrap();
        assert!(Engine::same(&first, &engines.get(key).unwrap()));
        let other = engines
            .get(EngineKey {
                concurrency: true,
                ..key
            })
            .unwrap();
        assert!(!Engine::same(&first, &other));
    }
}
