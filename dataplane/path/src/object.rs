//! Reading an object of the BPF compiler: the instructions of one section, and where maps go in.
//!
//! ELF, 64 bits, little-endian. The object is ours and lies in the program, but nothing here
//! believes it: what does not fit is an error.

use core::fmt;

use strowger_port::bpf::INSTRUCTION_BYTES;

/// Most sections, symbols and relocations that are looked at.
const SECTIONS_MAX: usize = 256;
const SYMBOLS_MAX: usize = 4_096;
const RELOCATIONS_MAX: usize = 1_024;

const HEADER_BYTES: usize = 64;
const SECTION_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;
const RELOCATION_BYTES: usize = 16;
/// Little-endian, 64 bits, current version.
const IDENT: [u8; 7] = [0x7f, b'E', b'L', b'F', 2, 1, 1];
const MACHINE_BPF: u16 = 247;
const TYPE_SYMBOLS: u32 = 2;
const TYPE_RELOCATIONS: u32 = 9;
/// The address of a symbol in a 64-bit immediate.
const RELOCATE_64_64: u32 = 1;
/// The first half of an instruction with a 64-bit immediate.
const LOAD_64: u8 = 0x18;
/// What stands for a map's descriptor in its place of a register.
const PSEUDO_MAP_FD: u8 = 1;

/// Why an object is none that can be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectError {
    /// No object of this kind.
    NotBpf,
    /// Something lies outside of it, or there is too much.
    Garbled,
    /// It has no section of the name, or an empty one.
    NoSection,
    /// It wants something that is no map of ours.
    UnknownSymbol,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectError::NotBpf => "no object of the BPF compiler",
            ObjectError::Garbled => "a garbled object",
            ObjectError::NoSection => "an object without the program",
            ObjectError::UnknownSymbol => "an object with an unknown symbol",
        })
    }
}

/// An object that was read.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    bytes: &'a [u8],
}

/// What a section's header says.
#[derive(Clone, Copy)]
struct Section {
    name: u32,
    kind: u32,
    offset: usize,
    size: usize,
    /// Of symbols, the section of their names.
    link: usize,
    /// Of relocations, the section they are for.
    info: usize,
}

impl<'a> Object<'a> {
    /// # Errors
    /// [`ObjectError::NotBpf`].
    pub fn new(bytes: &'a [u8]) -> Result<Object<'a>, ObjectError> {
        let object = Object { bytes };
        let is_bpf = bytes.starts_with(&IDENT) && object.half(18) == Some(MACHINE_BPF);
        (is_bpf && bytes.len() >= HEADER_BYTES).then_some(object).ok_or(ObjectError::NotBpf)
    }

    /// The instructions of a section, with the descriptor of each map that they name; `map` knows
    /// them by name.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn instructions(
        &self,
        section: &str,
        map: impl Fn(&str) -> Option<i32>,
    ) -> Result<Vec<u8>, ObjectError> {
        use ObjectError::{Garbled, NoSection, UnknownSymbol};
        let (index, found) = self.find(section)?;
        let mut code = self.data(found)?.to_vec();
        if code.is_empty() || !code.len().is_multiple_of(INSTRUCTION_BYTES) {
            return Err(NoSection);
        }
        let symbols = self.sections()?.into_iter().find(|s| s.kind == TYPE_SYMBOLS);
        let symbols = symbols.ok_or(Garbled)?;
        let names = self.section(symbols.link).ok_or(Garbled)?;
        let all = self.sections()?;
        let ours = |s: &&Section| s.kind == TYPE_RELOCATIONS && s.info == index;
        for relocations in all.iter().filter(ours) {
            let entries = self.data(*relocations)?.chunks_exact(RELOCATION_BYTES);
            if entries.len() > RELOCATIONS_MAX {
                return Err(Garbled);
            }
            for entry in entries {
                let entry = Object { bytes: entry };
                let at = entry.long(0).and_then(|at| usize::try_from(at).ok()).ok_or(Garbled)?;
                let (kind, symbol) =
                    (entry.word(8).ok_or(Garbled)?, entry.word(12).ok_or(Garbled)?);
                let name = self.symbol(symbols, names, symbol)?;
                let fd = map(name).filter(|_| kind == RELOCATE_64_64).ok_or(UnknownSymbol)?;
                put_map(&mut code, at, fd).ok_or(Garbled)?;
            }
        }
        Ok(code)
    }

    fn sections(&self) -> Result<Vec<Section>, ObjectError> {
        let count = usize::from(self.half(60).ok_or(ObjectError::Garbled)?);
        if count > SECTIONS_MAX {
            return Err(ObjectError::Garbled);
        }
        (0..count).map(|at| self.section(at).ok_or(ObjectError::Garbled)).collect()
    }

    fn section(&self, index: usize) -> Option<Section> {
        let at = usize::try_from(self.long(40)?).ok()?;
        let at = at.checked_add(index.checked_mul(SECTION_BYTES)?)?;
        let header = self.bytes.get(at..)?.first_chunk::<SECTION_BYTES>()?;
        let header = Object { bytes: header };
        let size = |at: usize| usize::try_from(header.long(at)?).ok();
        let number = |at: usize| usize::try_from(header.word(at)?).ok();
        Some(Section {
            name: header.word(0)?,
            kind: header.word(4)?,
            offset: size(24)?,
            size: size(32)?,
            link: number(40)?,
            info: number(44)?,
        })
    }

    fn find(&self, name: &str) -> Result<(usize, Section), ObjectError> {
        let names = usize::from(self.half(62).ok_or(ObjectError::Garbled)?);
        let names = self.section(names).ok_or(ObjectError::Garbled)?;
        let is_it = |section: &Section| self.text(names, section.name) == Some(name);
        let mut all = self.sections()?.into_iter().enumerate();
        all.find(|(_, section)| is_it(section)).ok_or(ObjectError::NoSection)
    }

    fn symbol(&self, symbols: Section, names: Section, index: u32) -> Result<&'a str, ObjectError> {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let at = index.checked_mul(SYMBOL_BYTES).filter(|_| index < SYMBOLS_MAX);
        let entry =
            at.and_then(|at| self.data(symbols).ok()?.get(at..)?.first_chunk::<SYMBOL_BYTES>());
        let name = entry.and_then(|entry| Object { bytes: entry }.word(0));
        name.and_then(|name| self.text(names, name)).ok_or(ObjectError::Garbled)
    }

    fn text(&self, names: Section, at: u32) -> Option<&'a str> {
        let rest = self.data(names).ok()?.get(usize::try_from(at).ok()?..)?;
        core::str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
    }

    fn data(&self, section: Section) -> Result<&'a [u8], ObjectError> {
        let end = section.offset.checked_add(section.size).ok_or(ObjectError::Garbled)?;
        self.bytes.get(section.offset..end).ok_or(ObjectError::Garbled)
    }

    fn half(&self, at: usize) -> Option<u16> {
        self.bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
    }

    fn word(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
    }

    fn long(&self, at: usize) -> Option<u64> {
        self.bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
    }
}

/// Makes the load of an address at `at` one of a map.
fn put_map(code: &mut [u8], at: usize, fd: i32) -> Option<()> {
    let load = code.get_mut(at..)?.first_chunk_mut::<{ 2 * INSTRUCTION_BYTES }>()?;
    let [operation, registers, _, _, f0, f1, f2, f3, ..] = load;
    if !at.is_multiple_of(INSTRUCTION_BYTES) || *operation != LOAD_64 {
        return None;
    }
    // The low half is the register that is written to.
    *registers = (*registers & 0x0f) | PSEUDO_MAP_FD << 4;
    [*f0, *f1, *f2, *f3] = fd.to_le_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OBJECT, PROGRAM};

    fn code(bytes: &[u8]) -> Result<Vec<u8>, ObjectError> {
        let known = |name: &str| ["places", "flows", "sockets"].contains(&name).then_some(77);
        Object::new(bytes)?.instructions(PROGRAM, known)
    }

    #[test]
    fn our_object_is_read_and_all_maps_are_put_in() {
        let code = code(OBJECT).unwrap();
        let loads = code.chunks_exact(INSTRUCTION_BYTES).filter(|one| {
            one[0] == LOAD_64 && one[1] >> 4 == PSEUDO_MAP_FD && one[4..] == 77i32.to_le_bytes()
        });
        assert!(loads.count() >= 3);
        // The last instruction is the end of the program.
        assert_eq!(code[code.len() - INSTRUCTION_BYTES], 0x95);
    }

    #[test]
    fn what_is_missing_is_named() {
        let object = Object::new(OBJECT).unwrap();
        let none = object.instructions("xdp", |_| Some(1)).unwrap_err();
        assert_eq!(none, ObjectError::NoSection);
        let unknown = object.instructions(PROGRAM, |name| (name != "flows").then_some(1));
        assert_eq!(unknown.unwrap_err(), ObjectError::UnknownSymbol);
        for other in [&b""[..], b"\x7fELF", &OBJECT[..63], include_bytes!("object.rs")] {
            assert_eq!(Object::new(other).unwrap_err(), ObjectError::NotBpf);
        }
    }

    /// However it is cut or changed, it is refused or read, and nothing panics.
    #[test]
    fn a_garbled_object_never_panics() {
        for len in 0..OBJECT.len() {
            assert!(code(&OBJECT[..len]).is_err(), "{len}");
        }
        let mut bytes = OBJECT.to_vec();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let kept = core::mem::replace(&mut bytes[at], value);
                let _read_or_refused = code(&bytes);
                bytes[at] = kept;
            }
        }
    }
}
