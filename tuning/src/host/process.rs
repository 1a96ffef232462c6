//! The limits and rights of the process that looks: a shell's, or those of the supervisor.

use super::file::Files;
use super::memory;
use crate::CoreList;
use std::path::PathBuf;

/// What a process may do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Process {
    /// Descriptors that it may have: soft and hard limit.
    pub descriptors: Option<(u64, u64)>,
    /// Bytes that it may lock in memory; `u64::MAX` = no limit.
    pub lockable_bytes: Option<u64>,
    /// Bits of its capabilities in force.
    pub capabilities: Option<u64>,
    /// Cores that it may run on.
    pub cores: Option<CoreList>,
    /// Cores of its group (cpuset): beyond them it cannot be pinned, whatever it may run on now.
    pub cpuset: Option<CoreList>,
    /// System calls are filtered (seccomp), as in most containers.
    pub filtered: bool,
    /// Its working directory.
    pub directory: Option<PathBuf>,
}

/// A right that the kernel gives apart from the rest; the numbers are the kernel's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    /// Ports below 1024.
    NetBindService = 10,
    /// Socket buffers beyond the system's limit, BPF on the network.
    NetAdmin = 12,
    /// Packets from ports that are no sockets.
    NetRaw = 13,
    /// Locking memory beyond the limit.
    IpcLock = 14,
    /// Priorities.
    SysNice = 23,
    /// BPF programs.
    Bpf = 39,
}

impl Capability {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Capability::NetBindService => "CAP_NET_BIND_SERVICE",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::NetRaw => "CAP_NET_RAW",
            Capability::IpcLock => "CAP_IPC_LOCK",
            Capability::SysNice => "CAP_SYS_NICE",
            Capability::Bpf => "CAP_BPF",
        }
    }
}

impl Process {
    /// Whether it has a right; `false` where nobody knows.
    #[must_use]
    pub fn may(&self, right: Capability) -> bool {
        self.capabilities.is_some_and(|bits| bits >> (right as u8) & 1 == 1)
    }
}

pub(super) fn read(files: &mut Files<'_>) -> Process {
    let limits = files.text("proc/self/limits").unwrap_or_default();
    let status = files.text("proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    };
    let bits = field("CapEff");
    let capabilities = bits.and_then(|text| match u64::from_str_radix(text, 16) {
        Ok(bits) => Some(bits),
        Err(_) => files.garbled("proc/self/status", text, "a set of capabilities"),
    });
    let cores = field("Cpus_allowed_list");
    let cores = cores.and_then(|text| files.parse_cores("proc/self/status", text));
    Process {
        descriptors: limit(files, &limits, "Max open files"),
        lockable_bytes: limit(files, &limits, "Max locked memory").map(|(soft, _)| soft),
        capabilities,
        cores,
        cpuset: cpuset(files),
        filtered: field("Seccomp").is_some_and(|mode| mode != "0"),
        directory: files.link("proc/self/cwd"),
    }
}

fn cpuset(files: &mut Files<'_>) -> Option<CoreList> {
    let own = format!("{}/cpuset.cpus.effective", memory::group(files));
    // The second generation of groups, then the first.
    [own.as_str(), "sys/fs/cgroup/cpuset/cpuset.cpus"]
        .into_iter()
        .find_map(|path| files.cores(path).filter(|cores| !cores.is_empty()))
}

/// Soft and hard value of a line of `/proc/self/limits`.
fn limit(files: &mut Files<'_>, limits: &str, name: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let value = |word: &str| match word {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    let mut words = line.split_whitespace();
    match (words.next().and_then(value), words.next().and_then(value)) {
        (Some(soft), Some(hard)) => Some((soft, hard)),
        (Some(_) | None, _) => files.garbled("proc/self/limits", line.trim(), "two limits"),
    }
}
