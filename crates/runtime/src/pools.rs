//! How many instances may be alive at once, and what of the machine that takes.
//!
//! The first thing a host runs out of is not memory but mappings (`vm.max_map_count`, 65,530 where
//! nobody raised it): two for each stack of a pool from the moment it is made, two to three for each
//! live memory, some for each component whose code is mapped. Past it nothing can be mapped any more
//! and the process aborts, so pools are cut to what is left, and no more is admitted than they hold.
//! The second is address space: a slot of 4 GiB and its guards for each memory, of 128 TiB.

use wasmtime::{Config, Enabled, PoolingAllocationConfig};

/// Mappings of a live instance: two of its stack, up to three of its memory.
const PER_INSTANCE: u32 = 5;

/// Mappings of a component's code and of the image of its memory.
const PER_COMPONENT: u32 = 5;

/// Left for threads, files, the heap and the program itself.
const OF_OUR_OWN: u32 = 2_000;

/// Left for code whatever the pools ask for.
const FOR_CODE: u32 = 6_000;

/// Above so many instances their slots do not fit into the address space at 4 GiB each: memories are
/// then held to [`SMALL_SLOT`], and code checks their bounds itself.
const LARGE_SLOTS_MOST: u32 = 15_000;

/// The largest memory where there are more instances than large slots.
const SMALL_SLOT: u64 = 64 << 20;

/// How much of a memory stays mapped when its guest is gone, at most: what a request with a body of
/// some size touches. Faulting a page in again costs more than clearing it.
const KEPT_MOST: usize = 256 << 10;

/// And at least.
const KEPT_LEAST: usize = 64 << 10;

/// So much may all slots of a pool keep, if that is more than the least of each.
const KEPT_IN_ALL: usize = 2 << 30;

/// How many instances one engine's pool holds.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    /// Instances alive at once in one engine, if the machine has room for them.
    pub instances: u32,
}

impl PoolSize {
    /// Plenty for one app.
    pub fn of_one_app() -> Self {
        PoolSize::of(1_000)
    }

    /// For a host of many apps: what a machine carries whose settings nobody touched.
    pub fn of_many_apps() -> Self {
        PoolSize::of(10_500)
    }

    /// So many instances.
    pub fn of(instances: u32) -> Self {
        PoolSize { instances }
    }

    /// The largest memory of an instance that fits a slot.
    pub fn memory_most(&self) -> u64 {
        match self.instances > LARGE_SLOTS_MOST {
            true => SMALL_SLOT,
            false => 4 << 30,
        }
    }

    /// A pool of `n` instances.
    pub(crate) fn pool(&self, n: u32) -> PoolingAllocationConfig {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(n)
            .total_core_instances(n.saturating_mul(16))
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
            .linear_memory_keep_resident(kept(n))
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(100)
            .pagemap_scan(Enabled::Auto);
        if self.memory_most() == SMALL_SLOT {
            pool.max_memory_size(SMALL_SLOT as usize);
        }
        pool
    }

    /// The shape of a slot; machine code depends on it.
    pub(crate) fn slots(&self, config: &mut Config) {
        if self.memory_most() == SMALL_SLOT {
            config
                .memory_reservation(SMALL_SLOT)
                .memory_guard_size(64 << 10)
                .max_wasm_stack(128 << 10)
                .async_stack_size(256 << 10);
        }
    }
}

/// How much each of so many slots keeps.
fn kept(slots: u32) -> usize {
    let part = KEPT_IN_ALL / slots.max(1) as usize;
    part.clamp(KEPT_LEAST, KEPT_MOST) & !0xffff
}

/// The machine's budget of mappings, drawn on by every pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mappings {
    /// What the kernel allows a process.
    pub(crate) most: u32,
    left: u32,
}

impl Mappings {
    pub(crate) fn of_this_machine() -> Self {
        let most = std::fs::read_to_string("/proc/sys/vm/max_map_count")
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(65_530);
        Self::of(most)
    }

    fn of(most: u32) -> Self {
        Mappings {
            most,
            left: most.saturating_sub(OF_OUR_OWN),
        }
    }

    /// Takes the mappings of a pool of `wanted` instances, or of as many as there is room for; a few
    /// there are always, because a machine that cannot carry those cannot run anything.
    pub(crate) fn take(&mut self, wanted: u32) -> u32 {
        let room = self.left.saturating_sub(FOR_CODE) / PER_INSTANCE;
        let instances = wanted.min(room.max(64));
        self.left = self.left.saturating_sub(instances * PER_INSTANCE);
        instances
    }

    /// Components whose code may be mapped beside the pools.
    pub(crate) fn components(&self) -> u32 {
        (self.left / PER_COMPONENT).max(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_instances_fit_a_machine_as_it_comes() {
        let mut mappings = Mappings::of(65_530);
        assert_eq!(mappings.take(PoolSize::of_many_apps().instances), 10_500);
        // A second engine gets what is left, and code keeps its share.
        assert_eq!(mappings.take(10_000), 1_006);
        assert_eq!(mappings.components(), 1_200);
        assert_eq!(mappings.take(10_000), 64);
    }

    #[test]
    fn no_pool_takes_more_than_the_machine_has() {
        for most in [0, 1_000, 65_530, 262_144, 1_048_576, u32::MAX] {
            let mut mappings = Mappings::of(most);
            let taken = mappings.take(100_000);
            assert!(taken <= 64 || taken * PER_INSTANCE < most);
            assert!(mappings.left <= most);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        assert_eq!(kept(PoolSize::of_one_app().instances), KEPT_MOST);
        assert_eq!(kept(PoolSize::of_many_apps().instances), 192 << 10);
        assert_eq!(kept(100_000), KEPT_LEAST);
        assert_eq!(kept(0), KEPT_MOST);
        assert_eq!(kept(u32::MAX), KEPT_LEAST);
    }

    #[test]
    fn more_instances_than_large_slots_get_small_ones() {
        assert_eq!(PoolSize::of(10_000).memory_most(), 4 << 30);
        assert_eq!(PoolSize::of(100_000).memory_most(), 64 << 20);
    }
}
