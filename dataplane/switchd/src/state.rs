//! What outlives this process: the number of its life, and the call table.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use strowger_link::Key;
use strowger_link::table::{Setup, Table, words_needed};
use strowger_port::rng;
use strowger_port::shm::{self, Mapping, Window};

/// Chunks of the call table for each slot: facts and settlement of a call beyond its slot.
const CHUNKS_PER_SLOT: u32 = 4;

/// The call table and who may name its slots.
pub(crate) struct CallTable {
    /// The file, for the control plane.
    pub(crate) file: OwnedFd,
    /// Its memory.
    pub(crate) memory: Arc<Mapping>,
    /// The writing side.
    pub(crate) table: Table<Window>,
    /// Key of tokens in tags and branches.
    pub(crate) token_key: Key,
}

/// Counts the lives of this node's dataplane: read, raised and made durable before anything else.
///
/// # Errors
/// The file cannot be read or written, or holds no number.
pub(crate) fn next_epoch(dir: &Path) -> io::Result<u32> {
    let file = dir.join("epoch");
    let last: u32 = match fs::read_to_string(&file) {
        Ok(text) => text.trim().parse().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: no number", file.display()))
        })?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
        Err(e) => return Err(e),
    };
    let next = last.wrapping_add(1).max(1);
    let new = dir.join("epoch.new");
    let mut out = fs::File::create(&new)?;
    writeln!(out, "{next}")?;
    out.sync_all()?;
    fs::rename(&new, &file)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(next)
}

/// This boot of the host, 0 where the system does not tell.
fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

/// Makes the call table of this life.
///
/// # Errors
/// No room on the file system, or no randomness.
pub(crate) fn call_table(file: &Path, node: u32, slots: u32, epoch: u32) -> io::Result<CallTable> {
    let token_key = rng::random_u128()?;
    let chunks = slots.saturating_mul(CHUNKS_PER_SLOT);
    let setup = Setup { seg: 0, node, boot_id: boot_id(), token_key, slots, chunks };
    let words = words_needed(slots, chunks).ok_or(io::ErrorKind::InvalidInput)?;
    match fs::remove_file(file) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let (fd, mapping) = shm::create_file(file, words)?;
    let memory = Arc::new(mapping);
    let window = Window::new(&memory, 0, words).ok_or(io::ErrorKind::InvalidInput)?;
    let table = Table::create(window, &setup, epoch).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(CallTable { file: fd, memory, table, token_key: Key(token_key.to_le_bytes()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_rise_and_survive() {
        let dir = std::env::temp_dir().join(format!("strowger-epoch-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(next_epoch(&dir).unwrap(), 1);
        assert_eq!(next_epoch(&dir).unwrap(), 2);
        fs::write(dir.join("epoch"), "x").unwrap();
        assert!(next_epoch(&dir).unwrap_err().to_string().contains("no number"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
