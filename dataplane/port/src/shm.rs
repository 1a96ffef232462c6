//! Shared memory as atomic words.
//!
//! Rust references into memory that another process writes are undefined behaviour unless every
//! access is atomic; so this module hands out `&[AtomicU64]` and nothing else. What stands there is
//! the business of `strowger_link::{ring, table}`.
//!
//! Memory that shrinks under a mapping is a SIGBUS in the packet path. A memfd is sealed against
//! that; a file is allocated whole, readable and writable by its owner only, and never truncated.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::sys::{check, retry};

/// Most bytes of one mapping.
pub const MAPPING_BYTES_MAX: u64 = 1 << 32;
/// Mode of files made here.
const FILE_MODE: u32 = 0o600;

/// Shared words, mapped until dropped.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<AtomicU64>,
    words: usize,
    locked: bool,
}

// SAFETY: the mapping is plain memory at a fixed address, reached by atomics only; any thread may
// use and unmap it.
// JUSTIFICATION: a pointer makes the type neither by itself.
unsafe impl Send for Mapping {}
// SAFETY: as above: `words` gives out shared references to atomics only.
// JUSTIFICATION: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// All words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: `base` is page-aligned and maps `words` words for reading and writing until
        // `drop`. They are integers (any bits are a value), and nobody makes references to them
        // other than these atomic ones. The object cannot shrink: who calls `map`
        // checks seals or ownership.
        // JUSTIFICATION: the one place where shared memory becomes Rust values.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.words) }
    }

    /// Whether the pages are locked in memory. Locking is tried, not required.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Maps memory that cannot shrink, as the caller has made sure.
    pub(crate) fn map(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<Mapping> {
        let size = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        let fits = bytes.is_multiple_of(8) && (8..=MAPPING_BYTES_MAX).contains(&bytes);
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours;
        // the result is checked before use.
        // JUSTIFICATION: mmap(2) is not in std.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, fd.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<AtomicU64>()).ok_or(io::ErrorKind::Other)?;
        // SAFETY: exactly the range just mapped. Failure (a limit) leaves it as it is.
        // JUSTIFICATION: mlock(2) is not in std.
        let locked = unsafe { libc::mlock(base.as_ptr().cast(), size) } == 0;
        Ok(Mapping { base, words: size / 8, locked })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range `map` mapped; no reference outlives `self`.
        // JUSTIFICATION: munmap(2) is not in std.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.words * 8) };
    }
}

impl AsRef<[AtomicU64]> for Mapping {
    fn as_ref(&self) -> &[AtomicU64] {
        self.words()
    }
}

/// Some words of a mapping, which stays mapped as long as any window on it lives.
#[derive(Clone, Debug)]
pub struct Window {
    mapping: Arc<Mapping>,
    start: usize,
    len: usize,
}

impl Window {
    /// `len` words from word `start` on; `None` = the mapping is shorter.
    #[must_use]
    pub fn new(mapping: &Arc<Mapping>, start: usize, len: usize) -> Option<Window> {
        let end = start.checked_add(len)?;
        (end <= mapping.words).then(|| Window { mapping: Arc::clone(mapping), start, len })
    }
}

impl AsRef<[AtomicU64]> for Window {
    fn as_ref(&self) -> &[AtomicU64] {
        self.mapping.words().get(self.start..self.start + self.len).unwrap_or_default()
    }
}

/// New anonymous shared memory of `words` words, zeroed and sealed against shrinking; the
/// descriptor is to be sent to another process.
///
/// # Errors
/// No memory, no descriptors, or a size out of bounds.
pub fn create_memfd(name: &CStr, words: usize) -> io::Result<(OwnedFd, Mapping)> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: `name` ends with a zero byte; the result is checked before use.
    // JUSTIFICATION: memfd_create(2) is not in std.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    // JUSTIFICATION: the only way to an OwnedFd.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let bytes = bytes_of(words)?;
    allocate(fd.as_fd(), bytes)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: no pointers; the descriptor is ours.
    // JUSTIFICATION: fcntl(2) is not in std.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    let mapping = Mapping::map(fd.as_fd(), bytes)?;
    Ok((fd, mapping))
}

/// Maps memory another process made by [`create_memfd`] and sent.
///
/// # Errors
/// `InvalidData`: not a memfd sealed against shrinking, or not of `words` words.
pub fn map_memfd(fd: BorrowedFd<'_>, words: usize) -> io::Result<Mapping> {
    // SAFETY: no pointers.
    // JUSTIFICATION: fcntl(2) is not in std.
    let seals = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
        .map_err(|_| io::ErrorKind::InvalidData)?;
    let bytes = bytes_of(words)?;
    if seals & libc::F_SEAL_SHRINK == 0 || size_of_fd(fd)? != bytes {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Mapping::map(fd, bytes)
}

/// Makes a new file of `words` words, zeroed, allocated whole, mode 0600, and maps it. On tmpfs it
/// outlives every process.
///
/// # Errors
/// The file exists (`AlreadyExists`), or the file system has no room for all of it; then nothing
/// stays behind.
pub fn create_file(path: &Path, words: usize) -> io::Result<(OwnedFd, Mapping)> {
    let bytes = bytes_of(words)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(FILE_MODE);
    let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
    let mapped = allocate(file.as_fd(), bytes).and_then(|()| Mapping::map(file.as_fd(), bytes));
    match mapped {
        Ok(mapping) => Ok((file.into(), mapping)),
        Err(error) => {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

/// Maps a file made by [`create_file`], as large as it is.
///
/// # Errors
/// `PermissionDenied`: it belongs to another user or others may write it, so it could shrink.
pub fn open_file(path: &Path) -> io::Result<(OwnedFd, Mapping)> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let mapping = map_file(file.as_fd())?;
    Ok((file.into(), mapping))
}

/// Maps a file made by [`create_file`] whose descriptor another process sent.
///
/// # Errors
/// As [`open_file`].
pub fn map_file(fd: BorrowedFd<'_>) -> io::Result<Mapping> {
    let metadata = File::from(fd.try_clone_to_owned()?).metadata()?;
    // SAFETY: no arguments, cannot fail.
    // JUSTIFICATION: the effective user is not in std.
    let user = unsafe { libc::geteuid() };
    let ours = metadata.uid() == user && metadata.mode() & 0o777 == FILE_MODE;
    if !metadata.is_file() || !ours {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // A hole would be a SIGBUS later, on a tmpfs that has filled up meanwhile.
    allocate(fd, metadata.len())?;
    Mapping::map(fd, metadata.len())
}

fn bytes_of(words: usize) -> io::Result<u64> {
    u64::try_from(words)
        .ok()
        .and_then(|words| words.checked_mul(8))
        .ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn size_of_fd(fd: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(File::from(fd.try_clone_to_owned()?).metadata()?.len())
}

/// Gives the file this size and all its pages.
pub(crate) fn allocate(fd: BorrowedFd<'_>, bytes: u64) -> io::Result<()> {
    let bytes = libc::off_t::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: no pointers.
    // JUSTIFICATION: fallocate(2) is not in std.
    retry(|| check(unsafe { libc::fallocate(fd.as_raw_fd(), 0, 0, bytes) }))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_memfd_is_shared_and_cannot_shrink() {
        let (fd, ours) = create_memfd(c"test", 1024).unwrap();
        let theirs = map_memfd(fd.as_fd(), 1024).unwrap();
        ours.words()[1023].store(5, Ordering::Relaxed);
        assert_eq!(theirs.words()[1023].load(Ordering::Relaxed), 5);
        assert_eq!(map_memfd(fd.as_fd(), 1023).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let file = File::from(fd);
        assert!(file.set_len(8).is_err(), "sealed");
        let scratch = Scratch::new("memfd");
        let plain = File::create(scratch.path().join("plain")).unwrap();
        plain.set_len(8192).unwrap();
        let refused = map_memfd(plain.as_fd(), 1024).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_file_outlives_its_mapping() {
        let scratch = Scratch::new("file");
        let path = scratch.path().join("table.0");
        let (_, mapping) = create_file(&path, 512).unwrap();
        mapping.words()[7].store(9, Ordering::Relaxed);
        drop(mapping);
        assert_eq!(create_file(&path, 512).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let (_, again) = open_file(&path).unwrap();
        assert_eq!(again.words().len(), 512);
        assert_eq!(again.words()[7].load(Ordering::Relaxed), 9);
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert_eq!(metadata.blocks() * 512, 4096, "allocated whole");
    }

    #[test]
    fn files_that_others_could_change_are_refused() {
        let scratch = Scratch::new("refused");
        let path = scratch.path().join("table.0");
        drop(create_file(&path, 512).unwrap());
        let mut permissions = std::fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o660);
        std::fs::set_permissions(&path, permissions).unwrap();
        assert_eq!(open_file(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(open_file(&link).is_err());
        assert!(create_memfd(c"odd", 0).is_err());
    }

    #[test]
    fn windows_stay_inside() {
        let (_fd, mapping) = create_memfd(c"windows", 1024).unwrap();
        let mapping = Arc::new(mapping);
        assert!(Window::new(&mapping, 1000, 25).is_none());
        assert!(Window::new(&mapping, usize::MAX, 2).is_none());
        let window = Window::new(&mapping, 1000, 24).unwrap();
        drop(mapping);
        assert_eq!(window.as_ref().len(), 24);
    }
}
