//! Where files that are sent in lie: those of prices one for each row, under its number, for the
//! owner of the process alone; others until they were read.

use crate::dispatch::{Context, piece};
use crate::limits::FILE_CHUNK_BYTES;
use crate::problem::Problem;
use crate::shared::Shared;
use ring::digest::{Context as Hash, SHA256, digest};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strowger_import::limits::FILE_LEN_MAX;
use strowger_model::{Import, ImportId};
use strowger_store::Scope;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Files of prices, and the one place where one is read at a time: a large one takes much memory.
pub(crate) struct Decks {
    dir: Option<PathBuf>,
    turn: Arc<Semaphore>,
    /// There is something to publish.
    pub(crate) wake: Notify,
    parts: AtomicU64,
}

/// A file that came in and has no place yet; without one it is gone with this.
pub(crate) struct Received {
    part: PathBuf,
    pub(crate) bytes: i64,
    pub(crate) sha256: String,
}

impl Received {
    /// Where it lies, as long as this is there.
    pub(crate) fn path(&self) -> &Path {
        &self.part
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // It has a place by now, under another name, or nobody wants it.
        let _gone = fs::remove_file(&self.part);
    }
}

impl Decks {
    pub(crate) fn new(dir: Option<PathBuf>) -> Decks {
        let turn = Arc::new(Semaphore::new(1));
        Decks { dir, turn, wake: Notify::new(), parts: AtomicU64::new(0) }
    }

    fn dir(&self) -> Result<&Path, Problem> {
        self.dir.as_deref().ok_or_else(|| Problem::unavailable("the directory of files"))
    }

    fn place(dir: &Path, id: ImportId) -> PathBuf {
        dir.join(format!("{id}.deck"))
    }

    /// The turn to read a file; held as long as what was read is.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Problem::internal())
    }

    /// Takes the body of a request in, piece by piece, onto the disk.
    pub(crate) async fn receive(
        &self,
        cx: &Context,
        bytes_max: usize,
    ) -> Result<Received, Problem> {
        let dir = self.dir()?;
        let mut body = cx.stream().ok_or_else(Problem::internal)?;
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let part = dir.join(format!("{number}.part"));
        let (sha256, bytes) = (String::new(), 0);
        let mut received = Received { part: part.clone(), bytes, sha256 };
        let owned = dir.to_owned();
        let mut file = blocking(move || create(&owned, &part)).await?;
        let (mut hash, mut waiting, mut len) = (Hash::new(&SHA256), Vec::new(), 0usize);
        while let Some(data) = piece(&mut body).await? {
            len = len.saturating_add(data.len());
            if len > bytes_max {
                return Err(Problem::body_too_large(bytes_max));
            }
            hash.update(&data);
            waiting.extend_from_slice(&data);
            if waiting.len() >= FILE_CHUNK_BYTES {
                file = append(file, std::mem::take(&mut waiting)).await?;
            }
        }
        if len == 0 {
            return Err(Problem::refused("body", "is empty"));
        }
        let file = append(file, waiting).await?;
        blocking(move || file.sync_all()).await?;
        received.bytes = i64::try_from(len).unwrap_or(i64::MAX);
        received.sha256 = hex(hash.finish().as_ref());
        Ok(received)
    }

    /// Gives a file its place.
    pub(crate) async fn keep(&self, received: Received, id: ImportId) -> Result<(), Problem> {
        let dir = self.dir()?.to_owned();
        blocking(move || {
            fs::rename(&received.part, Decks::place(&dir, id))?;
            File::open(&dir)?.sync_all()
        })
        .await
    }

    /// The octets of a file; what was changed on the disk since it came in is none.
    pub(crate) async fn read(&self, import: &Import) -> Result<Option<Vec<u8>>, Problem> {
        let (place, wanted) = (Decks::place(self.dir()?, import.id), import.sha256.clone());
        let read = blocking(move || {
            let mut bytes = Vec::new();
            let most = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
            File::open(&place)?.take(most).read_to_end(&mut bytes)?;
            let is_it = hex(digest(&SHA256, &bytes).as_ref()) == wanted;
            Ok(is_it.then_some(bytes))
        });
        Ok(read.await.unwrap_or(None))
    }

    /// Forgets a file.
    pub(crate) fn remove(&self, id: ImportId) {
        if let Some(dir) = &self.dir {
            let _gone = fs::remove_file(Decks::place(dir, id));
        }
    }

    /// Removes what a crash left: files without a row, and those that came in half.
    pub(crate) async fn sweep(&self, api: &Shared) -> Result<(), Problem> {
        let Some(entries) = self.dir.as_deref().and_then(|dir| fs::read_dir(dir).ok()) else {
            return Ok(());
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let kind = path.extension().and_then(|kind| kind.to_str());
            let id = path.file_stem().and_then(|name| name.to_str()?.parse::<i64>().ok());
            let is_left = match (kind, id) {
                (Some("part"), Some(_)) => true,
                (Some("deck"), Some(id)) => {
                    api.reader.row::<Import>(Scope::All, id).await?.is_none()
                }
                (Some(_) | None, Some(_) | None) => false,
            };
            if is_left {
                let _gone = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

fn create(dir: &Path, part: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part)
}

async fn append(mut file: File, bytes: Vec<u8>) -> Result<File, Problem> {
    blocking(move || file.write_all(&bytes).map(|()| file)).await
}

/// Disks are waited for on other threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Problem::internal())?;
    done.map_err(|error| {
        tracing::warn!(%error, "a file of prices cannot be kept or read");
        Problem::unavailable("the directory of files")
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ok = write!(text, "{byte:02x}");
        text
    })
}
