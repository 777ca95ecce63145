//! Core modules written anew: with their state exported, and with a state that they begin from.
//!
//! Sections that do not matter here are copied as they are, code above all, so that backtraces and
//! debug information stay right.

use super::module::Module;
use super::start::{ModuleState, Value};
use super::{Refused, SPAN_BYTES_MAX};
use wasm_encoder::{ConstExpr, Encode as _, ExportKind, Ieee32, Ieee64, RawSection, SectionId};
use wasmparser::{BinaryReader, DataKind, DataSectionReader, GlobalSectionReader};

/// Runs of zeros up to this long are written out with their neighbours: a segment of its own costs
/// nearly as much.
const GAP: usize = 32;

/// Far below what engines accept, and enough for most memories without a wider gap.
const SEGMENTS_MAX: usize = 10_000;

const MEMORY: u8 = SectionId::Memory as u8;
const GLOBAL: u8 = SectionId::Global as u8;
const EXPORT: u8 = SectionId::Export as u8;
const START: u8 = SectionId::Start as u8;
const DATA_COUNT: u8 = SectionId::DataCount as u8;
const DATA: u8 = SectionId::Data as u8;

/// The name under which an exposed module exports a memory that it defines.
pub(super) fn memory_name(index: u32) -> String {
    format!("holm:memory {index}")
}

/// The name under which an exposed module exports a mutable global that it defines.
pub(super) fn global_name(index: u32) -> String {
    format!("holm:global {index}")
}

/// The module with its state exported.
pub(super) fn exposed(module: &Module<'_>) -> Vec<u8> {
    let memories = module.memories.iter();
    let memories = memories.map(|(index, _)| (memory_name(*index), ExportKind::Memory, *index));
    let globals = module.globals.iter();
    let globals = globals.map(|index| (global_name(*index), ExportKind::Global, *index));
    let mut added = Entries::default();
    for (name, kind, index) in memories.chain(globals) {
        added.push(|bytes| {
            name.as_str().encode(bytes);
            kind.encode(bytes);
            index.encode(bytes);
        });
    }
    let mut written = wasm_encoder::Module::new();
    let mut done = false;
    for (id, data) in &module.sections {
        if *id == EXPORT {
            let (count, entries) = counted(data);
            let mut section = Vec::new();
            (count + added.count).encode(&mut section);
            section.extend_from_slice(entries);
            section.extend_from_slice(&added.bytes);
            raw(&mut written, EXPORT, &section);
            done = true;
            continue;
        }
        let behind_exports = [
            START,
            SectionId::Element as u8,
            DATA_COUNT,
            SectionId::Code as u8,
            DATA,
        ];
        if !done && behind_exports.contains(id) {
            raw(&mut written, EXPORT, &added.section());
            done = true;
        }
        raw(&mut written, *id, data);
    }
    if !done {
        raw(&mut written, EXPORT, &added.section());
    }
    written.finish()
}

/// The module with `state` as what it begins from, and nothing left to start; the same bytes where
/// it begins so already.
pub(super) fn begun(module: &Module<'_>, state: &ModuleState) -> Result<Vec<u8>, Refused> {
    let mut segments = Vec::new();
    for ((index, ty), memory) in module.memories.iter().zip(&state.memories) {
        for (start, data) in runs(memory)? {
            segments.push(active(*index, ty.memory64, start, data));
        }
    }
    // Indices of segments matter only to the instructions that name one.
    let indexed = module.sections.iter().any(|(id, _)| *id == DATA_COUNT);
    let mut written = wasm_encoder::Module::new();
    let mut data_written = false;
    for (id, content) in &module.sections {
        match *id {
            START => {}
            MEMORY => raw(&mut written, MEMORY, &memories(module, state)),
            GLOBAL => raw(&mut written, GLOBAL, &globals(module, state, content)?),
            DATA_COUNT => {
                let (count, _) = counted(content);
                let mut section = Vec::new();
                (count + segments.len() as u32).encode(&mut section);
                raw(&mut written, DATA_COUNT, &section);
            }
            DATA => {
                raw(&mut written, DATA, &data(content, indexed, &segments)?);
                data_written = true;
            }
            other => raw(&mut written, other, content),
        }
    }
    if !data_written && !segments.is_empty() {
        // The last section that is not custom, so that the end is always a right place.
        raw(&mut written, DATA, &data(&[0], indexed, &segments)?);
    }
    Ok(written.finish())
}

/// The memories with the size that they have in `state` as their smallest.
fn memories(module: &Module<'_>, state: &ModuleState) -> Vec<u8> {
    let mut section = Entries::default();
    for ((_, ty), memory) in module.memories.iter().zip(&state.memories) {
        let page = 1u64 << ty.page_size_log2.unwrap_or(16);
        let ty = wasm_encoder::MemoryType {
            minimum: memory.len() as u64 / page,
            maximum: ty.maximum,
            memory64: ty.memory64,
            shared: ty.shared,
            page_size_log2: ty.page_size_log2,
        };
        section.push(|bytes| ty.encode(bytes));
    }
    section.section()
}

/// The globals, the mutable ones with their value in `state`.
fn globals(module: &Module<'_>, state: &ModuleState, content: &[u8]) -> Result<Vec<u8>, Refused> {
    let reader = GlobalSectionReader::new(BinaryReader::new(content, 0))?;
    let entries: Vec<_> = reader.into_iter_with_offsets().collect::<Result<_, _>>()?;
    let starts = entries.iter().map(|(start, _)| *start);
    let ends = starts.skip(1).chain([content.len()]);
    let mut section = Entries::default();
    for (((start, global), end), index) in entries.iter().zip(ends).zip(module.globals_imported..) {
        let value = module.globals.binary_search(&index).ok();
        match value.and_then(|at| state.globals.get(at)) {
            Some(value) => {
                let value_starts = global.init_expr.get_binary_reader().original_position();
                let ty = content.get(*start..value_starts).unwrap_or_default();
                section.push(|bytes| {
                    bytes.extend_from_slice(ty);
                    constant(value).encode(bytes);
                });
            }
            None => {
                let entry = content.get(*start..end).unwrap_or_default();
                section.push(|bytes| bytes.extend_from_slice(entry));
            }
        }
    }
    Ok(section.section())
}

fn constant(value: &Value) -> ConstExpr {
    match *value {
        Value::I32(value) => ConstExpr::i32_const(value),
        Value::I64(value) => ConstExpr::i64_const(value),
        Value::F32(bits) => ConstExpr::f32_const(Ieee32::new(bits)),
        Value::F64(bits) => ConstExpr::f64_const(Ieee64::new(bits)),
        Value::V128(bits) => ConstExpr::v128_const(bits.cast_signed()),
    }
}

/// A data section with the module's passive segments and then `segments`. What its active segments
/// held is in memory by now, this module's or another's: an empty one takes the place of each where
/// instructions name segments by index.
fn data(content: &[u8], indexed: bool, segments: &[Vec<u8>]) -> Result<Vec<u8>, Refused> {
    let mut section = Entries::default();
    for segment in DataSectionReader::new(BinaryReader::new(content, 0))? {
        let segment = segment?;
        match segment.kind {
            DataKind::Active { .. } if indexed => section.push(|bytes| bytes.extend([1, 0])),
            DataKind::Active { .. } => {}
            DataKind::Passive => section.push(|bytes| {
                bytes.push(1);
                segment.data.encode(bytes);
            }),
        }
    }
    for segment in segments {
        section.push(|bytes| bytes.extend_from_slice(segment));
    }
    Ok(section.section())
}

/// An active segment.
fn active(memory: u32, memory64: bool, start: usize, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(data.len() + 16);
    if memory == 0 {
        bytes.push(0);
    } else {
        bytes.push(2);
        memory.encode(&mut bytes);
    }
    // Offsets are unsigned numbers, written as the signed ones with the same bits.
    if memory64 {
        ConstExpr::i64_const(start as i64).encode(&mut bytes);
    } else {
        ConstExpr::i32_const(start as u32 as i32).encode(&mut bytes);
    }
    data.encode(&mut bytes);
    bytes
}

/// The stretches of a memory that are not zero, with short gaps between them closed.
pub(super) fn runs(memory: &[u8]) -> Result<Vec<(usize, &[u8])>, Refused> {
    let mut gap = GAP;
    loop {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for (word, bytes) in memory.chunks(8).enumerate() {
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            let (start, end) = (word * 8, word * 8 + bytes.len());
            match runs.last_mut() {
                Some((_, last)) if start - *last <= gap => *last = end,
                _ => runs.push((start, end)),
            }
        }
        let span = match (runs.first(), runs.last()) {
            (Some((start, _)), Some((_, end))) => end - start,
            _ => 0,
        };
        if span > SPAN_BYTES_MAX {
            return Err(Refused::TooSparse);
        }
        if runs.len() <= SEGMENTS_MAX {
            let cut = |(start, end): (usize, usize)| Some((start, memory.get(start..end)?));
            return Ok(runs.into_iter().filter_map(cut).collect());
        }
        gap *= 4;
    }
}

/// Entries of a section, and how many there are.
#[derive(Default)]
struct Entries {
    count: u32,
    bytes: Vec<u8>,
}

impl Entries {
    fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.count += 1;
    }

    fn section(&self) -> Vec<u8> {
        let mut section = Vec::with_capacity(self.bytes.len() + 5);
        self.count.encode(&mut section);
        section.extend_from_slice(&self.bytes);
        section
    }
}

/// The count at the head of a section, and its entries.
fn counted(section: &[u8]) -> (u32, &[u8]) {
    let mut reader = BinaryReader::new(section, 0);
    let count = reader.read_var_u32().unwrap_or(0);
    let entries = section.get(reader.original_position()..);
    (count, entries.unwrap_or_default())
}

fn raw(module: &mut wasm_encoder::Module, id: u8, data: &[u8]) {
    module.section(&RawSection { id, data });
}

/// The module as it is.
pub(super) fn unchanged(module: &Module<'_>) -> Vec<u8> {
    let mut written = wasm_encoder::Module::new();
    for (id, data) in &module.sections {
        raw(&mut written, *id, data);
    }
    written.finish()
}
