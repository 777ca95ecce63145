//! Resources that the host provides: made, lent, given away, got back and dropped.
wit_bindgen::generate!({ path: "wit", world: "lab" });

use exports::holm::desk::desk::{Guest, GuestTray, Pair};
use holm::desk::store::{self, Table};

struct Lab;
export!(Lab);

struct Tray(Table);

impl GuestTray for Tray {
    fn new(name: String) -> Self {
        Tray(Table::new(&name))
    }

    fn put(&self, key: String, value: u32) -> Result<Option<u32>, String> {
        self.0.put(&key, value)
    }
}

fn filled(name: &str) -> Table {
    let table = Table::new(name);
    for (value, key) in name.split(' ').enumerate() {
        table.put(key, value as u32 + 1).expect("a key");
    }
    table
}

impl Guest for Lab {
    type Tray = Tray;

    fn work(name: String, keys: Vec<String>) -> u32 {
        let table = Table::new(&name);
        for (value, key) in keys.iter().enumerate() {
            let before = table.put(key, value as u32);
            assert_eq!(before, Ok(None), "{key}");
        }
        keys.iter().filter_map(|key| table.get(key)).sum()
    }

    fn merge(a: String, b: String) -> u64 {
        let (a, b) = (filled(&a), filled(&b));
        let both = Table::merged(a, &b);
        store::total(&[&both, &b])
    }

    fn lend(names: Vec<String>) -> u64 {
        for name in &names {
            store::keep(Some(filled(name)));
        }
        store::keep(None);
        let kept = store::kept();
        assert_eq!(kept.len(), names.len());
        store::total(&kept.iter().collect::<Vec<_>>())
    }

    fn keys(name: String) -> Vec<String> {
        let cursor = store::rows(&filled(&name));
        std::iter::from_fn(|| store::next(&cursor)).collect()
    }

    fn open(name: String) -> Result<Table, String> {
        store::open(&name)
    }

    fn same(it: Table) -> Table {
        it
    }

    fn size(it: &Table) -> u64 {
        store::total(&[it])
    }

    fn halves(it: Table) -> Pair {
        store::split(it)
    }

    fn closed(it: &Table) -> String {
        it.close()
    }

    fn leave(count: u32) {
        for n in 0..count {
            std::mem::forget(Table::new(&format!("left {n}")));
        }
    }

    fn twice(name: String) {
        let handle = Table::new(&name).take_handle();
        // SAFETY: it is not: the second drop is of a handle that is gone, which is what the test is for.
        unsafe {
            drop(Table::from_handle(handle));
            drop(Table::from_handle(handle));
        }
    }

    fn forged(handle: u32) -> Option<u32> {
        // SAFETY: it is not: there is no such handle, which is what the test is for.
        let table = std::mem::ManuallyDrop::new(unsafe { Table::from_handle(handle) });
        table.get("a")
    }

    fn breaks(name: String) {
        let _table = Table::new(&name);
        panic!("it breaks");
    }

    fn hoard() -> u32 {
        for n in 0.. {
            std::mem::forget(Table::new(&n.to_string()));
        }
        0
    }
}
