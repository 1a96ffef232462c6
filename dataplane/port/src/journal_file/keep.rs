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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::time::{Duration, SystemTime};

    const DAY_S: u64 = 86_400;

    /// Segments 1 to 4 of 100 bytes, the first one a day older than the next and so on; the last is
    /// of now.
    fn segments(dir: &Scratch) -> Keeper {
        let now_us = u64::try_from(crate::clock::wall_us()).unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(now_us);
        for number in 1..=4u32 {
            let path = segment_path(dir.path(), number);
            fs::write(&path, [0; 100]).unwrap();
            let age = Duration::from_secs(u64::from(4 - number) * DAY_S);
            fs::File::options().write(true).open(&path).unwrap().set_modified(now - age).unwrap();
        }
        let (keep_s, waiting_bytes_max) = (DAY_S * 3 / 2, 150);
        Keeper { directory: dir.path().to_owned(), keep_s, waiting_bytes_max }
    }

    #[test]
    fn what_the_database_has_is_kept_for_its_time() {
        let dir = Scratch::new("keep");
        let (keeper, space) = (segments(&dir), Space::default());
        let now_s = crate::clock::wall_us() / 1_000_000;
        let left = |stored: Option<u32>| {
            if let Some(segment) = stored {
                space.set_stored(Position { segment, offset: 0 });
            }
            keeper.tidy(&space, now_s).unwrap();
            list_segments(dir.path()).unwrap()
        };
        assert_eq!(left(None), [1, 2, 3, 4], "nobody has said what the database has");
        assert_eq!(left(Some(1)), [1, 2, 3, 4], "the segment it stands in is needed");
        assert_eq!(left(Some(2)), [2, 3, 4]);
        assert_eq!(left(Some(4)), [3, 4], "a day old is too young");
    }

    #[test]
    fn what_waits_for_the_database_closes_the_admission_of_calls() {
        let dir = Scratch::new("keep");
        let (keeper, space) = (segments(&dir), Space::default());
        let shut = |segment, offset| {
            space.set_stored(Position { segment, offset });
            keeper.tidy(&space, 0).unwrap();
            space.is_shut()
        };
        keeper.tidy(&space, 0).unwrap();
        assert!(!space.is_shut());
        assert!(shut(3, 49), "151 bytes wait");
        assert!(!shut(3, 50), "150 bytes wait");
        assert!(shut(2, 0));
        assert!(!shut(4, 100));
        assert!(shut(0, 0), "the database has nothing of this journal");
    }
}
