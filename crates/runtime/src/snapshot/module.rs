//! A core module as a snapshot sees it: which of it is state, and whether all of it can be kept.

use super::Refused;
use wasmparser::{GlobalType, MemoryType, Operator, Parser, Payload, TypeRef, ValType};

/// A core module by its sections.
pub(super) struct Module<'a> {
    /// Id and content of each section, in order.
    pub sections: Vec<(u8, &'a [u8])>,
    /// The memories that it defines, by index.
    pub memories: Vec<(u32, MemoryType)>,
    /// The mutable globals that it defines, by index.
    pub globals: Vec<u32>,
    /// The index of the first global that it defines.
    pub globals_imported: u32,
    /// Whether it has a start function.
    pub starts: bool,
    /// Whether it is the home of the canonical ABI's allocator, memory and function.
    pub allocates: bool,
}

impl<'a> Module<'a> {
    /// Reads a module, or says which state of it could not be written down.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refused> {
        let mut module = Module {
            sections: Vec::new(),
            memories: Vec::new(),
            globals: Vec::new(),
            globals_imported: 0,
            starts: false,
            allocates: false,
        };
        let (mut memories, mut globals) = (0, 0);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                let data = bytes.get(range).unwrap_or_default();
                module.sections.push((id, data));
            }
            match payload {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        match import?.ty {
                            TypeRef::Memory(_) => memories += 1,
                            TypeRef::Global(_) => globals += 1,
                            _ => {}
                        }
                    }
                    module.globals_imported = globals;
                }
                Payload::MemorySection(reader) => {
                    for memory in reader {
                        let memory = memory?;
                        if memory.shared {
                            return Err(Refused::shape("memory that threads share"));
                        }
                        module.memories.push((memories, memory));
                        memories += 1;
                    }
                }
                Payload::GlobalSection(reader) => {
                    for global in reader {
                        let ty = global?.ty;
                        if ty.mutable {
                            refuse_global(ty)?;
                            module.globals.push(globals);
                        }
                        globals += 1;
                    }
                }
                Payload::StartSection { .. } => module.starts = true,
                Payload::ExportSection(reader) => {
                    for export in reader {
                        module.allocates |= export?.name == super::start::REALLOC;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let mut operators = body.get_operators_reader()?;
                    while !operators.eof() {
                        refuse_operator(&operators.read()?)?;
                    }
                }
                _ => {}
            }
        }
        // An adapter allocates too, in another module's memory and by that module's leave.
        module.allocates &= !module.memories.is_empty();
        Ok(module)
    }
}

/// A reference has no form in which it could be written down.
fn refuse_global(ty: GlobalType) -> Result<(), Refused> {
    match ty.content_type {
        _ if ty.shared => Err(Refused::shape("a global that threads share")),
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 | ValType::V128 => Ok(()),
        ValType::Ref(_) => Err(Refused::shape("a global variable that holds a reference")),
    }
}

/// Tables are not read out: what is in them afterwards is what element segments put there. Nor is
/// it seen which segments were dropped, and what became of objects of the GC proposal.
fn refuse_operator(operator: &Operator<'_>) -> Result<(), Refused> {
    use Operator as O;
    let name = match operator {
        O::TableSet { .. } => "table.set",
        O::TableGrow { .. } => "table.grow",
        O::TableFill { .. } => "table.fill",
        O::TableCopy { .. } => "table.copy",
        O::TableInit { .. } => "table.init",
        O::ElemDrop { .. } => "elem.drop",
        O::DataDrop { .. } => "data.drop",
        O::StructSet { .. } => "struct.set",
        O::ArraySet { .. } => "array.set",
        O::ArrayFill { .. } => "array.fill",
        O::ArrayCopy { .. } => "array.copy",
        O::ArrayInitData { .. } => "array.init_data",
        O::ArrayInitElem { .. } => "array.init_elem",
        _ => return Ok(()),
    };
    Err(Refused::Shape(format!("the instruction {name}")))
}
