//! What a host lacks for a configuration: [`check`] judges a [`Host`] and says what it found, why
//! it matters and what to do about it, word for word.
//!
//! It is a pure function: the same host and configuration give the same [`Report`]. It says what
//! holds for this release, not for one to come. Where to start: [`check`]; each file here is one
//! part of a host.

mod memory;
mod network;
mod packet;
pub(crate) mod port;
mod process;
mod processor;
mod report;

pub use packet::{OtherPath, PacketPath};
pub use report::{Finding, Report, Weight};

use crate::host::Host;
use crate::{Backend, Config, CoreList, parse_cores};

/// Descriptors of the dataplane that are no media sockets: listeners, rings, journal, table.
pub const DESCRIPTORS_BESIDE_MEDIA: u64 = 100;
/// Media sockets of a call: RTP and RTCP towards each of two parties.
pub const PORTS_PER_CALL: u64 = 4;
/// Receive buffer that a listener asks for, bytes (`port::mmsg::SIP_RCVBUF_BYTES`).
pub const SIP_BUFFER_BYTES: u64 = 8 << 20;
/// Receive buffer that a media socket asks for, bytes (`port::mmsg::MEDIA_RCVBUF_BYTES`).
pub const MEDIA_BUFFER_BYTES: u64 = 64 << 10;
/// Bytes of the call table before its slots, and for each slot with its chunks.
pub const TABLE_HEADER_BYTES: u64 = 4 << 10;
/// Bytes of the call table for each slot with its chunks.
pub const TABLE_SLOT_BYTES: u64 = 5 << 10;
/// The bar for all memory of a relayed call (SPECIFICATION.md), bytes.
pub const CALL_BYTES_MAX: u64 = 16 << 10;
/// Memory of both planes without calls, bytes: an allowance, not a measurement.
pub const IDLE_BYTES: u64 = 256 << 20;
/// Packets a second of a call: two directions, one each 20 ms.
const CALL_PACKETS_PER_S: u64 = 100;
/// What the queue between card and stack should hold, milliseconds of all calls' media.
const BACKLOG_MS: u64 = 20;
/// Most packets that queue is asked to hold.
const BACKLOG_MAX: u64 = 16_384;
/// Fewest: the kernel's own default.
const BACKLOG_MIN: u64 = 1_000;

/// What a configuration needs of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs {
    /// Calls at the same time: slots, or what the ports allow if that is less.
    pub calls: u64,
    /// Slots of the call table.
    pub slots: u64,
    /// Calls that the media ports allow.
    pub ports_for: u64,
    /// Descriptors.
    pub descriptors: u64,
    /// Size of the call table, bytes.
    pub table_bytes: u64,
    /// Memory with all calls up, bytes.
    pub memory_bytes: u64,
    /// Packets in the queue between card and stack.
    pub backlog: u64,
    /// Anything but loopback is listened on.
    pub beyond_loopback: bool,
}

impl Needs {
    /// The needs of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Needs {
        let slots = u64::from(config.slots()) * u64::from(config.shards());
        let ports = u64::from(config.media.port_max.saturating_sub(config.media.port_min)) + 1;
        let ports_for = ports * config.media.addresses.len() as u64 / PORTS_PER_CALL;
        let calls = slots.min(ports_for);
        let table_bytes = TABLE_HEADER_BYTES + slots * TABLE_SLOT_BYTES;
        let backlog = calls * CALL_PACKETS_PER_S * BACKLOG_MS / 1_000;
        let loopback = config.sip.stream.iter().all(|one| one.listen.ip().is_loopback())
            && config.sip.listen.iter().all(|at| at.ip().is_loopback())
            && config.media.addresses.iter().all(std::net::IpAddr::is_loopback);
        Needs {
            calls,
            slots,
            ports_for,
            descriptors: match config.media.backend {
                Backend::Lookup | Backend::Tc | Backend::Xdp => descriptors(0) + of_lookup(config),
                Backend::Sockets | Backend::Auto | Backend::Uring => descriptors(calls),
            },
            table_bytes,
            memory_bytes: IDLE_BYTES + table_bytes + calls * CALL_BYTES_MAX,
            backlog: backlog.clamp(BACKLOG_MIN, BACKLOG_MAX),
            beyond_loopback: !loopback,
        }
    }
}

/// Descriptors for so many calls.
#[must_use]
pub const fn descriptors(calls: u64) -> u64 {
    calls * PORTS_PER_CALL + DESCRIPTORS_BESIDE_MEDIA
}

/// Descriptors of one socket for all media ports: what is kept, with a copy for the next
/// supervisor, and each shard's own (`path::Steering`).
fn of_lookup(config: &Config) -> u64 {
    let (shards, addresses) = (u64::from(config.shards()), config.media.addresses.len() as u64);
    let relaying = match config.media.backend {
        Backend::Tc => 1 + config.media.interfaces.len() as u64,
        Backend::Xdp => 2 + config.media.interfaces.len() as u64,
        Backend::Auto | Backend::Lookup | Backend::Sockets | Backend::Uring => 0,
    };
    // Each shard that gives flows away asks for their routes.
    2 * (4 + 2 * shards + addresses + relaying) + shards * (2 + addresses + relaying.min(1))
}

/// What all parts of the check look at.
struct Check<'a> {
    host: &'a Host,
    config: &'a Config,
    needs: Needs,
    /// The core that the shard will be pinned to, where that is known.
    shard: Option<usize>,
    report: Report,
}

/// Judges a host for a configuration.
#[must_use]
pub fn check(host: &Host, config: &Config) -> Report {
    let needs = Needs::of(config);
    let shard = shard_core(host, config);
    let report = Report::new(packet::path(host, config));
    let mut check = Check { host, config, needs, shard, report };
    for line in &host.garbled {
        check.report.note("host.unreadable", line.clone(), "It is left out of the check.", vec![]);
    }
    check.kernel();
    check.processors();
    check.interrupts();
    check.queues();
    check.settings();
    check.ports();
    check.path();
    check.process();
    check.memory();
    check.report.sort();
    check.report
}

/// The core that the shard is pinned to: as configured, else the last of two or more.
fn shard_core(host: &Host, config: &Config) -> Option<usize> {
    let named = parse_cores(&config.cores.shards).unwrap_or_default();
    named.first().copied().or_else(|| {
        let cores = usable(host)?;
        if cores.len() < 2 { None } else { cores.last().copied() }
    })
}

/// Cores that our processes may use, where that is known.
fn usable(host: &Host) -> Option<&CoreList> {
    host.process.cores.as_ref().or(host.processors.online.as_ref())
}

impl Check<'_> {
    /// The kernel is new enough for the one packet path there is.
    fn kernel(&mut self) {
        let (major, minor) = packet::KERNEL_MIN;
        match self.host.kernel {
            Some(kernel) if kernel < packet::KERNEL_MIN => self.report.stop(
                "kernel.release",
                format!("Linux {}.{}", kernel.0, kernel.1),
                "The dataplane sleeps by epoll_pwait2, which came with 5.11.",
                vec![format!("a kernel of at least {major}.{minor}")],
            ),
            Some(_) => self.report.fine("kernel.release"),
            None => self.report.unseen("kernel.osrelease"),
        }
    }
}

/// `7`, `5 and 7`, `1, 5 and 7`; the kernel's notation from four on.
fn cores_text(cores: &[usize]) -> String {
    match cores {
        [] => "none".to_owned(),
        [one] => format!("core {one}"),
        more => format!("cores {}", cores_list(more)),
    }
}

/// Cores as the kernel writes them: `0-3,8`.
fn cores_list(cores: &[usize]) -> String {
    let mut text = String::new();
    let mut cores = cores.iter().copied().peekable();
    while let Some(first) = cores.next() {
        let mut last = first;
        while cores.next_if_eq(&(last + 1)).is_some() {
            last += 1;
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&if first == last { first.to_string() } else { format!("{first}-{last}") });
    }
    text
}

/// Cores as the kernel's hexadecimal sets have them: groups of 32 bits, the highest first.
fn cores_mask(cores: &[usize]) -> String {
    let groups = cores.iter().max().map_or(1, |core| core / 32 + 1);
    let group = |at: usize| {
        let inside = cores.iter().filter(|core| **core / 32 == at);
        inside.fold(0u32, |bits, core| bits | 1 << (core % 32))
    };
    let texts = (0..groups).rev().map(|at| match at + 1 == groups {
        true => format!("{:x}", group(at)),
        false => format!("{:08x}", group(at)),
    });
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_written_as_the_kernel_does() {
        for text in ["", "3", "0-3", "0-3,8", "1,3,5-6"] {
            assert_eq!(cores_list(&parse_cores(text).unwrap()), text);
        }
        for (list, mask) in
            [("", "0"), ("0-3", "f"), ("1,32", "1,00000002"), ("64", "1,00000000,00000000")]
        {
            assert_eq!(cores_mask(&parse_cores(list).unwrap()), mask);
        }
        assert_eq!(cores_text(&[4]), "core 4");
        assert_eq!(cores_text(&[4, 5]), "cores 4-5");
    }

    #[test]
    fn needs_follow_the_configuration() {
        let config = Config::parse("cores.slots = 1000\nmedia.port_max = 17383").unwrap();
        let needs = Needs::of(&config);
        // 1,000 ports carry 250 calls.
        assert_eq!((needs.calls, needs.slots, needs.ports_for), (250, 1_000, 250));
        assert_eq!(needs.descriptors, 1_100);
        assert_eq!(needs.table_bytes, 4_096 + 1_000 * 5_120);
        assert_eq!(needs.backlog, BACKLOG_MIN);
        assert!(!needs.beyond_loopback);
    }
}
