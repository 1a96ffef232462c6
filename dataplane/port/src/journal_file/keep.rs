//! How long segments are kept, and how much may wait for the database.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use strowger_link::journal::Position;

use super::disk::{list_segments, segment_path};
use super::space::Space;

/// Segments looked through at a time: a journal of 4 TiB.
const SEGMENTS_MAX: usize = 1 << 18;

/// The keeper of finished segments.
pub(super) struct Keeper {
    pub(super) directory: PathBuf,
    /// See [`super::JournalConfig::keep_s`].
    pub(super) keep_s: u64,
    /// See [`super::JournalConfig::waiting_bytes_max`].
    pub(super) waiting_bytes_max: u64,
}

impl Keeper {
    /// Deletes segments that the database has and that are older than they must be kept, and closes
    /// or opens the admission of calls by what waits. Before anybody has said where the database
    /// is nothing is deleted, and without a control plane there are no new calls to bound.
    pub(super) fn tidy(&self, space: &Space, now_s: i64) -> io::Result<()> {
        let Some(Position { segment, offset }) = space.stored() else {
            space.set_shut(false);
            return Ok(());
        };
        let mut waiting = 0u64;
        let mut segments = list_segments(&self.directory)?;
        segments.truncate(SEGMENTS_MAX);
        for number in segments {
            let path = segment_path(&self.directory, number);
            let about = fs::metadata(&path)?;
            if number < segment {
                let kept_s = now_s.saturating_sub(about.mtime());
                if u64::try_from(kept_s).is_ok_and(|kept_s| kept_s > self.keep_s) {
                    fs::remove_file(&path)?;
                }
                continue;
            }
            let taken = if number == segment { u64::from(offset) } else { 0 };
            waiting = waiting.saturating_add(about.len().saturating_sub(taken));
        }
        space.set_shut(waiting > self.waiting_bytes_max);
        Ok(())
    }
}
