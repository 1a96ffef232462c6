//! `tune check` on made-up hosts: each finding, its weight and its remedy.

#![cfg(test)]

#[path = "tune/tree.rs"]
mod tree;

use std::path::Path;
use strowger_tuning::Config;
use strowger_tuning::host::Host;
use strowger_tuning::tune::{Finding, Needs, Report, Weight, check};
use tree::Tree;

const SYSCTL: &str = include_str!("../sysctl.d/60-strowger.conf");
const UNIT: &str = include_str!("../systemd/strowger.service");

fn profile(name: &str) -> Config {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles").join(name);
    Config::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn report(tree: &Tree, config: &Config) -> Report {
    check(&Host::read(tree.root()), config)
}

fn found(tree: &Tree, config: &Config) -> Vec<(&'static str, Weight)> {
    report(tree, config).findings.iter().map(|finding| (finding.id, finding.weight)).collect()
}

#[test]
fn a_good_host_has_no_finding() {
    let tree = Tree::of_16_cores();
    let report = report(&tree, &profile("host-16-core.toml"));
    assert_eq!(report.findings, []);
    assert_eq!(report.unseen, Vec::<&str>::new());
    assert_eq!(report.weight(), None);
    assert!(report.fine.len() >= 25, "{:?}", report.fine);
    let last = report.lines(80).pop().unwrap();
    assert!(last.starts_with("it is well here: 0 stop it, 0 cost, 0 notes"), "{last}");
}

/// What Debian gives a guest with two cores, before anything is tuned.
#[test]
fn a_small_guest_as_it_comes() {
    let found = found(&Tree::of_2_cores(), &profile("vm-2-core.toml"));
    assert_eq!(
        found,
        [
            ("irq.shard", Costs),
            ("limit.descriptors", Costs),
            ("limit.locked", Costs),
            ("memory.swap", Costs),
            ("net.backlog", Costs),
            ("net.receive_buffer", Costs),
        ]
    );
}

/// Settings of the network belong to the host, and the group has a quota.
#[test]
fn a_container_that_sees_little() {
    let tree = Tree::of_16_cores();
    tree.remove("proc/sys").remove("sys/class").remove("sys/devices").remove("proc/irq");
    tree.remove("sys/fs/cgroup/system.slice").write("proc/self/cgroup", "0::/\n");
    tree.write("sys/fs/cgroup/cpu.max", "150000 100000\n");
    tree.write("proc/self/status", "CapEff:\t00000000a80425fb\nSeccomp:\t2\n");
    let report = report(&tree, &Config::default());
    let found: Vec<_> = report.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(found, ["cores.quota"]);
    assert_eq!(report.weight(), Some(Weight::Costs));
    for name in ["net.core.rmem_max", "working directory", "processors", "clocksource"] {
        assert!(report.unseen.contains(&name), "{name}: {:?}", report.unseen);
    }
    let lines = report.lines(80);
    let unseen = lines.iter().position(|line| line.starts_with("unseen")).unwrap();
    assert!(lines[unseen..].iter().any(|line| line.ends_with("those of its host")), "{lines:?}");
    let io_uring = lines.iter().find(|line| line.contains("io_uring")).unwrap();
    assert!(io_uring.contains(": built; "), "{io_uring}");
}

#[test]
fn an_empty_tree_is_no_panic_and_no_finding_that_counts() {
    let tree = Tree::empty();
    let report = report(&tree, &profile("host-16-core.toml"));
    assert_eq!(report.weight(), None, "{:?}", report.findings);
    assert!(report.unseen.len() >= 8, "{:?}", report.unseen);
}

/// Whatever stands in the files: no panic, and one clear line for each that is not read.
#[test]
fn nonsense_is_named_and_left_out() {
    for nonsense in ["", "garbage", "-1", "99999999999999999999999", "1 2 3 4", "\u{0}\u{1}\u{ff}"]
    {
        let tree = Tree::of_16_cores();
        for file in tree.files() {
            tree.write(&file, nonsense);
        }
        for name in ["host-16-core.toml", "vm-2-core.toml", "laptop.toml"] {
            let report = report(&tree, &profile(name));
            assert!(!report.lines(80).is_empty());
        }
    }
    let tree = Tree::of_16_cores();
    tree.write("proc/sys/net/core/rmem_max", "gar\u{1b}[31mbage\n");
    tree.write("proc/irq/40/smp_affinity_list", "3-1\n");
    let report = report(&tree, &profile("host-16-core.toml"));
    let said: Vec<&str> = report.findings.iter().map(|finding| finding.found.as_str()).collect();
    assert_eq!(
        said,
        [
            "/proc/irq/40/smp_affinity_list holds `3-1`, which is not a list of cores",
            "/proc/sys/net/core/rmem_max holds `gar[31mbage`, which is not a number",
        ]
    );
    assert!(report.findings.iter().all(|finding| finding.weight == Weight::Note));
    assert_eq!(report.unseen, ["net.core.rmem_max"]);
}

/// One thing is wrong on a good host; it is found, weighed, and its remedy named.
struct Case {
    id: &'static str,
    weight: Weight,
    /// Files and what they hold; `None` = removed.
    files: &'static [(&'static str, Option<&'static str>)],
    /// Lines of the configuration beside the profile's.
    config: &'static [(&'static str, &'static str)],
    found: &'static str,
    remedy: &'static str,
}

impl Case {
    const fn new(
        id: &'static str,
        weight: Weight,
        found: &'static str,
        remedy: &'static str,
    ) -> Case {
        Case { id, weight, files: &[], config: &[], found, remedy }
    }

    const fn files(self, files: &'static [(&'static str, Option<&'static str>)]) -> Case {
        Case { files, ..self }
    }

    const fn config(self, config: &'static [(&'static str, &'static str)]) -> Case {
        Case { config, ..self }
    }

    fn finding(&self) -> Finding {
        let tree = Tree::of_16_cores();
        for (path, text) in self.files {
            match text {
                Some(text) => tree.write(path, text),
                None => tree.remove(path),
            };
        }
        let mut config = profile("host-16-core.toml");
        for (key, value) in self.config {
            match *key {
                "cores.shards" => config.cores.shards = (*value).to_owned(),
                "cores.control" => config.cores.control = (*value).to_owned(),
                "cores.slots" => config.cores.slots = value.parse().unwrap(),
                "media.port_max" => config.media.port_max = value.parse().unwrap(),
                "node.run" => config.node.run = value.into(),
                "sip.listen" => config.sip.listen = vec![value.parse().unwrap()],
                other => panic!("no key {other}"),
            }
        }
        let mut findings = report(&tree, &config).findings;
        findings.retain(|finding| finding.id == self.id);
        assert_eq!(findings.len(), 1, "{}: {findings:?}", self.id);
        findings.remove(0)
    }
}

use Weight::{Costs, Note, Stops};

fn processor_cases() -> Vec<Case> {
    vec![
        Case::new(
            "cores.shard",
            Stops,
            "names core 20, this process may have cores 0-15",
            "shards = \"15\"",
        )
        .config(&[("cores.shards", "20")]),
        Case::new(
            "cores.shard",
            Stops,
            "names core 7, this process may have cores 0-3",
            "AllowedCPUs=",
        )
        .files(&[("sys/fs/cgroup/system.slice/s.service/cpuset.cpus.effective", Some("0-3\n"))]),
        Case::new("cores.shard", Costs, "one core for everything", "a second core")
            .files(&[
                ("sys/devices/system/cpu/online", Some("0\n")),
                ("proc/self/status", Some("Cpus_allowed_list:\t0\n")),
            ])
            .config(&[("cores.shards", ""), ("cores.control", "")]),
        Case::new(
            "cores.isolated",
            Costs,
            "core 7, the shard's, is open",
            "isolcpus=7 nohz_full=7",
        )
        .files(&[("sys/devices/system/cpu/isolated", Some("\n"))]),
        Case::new("cores.control", Costs, "cores.control has core 7", "control = \"0-6\"")
            .config(&[("cores.control", "0-7")]),
        Case::new(
            "cores.governor",
            Costs,
            "core 7 has the governor `powersave`",
            "echo performance > ",
        )
        .files(&[("sys/devices/system/cpu/cpu7/cpufreq/scaling_governor", Some("powersave\n"))]),
        Case::new("cores.quota", Costs, "200 ms of processor in each 100 ms", "CPUQuota=")
            .files(&[("sys/fs/cgroup/system.slice/s.service/cpu.max", Some("200000 100000\n"))]),
        Case::new("clock.source", Costs, "the clock is `hpet`", "echo tsc > ").files(&[(
            "sys/devices/system/clocksource/clocksource0/current_clocksource",
            Some("hpet\n"),
        )]),
    ]
}

fn card_cases() -> Vec<Case> {
    vec![
        Case::new(
            "numa.card",
            Costs,
            "eth0 is on node 1, core 7, the shard's, on node 0",
            "shards = \"15\"",
        )
        .files(&[("sys/class/net/eth0/device/numa_node", Some("1\n"))]),
        Case::new(
            "numa.control",
            Costs,
            "8-9 of cores.control are not on node 0",
            "control = \"0-6\"",
        )
        .config(&[("cores.control", "5-6,8-9")]),
        Case::new(
            "irq.shard",
            Costs,
            "eth0: interrupts 41 may come to core 7",
            "echo 0-6,8-15 > /proc/irq/41/smp_affinity_list",
        )
        .files(&[("proc/irq/41/smp_affinity_list", Some("4-7\n"))]),
        Case::new("irq.balance", Costs, "irqbalance runs", "IRQBALANCE_BANNED_CPULIST=7").files(&[
            ("proc/77/comm", Some("irqbalance\n")),
            ("sys/devices/system/cpu/isolated", Some("\n")),
        ]),
        Case::new(
            "queue.rps",
            Costs,
            "packets of rx-1 are spread to core 7",
            "echo ff7f > /sys/class/net/eth0/queues/rx-1/rps_cpus",
        )
        .files(&[("sys/class/net/eth0/queues/rx-1/rps_cpus", Some("00000080\n"))]),
        Case::new("queue.rps", Costs, "one receive queue, not spread", "rx-0/rps_cpus").files(&[
            ("sys/class/net/eth0/queues/rx-1", None),
            ("sys/class/net/eth0/queues/rx-2", None),
            ("sys/class/net/eth0/queues/rx-3", None),
        ]),
        Case::new(
            "queue.rfs",
            Costs,
            "flows are led to the core of their reader, core 7",
            "rps_sock_flow_entries = 0",
        )
        .files(&[
            ("sys/class/net/eth0/queues/rx-2/rps_flow_cnt", Some("4096\n")),
            ("proc/sys/net/core/rps_sock_flow_entries", Some("32768\n")),
        ]),
        Case::new(
            "queue.xps",
            Costs,
            "no transmit queue belongs to core 7",
            "echo 80 > /sys/class/net/eth0/queues/tx-3/xps_cpus",
        )
        .files(&[("sys/class/net/eth0/queues/tx-3/xps_cpus", Some("0008\n"))]),
    ]
}

fn setting_cases() -> Vec<Case> {
    vec![
        Case::new("kernel.release", Stops, "Linux 5.4", "at least 5.11")
            .files(&[("proc/sys/kernel/osrelease", Some("5.4.0-150-generic\n"))]),
        Case::new(
            "net.receive_buffer",
            Costs,
            "net.core.rmem_max is 212992, 8388608 wanted",
            "rmem_max = 8388608",
        )
        .files(&[("proc/sys/net/core/rmem_max", Some("212992\n"))]),
        Case::new("net.backlog", Costs, "is 1000, 16384 wanted", "netdev_max_backlog = 16384")
            .files(&[("proc/sys/net/core/netdev_max_backlog", Some("1000\n"))]),
        Case::new("net.send_buffer", Costs, "wmem_default is 8192", "wmem_default = 212992")
            .files(&[("proc/sys/net/core/wmem_default", Some("8192\n"))]),
        Case::new("net.send_buffer_max", Costs, "wmem_max is 8192", "wmem_max = 212992")
            .files(&[("proc/sys/net/core/wmem_max", Some("8192\n"))]),
        Case::new("net.waiting", Costs, "somaxconn is 16", "somaxconn = 128")
            .files(&[("proc/sys/net/core/somaxconn", Some("16\n"))]),
        Case::new("net.reverse_path", Costs, "rp_filter is strict on eth1", "rp_filter = 2").files(
            &[
                ("proc/sys/net/ipv4/conf/all/rp_filter", Some("0\n")),
                ("proc/sys/net/ipv4/conf/eth1/rp_filter", Some("1\n")),
            ],
        ),
        Case::new("net.tracking", Costs, "65535 at most (12 now), 65536 wanted", "notrack").files(
            &[
                ("proc/sys/net/netfilter/nf_conntrack_max", Some("65535\n")),
                ("proc/sys/net/netfilter/nf_conntrack_count", Some("12\n")),
            ],
        ),
        Case::new("net.tracking", Note, "262144 at most", "udp dport 16384-32767 notrack")
            .files(&[("proc/sys/net/netfilter/nf_conntrack_max", Some("262144\n"))]),
        Case::new("fs.files", Costs, "fs.file-max is 1000", "fs.file-max = 32868")
            .files(&[("proc/sys/fs/file-max", Some("1000\n"))]),
        Case::new(
            "port.ephemeral",
            Costs,
            "16384-32767 lie in 1024-60999",
            "ip_local_reserved_ports = 5060,8000,8080,16384-32767",
        )
        .files(&[
            ("proc/sys/net/ipv4/ip_local_port_range", Some("1024\t60999\n")),
            ("proc/sys/net/ipv4/ip_local_reserved_ports", Some("8000,8080,5060\n")),
        ]),
        Case::new(
            "port.low",
            Stops,
            "port 506 is below 1024",
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        )
        .config(&[("sip.listen", "10.0.0.10:506")]),
        Case::new("port.count", Costs, "media ports for 500 calls, slots for 8192", "slots = 500")
            .config(&[("media.port_max", "17383")]),
    ]
}

fn process_cases() -> Vec<Case> {
    const LIMITS: &str = "proc/self/limits";
    const LOCKS_8_MIB: &str = "Max open files  99999  99999  files\n\
        Max locked memory  8388608  8388608  bytes\n";
    const SWAP: &str = "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n";
    vec![
        Case::new(
            "limit.descriptors",
            Costs,
            "1024 descriptors carry 231 calls, 8192 are configured",
            "LimitNOFILE=32868",
        )
        .files(&[(LIMITS, Some("Max open files  1024  524288  files\n"))]),
        Case::new("limit.descriptors", Stops, "64 descriptors carry 0 calls", "LimitNOFILE=32868")
            .files(&[(LIMITS, Some("Max open files  64  64  files\n"))]),
        Case::new(
            "limit.locked",
            Note,
            "8192 KiB may be locked in memory, the call table has 40964 KiB",
            "LimitMEMLOCK=infinity",
        )
        .files(&[(LIMITS, Some(LOCKS_8_MIB))]),
        Case::new("limit.locked", Costs, "8192 KiB may be locked", "ulimit -l 41984")
            .files(&[(LIMITS, Some(LOCKS_8_MIB)), ("proc/swaps", Some(SWAP))]),
        Case::new(
            "memory.swap",
            Costs,
            "there is swap on /dev/sda2, vm.swappiness is 60",
            "vm.swappiness = 1",
        )
        .files(&[("proc/swaps", Some(SWAP)), ("proc/sys/vm/swappiness", Some("60\n"))]),
    ]
}

fn memory_cases() -> Vec<Case> {
    const HUGE_1_GIB: &str = "MemTotal: 65536000 kB\nMemAvailable: 60000000 kB\n\
        HugePages_Total: 512\nHugepagesize: 2048 kB\n";
    const RUN_16_MIB: &str = "/dev/sda1 / ext4 rw 0 0\n\
        tmpfs /run tmpfs rw,nosuid,size=16384k 0 0\n";
    vec![
        Case::new("memory.transparent", Costs, "given always", "echo madvise").files(&[(
            "sys/kernel/mm/transparent_hugepage/enabled",
            Some("[always] madvise never\n"),
        )]),
        Case::new("memory.huge", Note, "1024 MiB are set aside", "vm.nr_hugepages = 0")
            .files(&[("proc/meminfo", Some(HUGE_1_GIB))]),
        Case::new("memory.amount", Costs, "97 MiB free, 8192 calls want 425", "slots = less")
            .files(&[("proc/meminfo", Some("MemTotal: 65536000 kB\nMemAvailable: 100000 kB\n"))]),
        Case::new("memory.amount", Stops, "30 MiB of memory", "more memory")
            .files(&[("sys/fs/cgroup/system.slice/s.service/memory.max", Some("31457280\n"))]),
        Case::new(
            "memory.table",
            Stops,
            "/run has 16 MiB, the call table 41",
            "remount,size=82m /run",
        )
        .files(&[("proc/self/mounts", Some(RUN_16_MIB))]),
        Case::new(
            "memory.table",
            Costs,
            "/srv/run, the call table's directory, is on ext4",
            "run = \"/run/strowger\"",
        )
        .config(&[("node.run", "/srv/run")]),
    ]
}

#[test]
fn each_finding_is_weighed_and_its_remedy_named() {
    for case in processor_cases()
        .into_iter()
        .chain(card_cases())
        .chain(setting_cases())
        .chain(process_cases())
        .chain(memory_cases())
    {
        let finding = case.finding();
        let Finding { id, weight, found, why, remedy } = &finding;
        assert_eq!(*weight, case.weight, "{id}: {found}");
        assert!(found.contains(case.found), "{id}: {found}");
        let named = remedy.iter().any(|line| line.contains(case.remedy));
        assert!(named, "{id}: {remedy:?}");
        assert!(why.ends_with('.') && !why.contains("  "), "{id}: {why}");
    }
}

/// What only loopback uses needs no card.
#[test]
fn cards_do_not_matter_on_loopback() {
    let tree = Tree::of_2_cores();
    let ids: Vec<&str> = found(&tree, &Config::default()).iter().map(|(id, _)| *id).collect();
    assert!(!ids.iter().any(|id| id.starts_with("irq.") || id.starts_with("queue.")), "{ids:?}");
}

#[test]
fn lines_fit_the_terminal_and_commands_stay_whole() {
    let report = report(&Tree::of_2_cores(), &profile("vm-2-core.toml"));
    for columns in [60, 100] {
        for line in report.lines(columns) {
            let is_command = line.trim_start().starts_with("> ");
            assert!(is_command || line.chars().count() <= columns, "{columns}: {line}");
        }
    }
    let lines = report.lines(100);
    assert!(lines[0].starts_with("costs  irq.shard: "), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("path   mmsg: ")), "{lines:?}");
}

/// The file of settings says what the check wants, for the largest configuration.
#[test]
fn a_host_with_our_file_of_settings_has_no_finding_about_them() {
    let tree = Tree::of_2_cores();
    // As the kernel comes, and worse.
    for (name, value) in [
        ("net.core.rmem_max", "212992"),
        ("net.core.wmem_default", "4096"),
        ("net.core.somaxconn", "8"),
        ("net.ipv4.ip_local_port_range", "1024 65000"),
        ("net.ipv4.conf.eth0.rp_filter", "1"),
        ("net.netfilter.nf_conntrack_max", "1000"),
        ("fs.file-max", "1000"),
        ("vm.swappiness", "60"),
    ] {
        tree.set(name, value);
    }
    let config = profile("host-16-core.toml");
    let is_setting = |id: &&str| {
        ["net.", "fs.", "port."].iter().any(|part| id.starts_with(part)) || *id == "memory.swap"
    };
    let settings = |tree: &Tree| {
        let all = report(tree, &config).findings;
        let costs = all.iter().filter(|finding| finding.weight > Weight::Note);
        costs.map(|finding| finding.id).filter(is_setting).collect::<Vec<_>>()
    };
    assert!(settings(&tree).len() >= 7, "{:?}", settings(&tree));
    for (name, value) in tree::settings(SYSCTL) {
        tree.set(name, value);
    }
    assert_eq!(settings(&tree), Vec::<&str>::new());
}

/// The unit's limits are those of the largest configuration there can be.
#[test]
fn the_unit_gives_what_the_check_wants() {
    let lines = UNIT.lines().filter(|line| !line.starts_with('#'));
    let value = |key: &str| {
        let mut found = lines.clone().filter_map(|line| line.split_once('='));
        found.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    };
    let mut largest = profile("host-16-core.toml");
    largest.cores.slots = strowger_tuning::SLOTS_MAX;
    (largest.media.port_min, largest.media.port_max) = (1_024, 65_535);
    largest.media.addresses = (1..=8).map(|last| [10, 0, 0, last].into()).collect();
    let needs = Needs::of(&largest);
    assert_eq!(value("LimitNOFILE"), Some(needs.descriptors.to_string()));
    assert_eq!(value("LimitMEMLOCK").as_deref(), Some("infinity"));
    let run = value("RuntimeDirectory").unwrap();
    assert_eq!(profile("vm-2-core.toml").run_dir(), Path::new("/run").join(run));
}

/// What the configured way of packets lacks is said as heavily as it weighs.
#[test]
fn the_way_of_packets_is_told_with_what_it_lacks() {
    let with = |backend: &str| Config::parse(&format!("media.backend = \"{backend}\"")).unwrap();
    let weight = |tree: &Tree, backend: &str| {
        let report = report(tree, &with(backend));
        let found = report.findings.iter().find(|finding| finding.id == "path.lookup");
        (report.packet_path.name, found.map(|finding| finding.weight))
    };
    let tree = Tree::of_2_cores();
    assert_eq!(weight(&tree, "sockets"), ("mmsg", None));
    assert_eq!(weight(&tree, "auto"), ("mmsg", Some(Weight::Note)));
    assert_eq!(weight(&tree, "lookup"), ("mmsg", Some(Weight::Stops)));
    // CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF.
    tree.write("proc/self/status", "CapEff:\t0000008000003000\nSeccomp:\t0\n");
    assert_eq!(weight(&tree, "sockets"), ("mmsg", None));
    for backend in ["auto", "lookup"] {
        assert_eq!(weight(&tree, backend), ("sk_lookup", None), "{backend}");
    }
    let others = report(&tree, &with("lookup")).packet_path.others;
    assert!(others.iter().any(|other| other.name == "mmsg" && other.built));
    assert!(Needs::of(&with("lookup")).descriptors < Needs::of(&with("auto")).descriptors);
    // Rights are not all: nobody may be given our ports.
    tree.set("net.ipv4.ip_local_port_range", "1024 65000");
    assert_eq!(weight(&tree, "lookup"), ("mmsg", Some(Weight::Stops)));
    tree.set("net.ipv4.ip_local_reserved_ports", "16384-32767");
    assert_eq!(weight(&tree, "lookup"), ("sk_lookup", None));
}

#[test]
fn io_uring_is_told_with_what_it_lacks() {
    let config = Config::parse("media.backend = \"uring\"").unwrap();
    let told = |tree: &Tree| {
        let report = report(tree, &config);
        let found = report.findings.iter().find(|finding| finding.id == "path.uring");
        let said = found.map(|finding| (finding.weight, finding.found.replace('\n', " ")));
        (report.packet_path.name, said)
    };
    let tree = Tree::of_2_cores();
    assert_eq!(told(&tree), ("io_uring", None));
    let forbids = "the kernel forbids it (kernel.io_uring_disabled = 2)";
    tree.set("kernel.io_uring_disabled", "2");
    let found = format!("media.backend wants io_uring: {forbids}");
    assert_eq!(told(&tree), ("mmsg", Some((Weight::Note, found))));
    tree.set("kernel.io_uring_disabled", "0");
    tree.write("proc/sys/kernel/osrelease", "5.15.0\n");
    let found = "media.backend wants io_uring: Linux 5.15 is too old for it".to_owned();
    assert_eq!(told(&tree), ("mmsg", Some((Weight::Note, found))));
    // Who does not want it is not told.
    assert!(!self::found(&tree, &Config::default()).iter().any(|(id, _)| *id == "path.uring"));
}

/// So is what relaying in the kernel lacks: interfaces, rights, a kernel that is new enough.
#[test]
fn relaying_in_the_kernel_is_told_with_what_it_lacks() {
    let with =
        |more: &str| Config::parse(&format!("media.interfaces = [\"eth0\"]\n{more}")).unwrap();
    let told = |tree: &Tree, config: &Config| {
        let report = report(tree, config);
        let found = report.findings.iter().find(|finding| finding.id == "path.tc");
        (report.packet_path.name, found.map(|finding| (finding.weight, finding.found.clone())))
    };
    let (tc, auto) = (with("media.backend = \"tc\""), with("media.backend = \"auto\""));
    let tree = Tree::of_2_cores();
    assert!(matches!(told(&tree, &tc), ("mmsg", Some((Weight::Stops, _)))));
    assert!(matches!(told(&tree, &auto), ("mmsg", Some((Weight::Note, _)))));
    tree.write("proc/self/status", "CapEff:\t0000008000003000\nSeccomp:\t0\n");
    tree.write("proc/sys/kernel/osrelease", "6.5.13-x\n");
    let (name, found) = told(&tree, &auto);
    let (weight, found) = found.unwrap();
    assert_eq!((name, weight), ("XDP", Weight::Note));
    assert!(found.contains("older than Linux 6.6"), "{found}");
    tree.write("proc/sys/kernel/osrelease", "6.6.0\n");
    assert_eq!(told(&tree, &auto), ("XDP", None));
    assert_eq!(told(&tree, &tc), ("tc", None));
    let without = Config::parse("media.backend = \"auto\"").unwrap();
    let path = report(&tree, &without).packet_path;
    let other = path.others.iter().find(|other| other.name == "tc").unwrap();
    assert_eq!(path.name, "sk_lookup");
    assert!(other.built && other.host.contains("media.interfaces"), "{}", other.host);
}

/// And relaying in the drivers, which an older kernel takes; what they can only the start tells.
#[test]
fn relaying_in_the_drivers_is_told_with_what_it_lacks() {
    let with =
        |more: &str| Config::parse(&format!("media.interfaces = [\"eth0\"]\n{more}")).unwrap();
    let told = |tree: &Tree, config: &Config| {
        let report = report(tree, config);
        let found = report.findings.iter().find(|finding| finding.id == "path.xdp");
        (report.packet_path.name, found.map(|finding| (finding.weight, finding.found.clone())))
    };
    let (xdp, tc) = (with("media.backend = \"xdp\""), with("media.backend = \"tc\""));
    let tree = Tree::of_2_cores();
    assert!(matches!(told(&tree, &xdp), ("mmsg", Some((Weight::Stops, _)))));
    tree.write("proc/self/status", "CapEff:\t0000008000003000\nSeccomp:\t0\n");
    tree.write("proc/sys/kernel/osrelease", "6.2.13-x\n");
    let (name, found) = told(&tree, &xdp);
    let found = found.unwrap().1;
    assert!(name == "mmsg" && found.contains("older than Linux 6.3"), "{name}: {found}");
    tree.write("proc/sys/kernel/osrelease", "6.3.0\n");
    assert_eq!(told(&tree, &xdp), ("XDP", None));
    let others = report(&tree, &tc).packet_path.others;
    assert!(others.iter().any(|other| other.name == "XDP" && other.built));
    assert!(Needs::of(&xdp).descriptors > Needs::of(&tc).descriptors);
}
