//! Programs and maps of the kernel (bpf(2)), as far as choosing sockets and relaying by a program
//! need them.
//!
//! Making any of these takes rights (`CAP_BPF`, `CAP_NET_ADMIN`); who is handed their descriptors
//! uses them without. What a program says is not looked at here but by the kernel's verifier.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::shm::Mapping;
use crate::sys::check;

/// Bytes of an instruction.
pub const INSTRUCTION_BYTES: usize = 8;
/// Most instructions of a program.
pub const INSTRUCTIONS_MAX: usize = 4_096;
/// Most bytes of an array's value.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// Bytes of what the verifier says; the rest is cut off.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a name, the zero behind it included.
const NAME_BYTES: usize = 16;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const LINK_CREATE: libc::c_int = 28;
const LINK_DETACH: libc::c_int = 34;

const TYPE_ARRAY: u32 = 2;
const TYPE_SOCKMAP: u32 = 15;
const TYPE_DEVMAP_HASH: u32 = 25;
const MAPPABLE: u32 = 1 << 10;
const TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;
const TYPE_SCHED: u32 = 3;
/// Linux 6.6.
const ATTACH_TCX_INGRESS: u32 = 46;
const TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// Behind the driver, and in it.
const XDP_GENERIC: u32 = 1 << 1;
const XDP_NATIVE: u32 = 1 << 2;

/// The argument of bpf(2): numbers, and addresses of what is borrowed for `'a`.
#[repr(C, align(8))]
struct Attributes<'a>([u8; 128], PhantomData<&'a mut [u8]>);

impl<'a> Attributes<'a> {
    const fn new() -> Attributes<'a> {
        Attributes([0; 128], PhantomData)
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Attributes<'a> {
        self.0.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
        self
    }

    fn number(self, at: usize, value: u32) -> Attributes<'a> {
        self.put(at, &value.to_ne_bytes())
    }

    fn descriptor(self, at: usize, fd: BorrowedFd<'_>) -> Attributes<'a> {
        self.put(at, &fd.as_raw_fd().to_ne_bytes())
    }

    fn name(self, at: usize, name: &str) -> Attributes<'a> {
        let name = name.as_bytes();
        self.put(at, name.get(..name.len().min(NAME_BYTES - 1)).unwrap_or_default())
    }

    /// What the kernel reads.
    fn bytes(self, at: usize, bytes: &'a [u8]) -> Attributes<'a> {
        self.put(at, &(bytes.as_ptr() as u64).to_ne_bytes())
    }

    /// What the kernel writes.
    fn room(self, at: usize, bytes: &'a mut [u8]) -> Attributes<'a> {
        self.put(at, &(bytes.as_mut_ptr() as u64).to_ne_bytes())
    }

    fn read(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk).copied();
        bytes.map_or(0, u32::from_ne_bytes)
    }
}

/// # Safety
/// Each address in `attributes` is followed by as many bytes as the command reads or writes there.
unsafe fn bpf(command: libc::c_int, attributes: &mut Attributes<'_>) -> io::Result<libc::c_int> {
    let size = size_of::<[u8; 128]>() as libc::c_uint;
    // SAFETY: the attributes live through the call and are `size` bytes; addresses inside are of
    // slices borrowed for at least as long, of lengths that are the caller's promise.
    // JUSTIFICATION: bpf(2) is in no crate that hands out its descriptors (ADR 0181).
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.0.as_mut_ptr(), size) };
    check(libc::c_int::try_from(result).unwrap_or(-1))
}

fn owned(fd: libc::c_int) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it. It closes on exec.
    // JUSTIFICATION: the only way to an OwnedFd.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A map, indexed by numbers from 0.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    value_bytes: usize,
}

impl Map {
    /// A new array, zeroed; one that can be mapped is shared memory, too.
    ///
    /// # Errors
    /// `InvalidInput`: no or too long values. Else the system's: no rights, no memory.
    pub fn array(name: &str, value_bytes: usize, entries: u32, mappable: bool) -> io::Result<Map> {
        let fits = value_bytes.is_multiple_of(8) && (8..=VALUE_BYTES_MAX).contains(&value_bytes);
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = if mappable { MAPPABLE } else { 0 };
        Map::new(name, (TYPE_ARRAY, flags), value_bytes, entries)
    }

    /// A new map of sockets, empty. Sockets leave it with their end.
    ///
    /// # Errors
    /// The system's.
    pub fn sockets(name: &str, entries: u32) -> io::Result<Map> {
        Map::new(name, (TYPE_SOCKMAP, 0), 4, entries)
    }

    /// A new map of interfaces by which a program may have frames leave, by their numbers, empty.
    /// Interfaces leave it with their end.
    ///
    /// # Errors
    /// The system's.
    pub fn exits(name: &str, entries: u32) -> io::Result<Map> {
        Map::new(name, (TYPE_DEVMAP_HASH, 0), 4, entries)
    }

    fn new(
        name: &str,
        (kind, flags): (u32, u32),
        value_bytes: usize,
        entries: u32,
    ) -> io::Result<Map> {
        let mut attributes = Attributes::new()
            .number(0, kind)
            .number(4, 4)
            .number(8, u32::try_from(value_bytes).map_err(|_| io::ErrorKind::InvalidInput)?)
            .number(12, entries)
            .number(16, flags)
            .name(28, name);
        // SAFETY: this command takes no addresses.
        // JUSTIFICATION: see `bpf`.
        let fd = unsafe { bpf(MAP_CREATE, &mut attributes) }?;
        Ok(Map { fd: owned(fd), value_bytes })
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// `InvalidInput`: the value is of another length. Else the system's.
    pub fn set(&self, index: u32, value: &[u8]) -> io::Result<()> {
        if value.len() != self.value_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let key = index.to_ne_bytes();
        let attributes = Attributes::new().descriptor(0, self.fd.as_fd());
        let mut attributes = attributes.bytes(8, &key).bytes(16, value);
        // SAFETY: keys of our maps are four bytes, and the value's length was compared.
        // JUSTIFICATION: see `bpf`.
        unsafe { bpf(MAP_UPDATE, &mut attributes) }?;
        Ok(())
    }

    /// Puts a socket in.
    ///
    /// # Errors
    /// The system's: the map is none of sockets, or the socket is not bound.
    pub fn set_socket(&self, index: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.set(index, &socket.as_raw_fd().to_ne_bytes())
    }

    /// Puts an interface in.
    ///
    /// # Errors
    /// The system's: the map is none of interfaces, or there is no such one.
    pub fn set_exit(&self, interface: u32) -> io::Result<()> {
        self.set(interface, &interface.to_ne_bytes())
    }

    /// Hands the descriptor out.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Maps an array of `entries` values of so many bytes each.
///
/// # Errors
/// `InvalidData`: the descriptor is no such array. Else the system's.
pub fn map_array(fd: BorrowedFd<'_>, value_bytes: usize, entries: u32) -> io::Result<Mapping> {
    let mut info = [0; 32];
    let attributes = Attributes::new().descriptor(0, fd).number(4, 32);
    let mut attributes = attributes.room(8, &mut info);
    // SAFETY: the room is as long as was told.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(INFO_BY_FD, &mut attributes) }.map_err(|_| io::ErrorKind::InvalidData)?;
    let field = |at: usize| info.get(at..).and_then(<[u8]>::first_chunk).copied();
    let field = |at: usize| field(at).map_or(0, u32::from_ne_bytes);
    let is_mappable = field(20) & MAPPABLE != 0;
    let size = (usize::try_from(field(12)).ok(), field(16));
    if field(0) != TYPE_ARRAY || !is_mappable || size != (Some(value_bytes), entries) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let bytes = u64::try_from(value_bytes).unwrap_or(u64::MAX).saturating_mul(entries.into());
    // An array has one size for life.
    Mapping::map(fd, bytes)
}

/// A program that was loaded.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

impl Program {
    /// Loads a program that chooses sockets.
    ///
    /// # Errors
    /// `PermissionDenied`: no rights. `InvalidInput`: no instructions, or too many. `InvalidData`:
    /// the kernel's verifier does not take it; the error has its last words.
    pub fn load_sk_lookup(name: &str, instructions: &[u8]) -> io::Result<Program> {
        load_told((TYPE_SK_LOOKUP, ATTACH_SK_LOOKUP), name, instructions)
    }

    /// Loads a program that sees what an interface receives.
    ///
    /// # Errors
    /// As of [`Program::load_sk_lookup`].
    pub fn load_ingress(name: &str, instructions: &[u8]) -> io::Result<Program> {
        load_told((TYPE_SCHED, ATTACH_TCX_INGRESS), name, instructions)
    }

    /// Loads a program that sees frames where an interface receives them (XDP).
    ///
    /// # Errors
    /// As of [`Program::load_sk_lookup`].
    pub fn load_xdp(name: &str, instructions: &[u8]) -> io::Result<Program> {
        load_told((TYPE_XDP, ATTACH_XDP), name, instructions)
    }
}

/// Loads a program, and once more to hear why when it is refused.
fn load_told(kind: (u32, u32), name: &str, instructions: &[u8]) -> io::Result<Program> {
    let count = instructions.len() / INSTRUCTION_BYTES;
    let fits = instructions.len().is_multiple_of(INSTRUCTION_BYTES);
    if !fits || !(1..=INSTRUCTIONS_MAX).contains(&count) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut log = vec![0; LOG_BYTES_MAX];
    match load(kind, name, instructions, None) {
        Err(e) if e.raw_os_error() != Some(libc::EPERM) => {
            let refused = load(kind, name, instructions, Some(&mut log));
            refused.map_err(|e| said(&e, &log))
        }
        loaded => loaded,
    }
}

fn load(
    (kind, attached): (u32, u32),
    name: &str,
    instructions: &[u8],
    log: Option<&mut [u8]>,
) -> io::Result<Program> {
    // Helpers that we call are for everybody, but the kernel asks for a licence.
    let license = b"Apache-2.0\0";
    let count = u32::try_from(instructions.len() / INSTRUCTION_BYTES);
    let mut attributes = Attributes::new()
        .number(0, kind)
        .number(4, count.map_err(|_| io::ErrorKind::InvalidInput)?)
        .bytes(8, instructions)
        .bytes(16, license)
        .name(48, name)
        .number(68, attached);
    if let Some(log) = log {
        let room = u32::try_from(log.len()).unwrap_or(0);
        attributes = attributes.number(24, 1).number(28, room).room(32, log);
    }
    // SAFETY: the instructions are as many as told, the licence ends with a zero, the log's room is
    // as long as told.
    // JUSTIFICATION: see `bpf`.
    let fd = unsafe { bpf(PROG_LOAD, &mut attributes) }?;
    Ok(Program { fd: owned(fd) })
}

/// The verifier's last words that are not its statistics.
fn said(error: &io::Error, log: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(log.split(|byte| *byte == 0).next().unwrap_or_default());
    let last = text.lines().rfind(|line| !line.is_empty() && !line.starts_with("processed "));
    match last {
        Some(last) => io::Error::new(io::ErrorKind::InvalidData, format!("{error}: {last}")),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Has a program that chooses sockets run in a network namespace, after those that are there, as
/// long as the descriptor that comes back is open anywhere.
///
/// # Errors
/// The system's.
pub fn attach(program: &Program, namespace: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attributes = Attributes::new().descriptor(0, program.fd.as_fd());
    let mut attributes = attributes.descriptor(4, namespace).number(8, ATTACH_SK_LOOKUP);
    // SAFETY: this command takes no addresses.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(LINK_CREATE, &mut attributes) }.map(owned)
}

/// Has a program see what an interface receives, after those that are there, as long as the
/// descriptor that comes back is open anywhere.
///
/// # Errors
/// The system's; `InvalidInput` or `Unsupported` from one before Linux 6.6.
pub fn attach_ingress(program: &Program, interface: u32) -> io::Result<OwnedFd> {
    let attributes = Attributes::new().descriptor(0, program.fd.as_fd());
    let mut attributes = attributes.number(4, interface).number(8, ATTACH_TCX_INGRESS);
    // SAFETY: this command takes no addresses.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(LINK_CREATE, &mut attributes) }.map(owned)
}

/// Has a program of XDP run at an interface, in its driver or behind it (`generic`), as long as the
/// descriptor that comes back is open anywhere. There is one such program at most.
///
/// # Errors
/// The system's; `ResourceBusy`: another program is there. `Unsupported` or another one: what the
/// driver has against it.
pub fn attach_xdp(program: &Program, interface: u32, generic: bool) -> io::Result<OwnedFd> {
    let place = if generic { XDP_GENERIC } else { XDP_NATIVE };
    let attributes = Attributes::new().descriptor(0, program.fd.as_fd());
    let attributes = attributes.number(4, interface).number(8, ATTACH_XDP);
    let mut attributes = attributes.number(12, place);
    // SAFETY: this command takes no addresses.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(LINK_CREATE, &mut attributes) }.map(owned)
}

/// Whether what [`attach`], [`attach_ingress`] or [`attach_xdp`] gave still has its program run
/// somewhere.
#[must_use]
pub fn is_attached(link: BorrowedFd<'_>) -> bool {
    attached_to(link).is_some()
}

/// Where the program of a link runs: the number of the interface, or of the namespace; `None` = it
/// runs no more.
#[must_use]
pub fn attached_to(link: BorrowedFd<'_>) -> Option<u32> {
    let mut info = [0; 32];
    let attributes = Attributes::new().descriptor(0, link).number(4, 32);
    let mut attributes = attributes.room(8, &mut info);
    // SAFETY: the room is as long as was told.
    // JUSTIFICATION: see `bpf`.
    let told = unsafe { bpf(INFO_BY_FD, &mut attributes) };
    // What it is attached to, 0 once it is gone from there.
    let place = info.get(16..).and_then(<[u8]>::first_chunk).copied().map(u32::from_ne_bytes);
    place.filter(|place| told.is_ok() && *place != 0)
}

/// Ends what [`attach`], [`attach_ingress`] or [`attach_xdp`] began, whoever else has the
/// descriptor.
///
/// # Errors
/// The system's: it is no such descriptor.
pub fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attributes = Attributes::new().descriptor(0, link);
    // SAFETY: this command takes no addresses.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(LINK_DETACH, &mut attributes) }?;
    Ok(())
}

/// How many programs that choose sockets a network namespace has.
///
/// # Errors
/// The system's.
pub fn attached(namespace: BorrowedFd<'_>) -> io::Result<u32> {
    let attributes = Attributes::new().descriptor(0, namespace);
    let mut attributes = attributes.number(4, ATTACH_SK_LOOKUP);
    // SAFETY: no room for numbers of programs is offered, so none are written.
    // JUSTIFICATION: see `bpf`.
    unsafe { bpf(PROG_QUERY, &mut attributes) }?;
    Ok(attributes.read(24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_array_of_that_size_is_not_mapped() {
        let (memfd, _mapping) = crate::shm::create_memfd(c"no-map", 1024).unwrap();
        let refused = map_array(memfd.as_fd(), 16, 512).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn bad_sizes_are_refused_before_the_kernel_sees_them() {
        for bytes in [0, 7, 12, VALUE_BYTES_MAX + 8] {
            let refused = Map::array("bad", bytes, 1, false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{bytes}");
        }
        for bytes in [0, 7, INSTRUCTION_BYTES * (INSTRUCTIONS_MAX + 1)] {
            let refused = Program::load_sk_lookup("bad", &vec![0; bytes]).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidInput, "{bytes}");
        }
    }

    #[test]
    fn the_verifier_is_quoted() {
        let plain = io::Error::from_raw_os_error(libc::EACCES);
        let log = b"0: (85) call\nR1 is no context\nprocessed 1 insns\n\0\0\0";
        assert!(said(&plain, log).to_string().ends_with(": R1 is no context"));
        assert_eq!(said(&plain, b"\0").to_string(), plain.to_string());
    }
}
