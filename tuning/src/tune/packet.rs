//! Which way packets take in this release, and why no other.

use super::Check;
use super::port::is_given_to_others;
use super::report::wrap;
use crate::host::{Capability, Host};
use crate::{Backend, Config};
use serde::Serialize;

/// Oldest kernel: `epoll_pwait2`.
pub(super) const KERNEL_MIN: (u32, u32) = (5, 11);

/// Oldest kernel with all that we ask of io_uring.
const URING_MIN: (u32, u32) = (6, 1);

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

/// Oldest kernel at whose interfaces a program is attached by a descriptor (tcx).
const TC: (u32, u32) = (6, 6);
/// Oldest kernel that tells what a driver does for programs of XDP.
const XDP: (u32, u32) = (6, 3);
/// What choosing sockets by a program takes: the program, its place, and raw sockets. A program
/// that relays takes no more.
const LOOKUP: [Capability; 3] = [Capability::NetAdmin, Capability::Bpf, Capability::NetRaw];

const ABOUT_TC: &str = "flows of RTP at rest are relayed by a program of the kernel at the \
                        interfaces of media.interfaces, all else by one socket of each shard and \
                        family";
const ABOUT_XDP: &str = "flows of RTP at rest are relayed by a program in the drivers of the \
                         interfaces of media.interfaces, or behind them (tc) where one of the \
                         drivers cannot, which the start tells";
const ABOUT_LOOKUP: &str = "one socket of each shard and family for all media ports, chosen by a \
                            program of the kernel, and raw sockets to send by";
const ABOUT_URING: &str = "the sockets of media and signalling by io_uring: one call for what came \
                           to all of them";
const ABOUT_SOCKETS: &str = "recvmmsg and sendmmsg on a socket for each media port, as \
                             media.backend says: it needs no rights";
const ABOUT_FLOOR: &str = "recvmmsg and sendmmsg on a socket for each media port: something is \
                           missing for media.backend";

/// The path that a host's packets take. Whether other programs are in its way only the start tells.
pub(super) fn path(host: &Host, config: &Config) -> PacketPath {
    let (tc, xdp) = (relayer_lacks(host, config, TC), relayer_lacks(host, config, XDP));
    let lookup = lookup_lacks(host, config);
    let backend = config.media.backend;
    let (name, why) = match backend {
        Backend::Xdp | Backend::Auto if xdp.is_none() => ("XDP", ABOUT_XDP),
        Backend::Tc | Backend::Xdp | Backend::Auto if tc.is_none() => ("tc", ABOUT_TC),
        Backend::Lookup | Backend::Auto if lookup.is_none() => ("sk_lookup", ABOUT_LOOKUP),
        Backend::Uring if uring_lacks(host).is_none() => ("io_uring", ABOUT_URING),
        Backend::Sockets => ("mmsg", ABOUT_SOCKETS),
        Backend::Tc | Backend::Xdp | Backend::Auto | Backend::Lookup | Backend::Uring => {
            ("mmsg", ABOUT_FLOOR)
        }
    };
    let rights_for = || rights(host, &LOOKUP);
    let all = [
        ("mmsg", true, "it needs no rights".to_owned()),
        ("sk_lookup", true, lookup.unwrap_or_else(rights_for)),
        ("tc", true, tc.unwrap_or_else(rights_for)),
        ("io_uring", true, io_uring(host)),
        ("XDP", true, xdp.unwrap_or_else(rights_for)),
    ];
    let other = |(name, built, host)| OtherPath { name, built, host };
    let others = all.into_iter().filter(|(other, _, _)| *other != name).map(other).collect();
    PacketPath { name, why, others }
}

/// What choosing sockets by a program lacks here.
fn lookup_lacks(host: &Host, config: &Config) -> Option<String> {
    let media = (config.media.port_min, config.media.port_max);
    if !LOOKUP.iter().all(|right| host.process.may(*right)) {
        return Some(rights(host, &LOOKUP));
    }
    let given = is_given_to_others(host, media) != Some(false);
    given.then(|| "ports of the range are given to whoever asks for any".to_owned())
}

/// What relaying by a program lacks here; whether the interfaces are there, and what their drivers
/// can, only the start tells.
fn relayer_lacks(host: &Host, config: &Config, (major, minor): (u32, u32)) -> Option<String> {
    let is_old = host.kernel.is_some_and(|kernel| kernel < (major, minor));
    match lookup_lacks(host, config) {
        Some(lacks) => Some(lacks),
        None if is_old => Some(format!("the kernel is older than Linux {major}.{minor}")),
        None if config.media.interfaces.is_empty() => {
            Some("media.interfaces names no interface".to_owned())
        }
        None => None,
    }
}

impl Check<'_> {
    /// What the configured way lacks: with `lookup`, `tc` and `xdp` the dataplane does not start.
    pub(super) fn path(&mut self) {
        self.uring();
        let (backend, config) = (self.config.media.backend, self.config);
        let lacks_of = |kernel| relayer_lacks(self.host, config, kernel);
        let (id, wanted, lacks) = match backend {
            Backend::Xdp => ("path.xdp", "XDP", lacks_of(XDP)),
            Backend::Tc => ("path.tc", "tc", lacks_of(TC)),
            Backend::Auto if !config.media.interfaces.is_empty() => ("path.tc", "tc", lacks_of(TC)),
            Backend::Lookup | Backend::Auto => {
                ("path.lookup", "sk_lookup", lookup_lacks(self.host, config))
            }
            Backend::Sockets | Backend::Uring => ("path.lookup", "sk_lookup", None),
        };
        let Some(lacks) = lacks else { return self.report.fine(id) };
        let rights = "CAP_BPF CAP_NET_ADMIN CAP_NET_RAW";
        let (min, max) = (config.media.port_min, config.media.port_max);
        let remedy = vec![
            format!("AmbientCapabilities= and CapabilityBoundingSet={rights}, in the unit"),
            "SystemCallFilter=@system-service bpf, in the unit".to_owned(),
            format!("net.ipv4.ip_local_reserved_ports = {min}-{max}"),
        ];
        let found = format!("media.backend wants {wanted}: {lacks}");
        match backend {
            Backend::Lookup => {
                self.report.stop(id, found, "With `lookup` the dataplane does not start.", remedy);
            }
            Backend::Tc => {
                self.report.stop(id, found, "With `tc` the dataplane does not start.", remedy);
            }
            Backend::Xdp => {
                self.report.stop(id, found, "With `xdp` the dataplane does not start.", remedy);
            }
            Backend::Auto | Backend::Sockets | Backend::Uring => {
                let why = "Each media port is a socket, or each packet goes through the process: \
                           more memory and work of the kernel a call.";
                self.report.note(id, found, why, remedy);
            }
        }
    }

    /// What io_uring lacks where it is configured: the dataplane starts without.
    fn uring(&mut self) {
        let is_wanted = self.config.media.backend == Backend::Uring;
        let lacks = uring_lacks(self.host).filter(|_| is_wanted);
        let Some(lacks) = lacks else { return self.report.fine("path.uring") };
        let why = "Packets go by recvmmsg and sendmmsg, as with `sockets`.";
        let remedy = vec![
            format!("Linux {}.{} or later", URING_MIN.0, URING_MIN.1),
            "kernel.io_uring_disabled = 0".to_owned(),
            "SystemCallFilter=@system-service, in the unit".to_owned(),
        ];
        let found = format!("media.backend wants io_uring: {lacks}");
        self.report.note("path.uring", found, why, remedy);
    }
}

/// What io_uring lacks here, as far as files tell; a filter of system calls may let it pass.
fn uring_lacks(host: &Host) -> Option<String> {
    if let Some((major, minor)) = host.kernel.filter(|kernel| *kernel < URING_MIN) {
        return Some(format!("Linux {major}.{minor} is too old for it"));
    }
    let forbidden = host.setting("kernel.io_uring_disabled").is_some_and(|disabled| disabled >= 2);
    forbidden.then(|| io_uring(host))
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
