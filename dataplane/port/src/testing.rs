//! Helpers of this crate's tests.

use std::path::{Path, PathBuf};

/// A directory of its own for one test, removed at the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let number = crate::rng::random_u64().unwrap();
        let path = std::env::temp_dir().join(format!("strowger-port-{name}-{number:016x}"));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
