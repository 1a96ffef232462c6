//! Which way packets take in this release, and why no other.

use super::report::wrap;
use crate::host::{Capability, Host};
use serde::Serialize;

/// Oldest kernel: `epoll_pwait2`.
pub(super) const KERNEL_MIN: (u32, u32) = (5, 11);

/// The packet path in use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PacketPath {
    /// Its name.
    pub name: &'static str,
    /// Why it is this one.
    pub why: &'static str,
    /// The others.
    pub others: Vec<OtherPath>,
}

/// A packet path that is not in use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OtherPath {
    /// Its name.
    pub name: &'static str,
    /// This release has it.
    pub built: bool,
    /// What this host has to say to it.
    pub host: String,
}

/// The path that a host's packets take.
pub(super) fn path(host: &Host) -> PacketPath {
    let other = |name, host| OtherPath { name, built: false, host };
    use Capability::{Bpf, NetAdmin, NetRaw};
    PacketPath {
        name: "mmsg",
        why: "recvmmsg and sendmmsg on a socket for each media port: the only one in this release, \
              and it needs no rights",
        others: vec![
            other("io_uring", io_uring(host)),
            other("sk_lookup", rights(host, &[NetAdmin, Bpf, NetRaw])),
            other("tc, XDP", rights(host, &[NetAdmin, Bpf])),
        ],
    }
}

fn io_uring(host: &Host) -> String {
    let told = match host.setting("kernel.io_uring_disabled") {
        Some(0) => "the kernel allows it",
        Some(1) => "the kernel allows it to some groups (kernel.io_uring_disabled = 1)",
        Some(_) => "the kernel forbids it (kernel.io_uring_disabled = 2)",
        None => "the kernel does not tell whether it allows it",
    };
    let filter = if host.process.filtered { ", a filter of system calls may not" } else { "" };
    format!("{told}{filter}")
}

fn rights(host: &Host, wanted: &[Capability]) -> String {
    if host.process.capabilities.is_none() {
        return "nobody knows what this process may do".to_owned();
    }
    let missing: Vec<&str> =
        wanted.iter().filter(|right| !host.process.may(**right)).map(|r| r.name()).collect();
    match missing.as_slice() {
        [] => "this process has the rights for it".to_owned(),
        missing => format!("this process lacks {}", missing.join(", ")),
    }
}

impl PacketPath {
    pub(super) fn tell(&self, columns: usize, lines: &mut Vec<String>) {
        wrap(&format!("path   {}: {}", self.name, self.why), columns, lines);
        for OtherPath { name, built, host } in &self.others {
            let built = if *built { "built" } else { "not built yet" };
            wrap(&format!("       {name}: {built}; {host}"), columns, lines);
        }
    }
}
