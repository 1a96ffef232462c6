//! Cores: which one the shard has, whom it shares it with, and how fast it is.

use super::{Check, cores_list, cores_text, usable};
use crate::parse_cores;

/// From so many cores on, one can be kept for the shard alone.
const CORES_TO_ISOLATE: usize = 4;
/// Where the kernel is told which to use.
const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0";
/// Sources of time that cost no system call.
const CHEAP_CLOCKS: [&str; 4] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

impl Check<'_> {
    pub(super) fn processors(&mut self) {
        match usable(self.host) {
            Some(cores) => self.shard_core(&cores.clone()),
            None => self.report.unseen("processors"),
        }
        self.control_cores();
        self.nodes();
        self.governor();
        self.clock();
        self.quota();
    }

    fn shard_core(&mut self, cores: &[usize]) {
        let (id, isolated) = ("cores.shard", &self.host.processors.isolated);
        let Some(shard) = self.shard else {
            return self.report.cost(
                id,
                "one core for everything".to_owned(),
                "The control plane, the journal and the database stop the packets of all calls \
                 whenever they run.",
                vec!["a second core".to_owned()],
            );
        };
        if !self.may_have(shard, cores) {
            let may = self.host.process.cpuset.as_ref().map_or(cores, |set| set.as_slice());
            let found = format!(
                "cores.shards names core {shard}, this process may have {}",
                cores_text(may)
            );
            let remedy = vec![
                format!("[cores] shards = \"{}\"", may.last().copied().unwrap_or(0)),
                format!("AllowedCPUs=, in the unit, with {shard} in it"),
            ];
            let why = "The dataplane does not start without its core.";
            return self.report.stop(id, found, why, remedy);
        }
        self.report.fine(id);
        if cores.len().max(shard + 1) >= CORES_TO_ISOLATE {
            self.isolation(shard, isolated.contains(&shard));
        }
    }

    /// Whether a thread of ours can be pinned there. An isolated core is in nobody's set until it
    /// is asked for.
    fn may_have(&self, core: usize, cores: &[usize]) -> bool {
        let processors = &self.host.processors;
        let runs = processors.online.as_ref().is_none_or(|online| online.contains(&core));
        runs && match &self.host.process.cpuset {
            Some(set) => set.contains(&core),
            None => cores.contains(&core) || processors.isolated.contains(&core),
        }
    }

    fn isolation(&mut self, shard: usize, isolated: bool) {
        if isolated {
            return self.report.fine("cores.isolated");
        }
        self.report.cost(
            "cores.isolated",
            format!("core {shard}, the shard's, is open to every other process"),
            "Whatever the scheduler puts there delays packets by whole time slices.",
            vec![format!(
                "GRUB_CMDLINE_LINUX=\"isolcpus={shard} nohz_full={shard} rcu_nocbs={shard}\""
            )],
        );
    }

    fn control_cores(&mut self) {
        let control = parse_cores(&self.config.cores.control).unwrap_or_default();
        let Some(shard) = self.shard.filter(|shard| control.contains(shard)) else {
            return self.report.fine("cores.control");
        };
        let rest: Vec<usize> = control.into_iter().filter(|core| *core != shard).collect();
        self.report.cost(
            "cores.control",
            format!("cores.control has core {shard}, the shard's"),
            "Decisions and the database take time from packets.",
            vec![format!("[cores] control = \"{}\"", cores_list(&rest))],
        );
    }

    /// The rings between the planes, and the card's buffers, should not cross between nodes.
    fn nodes(&mut self) {
        let Some((shard, node)) =
            self.shard.and_then(|shard| Some((shard, self.host.node_of(shard)?)))
        else {
            return;
        };
        let own = self.host.processors.nodes.get(&node).cloned().unwrap_or_default();
        let control = parse_cores(&self.config.cores.control).unwrap_or_default();
        let far: Vec<usize> =
            control.into_iter().filter(|core| self.host.node_of(*core) != Some(node)).collect();
        if far.is_empty() {
            self.report.fine("numa.control");
        } else {
            let rest: Vec<usize> = own.iter().copied().filter(|core| *core != shard).collect();
            self.report.cost(
                "numa.control",
                format!(
                    "{} of cores.control are not on node {node}, the shard's",
                    cores_list(&far)
                ),
                "Every question and answer crosses between sockets, several hundred nanoseconds \
                 each way.",
                vec![format!("[cores] control = \"{}\"", cores_list(&rest))],
            );
        }
        for nic in self.host.nics.iter().filter(|_| self.needs.beyond_loopback) {
            let Some(other) = nic.node.filter(|other| *other != node) else {
                self.report.fine("numa.card");
                continue;
            };
            let there = self.host.processors.nodes.get(&other).cloned().unwrap_or_default();
            let best = there.last().copied().unwrap_or(0);
            self.report.cost(
                "numa.card",
                format!(
                    "{} is on node {other}, core {shard}, the shard's, on node {node}",
                    nic.name
                ),
                "Each packet is read from the other socket's memory.",
                vec![format!("[cores] shards = \"{best}\"")],
            );
        }
    }

    fn governor(&mut self) {
        let Some(shard) = self.shard else { return };
        match self.host.processors.governors.get(&shard) {
            Some(governor) if governor != "performance" => self.report.cost(
                "cores.governor",
                format!("core {shard} has the governor `{governor}`"),
                "A core that sleeps between packets is clocked down, and late when they come.",
                vec![format!(
                    "echo performance > /sys/devices/system/cpu/cpu{shard}/cpufreq/scaling_governor"
                )],
            ),
            // Guests have none: it is their host's.
            Some(_) | None => self.report.fine("cores.governor"),
        }
    }

    fn clock(&mut self) {
        let processors = &self.host.processors;
        match processors.clocksource.as_deref() {
            Some(clock) if CHEAP_CLOCKS.contains(&clock) => self.report.fine("clock.source"),
            Some(clock) => {
                let cheap = |name: &&String| CHEAP_CLOCKS.contains(&name.as_str());
                let remedy = match processors.clocksources.iter().find(cheap) {
                    Some(other) => format!("echo {other} > {CLOCK}/current_clocksource"),
                    None => "a processor, or a hypervisor, with an invariant TSC".to_owned(),
                };
                self.report.cost(
                    "clock.source",
                    format!("the clock is `{clock}`"),
                    "Each look at it is a system call or slow hardware, several for each turn.",
                    vec![remedy],
                );
            }
            None => self.report.unseen("clocksource"),
        }
    }

    fn quota(&mut self) {
        let Some(quota) = self.host.memory.quota else { return self.report.fine("cores.quota") };
        let (of, period) = (quota.of_us / 1_000, quota.in_us / 1_000);
        self.report.cost(
            "cores.quota",
            format!("this group has {of} ms of processor in each {period} ms"),
            "When they are used up everything stands still until the next period, audio too.",
            vec![
                "CPUQuota= in the unit, or --cpuset-cpus in place of --cpus for a container"
                    .to_owned(),
            ],
        );
    }
}
