//! The apps of the bench: a folder each, with a manifest and a component of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::lean::Lean;
use crate::bench::Bench;

/// How long a guest of the sleeper sleeps: longer than it takes to put ten thousand to sleep
const SLEEP_MS: u64 = 20_000;

/// The same for a hundred thousand
const LONG_SLEEP_MS: u64 = 60_000;

/// The apps that were made
pub struct Made {
    /// Their folder
    pub dir: PathBuf,
    /// All of them
    pub names: Vec<String>,
    /// Those whose components were generated
    pub generated: Vec<String>,
    /// Those with a component of a real toolchain, about 80 kB
    pub real: Vec<String>,
    /// Those with a component of more than 10 MB
    pub large: Vec<String>,
    /// One to ask before measuring
    pub warm_up: String,
    /// One whose guests sleep
    pub sleeper: String,
    took_ms: f64,
}

impl Made {
    /// Milliseconds per app
    pub fn ms_each(&self) -> f64 {
        self.took_ms / self.names.len() as f64
    }
}

/// Makes so many generated apps and so many real ones.
pub fn make(scratch: &Path, generated: usize, real: usize) -> Result<Made> {
    let began = Instant::now();
    let dir = scratch.join("tenants");
    let hello = Bench::guest("http-hello.wasm").map_err(anyhow::Error::msg)?;
    // Its world has all that a sleeper needs.
    let lab = Bench::guest("http-lab.wasm").map_err(anyhow::Error::msg)?;
    let lean = Lean::like(&lab)?;
    let mut made = Made {
        generated: (0..generated).map(|n| format!("app-{n:05}")).collect(),
        real: (0..real).map(|n| format!("r{n:04}")).collect(),
        large: Vec::new(),
        warm_up: "warm-up".to_owned(),
        sleeper: "sleeper".to_owned(),
        names: Vec::new(),
        took_ms: 0.0,
        dir,
    };
    if let Some(first) = made.generated.first() {
        let first = Numbered::new(lean.component(first, OWN, 0)?, first)?;
        for (own, name) in (OWN..).zip(&made.generated) {
            write(&made.dir, name, &first.with(name, own), "")?;
        }
    }
    write(
        &made.dir,
        &made.warm_up,
        &lean.component(&made.warm_up, u32::MAX, 0)?,
        "",
    )?;
    sleeper(&made.dir, &lean, &made.sleeper, SLEEP_MS)?;
    let hello = fs::read(&hello)?;
    for name in &made.real {
        write(
            &made.dir,
            name,
            &marked(&answering(&hello, name)?, name),
            "",
        )?;
    }
    for guest in ["guestbook-js.wasm", "guestbook-py.wasm"] {
        if let Ok(path) = Bench::guest(guest) {
            let name = guest.trim_end_matches(".wasm").to_owned();
            write(
                &made.dir,
                &name,
                &fs::read(path)?,
                "grants = { keyvalue = [\"default\"] }\n",
            )?;
            made.large.push(name);
        }
    }
    let all = [&made.generated, &made.real, &made.large];
    made.names = all.into_iter().flatten().cloned().collect();
    let more = [&made.warm_up, &made.sleeper];
    made.names.extend(more.into_iter().cloned());
    made.took_ms = began.elapsed().as_secs_f64() * 1e3;
    Ok(made)
}

fn write(dir: &Path, name: &str, component: &[u8], more: &str) -> Result<()> {
    let folder = dir.join(name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("app.wasm"), component)?;
    let manifest = format!(
        "name = \"{name}\"\n\n[component.web]\nsource = \"app.wasm\"\n{more}\n\
         [[http]]\nroute = \"/...\"\nhost = \"{name}.test\"\ncomponent = \"web\"\n"
    );
    Ok(fs::write(folder.join("holm.toml"), manifest)?)
}

/// Makes an app of this name alone, whose guests sleep for a minute.
pub fn make_sleeper(dir: &Path, name: &str) -> Result<()> {
    let lab = Bench::guest("http-lab.wasm").map_err(anyhow::Error::msg)?;
    sleeper(dir, &Lean::like(&lab)?, name, LONG_SLEEP_MS)
}

fn sleeper(dir: &Path, lean: &Lean, name: &str, ms: u64) -> Result<()> {
    let limits = "limits = { concurrency = 100000, timeout = \"120 s\" }\n";
    write(dir, name, &lean.component(name, u32::MAX - 1, ms)?, limits)
}

/// The number in the first component's code; as long in its encoding as all that follow
const OWN: u32 = 1 << 28;

/// A generated component, and where its answer and its number stand: encoding each of ten thousand
/// anew would take longer than all that is measured.
struct Numbered {
    component: Vec<u8>,
    answer: usize,
    own: usize,
}

impl Numbered {
    fn new(component: Vec<u8>, answer: &str) -> Result<Self> {
        let only = |bytes: &[u8]| {
            let mut places = component.windows(bytes.len()).enumerate();
            let at = places.find(|(_, window)| *window == bytes);
            let again = places.any(|(_, window)| window == bytes);
            let place = at.filter(|_| !again).map(|(at, _)| at);
            place.context("the generated component is not as it was made")
        };
        Ok(Numbered {
            answer: only(answer.as_bytes())?,
            own: only(&leb128(OWN))?,
            component,
        })
    }

    fn with(&self, answer: &str, own: u32) -> Vec<u8> {
        let mut component = self.component.clone();
        component[self.answer..][..answer.len()].copy_from_slice(answer.as_bytes());
        component[self.own..][..5].copy_from_slice(&leb128(own));
        component
    }
}

/// As an instruction holds a number of 29 bits.
fn leb128(number: u32) -> [u8; 5] {
    let seven = |shift: u32| (number >> shift) as u8 & 0x7f;
    [
        seven(0) | 0x80,
        seven(7) | 0x80,
        seven(14) | 0x80,
        seven(21) | 0x80,
        seven(28),
    ]
}

/// The real hello with another text of the same length in the place of its own.
fn answering(hello: &[u8], name: &str) -> Result<Vec<u8>> {
    let text = b"hello\n";
    let at = hello
        .windows(text.len())
        .position(|window| window == text)
        .context("the hello guest has no hello in it")?;
    let mut component = hello.to_vec();
    let answer = format!("{name}\n");
    ensure!(answer.len() == text.len(), "{name} is not as long as hello");
    component[at..at + text.len()].copy_from_slice(answer.as_bytes());
    Ok(component)
}

/// The component with a custom section of its own: other bytes, hence another digest.
fn marked(component: &[u8], name: &str) -> Vec<u8> {
    let mut marked = component.to_vec();
    let section = [&[name.len() as u8], name.as_bytes()].concat();
    marked.extend([0, section.len() as u8]);
    marked.extend(section);
    marked
}
