//! The table of ported numbers in its file: read at boot, replaced by REST.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use strowger_numbering::{Gathering, Ported};
use tokio::sync::watch;
use tracing::{error, info};

/// The file's name in the data directory.
const FILE: &str = "ported.img";

/// The table that is in force, and its file. Clones are of the same.
#[derive(Clone)]
pub(crate) struct Table {
    path: PathBuf,
    // Held while the file is written, so that two lists follow each other.
    turn: Arc<Mutex<()>>,
    now: Arc<watch::Sender<Arc<Ported>>>,
}

impl Table {
    /// The table of a data directory. A file that cannot be read is said and left as it is: calls
    /// go by the numbers that were dialled.
    pub(crate) fn open(data: &Path) -> Table {
        let path = data.join(FILE);
        let table = read(&path).unwrap_or_else(|problem| {
            error!("{}: {problem}; no number counts as ported", path.display());
            Ported::default()
        });
        let now = Arc::new(watch::Sender::new(Arc::new(table)));
        Table { path, turn: Arc::default(), now }
    }

    /// The table that is in force.
    pub(crate) fn now(&self) -> Arc<Ported> {
        Arc::clone(&self.now.borrow())
    }

    /// Tells of each table that comes into force.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Ported>> {
        self.now.subscribe()
    }

    /// Takes a list in, all of it or nothing: instead of the table, or in addition to it. Blocks.
    ///
    /// # Errors
    /// What is wrong, with the line, or why the file cannot be written.
    pub(crate) fn take(&self, list: &str, adds: bool, actor: &str) -> Result<Arc<Ported>, String> {
        let _turn = self.turn.lock().map_err(|_| "a list before it broke off".to_owned())?;
        let mut gathering = match adds {
            true => Gathering::of(&self.now()),
            false => Gathering::default(),
        };
        for (nth, line) in (1u64..).zip(list.lines()) {
            gathering.add_line(line).map_err(|wrong| format!("line {nth}: {wrong}"))?;
        }
        let table = Arc::new(gathering.finish());
        write(&self.path, &table.image()).map_err(|e| format!("{FILE}: {e}"))?;
        info!(actor, numbers = table.len(), "ported numbers replaced");
        self.now.send_replace(Arc::clone(&table));
        Ok(table)
    }
}

fn read(path: &Path) -> Result<Ported, String> {
    match fs::read(path) {
        Ok(bytes) => Ported::read(&bytes).map_err(|e| e.to_string()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Ported::default()),
        Err(e) => Err(e.to_string()),
    }
}

/// The old file or the new one stands there, whenever the host goes.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::Digits;

    fn routed(table: &Ported, number: &str) -> Option<String> {
        let number = Digits::parse(number).unwrap();
        Some(table.find(&number)?.routed(&number)?.to_string())
    }

    #[test]
    fn a_table_is_replaced_whole_and_found_again_by_the_next_life() {
        let data = std::env::temp_dir().join(format!("strowger-ported-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let table = Table::open(&data);
        assert!(table.now().is_empty());
        table.take("40721000001,99\n40721000002,98\n", false, "test").unwrap();
        table.take("40721000003,97\n", true, "test").unwrap();
        let wrong = table.take("40721000004,96\n\nbad,96\n", true, "test").unwrap_err();
        assert!(wrong.starts_with("line 3: "), "{wrong}");
        let next = Table::open(&data).now();
        assert_eq!(next.len(), 3, "of a list that is wrong nothing is taken");
        assert_eq!(routed(&next, "40721000003").as_deref(), Some("9740721000003"));
        table.take("40721000009,96\n", false, "test").unwrap();
        assert_eq!((Table::open(&data).now().len(), table.now().len()), (1, 1));
        let mut bytes = fs::read(data.join(FILE)).unwrap();
        bytes.truncate(40);
        fs::write(data.join(FILE), bytes).unwrap();
        assert!(Table::open(&data).now().is_empty(), "half a file is no table");
        fs::remove_dir_all(&data).unwrap();
    }
}
