//! Memory: enough of it, never on a disk, and a place for the call table.

use super::Check;
use crate::host::{Host, Mount};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Above it the kernel swaps out what is in use to keep files in its cache.
const SWAPPINESS_MAX: u64 = 10;

impl Check<'_> {
    pub(super) fn memory(&mut self) {
        self.amount();
        self.swap();
        self.huge_pages();
        self.table();
    }

    fn amount(&mut self) {
        let memory = &self.host.memory;
        let Some(total) = memory.total else { return self.report.unseen("meminfo") };
        let total = memory.limit.map_or(total, |limit| limit.min(total));
        let (wanted, table) = (self.needs.memory_bytes, self.needs.table_bytes);
        let found = |what: &str, bytes: u64| {
            let calls = self.needs.calls;
            format!("{} MiB {what}, {calls} calls want {}", bytes / MIB, wanted.div_ceil(MIB))
        };
        let remedy = vec!["[cores] slots = less, or more memory".to_owned()];
        if total < table {
            let why = "The call table alone does not fit, so the dataplane does not start.";
            return self.report.stop("memory.amount", found("of memory", total), why, remedy);
        }
        let available = memory.available.unwrap_or(total).min(total);
        let why = "With all calls up the kernel ends processes, calls among them.";
        if total < wanted {
            self.report.cost("memory.amount", found("of memory", total), why, remedy);
        } else if available < wanted {
            self.report.cost("memory.amount", found("free", available), why, remedy);
        } else {
            self.report.fine("memory.amount");
        }
    }

    fn swap(&mut self) {
        let swaps = &self.host.memory.swaps;
        let swappiness = self.host.setting("vm.swappiness");
        if swaps.is_empty() || swappiness.is_some_and(|value| value <= SWAPPINESS_MAX) {
            return self.report.fine("memory.swap");
        }
        let mut remedy = super::network::setting("vm.swappiness", 1);
        remedy.push("MemorySwapMax=0 in the unit".to_owned());
        self.report.cost(
            "memory.swap",
            format!(
                "there is swap on {}, vm.swappiness is {}",
                swaps.join(", "),
                swappiness.map_or_else(|| "unseen".to_owned(), |value| value.to_string())
            ),
            "A page that a call needs may be on a disk: milliseconds of silence for all.",
            remedy,
        );
    }

    fn huge_pages(&mut self) {
        match self.host.memory.transparent.as_deref() {
            Some("always") => self.report.cost(
                "memory.transparent",
                "transparent huge pages are given always".to_owned(),
                "The kernel stops threads to gather pages, and small allocations grow to 2 MiB.",
                vec!["echo madvise > /sys/kernel/mm/transparent_hugepage/enabled".to_owned()],
            ),
            Some(_) => self.report.fine("memory.transparent"),
            None => self.report.unseen("transparent_hugepage"),
        }
        if self.host.memory.huge > 0 {
            self.report.note(
                "memory.huge",
                format!("{} MiB are set aside as huge pages", self.host.memory.huge / MIB),
                "The heaps of both planes take them first, 1 GiB at a time: none is needed.",
                super::network::setting("vm.nr_hugepages", 0),
            );
        }
    }

    /// Where the call table lies: it is allocated whole, so that a full file system is an error at
    /// the start and no signal in the middle of a call.
    fn table(&mut self) {
        let run = self.config.run_dir();
        let path = match (run.is_absolute(), &self.host.process.directory) {
            (true, _) => run.clone(),
            (false, Some(directory)) => directory.join(&run),
            (false, None) => return self.report.unseen("working directory"),
        };
        let Some(mount) = mount_of(self.host, &path) else { return self.report.unseen("mounts") };
        let (shown, bytes) = (path.display(), self.needs.table_bytes);
        if mount.kind != "tmpfs" {
            return self.report.cost(
                "memory.table",
                format!("{shown}, the call table's directory, is on {}", mount.kind),
                "Each change of a call is written back to a disk, and a slow one holds up packets.",
                vec!["[node] run = \"/run/strowger\"".to_owned()],
            );
        }
        let half = self.host.memory.total.map(|total| total / 2);
        match mount.bytes.or(half) {
            Some(room) if room < bytes => self.report.stop(
                "memory.table",
                format!(
                    "{} has {} MiB, the call table {}",
                    mount.at.display(),
                    room / MIB,
                    bytes.div_ceil(MIB)
                ),
                "It is allocated whole, so the dataplane does not start.",
                vec![
                    format!(
                        "mount -o remount,size={}m {}",
                        2 * bytes.div_ceil(MIB),
                        mount.at.display()
                    ),
                    "[cores] slots = less".to_owned(),
                ],
            ),
            Some(_) | None => self.report.fine("memory.table"),
        }
    }
}

/// The file system that a path is on: the last mounted one with the longest way in common.
fn mount_of<'a>(host: &'a Host, path: &Path) -> Option<&'a Mount> {
    let path: PathBuf = path.components().collect();
    let over = host.mounts.iter().filter(|mount| path.starts_with(&mount.at));
    over.max_by_key(|mount| mount.at.components().count())
}
