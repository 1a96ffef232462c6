//! What stands on lists of numbers, in files of the data directory: read at boot, changed by REST.
//!
//! Each list has an image, and a tail of the changes over it (`strowger_list`). A small change is
//! appended to the tail; a file of lines that replaces the list, or more changes than a tail holds,
//! is a new image beside the old one, put in its place by renaming. Rows are the database's: a list
//! whose row is gone is forgotten here, and the change log has an entry for each change before it
//! is in force.
//!
//! | step | what a crash behind it leaves |
//! |---|---|
//! | the lines were read | nothing |
//! | a new image is written, or a tail is longer | an image that is nobody's, or the change |
//! | the change log has it | the same |
//! | the image has its place | the change |

use crate::run::chain;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strowger_api::{ListDeed, ListOrder, ListSeen};
use strowger_list::{
    CHANGES_MAX, ENTRIES_MAX, Gathering, IMAGE_HEAD, LINE_BYTES_MAX, Numbers, Packed, Tail,
};
use strowger_model::{Digits, NUMBER_LIST_ENTRIES_MAX, NumberListId};
use strowger_routing::{ListEntries, NumberLists};
use strowger_store::{ListChange, Store, StoreError};
use tokio::sync::{Mutex, watch};
use tracing::{error, info};

/// The directory of the files, in the data directory.
const DIR: &str = "lists";
/// Longest image, bytes.
const IMAGE_BYTES_MAX: u64 = (IMAGE_HEAD + 8 * ENTRIES_MAX) as u64;
/// Longest tail, bytes.
const TAIL_BYTES_MAX: u64 = (16 + 16 * CHANGES_MAX) as u64;

/// The entries that are in force, and their files. Clones are of the same.
#[derive(Clone)]
pub(crate) struct Lists {
    dir: PathBuf,
    store: Store,
    /// Held while files are written, so that changes follow each other.
    files: Arc<Mutex<Files>>,
    now: Arc<watch::Sender<Arc<ListEntries>>>,
}

/// What is known of the files.
#[derive(Default)]
struct Files {
    /// Of each list that has an image: its tail, and how long it is.
    tails: BTreeMap<NumberListId, (Tail, u64)>,
    /// Lists whose image cannot be read: nothing is added to what nobody knows.
    broken: BTreeSet<NumberListId>,
}

/// A list as it will be, and what is still to be done for it.
struct Staged {
    list: NumberListId,
    before: u64,
    lines: u64,
    after: Numbers,
    tail: (Tail, u64),
    /// The tail's length before, where it grew; else a new image waits for its place.
    grew_from: Option<u64>,
}

/// Why a list is not changed.
enum Failed {
    /// A sentence for who sent the lines.
    Refused(String),
    /// The disk.
    Disk(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Disk(error)
    }
}

impl Lists {
    /// The entries of all lists of a data directory. A file that cannot be read is said and left as
    /// it is: nothing stands on that list. Files of lists that are gone go.
    pub(crate) fn open(data: &Path, store: Store, lists: &NumberLists) -> Lists {
        let dir = data.join(DIR);
        sweep(&dir, lists);
        let (mut entries, mut files) = (ListEntries::new(), Files::default());
        for row in lists.iter() {
            match read(&dir, row.id) {
                Ok(None) => {}
                Ok(Some((numbers, tail))) => {
                    entries.insert(row.id, numbers);
                    files.tails.insert(row.id, tail);
                }
                Err(problem) => {
                    let list = row.id.0;
                    error!(list, "nothing stands on a list of numbers: its file: {problem}");
                    files.broken.insert(row.id);
                }
            }
        }
        let now = Arc::new(watch::Sender::new(Arc::new(entries)));
        Lists { dir, store, files: Arc::new(Mutex::new(files)), now }
    }

    /// What is in force.
    pub(crate) fn now(&self) -> Arc<ListEntries> {
        Arc::clone(&self.now.borrow())
    }

    /// Tells of each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<ListEntries>> {
        self.now.subscribe()
    }

    /// What stands on a list, and what it says of a number.
    pub(crate) fn seen(&self, list: NumberListId, number: Option<Digits>) -> ListSeen {
        let now = self.now.borrow();
        now.get(&list).map_or_else(ListSeen::default, |numbers| seen(numbers, number))
    }

    /// Changes a list by all lines or none. `Err` is a database or disk that is away; a sentence is
    /// for who sent the lines.
    pub(crate) async fn change(self, order: ListOrder) -> Result<Result<ListSeen, String>, ()> {
        let mut files = self.files.lock().await;
        let (lists, work) = (self.clone(), order.clone());
        let known = files.tails.get(&order.list).copied();
        if order.deed != ListDeed::Replace && files.broken.contains(&order.list) {
            return Ok(Err(
                "cannot be added to a list whose file cannot be read: replace it".into()
            ));
        }
        let staged = blocking(move || lists.stage(&work, known)).await?;
        let staged = match staged {
            Ok(staged) => staged,
            Err(Failed::Refused(why)) => return Ok(Err(why)),
            Err(Failed::Disk(e)) => {
                error!("a list of numbers cannot be kept: {e}");
                return Err(());
            }
        };
        if let Err(e) = self.log(&order, &staged).await {
            error!("the change log does not take the change of a list of numbers: {}", chain(&e));
            let (lists, list, grew_from) = (self.clone(), staged.list, staged.grew_from);
            blocking(move || lists.take_back(list, grew_from)).await?;
            return Err(());
        }
        let (lists, list) = (self.clone(), staged.list);
        if staged.grew_from.is_none() {
            let placed = blocking(move || lists.place(list)).await?;
            if let Err(e) = placed {
                error!(list = list.0, "a list of numbers cannot be put in its place: {e}");
                return Err(());
            }
        }
        files.tails.insert(list, staged.tail);
        files.broken.remove(&list);
        let answer = seen(&staged.after, None);
        self.now.send_modify(|now| {
            Arc::make_mut(now).insert(list, staged.after);
        });
        let (deed, entries, actor) = (order.deed.word(), answer.entries, &order.actor.name);
        info!(list = list.0, actor, deed, entries, "a list of numbers was changed");
        Ok(Ok(answer))
    }

    /// Forgets lists whose rows are gone.
    pub(crate) async fn forget(&self, gone: Vec<NumberListId>) {
        let mut files = self.files.lock().await;
        for list in gone {
            files.tails.remove(&list);
            files.broken.remove(&list);
            self.now.send_if_modified(|now| {
                let is_known = now.contains_key(&list);
                if is_known {
                    Arc::make_mut(now).remove(&list);
                }
                is_known
            });
            for kind in ["img", "tail"] {
                // It may have none.
                let _gone = fs::remove_file(self.file(list, kind));
            }
        }
    }

    fn file(&self, list: NumberListId, kind: &str) -> PathBuf {
        file(&self.dir, list, kind)
    }

    /// Reads the lines and writes what a crash may leave behind.
    fn stage(&self, order: &ListOrder, known: Option<(Tail, u64)>) -> Result<Staged, Failed> {
        let lines = gather(&order.file)?;
        let now = self.now();
        let before = now.get(&order.list).cloned().unwrap_or_default();
        let others = now.iter().filter(|(id, _)| **id != order.list);
        let others: usize = others.map(|(_, numbers)| numbers.len()).sum();
        check_room(order.deed, &before, &lines, others)?;
        let (list, count) = (order.list, lines.len() as u64);
        let stand = order.deed != ListDeed::Remove;
        let staged = |after: Numbers, tail, grew_from| Staged {
            list,
            before: before.len() as u64,
            lines: count,
            after,
            tail,
            grew_from,
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let fits = before.change_count() + lines.len() <= CHANGES_MAX;
        if let (ListDeed::Add | ListDeed::Remove, Some((tail, len)), true) =
            (order.deed, known, fits)
        {
            let head = if len == 0 { tail.head() } else { Vec::new() };
            let bytes = [head, tail.changes(&lines, stand)].concat();
            let whole = self.grow(list, len, &bytes)?;
            return Ok(staged(before.with(&lines, stand), (tail, whole), Some(len)));
        }
        let after = match order.deed {
            ListDeed::Replace => Numbers::new(lines.packed()),
            ListDeed::Add | ListDeed::Remove => before.with(&lines, stand).packed_anew(),
        };
        let mut beside = private(&self.file(list, "new"))?;
        beside.write_all(&after.packed().image())?;
        beside.sync_all()?;
        let tail = (Tail::over(after.packed()), 0);
        Ok(staged(after, tail, None))
    }

    /// Appends to a tail behind its first `len` bytes; how long it is then.
    fn grow(&self, list: NumberListId, len: u64, bytes: &[u8]) -> io::Result<u64> {
        let path = self.file(list, "tail");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        // What a crash or a full disk left of a change that counts nowhere.
        file.set_len(len)?;
        file.seek(SeekFrom::End(0))?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            let _best = file.set_len(len);
        }
        written?;
        if len == 0 {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(len.saturating_add(bytes.len() as u64))
    }

    /// Undoes what was staged.
    fn take_back(&self, list: NumberListId, grew_from: Option<u64>) {
        let done = match grew_from {
            Some(len) => OpenOptions::new()
                .write(true)
                .open(self.file(list, "tail"))
                .and_then(|file| file.set_len(len).and_then(|()| file.sync_all())),
            None => fs::remove_file(self.file(list, "new")),
        };
        if let Err(e) = done {
            error!(list = list.0, "a change of a list of numbers cannot be taken back: {e}");
        }
    }

    /// Puts a new image in its place. The tail over the old one counts for nothing from then on.
    fn place(&self, list: NumberListId) -> io::Result<()> {
        fs::rename(self.file(list, "new"), self.file(list, "img"))?;
        File::open(&self.dir)?.sync_all()?;
        let _may_have_none = fs::remove_file(self.file(list, "tail"));
        Ok(())
    }

    async fn log(&self, order: &ListOrder, staged: &Staged) -> Result<(), StoreError> {
        let change = ListChange {
            list: order.list,
            tenant: order.tenant,
            deed: order.deed.word(),
            lines: staged.lines,
            sha256: order.sha256.clone(),
            before: staged.before,
            after: staged.after.len() as u64,
            at_us: order.at_us,
        };
        let mut w = self.store.write().await?;
        w.record_list_change(&order.actor, &change).await?;
        w.commit().await
    }
}

fn seen(numbers: &Numbers, number: Option<Digits>) -> ListSeen {
    ListSeen {
        entries: numbers.len() as u64,
        bytes: numbers.bytes() as u64,
        changes: numbers.change_count() as u64,
        digits: number.and_then(|number| numbers.find(&number)),
    }
}

/// Whether a list and all lists may have what they would have.
fn check_room(
    deed: ListDeed,
    before: &Numbers,
    lines: &Gathering,
    others: usize,
) -> Result<(), Failed> {
    if lines.is_empty() {
        return Err(Failed::Refused("has no entries".to_owned()));
    }
    let after = match deed {
        ListDeed::Replace => lines.len(),
        ListDeed::Add => before.len().saturating_add(lines.len()),
        ListDeed::Remove => 0,
    };
    if after > ENTRIES_MAX {
        return Err(Failed::Refused(format!("makes a list of more than {ENTRIES_MAX} entries")));
    }
    if others.saturating_add(after) > NUMBER_LIST_ENTRIES_MAX {
        let most = NUMBER_LIST_ENTRIES_MAX;
        return Err(Failed::Refused(format!("makes more than {most} entries of all lists")));
    }
    Ok(())
}

/// Reads lines; the first that is no entry ends it.
fn gather(path: &Path) -> Result<Gathering, Failed> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let (mut lines, mut line) = (Gathering::default(), Vec::new());
    let most = LINE_BYTES_MAX as u64 + 2;
    loop {
        line.clear();
        if (&mut reader).take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(lines);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Err(wrong) = lines.add_line(text) {
            return Err(Failed::Refused(format!("line {}: {wrong}", lines.line())));
        }
    }
}

/// A list, and the tail that is written on, with its length.
type Written = (Numbers, (Tail, u64));

/// A list in its files; `None` when it has none.
fn read(dir: &Path, list: NumberListId) -> Result<Option<Written>, String> {
    let Some(image) = bytes(&file(dir, list, "img"), IMAGE_BYTES_MAX)? else { return Ok(None) };
    let list_of = Packed::read(&image).map_err(|e| e.to_string())?;
    let (numbers, tail) = (Numbers::new(list_of), bytes(&file(dir, list, "tail"), TAIL_BYTES_MAX)?);
    let over = Tail::over(numbers.packed());
    let (numbers, len) = over.read(&numbers, &tail.unwrap_or_default());
    Ok(Some((numbers, (over, len as u64))))
}

fn bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let mut bytes = Vec::new();
    let read = file.take(most).read_to_end(&mut bytes);
    read.map(|_| Some(bytes)).map_err(|e| e.to_string())
}

/// Removes what a crash left, and files of lists that are gone.
fn sweep(dir: &Path, lists: &NumberLists) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let kind = path.extension().and_then(|kind| kind.to_str());
        let id = path.file_stem().and_then(|name| name.to_str()?.parse::<i64>().ok());
        let is_left = match (kind, id) {
            (Some("new"), Some(_)) => true,
            (Some("img" | "tail"), Some(id)) => lists.get(NumberListId(id)).is_none(),
            (Some(_) | None, Some(_) | None) => false,
        };
        if is_left {
            let _gone = fs::remove_file(&path);
        }
    }
}

fn file(dir: &Path, list: NumberListId, kind: &str) -> PathBuf {
    dir.join(format!("{list}.{kind}"))
}

/// A new file, for the owner of the process alone.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Disks are waited for on other threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ()> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| error!("a thread for a list of numbers has ended: {e}"))
}

#[cfg(test)]
mod tests;
