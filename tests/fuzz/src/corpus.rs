//! Inputs kept in files: `corpus/TARGET/*`, any name, one input a file.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crate::INPUT_LEN_MAX;

/// The committed corpus of a target.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// All inputs of a folder, ordered by file name so that every run takes them in the same order.
///
/// # Errors
/// What the file system says, or an input of more than [`INPUT_LEN_MAX`] bytes.
pub fn load(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    paths.iter().map(|path| load_one(path)).collect()
}

/// One input.
///
/// # Errors
/// As [`load`].
pub fn load_one(path: &Path) -> io::Result<Vec<u8>> {
    let input = fs::read(path)?;
    if input.len() > INPUT_LEN_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, path.display().to_string()));
    }
    Ok(input)
}

/// Writes an input under a name made of its content, and says where.
///
/// # Errors
/// What the file system says.
pub fn save(folder: &Path, input: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder.join(format!("{:016x}", hasher.finish()));
    fs::write(&path, input)?;
    Ok(path)
}
