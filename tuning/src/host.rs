//! What a host has, as far as files tell: the fields of [`Host`], read from a root directory.
//!
//! Nothing is judged here and nothing is asked of the system but to read files below `root`, so a
//! made-up tree is as good as `/`. What is missing is `None` or empty; a file that holds nonsense
//! is named in [`Host::garbled`] and counts as missing.

mod file;
mod memory;
mod net;
mod process;

pub use memory::{Memory, Mount, Quota};
pub use net::{Interrupt, Nic, Receive};
pub use process::{Capability, Process};

use crate::CoreList;
use file::Files;
use std::collections::BTreeMap;
use std::path::Path;

/// Most processes looked at for `irqbalance`.
const PROCESSES_MAX: usize = 4_096;
/// Most NUMA nodes and processors looked at.
const NODES_MAX: usize = 64;
const CPUS_MAX: usize = 1_024;
/// System settings that are numbers, as sysctl(8) names them.
const SETTINGS: [&str; 15] = [
    "fs.file-max",
    "fs.nr_open",
    "kernel.io_uring_disabled",
    "kernel.unprivileged_bpf_disabled",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.rps_sock_flow_entries",
    "net.core.somaxconn",
    "net.core.wmem_default",
    "net.core.wmem_max",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.ip_unprivileged_port_start",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
    "vm.swappiness",
];

/// First and last of a range of ports.
pub type PortRange = (u16, u16);

/// A host. See the module's text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Host {
    /// Major and minor number of the kernel.
    pub kernel: Option<(u32, u32)>,
    /// Processors.
    pub processors: Processors,
    /// Network cards that are up and have a device behind them, else all but loopback.
    pub nics: Vec<Nic>,
    /// `irqbalance` runs.
    pub irqbalance: bool,
    /// Cores that `irqbalance` was told to leave alone.
    pub irqbalance_banned: CoreList,
    /// System settings that are numbers, by name.
    pub settings: BTreeMap<&'static str, u64>,
    /// `net.ipv4.ip_local_port_range`.
    pub ephemeral: Option<PortRange>,
    /// `net.ipv4.ip_local_reserved_ports`.
    pub reserved: Option<Vec<PortRange>>,
    /// This process.
    pub process: Process,
    /// Memory.
    pub memory: Memory,
    /// What is mounted, in the order of mounting.
    pub mounts: Vec<Mount>,
    /// Files that hold nonsense, and what: one line each.
    pub garbled: Vec<String>,
}

/// Processors of a host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Processors {
    /// Those that run.
    pub online: Option<CoreList>,
    /// Those that the scheduler leaves alone (`isolcpus`).
    pub isolated: CoreList,
    /// Those without a timer tick while one thread runs (`nohz_full`).
    pub tickless: CoreList,
    /// Processors of each NUMA node.
    pub nodes: BTreeMap<usize, CoreList>,
    /// Frequency governor of each processor that has one.
    pub governors: BTreeMap<usize, String>,
    /// Where the kernel has the time from.
    pub clocksource: Option<String>,
    /// Where it could have it from.
    pub clocksources: Vec<String>,
}

impl Host {
    /// Reads the host whose root directory is `root`.
    #[must_use]
    pub fn read(root: &Path) -> Host {
        let mut files = Files::new(root);
        let mut host = Host {
            kernel: kernel(&mut files),
            processors: processors(&mut files),
            nics: net::read(&mut files),
            irqbalance: runs(&files, "irqbalance"),
            irqbalance_banned: banned(&mut files),
            settings: settings(&mut files),
            ephemeral: ephemeral(&mut files),
            reserved: reserved(&mut files),
            process: process::read(&mut files),
            memory: memory::read(&mut files),
            mounts: memory::mounts(&files),
            garbled: Vec::new(),
        };
        host.garbled = files.into_garbled();
        host
    }

    /// A setting that is a number.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<u64> {
        self.settings.get(name).copied()
    }

    /// The NUMA node of a processor.
    #[must_use]
    pub fn node_of(&self, core: usize) -> Option<usize> {
        let mut nodes = self.processors.nodes.iter();
        nodes.find(|(_, cores)| cores.contains(&core)).map(|(node, _)| *node)
    }
}

/// Whether the kernel of the host at `root` gives one of these ports to whoever asks for any;
/// `None` = it does not tell.
#[must_use]
pub fn is_given_to_others(root: &Path, own: PortRange) -> Option<bool> {
    let mut files = Files::new(root);
    let (ephemeral, reserved) = (ephemeral(&mut files), reserved(&mut files));
    let host = Host { ephemeral, reserved, ..Host::default() };
    crate::tune::port::is_given_to_others(&host, own)
}

fn kernel(files: &mut Files<'_>) -> Option<(u32, u32)> {
    let path = "proc/sys/kernel/osrelease";
    let text = files.text(path)?;
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        (Some(Ok(_) | Err(_)) | None, _) => files.garbled(path, &text, "a kernel's release"),
    }
}

fn processors(files: &mut Files<'_>) -> Processors {
    let cpus = "sys/devices/system/cpu";
    let nodes_at = "sys/devices/system/node";
    let numbered = |names: Vec<String>, prefix: &str, max: usize| {
        let number = |name: String| name.strip_prefix(prefix)?.parse::<usize>().ok();
        names.into_iter().filter_map(number).take(max).collect::<Vec<usize>>()
    };
    let nodes = numbered(files.names(nodes_at), "node", NODES_MAX);
    let nodes = nodes
        .into_iter()
        .filter_map(|node| Some((node, files.cores(&format!("{nodes_at}/node{node}/cpulist"))?)));
    let nodes = nodes.collect();
    let with_governor = numbered(files.names(cpus), "cpu", CPUS_MAX).into_iter();
    let governors = with_governor.filter_map(|cpu| {
        let text = files.text(&format!("{cpus}/cpu{cpu}/cpufreq/scaling_governor"))?;
        Some((cpu, text))
    });
    let governors = governors.collect();
    let clock = "sys/devices/system/clocksource/clocksource0";
    let available = files.text(&format!("{clock}/available_clocksource")).unwrap_or_default();
    Processors {
        online: files.cores(&format!("{cpus}/online")),
        isolated: files.cores(&format!("{cpus}/isolated")).unwrap_or_default(),
        tickless: files.cores(&format!("{cpus}/nohz_full")).unwrap_or_default(),
        nodes,
        governors,
        clocksource: files.text(&format!("{clock}/current_clocksource")),
        clocksources: available.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Whether a process of this name runs.
fn runs(files: &Files<'_>, name: &str) -> bool {
    let is_number = |name: &String| name.bytes().all(|b| b.is_ascii_digit());
    let mut processes = files.names("proc").into_iter().filter(is_number).take(PROCESSES_MAX);
    processes.any(|id| files.text(&format!("proc/{id}/comm")).is_some_and(|comm| comm == name))
}

fn banned(files: &mut Files<'_>) -> CoreList {
    let path = "etc/default/irqbalance";
    let Some(text) = files.text(path) else { return CoreList::new() };
    let value = text.lines().find_map(|line| {
        let value = line.trim().strip_prefix("IRQBALANCE_BANNED_CPULIST=")?;
        Some(value.trim_matches(['"', '\'']).to_owned())
    });
    value.and_then(|value| files.parse_cores(path, &value)).unwrap_or_default()
}

fn settings(files: &mut Files<'_>) -> BTreeMap<&'static str, u64> {
    let read = |name: &'static str| Some((name, files.number(&setting_path(name))?));
    SETTINGS.into_iter().filter_map(read).collect()
}

fn setting_path(name: &str) -> String {
    format!("proc/sys/{}", name.replace('.', "/"))
}

fn ephemeral(files: &mut Files<'_>) -> Option<PortRange> {
    let path = setting_path("net.ipv4.ip_local_port_range");
    let text = files.text(&path)?;
    let mut ports = text.split_whitespace().map(str::parse::<u16>);
    match (ports.next(), ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) if first <= last => Some((first, last)),
        (Some(Ok(_) | Err(_)) | None, _, _) => files.garbled(&path, &text, "a range of ports"),
    }
}

fn reserved(files: &mut Files<'_>) -> Option<Vec<PortRange>> {
    let path = setting_path("net.ipv4.ip_local_reserved_ports");
    let text = files.text(&path)?;
    match parse_ports(&text) {
        Some(ranges) => Some(ranges),
        None => files.garbled(&path, &text, "a list of ports"),
    }
}

/// `8080,16384-32767`; an empty text is the empty list.
pub(crate) fn parse_ports(text: &str) -> Option<Vec<PortRange>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (range.0 <= range.1).then_some(range)
        })
        .collect()
}
