//! Engines, made lazily from a small key.
//!
//! Components of 0.1 and 0.2 run on an engine without concurrency support, which costs 8 to 13 µs
//! less per request; risky proposals are on only in the engine of an artifact that uses them; a
//! server's engines draw instances from pools. A ticker asks running guests at each epoch whether
//! they are over their CPU limit; engines for guests without such a limit are not interruptible,
//! because the check can cost a tight loop up to half of its speed.

use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasmparser::WasmFeatures;
use wasmtime::{Config, Enabled, Engine, EngineWeak, OptLevel, PoolingAllocationConfig};

/// How often a running guest is asked whether it is over its CPU limit.
pub const TICK: Duration = Duration::from_millis(10);

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
    /// Proposals beyond the settled ones.
    pub proposals: Proposals,
    /// Instances from pools (a server) or from the operating system (a command).
    pub pooled: bool,
}

/// How big the pools are.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Instances alive at once in one engine.
    pub instances: u32,
}

impl PoolSize {
    /// As many as the machine's own limit on mappings carries: two per stack and three per live
    /// memory, half of them left for everything else; 1,000 is plenty for one app.
    pub fn of_this_machine() -> Self {
        let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count")
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .unwrap_or(65_530);
        PoolSize {
            instances: (maps / 10).clamp(64, 1_000),
        }
    }
}

/// The engines of this process.
pub struct Engines {
    pools: PoolSize,
    made: Mutex<HashMap<EngineKey, Engine>>,
    ticking: Arc<Mutex<Vec<EngineWeak>>>,
}

impl Engines {
    /// No engine yet.
    pub fn new(pools: PoolSize) -> Self {
        Engines {
            pools,
            made: Mutex::default(),
            ticking: Arc::default(),
        }
    }

    /// How big the pools are.
    pub fn pools(&self) -> PoolSize {
        self.pools
    }

    /// The engine for a key, made on first use.
    pub fn get(&self, key: EngineKey) -> Result<Engine> {
        let mut made = self.made.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(engine) = made.get(&key) {
            return Ok(engine.clone());
        }
        let engine = Engine::new(&self.config(key)).map_err(|e| {
            Error::ours("cannot make an engine on this machine").caused_by(format!("{e:#}"))
        })?;
        if key.interruptible {
            self.tick(&engine);
        }
        made.insert(key, engine.clone());
        Ok(engine)
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

    fn config(&self, key: EngineKey) -> Config {
        let mut config = features(key.proposals.flags());
        config.wasm_features(WasmFeatures::CM_ASYNC, key.concurrency);
        config.shared_memory(key.proposals.threads());
        config.concurrency_support(key.concurrency);
        config.epoch_interruption(key.interruptible);
        config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Enable);
        config.memory_init_cow(true);
        // Reserve each instance's mappings from pools: RATIONALE.md has the figures.
        if key.pooled && !key.proposals.threads() {
            config.allocation_strategy(self.pool());
        }
        config
    }

    fn pool(&self) -> PoolingAllocationConfig {
        let n = self.pools.instances;
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(n)
            .total_core_instances(n.saturating_mul(6))
            .total_memories(n.saturating_add(n / 4))
            .total_tables(n.saturating_mul(3))
            .total_stacks(n)
            .total_gc_heaps(n)
            .max_memories_per_component(16)
            .max_tables_per_component(64)
            .max_core_instances_per_component(256)
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(16 << 20)
            .max_memories_per_module(16)
            .max_tables_per_module(64)
            .table_elements(1_000_000)
            .linear_memory_keep_resident(64 << 10)
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(100)
            .pagemap_scan(Enabled::Auto);
        pool
    }

    fn tick(&self, engine: &Engine) {
        let mut ticking = self.ticking.lock().unwrap_or_else(|e| e.into_inner());
        let first = ticking.is_empty();
        ticking.push(engine.weak());
        if !first {
            return;
        }
        let ticking = Arc::downgrade(&self.ticking);
        let spawned = std::thread::Builder::new()
            .name("holm-ticker".into())
            .spawn(move || {
                while let Some(ticking) = ticking.upgrade() {
                    for weak in ticking.lock().unwrap_or_else(|e| e.into_inner()).iter() {
                        if let Some(engine) = weak.upgrade() {
                            engine.increment_epoch();
                        }
                    }
                    drop(ticking);
                    std::thread::sleep(TICK);
                }
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "no ticker thread: CPU limits are not enforced");
        }
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
        let engines = Engines::new(PoolSize { instances: 8 });
        let key = EngineKey {
            concurrency: false,
            interruptible: true,
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
