//! Network cards: their queues, interrupts and NUMA nodes.

use super::file::Files;
use crate::CoreList;

/// Most cards, and most queues or interrupts of a card, that are looked at.
const NICS_MAX: usize = 64;
const QUEUES_MAX: usize = 256;

/// A network card.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Nic {
    /// Its name.
    pub name: String,
    /// Its NUMA node, where it has one.
    pub node: Option<usize>,
    /// Its interrupts.
    pub interrupts: Vec<Interrupt>,
    /// Its receive queues, in order.
    pub receive: Vec<Receive>,
    /// For each transmit queue the cores that it belongs to (XPS), in order.
    pub transmit: Vec<CoreList>,
    /// `net.ipv4.conf.NAME.rp_filter`.
    pub rp_filter: Option<u64>,
}

/// An interrupt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interrupt {
    /// Its number.
    pub number: u32,
    /// The cores that it may come to.
    pub cores: CoreList,
}

/// A receive queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Receive {
    /// The cores that its packets are spread over (RPS); none = not spread.
    pub rps: CoreList,
    /// Its flows that are led to the core of their reader (RFS); 0 = none.
    pub flows: u64,
}

pub(super) fn read(files: &mut Files<'_>) -> Vec<Nic> {
    let mut names = files.names("sys/class/net");
    names.retain(|name| name != "lo");
    names.truncate(NICS_MAX);
    let up = |files: &Files<'_>, name: &str| {
        let state = files.text(&format!("sys/class/net/{name}/operstate"));
        state.as_deref() != Some("down")
    };
    let has_device = |name: &String| files.exists(&format!("sys/class/net/{name}/device"));
    if names.iter().any(has_device) {
        names.retain(has_device);
    }
    names.retain(|name| up(files, name));
    let lines = files.text("proc/interrupts").unwrap_or_default();
    names.into_iter().map(|name| card(files, name, &lines)).collect()
}

fn card(files: &mut Files<'_>, name: String, lines: &str) -> Nic {
    let at = format!("sys/class/net/{name}");
    // -1 where there is none.
    let node = files.text(&format!("{at}/device/numa_node"));
    let node = node.and_then(|text| match text.parse::<i64>() {
        Ok(node) => usize::try_from(node).ok(),
        Err(_) => files.garbled(&format!("{at}/device/numa_node"), &text, "a node"),
    });
    let queues = |files: &Files<'_>, prefix: &str| {
        let number = |name: String| name.strip_prefix(prefix)?.parse::<usize>().ok();
        let mut all: Vec<usize> =
            files.names(&format!("{at}/queues")).into_iter().filter_map(number).collect();
        all.sort_unstable();
        all.truncate(QUEUES_MAX);
        all
    };
    let (rx, tx) = (queues(files, "rx-"), queues(files, "tx-"));
    let receive = rx.into_iter().map(|queue| Receive {
        rps: files.mask(&format!("{at}/queues/rx-{queue}/rps_cpus")).unwrap_or_default(),
        flows: files.number(&format!("{at}/queues/rx-{queue}/rps_flow_cnt")).unwrap_or(0),
    });
    let receive = receive.collect();
    let xps = tx.into_iter().map(|queue| format!("{at}/queues/tx-{queue}/xps_cpus"));
    let transmit = xps.map(|path| files.mask(&path).unwrap_or_default()).collect();
    let rp_filter = files.number(&format!("proc/sys/net/ipv4/conf/{name}/rp_filter"));
    let interrupts = interrupts(files, &at, &name, lines);
    Nic { name, node, interrupts, receive, transmit, rp_filter }
}

/// The card's own list of interrupts; without one, those whose line names the card.
fn interrupts(files: &mut Files<'_>, at: &str, name: &str, lines: &str) -> Vec<Interrupt> {
    let mut numbers: Vec<u32> = Vec::new();
    // A virtio device's interrupts are its bus device's.
    for list in [format!("{at}/device/msi_irqs"), format!("{at}/device/../msi_irqs")] {
        if numbers.is_empty() {
            let names = files.names(&list);
            numbers = names.iter().filter_map(|number| number.parse().ok()).collect();
        }
    }
    if numbers.is_empty() {
        let named = |line: &&str| {
            line.split(|c: char| c.is_whitespace() || c == '-').any(|word| word == name)
        };
        let number = |line: &str| line.split_once(':')?.0.trim().parse().ok();
        numbers = lines.lines().filter(named).filter_map(number).collect();
    }
    numbers.sort_unstable();
    numbers.truncate(QUEUES_MAX);
    let read = |number: u32| {
        let cores = files.cores(&format!("proc/irq/{number}/smp_affinity_list"))?;
        Some(Interrupt { number, cores })
    };
    numbers.into_iter().filter_map(read).collect()
}
