//! Files below a root directory, read with bounds.

use crate::{CoreList, parse_cores};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file read, bytes; the rest is not looked at. `/proc/interrupts` is the longest.
const BYTES_MAX: u64 = 1 << 20;
/// Most names of a directory.
const NAMES_MAX: usize = 8_192;
/// Longest piece of nonsense that is shown, characters.
const SHOWN_MAX: usize = 40;

/// The files of a host.
pub(super) struct Files<'a> {
    root: &'a Path,
    garbled: Vec<String>,
}

impl<'a> Files<'a> {
    pub(super) fn new(root: &'a Path) -> Files<'a> {
        Files { root, garbled: Vec::new() }
    }

    pub(super) fn into_garbled(self) -> Vec<String> {
        self.garbled
    }

    /// The text of a file without the white space around it; `None` if it cannot be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let file = File::open(self.root.join(path)).ok()?;
        file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Whether there is such a file or directory.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Where a symbolic link leads.
    pub(super) fn link(&self, path: &str) -> Option<PathBuf> {
        std::fs::read_link(self.root.join(path)).ok()
    }

    /// The names in a directory, in order; none if it cannot be read.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(path)) else { return Vec::new() };
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
        let mut names: Vec<String> =
            entries.take(NAMES_MAX).filter_map(Result::ok).filter_map(name).collect();
        names.sort_unstable();
        names
    }

    /// A file that holds one number.
    pub(super) fn number(&mut self, path: &str) -> Option<u64> {
        let text = self.text(path)?;
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => self.garbled(path, &text, "a number"),
        }
    }

    /// A file that holds a list of cores: `0-3,8`.
    pub(super) fn cores(&mut self, path: &str) -> Option<CoreList> {
        let text = self.text(path)?;
        self.parse_cores(path, &text)
    }

    /// A list of cores that stands in a file.
    pub(super) fn parse_cores(&mut self, path: &str, text: &str) -> Option<CoreList> {
        match parse_cores(text) {
            Ok(cores) => Some(cores),
            Err(_) => self.garbled(path, text, "a list of cores"),
        }
    }

    /// A file that holds a set of cores as hexadecimal groups: `00000001,0000000f`.
    pub(super) fn mask(&mut self, path: &str) -> Option<CoreList> {
        let text = self.text(path)?;
        let digits = text.chars().filter(|c| *c != ',').rev();
        let mut cores = CoreList::new();
        for (at, digit) in digits.enumerate() {
            let Some(bits) = digit.to_digit(16) else {
                return self.garbled(path, &text, "a set of cores");
            };
            cores.extend((0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| 4 * at + bit));
        }
        Some(cores)
    }

    /// Notes that a file holds something else than it should.
    pub(super) fn garbled<T>(&mut self, path: &str, text: &str, wanted: &str) -> Option<T> {
        let line = text.lines().next().unwrap_or_default();
        let shown: String = line.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
        self.garbled.push(format!("/{path} holds `{shown}`, which is not {wanted}"));
        None
    }
}
