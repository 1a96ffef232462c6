//! Files of the journal's directory.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::shm::allocate;

const SEGMENT_PREFIX: &str = "journal-";
const SEGMENT_SUFFIX: &str = ".seg";
const SPARE_PREFIX: &str = "spare-";
const LOCK_NAME: &str = "lock";
const DIRECTORY_MODE: u32 = 0o700;
const OPEN_MODE: u32 = 0o600;
const SEALED_MODE: u32 = 0o400;

/// What the writer needs of a disk. The tests have one that fails.
pub(super) trait Disk {
    /// An allocated file.
    type File;
    /// Allocates a file of `bytes` zeros that no reader sees.
    fn allocate(&mut self, bytes: u32) -> io::Result<Self::File>;
    /// Makes it segment `number`, beginning with `header`; durable on return.
    fn publish(&mut self, file: &mut Self::File, number: u32, header: &[u8]) -> io::Result<()>;
    /// Writes inside the allocated bytes; not durable yet.
    fn write(&mut self, file: &mut Self::File, offset: u32, bytes: &[u8]) -> io::Result<()>;
    /// Makes all writes durable.
    fn sync(&mut self, file: &mut Self::File) -> io::Result<()>;
    /// Cuts a finished segment to its length and forbids writing.
    fn seal(&mut self, file: &mut Self::File, bytes: u32) -> io::Result<()>;
}

/// The directory, locked for this process.
pub(super) struct Directory {
    path: PathBuf,
    handle: File,
    spares: u32,
    /// Held open: the lock goes with it.
    _lock: File,
}

pub(super) struct SegmentFile {
    file: File,
    path: PathBuf,
}

impl Directory {
    /// Locks the directory, makes it if need be, and removes spares of a former run.
    pub(super) fn open(path: &Path) -> io::Result<Directory> {
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(OPEN_MODE);
        let lock = options.open(path.join(LOCK_NAME))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(SPARE_PREFIX) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Directory { path: path.to_owned(), handle: File::open(path)?, spares: 0, _lock: lock })
    }
}

impl Disk for Directory {
    type File = SegmentFile;

    fn allocate(&mut self, bytes: u32) -> io::Result<SegmentFile> {
        self.spares = self.spares.wrapping_add(1);
        let path = self.path.join(format!("{SPARE_PREFIX}{:04}", self.spares));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(OPEN_MODE);
        let file = options.open(&path)?;
        if let Err(error) = allocate(file.as_fd(), u64::from(bytes)) {
            // Half a file would take the room a later try needs.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(SegmentFile { file, path })
    }

    fn publish(&mut self, file: &mut SegmentFile, number: u32, header: &[u8]) -> io::Result<()> {
        file.file.write_all_at(header, 0)?;
        // All of it: size and allocation are metadata that fdatasync need not write.
        file.file.sync_all()?;
        let path = segment_path(&self.path, number);
        fs::rename(&file.path, &path)?;
        file.path = path;
        self.handle.sync_all()
    }

    fn write(&mut self, file: &mut SegmentFile, offset: u32, bytes: &[u8]) -> io::Result<()> {
        file.file.write_all_at(bytes, u64::from(offset))
    }

    fn sync(&mut self, file: &mut SegmentFile) -> io::Result<()> {
        file.file.sync_data()
    }

    fn seal(&mut self, file: &mut SegmentFile, bytes: u32) -> io::Result<()> {
        file.file.set_len(u64::from(bytes))?;
        file.file.set_permissions(Permissions::from_mode(SEALED_MODE))
    }
}

/// Numbers of the segments in a directory, rising.
///
/// # Errors
/// The directory cannot be read.
pub fn list_segments(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let digits =
            name.strip_prefix(SEGMENT_PREFIX).and_then(|it| it.strip_suffix(SEGMENT_SUFFIX));
        numbers.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes durable what stands in the segments of these numbers, for a reader that goes on although
/// nobody published how far the log is durable: what it makes of the frames must not outlive them.
///
/// # Errors
/// The system's; then nothing is known of it.
pub fn sync_segments(directory: &Path, numbers: RangeInclusive<u32>) -> io::Result<()> {
    for number in list_segments(directory)?.into_iter().filter(|it| numbers.contains(it)) {
        File::open(segment_path(directory, number))?.sync_data()?;
    }
    Ok(())
}

/// Where segment `number` stands.
#[must_use]
pub fn segment_path(directory: &Path, number: u32) -> PathBuf {
    directory.join(format!("{SEGMENT_PREFIX}{number:010}{SEGMENT_SUFFIX}"))
}
