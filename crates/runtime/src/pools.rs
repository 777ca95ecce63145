//! How many instances may be alive at once, and what of the machine that takes.
//!
//! The first thing a host runs out of is not memory but mappings (`vm.max_map_count`, 65,530 where
//! nobody raised it): two for each stack of a pool from the moment it is made, two to three for each
//! live memory, some for each component whose code is mapped. Past it nothing can be mapped any more
//! and the process aborts, so pools are cut to what is left, and no more is admitted than they hold.
//! The second is address space: a slot of 4 GiB and its guards for each memory, of 128 TiB, or of what
//! the process may have (`RLIMIT_AS`).

use wasmtime::{Config, Enabled, PoolingAllocationConfig};

/// Mappings of a live instance: two of its stack, up to three of its memory.
const PER_INSTANCE: u32 = 5;

/// Mappings of a component's code and of the image of its memory.
const PER_COMPONENT: u32 = 5;

/// Left for threads, files, the heap and the program itself.
const OF_OUR_OWN: u32 = 2_000;

/// The same of address space: the heap reserves by the gibibyte, and code is mapped.
const SPACE_OF_OUR_OWN: u64 = 8 << 30;

/// Address space of a process, as x86-64 and AArch64 have it.
const SPACE: u64 = 128 << 40;

/// Address space of a place in a pool, with large slots and with small ones: a memory and a quarter,
/// three tables, a stack, and guards between them.
const SPACE_PER_INSTANCE: u64 = 5376 << 20;
const SMALL_SPACE_PER_INSTANCE: u64 = 160 << 20;

/// Left for code whatever the pools ask for.
const FOR_CODE: u32 = 6_000;

/// Above so many instances their slots do not fit into the address space at 4 GiB each: memories are
/// then held to [`SMALL_SLOT`], and code checks their bounds itself.
const LARGE_SLOTS_MOST: u32 = 15_000;

/// The largest memory where there are more instances than large slots.
const SMALL_SLOT: u64 = 64 << 20;

/// The largest stack of a guest there.
const SMALL_STACK: usize = 128 << 10;

/// What the host's functions have of a guest's stack, below the guest's own part: as the engine has
/// it, and where instances are many.
const STACK_OF_HOST: usize = (2 << 20) - (512 << 10);
const SMALL_STACK_OF_HOST: usize = 128 << 10;

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

    /// Address space of each place.
    fn space(&self) -> u64 {
        match self.memory_most() {
            SMALL_SLOT => SMALL_SPACE_PER_INSTANCE,
            _ => SPACE_PER_INSTANCE,
        }
    }

    /// The stack that a guest gets that is to have so many bytes.
    pub fn stack(&self, wanted: usize) -> usize {
        match self.memory_most() {
            SMALL_SLOT => wanted.min(SMALL_STACK),
            _ => wanted,
        }
    }

    /// What the host's functions have of it beside.
    pub(crate) fn stack_of_host(&self) -> usize {
        match self.memory_most() {
            SMALL_SLOT => SMALL_STACK_OF_HOST,
            _ => STACK_OF_HOST,
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
                .memory_guard_size(64 << 10);
        }
    }
}

/// How much each of so many slots keeps.
fn kept(slots: u32) -> usize {
    let part = KEPT_IN_ALL / slots.max(1) as usize;
    part.clamp(KEPT_LEAST, KEPT_MOST) & !0xffff
}

/// What of this machine the pools draw on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Mappings that are left of what the kernel allows a process.
    mappings: u32,
    /// Address space that is left, in bytes.
    space: u64,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        Self::of(mappings.unwrap_or(65_530), space_allowed().unwrap_or(SPACE))
    }

    fn of(mappings: u32, space: u64) -> Self {
        Machine {
            mappings: mappings.saturating_sub(OF_OUR_OWN),
            space: space.min(SPACE).saturating_sub(SPACE_OF_OUR_OWN),
        }
    }

    /// Takes what a pool of this size needs, or one of as many instances as there is room for. Of
    /// mappings there are always enough for a few, because a machine that cannot carry those cannot
    /// run anything; where the address space holds none, it is 0.
    pub(crate) fn take(&mut self, pool: &PoolSize) -> u32 {
        let room = self.mappings.saturating_sub(FOR_CODE) / PER_INSTANCE;
        // A third stays for the pools of other engines.
        let space = self.space / 3 * 2 / pool.space();
        let space = u32::try_from(space).unwrap_or(u32::MAX);
        let instances = pool.instances.min(room.max(64)).min(space);
        self.mappings = self.mappings.saturating_sub(instances * PER_INSTANCE);
        self.space = self
            .space
            .saturating_sub(u64::from(instances) * pool.space());
        instances
    }

    /// Components whose code may be mapped beside the pools.
    pub(crate) fn components(&self) -> u32 {
        (self.mappings / PER_COMPONENT).max(64)
    }
}

/// The address space that this process may have, in bytes, where somebody has bounded it.
fn space_allowed() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// What of the machine's settings makes room for more instances.
pub fn to_raise() -> &'static str {
    match space_allowed() {
        Some(_) => {
            "vm.max_map_count to six times that, and RLIMIT_AS (ulimit -v) by 8 GiB for each"
        }
        None => "vm.max_map_count to six times that",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_instances_fit_a_machine_as_it_comes() {
        let mut machine = Machine::of(65_530, u64::MAX);
        assert_eq!(machine.take(&PoolSize::of_many_apps()), 10_500);
        // A second engine gets what is left, and code keeps its share.
        assert_eq!(machine.take(&PoolSize::of(10_000)), 1_006);
        assert_eq!(machine.components(), 1_200);
        assert_eq!(machine.take(&PoolSize::of(10_000)), 64);
    }

    #[test]
    fn no_pool_takes_more_than_the_machine_has() {
        for most in [0, 1_000, 65_530, 262_144, 1_048_576, u32::MAX] {
            let mut machine = Machine::of(most, u64::MAX);
            let taken = machine.take(&PoolSize::of(100_000));
            assert!(taken <= 64 || taken * PER_INSTANCE < most);
            assert!(machine.mappings <= most);
        }
    }

    #[test]
    fn all_pools_fit_the_address_space() {
        for space in [0, 1 << 30, 64 << 30, 1 << 40, u64::MAX] {
            for pool in [PoolSize::of(14_000), PoolSize::of(100_000)] {
                let mut machine = Machine::of(u32::MAX, space);
                let taken: Vec<u64> = (0..4).map(|_| machine.take(&pool).into()).collect();
                let of_all = taken.iter().sum::<u64>() * pool.space();
                assert!(of_all <= space.min(SPACE), "{taken:?}");
            }
        }
        // Who may have large slots gets them, in the first engine.
        let mut machine = Machine::of(u32::MAX, u64::MAX);
        let most = PoolSize::of(LARGE_SLOTS_MOST);
        assert_eq!(machine.take(&most), LARGE_SLOTS_MOST);
        assert!(machine.take(&most) > 1_000);
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
        assert_eq!(PoolSize::of(10_000).stack(2 << 20), 2 << 20);
        assert_eq!(PoolSize::of(100_000).stack(2 << 20), 128 << 10);
    }
}
