//! The repository's files, read once.

use crate::rust::Rust;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file that is read as text, bytes: larger ones are data.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Git's own: a folder, or a file in a second working copy.
const GIT: &str = ".git";
/// Folders that hold no source, wherever they are; so do `target` and `target-*`.
const SKIPPED: [&str; 4] = [GIT, "node_modules", "__pycache__", "corpus"];
/// Where the product keeps its data when it runs in the repository.
const RUNNING_DATA: &str = "data";

/// A text file.
#[derive(Debug)]
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// The text seen as Rust, for `.rs` files.
    pub rust: Option<Rust>,
}

impl File {
    fn new(path: String, text: String) -> File {
        let rust = path.ends_with(".rs").then(|| Rust::read(&text));
        File { path, text, rust }
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder, without a `/` at its end; empty for the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// All files of a repository, or of a made-up one.
#[derive(Debug, Default)]
pub struct Tree {
    files: Vec<File>,
    folders: Vec<String>,
    root: Option<PathBuf>,
}

impl Tree {
    /// Reads the repository that this crate stands in.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of_repository() -> io::Result<Tree> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).unwrap_or(here);
        let mut tree = Tree { root: Some(root.to_path_buf()), ..Tree::default() };
        tree.walk(root, "")?;
        Ok(tree)
    }

    /// A made-up repository.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            for (at, _) in path.match_indices('/') {
                tree.folders.extend(path.get(..at).map(str::to_owned));
            }
            tree.files.push(File::new((*path).to_owned(), (*text).to_owned()));
        }
        tree
    }

    fn walk(&mut self, folder: &Path, path: &str) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folders.push(path.clone());
                if !is_skipped(&name) && path != RUNNING_DATA {
                    self.walk(&entry.path(), &path)?;
                }
            } else if kind.is_file() && name != GIT && entry.metadata()?.len() <= FILE_BYTES_MAX {
                // What is not UTF-8 is no source; its name still counts.
                let text = String::from_utf8(std::fs::read(entry.path())?).unwrap_or_default();
                self.files.push(File::new(path, text));
            }
        }
        Ok(())
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Every Rust file with its reading.
    pub fn rust(&self) -> impl Iterator<Item = (&File, &Rust)> {
        self.files.iter().filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    /// The file at a path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every folder, also those that are not walked into.
    #[must_use]
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// A folder of this name beside the repository or beside one of the folders above it: texts
    /// that are no part of the repository (RFCs, specification), which may be absent.
    #[must_use]
    pub fn beside(&self, name: &str) -> Option<PathBuf> {
        self.root.as_ref()?.ancestors().map(|up| up.join(name)).find(|path| path.is_dir())
    }
}

fn is_skipped(name: &str) -> bool {
    SKIPPED.contains(&name) || name == "target" || name.starts_with("target-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_read() {
        let tree = Tree::of_repository().unwrap();
        assert!(tree.file("tests/tidy/src/tree.rs").is_some_and(|file| file.rust.is_some()));
        assert!(tree.file("Cargo.toml").is_some_and(|file| file.text.contains("[workspace]")));
        assert!(tree.files().all(|file| !file.path.starts_with("target/")));
    }

    #[test]
    fn made_up_files_have_folders() {
        let tree = Tree::of(&[("a/b/c.rs", "")]);
        assert_eq!(tree.folders(), ["a", "a/b"]);
        assert_eq!(tree.file("a/b/c.rs").map(|f| (f.folder(), f.name())), Some(("a/b", "c.rs")));
    }
}
