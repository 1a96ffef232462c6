//! Processor time of a server, exact to the nanosecond, and what else the machine did.
//!
//! A server is a control group (both versions of the kernel's interface), or, where none can be
//! made, processes and all that descend from them. Softirq threads of the server's core count to
//! it: they send for whoever filled the queue. So do threads of the kernel that take what arrives
//! at the server's end of a cable (`napi/vs-`). With more than a little time stolen by the host a
//! figure means nothing, so that is told beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a server's processor time is read.
pub(crate) enum Server {
    /// `cpuacct.usage` of a group of version 1, nanoseconds.
    GroupV1(PathBuf),
    /// `cpu.stat` of a group of version 2.
    GroupV2(PathBuf),
    /// Processes; their descendants count too.
    Processes(Vec<u32>),
}

impl Server {
    /// Reads `group:DIR` or `pids:N,N`.
    pub(crate) fn parse(text: &str) -> Result<Server, String> {
        if let Some(dir) = text.strip_prefix("group:") {
            let dir = Path::new(dir);
            if dir.join("cpuacct.usage").exists() {
                return Ok(Server::GroupV1(dir.join("cpuacct.usage")));
            }
            if dir.join("cpu.stat").exists() {
                return Ok(Server::GroupV2(dir.join("cpu.stat")));
            }
            return Err(format!("{} is no control group that counts time", dir.display()));
        }
        let pids = text.strip_prefix("pids:").map(|list| list.split(',').map(str::parse).collect());
        match pids {
            Some(Ok(pids)) => Ok(Server::Processes(pids)),
            Some(Err(_)) | None => Err(format!("{text}: group:DIR or pids:N,N is wanted")),
        }
    }

    /// Time spent so far, nanoseconds.
    fn spent_ns(&self) -> u64 {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        match self {
            Server::GroupV1(file) => read(file).trim().parse().unwrap_or(0),
            Server::GroupV2(file) => {
                let text = read(file);
                let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
                line.and_then(|us| us.parse::<u64>().ok()).unwrap_or(0) * 1_000
            }
            Server::Processes(roots) => family(roots).into_iter().map(threads_ns).sum(),
        }
    }
}

/// These processes and their descendants.
fn family(roots: &[u32]) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = numbers("/proc")
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let rest = text.rsplit_once(") ")?.1;
            Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    let mut all: BTreeSet<u32> = roots.iter().copied().collect();
    loop {
        let more = parents.iter().filter(|(pid, of)| all.contains(of) && !all.contains(pid));
        let more: Vec<u32> = more.map(|(pid, _)| *pid).collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn numbers(dir: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What all threads of a process ran: the first number of `schedstat`.
fn threads_ns(pid: u32) -> u64 {
    let dir = format!("/proc/{pid}/task");
    let ran = numbers(&dir).filter_map(|thread| {
        let text = fs::read_to_string(format!("{dir}/{thread}/schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    ran.sum()
}

/// How threads of the kernel are named that take what arrives at the server's end of a cable
/// (`place_wire` in bench/place.sh).
const CABLE_THREAD: &str = "napi/vs-";

/// A server's meter.
pub(crate) struct Meter {
    server: Option<Server>,
    /// `ksoftirqd` of the server's core, and those of its end of a cable.
    softirq: Vec<u32>,
}

/// What a meter shows.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Reading {
    /// Of the server, softirq thread included, nanoseconds.
    pub(crate) server_ns: u64,
    /// Of that, the softirq thread.
    pub(crate) softirq_ns: u64,
    /// Stolen by the host from all cores, nanoseconds in steps of 10 ms.
    pub(crate) stolen_ns: u64,
    /// Of this process.
    pub(crate) own_ns: u64,
}

impl Meter {
    /// A meter of this server, on core `core`.
    pub(crate) fn new(server: Option<Server>, core: u32) -> Meter {
        let name = format!("ksoftirqd/{core}\n");
        let is = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm == name || comm.starts_with(CABLE_THREAD))
        };
        let softirq = match server {
            Some(_) => numbers("/proc").filter(is).collect(),
            None => Vec::new(),
        };
        Meter { server, softirq }
    }

    /// Whether there is a server to be measured.
    pub(crate) fn has_server(&self) -> bool {
        self.server.is_some()
    }

    pub(crate) fn read(&self) -> Reading {
        let softirq_ns = self.softirq.iter().copied().map(threads_ns).sum::<u64>();
        let server_ns = self.server.as_ref().map_or(0, Server::spent_ns) + softirq_ns;
        Reading {
            server_ns,
            softirq_ns,
            stolen_ns: stolen_ns(),
            own_ns: threads_ns(std::process::id()),
        }
    }
}

impl Reading {
    pub(crate) fn since(self, before: Reading) -> Reading {
        Reading {
            server_ns: self.server_ns.saturating_sub(before.server_ns),
            softirq_ns: self.softirq_ns.saturating_sub(before.softirq_ns),
            stolen_ns: self.stolen_ns.saturating_sub(before.stolen_ns),
            own_ns: self.own_ns.saturating_sub(before.own_ns),
        }
    }
}

/// Column `steal` of the first line of `/proc/stat`, whose unit is 10 ms on every Linux.
fn stolen_ns() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let steal = text.lines().next().and_then(|line| line.split_whitespace().nth(8));
    steal.and_then(|steal| steal.parse::<u64>().ok()).unwrap_or(0) * 10_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_counts_to_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let all = family(&[std::process::id()]);
        child.kill().unwrap();
        let id = child.id();
        child.wait().unwrap();
        assert!(all.contains(&id), "{all:?}");
    }

    #[test]
    fn what_this_process_does_is_counted() {
        let server = Server::parse(&format!("pids:{}", std::process::id())).unwrap();
        let meter = Meter::new(Some(server), 0);
        let before = meter.read();
        while meter.read().since(before).server_ns < 5_000_000 {}
        assert!(meter.has_server());
        assert!(Server::parse("group:/nowhere").is_err() && Server::parse("x").is_err());
    }
}
