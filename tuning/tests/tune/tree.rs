//! Made-up hosts: directories with the files of a kernel.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A root directory, removed when it is dropped.
pub(crate) struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

/// Of both hosts.
const COMMON: [(&str, &str); 14] = [
    ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("proc/sys/net/core/wmem_max", "212992\n"),
    ("proc/sys/net/core/wmem_default", "212992\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/core/rps_sock_flow_entries", "0\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("proc/sys/net/ipv4/ip_unprivileged_port_start", "1024\n"),
    ("proc/sys/net/ipv4/conf/all/rp_filter", "0\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
    ("sys/class/net/lo/operstate", "unknown\n"),
    ("proc/1/comm", "systemd\n"),
];

impl Tree {
    pub(crate) fn empty() -> Tree {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("strowger-tune-{}-{number}", std::process::id());
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&root).unwrap();
        Tree(root)
    }

    fn with(files: &[(&str, &str)]) -> Tree {
        let tree = Tree::empty();
        for (path, text) in COMMON.iter().chain(files) {
            tree.write(path, text);
        }
        tree
    }

    /// Sixteen cores in two nodes, tuned as the profile says.
    pub(crate) fn of_16_cores() -> Tree {
        let tree = Tree::with(&[
            ("proc/sys/net/core/rmem_max", "8388608\n"),
            ("proc/sys/net/core/netdev_max_backlog", "16384\n"),
            ("proc/sys/vm/swappiness", "1\n"),
            (
                "proc/self/limits",
                concat!(
                    "Limit                     Soft Limit           Hard Limit           Units\n",
                    "Max open files            262240               262240               files\n",
                    "Max locked memory         unlimited            unlimited            bytes\n",
                ),
            ),
            (
                "proc/self/status",
                "CapEff:\t0000000000000000\nSeccomp:\t0\nCpus_allowed_list:\t0-6,8-15\n",
            ),
            ("proc/self/cgroup", "0::/system.slice/s.service\n"),
            (
                "proc/self/mounts",
                "/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw,nosuid,size=6553600k 0 0\n",
            ),
            (
                "proc/meminfo",
                "MemTotal:       65536000 kB\nMemFree: 1 kB\nMemAvailable:   60000000 kB\n",
            ),
            ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"),
            ("sys/fs/cgroup/system.slice/s.service/cgroup.procs", "1\n"),
            ("sys/fs/cgroup/system.slice/s.service/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/system.slice/s.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/s.service/cpuset.cpus.effective", "0-15\n"),
            ("sys/devices/system/cpu/online", "0-15\n"),
            ("sys/devices/system/cpu/isolated", "7\n"),
            ("sys/devices/system/cpu/nohz_full", "7\n"),
            ("sys/devices/system/cpu/cpu7/cpufreq/scaling_governor", "performance\n"),
            ("sys/devices/system/node/node0/cpulist", "0-7\n"),
            ("sys/devices/system/node/node1/cpulist", "8-15\n"),
            ("sys/class/net/eth0/device/numa_node", "0\n"),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth1/device/numa_node", "-1\n"),
            ("sys/class/net/eth1/operstate", "up\n"),
            ("sys/class/net/eth2/device/numa_node", "1\n"),
            ("sys/class/net/eth2/operstate", "down\n"),
            ("proc/sys/net/ipv4/conf/eth0/rp_filter", "0\n"),
            ("proc/sys/net/ipv4/conf/eth1/rp_filter", "2\n"),
        ]);
        tree.clock("tsc").queues("eth0", 4)
    }

    /// Two cores under a hypervisor, as Debian comes; a shell's limits.
    pub(crate) fn of_2_cores() -> Tree {
        let tree = Tree::with(&[
            ("proc/sys/net/core/rmem_max", "212992\n"),
            ("proc/sys/net/core/netdev_max_backlog", "1000\n"),
            ("proc/sys/vm/swappiness", "60\n"),
            (
                "proc/self/limits",
                concat!(
                    "Max open files            1024                 524288               files\n",
                    "Max locked memory         8388608              8388608              bytes\n",
                ),
            ),
            (
                "proc/self/status",
                "CapEff:\t0000000000000000\nSeccomp:\t0\nCpus_allowed_list:\t0-1\n",
            ),
            ("proc/self/mounts", "/dev/vda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw,size=401408k 0 0\n"),
            ("proc/meminfo", "MemTotal: 4014080 kB\nMemAvailable: 3500000 kB\n"),
            ("proc/swaps", "Filename Type Size Used Priority\n/swapfile file 1048572 0 -2\n"),
            ("sys/devices/system/cpu/online", "0-1\n"),
            ("sys/devices/system/cpu/isolated", "\n"),
            ("sys/devices/system/node/node0/cpulist", "0-1\n"),
            ("sys/class/net/eth0/device/vendor", "0x1af4\n"),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
            ("sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "0\n"),
            ("sys/class/net/eth0/queues/tx-0/xps_cpus", "0\n"),
            ("proc/sys/net/ipv4/conf/eth0/rp_filter", "2\n"),
            // A card without a list of its own: found by its name.
            (
                "proc/interrupts",
                concat!(
                    "           CPU0       CPU1\n",
                    " 24:          9          0  PCI-MSI 65536-edge      eth0-rx-0\n",
                    " 25:          9          0  PCI-MSI 65537-edge      ahci\n",
                ),
            ),
            ("proc/irq/24/smp_affinity_list", "0-1\n"),
            ("proc/irq/25/smp_affinity_list", "0-1\n"),
        ]);
        tree.clock("kvm-clock")
    }

    fn clock(self, name: &str) -> Tree {
        let at = "sys/devices/system/clocksource/clocksource0";
        self.write(&format!("{at}/current_clocksource"), name);
        self.write(&format!("{at}/available_clocksource"), "tsc hpet acpi_pm\n");
        self
    }

    /// Queues whose interrupts come to the first cores; the shard's core has the last to send by.
    fn queues(self, nic: &str, count: u32) -> Tree {
        let at = format!("sys/class/net/{nic}");
        for queue in 0..count {
            let irq = 40 + queue;
            self.write(&format!("{at}/device/msi_irqs/{irq}"), "msix\n");
            self.write(&format!("proc/irq/{irq}/smp_affinity_list"), &format!("{queue}\n"));
            self.write(&format!("{at}/queues/rx-{queue}/rps_cpus"), "00000000\n");
            self.write(&format!("{at}/queues/rx-{queue}/rps_flow_cnt"), "0\n");
            let own = if queue + 1 == count { 1 << 7 } else { 1 << queue };
            self.write(&format!("{at}/queues/tx-{queue}/xps_cpus"), &format!("{own:04x}\n"));
        }
        self
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Tree {
        let file = self.0.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self
    }

    pub(crate) fn remove(&self, path: &str) -> &Tree {
        let at = self.0.join(path);
        if at.is_dir() { std::fs::remove_dir_all(at) } else { std::fs::remove_file(at) }.unwrap();
        self
    }

    /// A system setting by its name.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.write(&format!("proc/sys/{}", name.replace('.', "/")), &format!("{value}\n"));
    }

    /// All files below the root.
    pub(crate) fn files(&self) -> Vec<String> {
        let (mut files, mut folders) = (Vec::new(), vec![self.0.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&self.0).unwrap();
                    files.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        files
    }
}

/// Names and values of a file for sysctl(8); a line may begin with `-`.
pub(crate) fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (name, value) = line.trim_start_matches('-').split_once('=')?;
        Some((name.trim(), value.trim()))
    })
}
