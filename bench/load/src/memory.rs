//! Memory of a server: what its processes and the kernel hold for it, without the cache of files.
//!
//! A control group knows it all, sockets included. Without one the processes' proportional share is
//! summed, and the kernel's part is missing: the figure says which it is.

use std::fs;
use std::path::{Path, PathBuf};

/// Where it is read.
pub(crate) enum Held {
    GroupV1(PathBuf),
    GroupV2(PathBuf),
    Processes(Vec<u32>),
}

impl Held {
    /// Reads `group:DIR` or `pids:N,N`.
    pub(crate) fn parse(text: &str) -> Result<Held, String> {
        if let Some(dir) = text.strip_prefix("group:").map(PathBuf::from) {
            if dir.join("memory.usage_in_bytes").exists() {
                return Ok(Held::GroupV1(dir));
            }
            if dir.join("memory.current").exists() {
                return Ok(Held::GroupV2(dir));
            }
            return Err(format!("{} is no control group that counts memory", dir.display()));
        }
        let pids = text.strip_prefix("pids:").map(|list| list.split(',').map(str::parse).collect());
        match pids {
            Some(Ok(pids)) => Ok(Held::Processes(pids)),
            Some(Err(_)) | None => Err(format!("{text}: group:DIR or pids:N,N is wanted")),
        }
    }

    /// What is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Held::GroupV1(_) | Held::GroupV2(_) => "control group without file cache",
            Held::Processes(_) => "proportional share of processes, without the kernel's part",
        }
    }

    /// Bytes held now.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Held::GroupV1(dir) => {
                let stat = stat(dir);
                let kernel = read(&dir.join("memory.kmem.usage_in_bytes"));
                field(&stat, "total_rss") + field(&stat, "total_shmem") + kernel
            }
            Held::GroupV2(dir) => {
                let stat = stat(dir);
                field(&stat, "anon")
                    + field(&stat, "shmem")
                    + field(&stat, "kernel")
                    + field(&stat, "sock")
            }
            Held::Processes(pids) => pids.iter().map(|pid| share(*pid)).sum(),
        }
    }
}

fn stat(dir: &Path) -> String {
    fs::read_to_string(dir.join("memory.stat")).unwrap_or_default()
}

fn read(file: &Path) -> u64 {
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let value = lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Proportional share of a process, bytes.
fn share(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_holds_grows() {
        let held = Held::parse(&format!("pids:{}", std::process::id())).unwrap();
        let before = held.bytes();
        let much = vec![1u8; 32 << 20];
        let after = held.bytes();
        assert!(after > before + (31 << 20), "{before} {after} {}", much.len());
    }

    #[test]
    fn fields_are_found() {
        assert_eq!(field("cache 1\nrss 22\ntotal_rss 3\n", "rss"), 22);
        assert_eq!(field("", "rss"), 0);
        assert!(Held::parse("group:/nowhere").is_err());
    }
}
