//! Memory, swap, mounts, and what a container was given.

use super::file::Files;
use std::path::{Path, PathBuf};

/// Most mounts and swap devices looked at.
const MOUNTS_MAX: usize = 4_096;
const SWAPS_MAX: usize = 64;
const KIB: u64 = 1 << 10;

/// Memory of a host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// All of it, bytes.
    pub total: Option<u64>,
    /// What can be had without swapping, bytes.
    pub available: Option<u64>,
    /// Devices and files that are swapped to.
    pub swaps: Vec<String>,
    /// When the kernel gives huge pages by itself: `always`, `madvise`, `never`.
    pub transparent: Option<String>,
    /// Huge pages set aside, bytes.
    pub huge: u64,
    /// Share of the processors that this process's group has.
    pub quota: Option<Quota>,
    /// Most memory of this process's group, bytes.
    pub limit: Option<u64>,
}

/// So many microseconds of processor in each period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Microseconds, of all cores together.
    pub of_us: u64,
    /// The period.
    pub in_us: u64,
}

/// A file system that is mounted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where.
    pub at: PathBuf,
    /// Its kind: `tmpfs`, `ext4`.
    pub kind: String,
    /// Its size in bytes, if its options tell.
    pub bytes: Option<u64>,
}

pub(super) fn read(files: &mut Files<'_>) -> Memory {
    let info = files.text("proc/meminfo").unwrap_or_default();
    let mut field = |name: &str| {
        let text = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        match text.split_whitespace().next().map(str::parse::<u64>) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) | None => files.garbled("proc/meminfo", text.trim(), "an amount"),
        }
    };
    let kib = |number: Option<u64>| number.map(|kib| kib.saturating_mul(KIB));
    let (total, available) = (kib(field("MemTotal")), kib(field("MemAvailable")));
    let (pages, page) = (field("HugePages_Total"), kib(field("Hugepagesize")));
    let huge = pages.unwrap_or(0).saturating_mul(page.unwrap_or(0));
    let transparent = files.text("sys/kernel/mm/transparent_hugepage/enabled");
    let transparent =
        transparent.and_then(|text| Some(text.split_once('[')?.1.split_once(']')?.0.to_owned()));
    let swaps = files.text("proc/swaps").unwrap_or_default();
    let device = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let swaps = swaps.lines().skip(1).filter_map(device).take(SWAPS_MAX).collect();
    let group = group(files);
    let quota = files.text(&format!("{group}/cpu.max")).and_then(|text| quota(&text));
    let limit = files.text(&format!("{group}/memory.max")).and_then(|text| text.parse().ok());
    Memory { total, available, swaps, transparent, huge, quota, limit }
}

/// The directory of this process's group; in a container its own root.
pub(super) fn group(files: &Files<'_>) -> String {
    let root = "sys/fs/cgroup".to_owned();
    let list = files.text("proc/self/cgroup").unwrap_or_default();
    let path = list.lines().find_map(|line| line.strip_prefix("0::/"));
    match path.map(|path| format!("{root}/{path}")) {
        Some(own) if files.exists(&format!("{own}/cgroup.procs")) => own,
        Some(_) | None => root,
    }
}

/// `200000 100000`; `max` is no limit.
fn quota(text: &str) -> Option<Quota> {
    let (of, period) = text.split_once(' ')?;
    let (of_us, in_us) = (of.parse().ok()?, period.trim().parse().ok()?);
    (in_us > 0).then_some(Quota { of_us, in_us })
}

pub(super) fn mounts(files: &Files<'_>) -> Vec<Mount> {
    let text = files.text("proc/self/mounts").unwrap_or_default();
    let mount = |line: &str| {
        let mut words = line.split(' ');
        let (_, at, kind, options) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let bytes = options.split(',').find_map(|option| size(option.strip_prefix("size=")?));
        Some(Mount { at: Path::new(at).to_path_buf(), kind: kind.to_owned(), bytes })
    };
    text.lines().take(MOUNTS_MAX).filter_map(mount).collect()
}

/// `65536k`, as the kernel writes it, or with `m` or `g`.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match text.strip_prefix(digits)? {
        "" => 1,
        "k" => KIB,
        "m" => KIB * KIB,
        "g" => KIB * KIB * KIB,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(scale)
}
