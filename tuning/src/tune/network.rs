//! Cards: whom their interrupts and queues disturb, and the settings of the network.

use super::{Check, SIP_BUFFER_BYTES, cores_list, cores_mask, usable};
use crate::CoreList;
use crate::host::{Capability, Nic};

/// From so many cores on, one queue for all packets is a pity.
const CORES_TO_SPREAD: usize = 4;
/// Most commands that are written out; the others follow their pattern.
const COMMANDS_MAX: usize = 4;
/// What the kernel gives a socket to send with unless told otherwise, bytes.
const SEND_BUFFER_BYTES: u64 = 212_992;
/// Connections that may wait for REST.
const WAITING_MIN: u64 = 128;
/// Entries of connection tracking for each call: its four flows.
const TRACKED_PER_CALL: u64 = 4;
const FILE: &str = "/etc/sysctl.d/60-strowger.conf";

/// A line for the file of settings.
pub(super) fn setting(name: &str, value: impl std::fmt::Display) -> Vec<String> {
    vec![format!("echo '{name} = {value}' >> {FILE} && sysctl -p {FILE}")]
}

impl Check<'_> {
    /// Cores for interrupts: all but the shard's.
    fn others(&self) -> CoreList {
        let cores = self.host.processors.online.as_ref().or(usable(self.host));
        let mut cores = cores.cloned().unwrap_or_default();
        cores.retain(|core| Some(*core) != self.shard);
        cores
    }

    pub(super) fn interrupts(&mut self) {
        let Some(shard) = self.shard.filter(|_| self.needs.beyond_loopback) else { return };
        let others = self.others();
        for nic in &self.host.nics {
            let there = nic.interrupts.iter().filter(|irq| irq.cores.contains(&shard));
            let numbers: Vec<u32> = there.map(|irq| irq.number).collect();
            if numbers.is_empty() || others.is_empty() {
                self.report.fine("irq.shard");
                continue;
            }
            let command = |number: &u32| {
                format!("echo {} > /proc/irq/{number}/smp_affinity_list", cores_list(&others))
            };
            let remedy = numbers.iter().take(COMMANDS_MAX).map(command).collect();
            let shown: Vec<String> = numbers.iter().map(u32::to_string).collect();
            self.report.cost(
                "irq.shard",
                format!(
                    "{}: interrupts {} may come to core {shard}, the shard's",
                    nic.name,
                    shown.join(", ")
                ),
                "The kernel's work for packets of all cores then stops the shard's own.",
                remedy,
            );
        }
        let left_alone = [&self.host.irqbalance_banned, &self.host.processors.isolated];
        if !self.host.irqbalance || left_alone.iter().any(|cores| cores.contains(&shard)) {
            return self.report.fine("irq.balance");
        }
        self.report.cost(
            "irq.balance",
            format!("irqbalance runs and may give core {shard}, the shard's, any interrupt"),
            "What is set by hand is undone within seconds.",
            vec![
                format!("echo 'IRQBALANCE_BANNED_CPULIST={shard}' >> /etc/default/irqbalance"),
                "systemctl restart irqbalance".to_owned(),
            ],
        );
    }

    pub(super) fn queues(&mut self) {
        let Some(shard) = self.shard.filter(|_| self.needs.beyond_loopback) else { return };
        for nic in &self.host.nics {
            self.spread(nic, shard);
            let followed = nic.receive.iter().any(|queue| queue.flows > 0);
            if followed && self.host.setting("net.core.rps_sock_flow_entries").unwrap_or(0) > 0 {
                self.report.cost(
                    "queue.rfs",
                    format!(
                        "{}: flows are led to the core of their reader, core {shard}",
                        nic.name
                    ),
                    "The one shard reads them all, so its core gets the work of all others.",
                    setting("net.core.rps_sock_flow_entries", 0),
                );
            } else {
                self.report.fine("queue.rfs");
            }
            self.transmit(nic, shard);
        }
    }

    /// Receive packet steering.
    fn spread(&mut self, nic: &Nic, shard: usize) {
        let others = self.others();
        let mask = cores_mask(&others);
        let remedy = |queue: usize| {
            format!("echo {mask} > /sys/class/net/{}/queues/rx-{queue}/rps_cpus", nic.name)
        };
        if let Some(queue) = nic.receive.iter().position(|queue| queue.rps.contains(&shard)) {
            return self.report.cost(
                "queue.rps",
                format!(
                    "{}: packets of rx-{queue} are spread to core {shard}, the shard's, too",
                    nic.name
                ),
                "The kernel's work for packets of all cores then stops the shard's own.",
                vec![remedy(queue)],
            );
        }
        let alone = nic.receive.len() == 1 && nic.receive.iter().all(|queue| queue.rps.is_empty());
        if alone && others.len() + 1 >= CORES_TO_SPREAD {
            return self.report.cost(
                "queue.rps",
                format!("{}: one receive queue, not spread", nic.name),
                "One core does the kernel's work for all packets; others idle.",
                vec![remedy(0)],
            );
        }
        self.report.fine("queue.rps");
    }

    /// Transmit packet steering: with several queues the shard's core should own one.
    fn transmit(&mut self, nic: &Nic, shard: usize) {
        let set = nic.transmit.iter().any(|cores| !cores.is_empty());
        let own = nic.transmit.iter().any(|cores| cores.contains(&shard));
        if nic.transmit.len() < 2 || !set || own {
            return self.report.fine("queue.xps");
        }
        self.report.cost(
            "queue.xps",
            format!("{}: no transmit queue belongs to core {shard}, the shard's", nic.name),
            "Its packets go by the queues of other cores and wait for their locks.",
            vec![format!(
                "echo {} > /sys/class/net/{}/queues/tx-{}/xps_cpus",
                cores_mask(&[shard]),
                nic.name,
                nic.transmit.len() - 1
            )],
        );
    }

    pub(super) fn settings(&mut self) {
        self.receive_buffer();
        self.at_least(
            "net.core.netdev_max_backlog",
            "net.backlog",
            self.needs.backlog,
            "Packets beyond it are dropped between card and socket, uncounted by us.",
        );
        self.at_least(
            "net.core.wmem_default",
            "net.send_buffer",
            SEND_BUFFER_BYTES,
            "A burst that does not fit is dropped and counted as full.",
        );
        self.at_least(
            "net.core.wmem_max",
            "net.send_buffer_max",
            SEND_BUFFER_BYTES,
            "Below the default it takes from every socket.",
        );
        self.at_least(
            "net.core.somaxconn",
            "net.waiting",
            WAITING_MIN,
            "Connections to REST beyond it are refused while it is busy.",
        );
        self.at_least(
            "fs.file-max",
            "fs.files",
            self.needs.descriptors,
            "It is the whole host's limit: media ports beyond it do not open, calls get 503.",
        );
        if self.needs.beyond_loopback {
            self.reverse_path();
            self.tracking();
        }
    }

    fn at_least(&mut self, name: &'static str, id: &'static str, least: u64, why: &'static str) {
        match self.host.setting(name) {
            Some(value) if value >= least => self.report.fine(id),
            Some(value) => {
                let found = format!("{name} is {value}, {least} wanted");
                self.report.cost(id, found, why, setting(name, least));
            }
            None => self.report.unseen(name),
        }
    }

    fn receive_buffer(&mut self) {
        if self.host.process.may(Capability::NetAdmin) {
            // SO_RCVBUFFORCE passes the limit.
            return self.report.fine("net.receive_buffer");
        }
        self.at_least(
            "net.core.rmem_max",
            "net.receive_buffer",
            SIP_BUFFER_BYTES,
            "A listener asks for that much to hold requests through a pause; what does not fit is \
             dropped by the kernel.",
        );
    }

    /// The strict filter drops what comes by another card than the answer would leave by.
    fn reverse_path(&mut self) {
        let all = self.host.setting("net.ipv4.conf.all.rp_filter").unwrap_or(0);
        let strict = |nic: &&Nic| all.max(nic.rp_filter.unwrap_or(0)) == 1;
        let names: Vec<&str> =
            self.host.nics.iter().filter(strict).map(|nic| nic.name.as_str()).collect();
        if self.host.nics.len() < 2 || names.is_empty() {
            return self.report.fine("net.reverse_path");
        }
        self.report.cost(
            "net.reverse_path",
            format!("rp_filter is strict on {}", names.join(", ")),
            "With several cards, packets that come by another one than the answer would leave by \
             are dropped: one-way audio.",
            setting("net.ipv4.conf.all.rp_filter", 2),
        );
    }

    fn tracking(&mut self) {
        let Some(max) = self.host.setting("net.netfilter.nf_conntrack_max") else {
            return self.report.fine("net.tracking");
        };
        let used = self.host.setting("net.netfilter.nf_conntrack_count").unwrap_or(0);
        let least = self.needs.calls * TRACKED_PER_CALL * 2;
        let ports = format!("{}-{}", self.config.media.port_min, self.config.media.port_max);
        let rules = ["prerouting udp dport", "output udp sport"].map(|rule| {
            let (hook, fields) = rule.split_once(' ').unwrap_or((rule, ""));
            format!(
                "nft 'add table inet strowger; add chain inet strowger {hook} {{ type filter hook \
                 {hook} priority raw; }}; add rule inet strowger {hook} {fields} {ports} notrack'"
            )
        });
        if max < least {
            let mut remedy = rules.to_vec();
            remedy.extend(setting("net.netfilter.nf_conntrack_max", least));
            return self.report.cost(
                "net.tracking",
                format!("connections are tracked, {max} at most ({used} now), {least} wanted"),
                "Each flow of media is one; when the table is full the kernel drops packets of new \
                 calls.",
                remedy,
            );
        }
        self.report.note(
            "net.tracking",
            format!("connections are tracked, {max} at most ({used} now)"),
            "Each packet of media is looked up there for nothing, unless a rule leaves media out; \
             rules cannot be seen from here.",
            rules.to_vec(),
        );
    }
}
