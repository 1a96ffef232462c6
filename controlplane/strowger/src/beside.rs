//! What a backup has beside the database: files of the data directory that hold what no journal
//! brings back.
//!
//! They are copied behind the database, so a row of the copy finds its file, or a newer one. Who
//! writes them puts a whole new file in the old one's place; the one that grows is a list's tail,
//! which counts as far as it is whole and belongs to the image that it is over: it is copied before
//! the image.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Lists of numbers, files of suppliers, records that left the database; the table of ported
/// numbers, the key that seals secrets.
const FOLDERS: [&str; 3] = ["lists", "imports", "archive"];
const FILES: [&str; 2] = ["ported.img", "host.key"];
/// How a file is called that is being written.
const UNFINISHED: &str = "new";
/// How a tail is called.
const TAIL: &str = "tail";

/// Where the files of a backup in `file` are.
pub(crate) fn folder_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".files");
    name.into()
}

/// Copies what is there into the new folder `to`, for its owner alone, durable on return. How many
/// files there were.
///
/// # Errors
/// A file that cannot be read or written, by its name; then nothing is left of the folder.
pub(crate) fn copy(data: &Path, to: &Path) -> Result<u64, String> {
    make(to)?;
    copy_into(data, to).inspect_err(|_| {
        // Half a copy is none.
        let _left = fs::remove_dir_all(to);
    })
}

fn copy_into(data: &Path, to: &Path) -> Result<u64, String> {
    let mut count = 0;
    for name in FILES {
        count += copy_file(&data.join(name), &to.join(name))?;
    }
    for folder in FOLDERS {
        let (from, to) = (data.join(folder), to.join(folder));
        let names = names_in(&from).map_err(|e| format!("{}: {e}", from.display()))?;
        if !names.is_empty() {
            make(&to)?;
        }
        for name in &names {
            count += copy_file(&from.join(name), &to.join(name))?;
        }
        if !names.is_empty() {
            sync(&to)?;
        }
    }
    sync(to)?;
    to.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or(Ok(()), sync)?;
    Ok(count)
}

/// The plain files of a folder, tails first; none where there is no folder.
fn names_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if entry.file_type()?.is_file() && name.extension().is_none_or(|kind| kind != UNFINISHED) {
            names.push(name);
        }
    }
    names.sort_by_key(|name| name.extension().is_none_or(|kind| kind != TAIL));
    Ok(names)
}

/// One file; 0 when it is gone by now.
fn copy_file(from: &Path, to: &Path) -> Result<u64, String> {
    let mut source = match File::open(from) {
        Ok(source) => source,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(format!("{}: {e}", from.display())),
    };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let copied = made.and_then(|mut copy| {
        io::copy(&mut source, &mut copy)?;
        copy.sync_all()
    });
    copied.map(|()| 1).map_err(|e| format!("{}: {e}", to.display()))
}

fn make(folder: &Path) -> Result<(), String> {
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(|e| format!("{}: {e}", folder.display()))
}

fn sync(folder: &Path) -> Result<(), String> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|e| format!("{}: {e}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn scratch(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("strowger-beside-{name}-{}", std::process::id()));
        let _left = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn what_no_journal_brings_back_is_copied_and_nothing_else() {
        let dir = scratch("all");
        let (data, to) = (dir.join("data"), folder_of(&dir.join("copy.db")));
        fs::create_dir_all(data.join("lists/odd")).unwrap();
        fs::create_dir_all(data.join("archive")).unwrap();
        let kept = ["host.key", "lists/7.img", "lists/7.tail", "archive/records-1.jsonl"];
        let left = ["lists/8.new", "archive/part.new", "admin.token"];
        for name in kept.into_iter().chain(left) {
            fs::write(data.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", data.join("lists/9.img")).unwrap();
        assert_eq!(copy(&data, &to), Ok(4));
        for name in kept {
            assert_eq!(fs::read_to_string(to.join(name)).unwrap(), name);
            let mode = fs::metadata(to.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        for name in left.into_iter().chain(["lists/9.img", "lists/odd", "imports"]) {
            assert!(!to.join(name).exists(), "{name}");
        }
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
        let there = copy(&data, &to).unwrap_err();
        assert!(there.contains("copy.db.files"), "{there}");
        assert!(to.join("host.key").exists(), "what is there is not ours to remove");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn tails_come_before_their_images() {
        let dir = scratch("order");
        for name in ["1.img", "2.tail", "1.tail", "2.img"] {
            fs::write(dir.join(name), "").unwrap();
        }
        let names = names_in(&dir).unwrap();
        let is_tail = |name: &PathBuf| name.extension().is_some_and(|kind| kind == TAIL);
        assert_eq!(names.iter().map(is_tail).collect::<Vec<_>>(), [true, true, false, false]);
        fs::remove_dir_all(&dir).unwrap();
    }
}
