//! Which media port is whose, in memory that the kernel's program reads with us: no system call to
//! open a port, none to close it.
//!
//! An array of the kernel (`BPF_F_MMAPABLE`), mapped. Each entry has two words:
//!
//! | entry | first word | second word |
//! |--:|---|---|
//! | 0 | what the array was made for, [`FlowSpace::mark`] | 0 |
//! | 1 to [`SHARDS_MAX`] | when a shard showed that it lives | its packets that were too many |
//! | from [`FLOWS_FROM`] on | of a port: 0 = closed, else its shard, plus one | the program's own |
//!
//! The port's entry is [`FLOWS_FROM`] + address x ports + port - first port. Only the shard that
//! has a port writes its first word, only the program the second one of an open port. A word is
//! read and written whole, and nothing else hangs on it, so no order between them is needed.
//!
//! The array outlives its shards. One that has not shown for ten seconds that it lives
//! ([`Flows::stamp`]) gets nothing: packets do not pile up for somebody who may never come.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strowger_link::{SHARDS_MAX, Tick};

use crate::bpf::Map;
use crate::net::{MEDIA_ADDRESSES_MAX, MediaPort};
use crate::shm::Mapping;

/// The first entry of a port.
pub const FLOWS_FROM: u32 = 1 + SHARDS_MAX as u32;
/// Bytes of an entry.
pub const FLOW_BYTES: usize = 16;
/// Version of this layout.
const LAYOUT: u8 = 2;

const CLOSED: u64 = 0;
const WORDS: usize = FLOW_BYTES / 8;

/// The ports that an array is for: the same range on each address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowSpace {
    /// Local media addresses, in the order of [`MediaPort::address`].
    pub addresses: Vec<IpAddr>,
    /// First port.
    pub port_min: u16,
    /// Last port.
    pub port_max: u16,
    /// How many shards share it.
    pub shards: u8,
}

impl FlowSpace {
    /// Whether it is one: addresses, ports and shards within their bounds.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=MEDIA_ADDRESSES_MAX).contains(&self.addresses.len())
            && self.port_min > 0
            && self.port_min <= self.port_max
            && (1..=SHARDS_MAX).contains(&self.shards)
    }

    /// Entries of its array.
    #[must_use]
    pub fn entries(&self) -> u32 {
        // At most 8 x 65,536.
        FLOWS_FROM + self.span() * self.addresses.len() as u32
    }

    /// Ports of an address.
    fn span(&self) -> u32 {
        u32::from(self.port_max.saturating_sub(self.port_min)) + 1
    }

    /// A number that tells it from others (FNV-1a); never 0.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let mut text = vec![LAYOUT, self.shards];
        text.extend(self.port_min.to_be_bytes());
        text.extend(self.port_max.to_be_bytes());
        for address in &self.addresses {
            match address {
                IpAddr::V4(ip) => text.extend([&[4][..], &ip.octets()].concat()),
                IpAddr::V6(ip) => text.extend([&[6][..], &ip.octets()].concat()),
            }
        }
        let mixed = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        text.iter().fold(0xcbf2_9ce4_8422_2325, mixed).max(1)
    }

    fn entry(&self, port: MediaPort) -> Option<usize> {
        let known = usize::from(port.address) < self.addresses.len()
            && (self.port_min..=self.port_max).contains(&port.port);
        let offset = u32::from(port.port.checked_sub(self.port_min)?);
        let entry = FLOWS_FROM + u32::from(port.address) * self.span() + offset;
        known.then(|| usize::try_from(entry).ok())?
    }
}

/// The array, mapped.
#[derive(Clone, Debug)]
pub struct Flows {
    space: Arc<FlowSpace>,
    words: Arc<Mapping>,
}

impl Flows {
    /// Maps a new array, all of whose ports are closed, and marks it.
    ///
    /// # Errors
    /// `InvalidInput`: the space is none. Else the system's.
    pub fn new(space: FlowSpace, map: &Map) -> io::Result<Flows> {
        let flows = Flows::map(space, map.as_fd())?;
        flows.word(0, 0).ok_or(io::ErrorKind::InvalidInput)?.store(flows.mark(), Ordering::Relaxed);
        Ok(flows)
    }

    /// Maps an array that a former process made.
    ///
    /// # Errors
    /// `InvalidData`: it is none of these, or for another space.
    pub fn open(space: FlowSpace, map: BorrowedFd<'_>) -> io::Result<Flows> {
        let flows = Flows::map(space, map)?;
        let mark = flows.word(0, 0).map(|word| word.load(Ordering::Relaxed));
        if mark != Some(flows.mark()) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(flows)
    }

    fn map(space: FlowSpace, map: BorrowedFd<'_>) -> io::Result<Flows> {
        if !space.is_valid() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let words = crate::bpf::map_array(map, FLOW_BYTES, space.entries())?;
        Ok(Flows { space: Arc::new(space), words: Arc::new(words) })
    }

    fn mark(&self) -> u64 {
        self.space.mark()
    }

    /// What it is for.
    #[must_use]
    pub fn space(&self) -> &FlowSpace {
        &self.space
    }

    /// Closes all ports: those of calls that nobody has any more.
    pub fn close_all(&self) {
        let ports = self.words.words().chunks_exact(WORDS).skip(FLOWS_FROM as usize);
        ports
            .filter_map(<[AtomicU64]>::first)
            .for_each(|word| word.store(CLOSED, Ordering::Relaxed));
    }

    /// From now on packets to the port go to the socket of this shard; `false` = it is none of
    /// these ports.
    pub fn give(&self, port: MediaPort, shard: u8) -> bool {
        let Some(entry) = self.space.entry(port) else { return false };
        let (Some(owner), Some(due)) = (self.word(entry, 0), self.word(entry, 1)) else {
            return false;
        };
        due.store(0, Ordering::Relaxed);
        owner.store(u64::from(shard) + 1, Ordering::Relaxed);
        true
    }

    /// From now on packets to the port are dropped.
    pub fn close(&self, port: MediaPort) {
        let owner = self.space.entry(port).and_then(|entry| self.word(entry, 0));
        owner.into_iter().for_each(|word| word.store(CLOSED, Ordering::Relaxed));
    }

    /// The shard that has a port.
    #[cfg(test)]
    fn owner(&self, port: MediaPort) -> Option<u8> {
        let owner = self.word(self.space.entry(port)?, 0)?.load(Ordering::Relaxed);
        u8::try_from(owner.checked_sub(1)?).ok()
    }

    /// This shard lives.
    pub fn stamp(&self, shard: u8, now: Tick) {
        let alive = self.word(1 + usize::from(shard), 0);
        alive.into_iter().for_each(|word| word.store(now.0, Ordering::Relaxed));
    }

    /// How many packets to ports of this shard were dropped, as one port had too many.
    #[must_use]
    pub fn limited(&self, shard: u8) -> u64 {
        self.word(1 + usize::from(shard), 1).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Where a port stands among all: for tables beside it.
    pub(crate) fn place(&self, port: MediaPort) -> Option<usize> {
        self.space.entry(port)?.checked_sub(FLOWS_FROM as usize)
    }

    fn word(&self, entry: usize, at: usize) -> Option<&AtomicU64> {
        self.words.words().get(entry.checked_mul(WORDS)?.checked_add(at)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(addresses: &[&str], port_min: u16, port_max: u16) -> FlowSpace {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        FlowSpace { addresses, port_min, port_max, shards: 1 }
    }

    #[test]
    fn entries_are_by_address_and_port() {
        let space = space(&["192.0.2.1", "2001:db8::1"], 16_384, 16_387);
        let entry = |address, port| space.entry(MediaPort { address, port });
        let first = FLOWS_FROM as usize;
        assert_eq!(entry(0, 16_384), Some(first));
        assert_eq!(entry(1, 16_387), Some(first + 7));
        assert_eq!(space.entries() as usize, first + 8);
        for (address, port) in [(2, 16_384), (0, 16_383), (0, 16_388), (255, 0)] {
            assert_eq!(entry(address, port), None);
        }
    }

    /// Over memory of our own, which is what the array is once it is mapped.
    fn flows(space: FlowSpace) -> Flows {
        let words = space.entries() as usize * WORDS;
        let (_fd, mapping) = crate::shm::create_memfd(c"flows", words).unwrap();
        Flows { space: Arc::new(space), words: Arc::new(mapping) }
    }

    /// Whatever is opened and closed, ours or not.
    #[test]
    fn exactly_the_open_ports_have_owners() {
        let (first, last) = (16_384, 16_415);
        let addresses = &["192.0.2.1", "2001:db8::1"];
        let flows = flows(FlowSpace { shards: 4, ..space(addresses, first, last) });
        let mut model = std::collections::BTreeMap::new();
        let mut chance = 7u64;
        for _ in 0..20_000 {
            chance = chance.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let draw = chance >> 33;
            let port = 16_380 + (draw / 3 % 40) as u16;
            let port = MediaPort { address: (draw % 3) as u8, port };
            let known = port.address < 2 && (first..=last).contains(&port.port);
            let shard = (draw / 256 % 4) as u8;
            if (draw / 128).is_multiple_of(2) {
                assert_eq!(flows.give(port, shard), known, "{port:?}");
                model.extend(known.then_some((port, shard)));
            } else {
                flows.close(port);
                model.remove(&port);
            }
        }
        let all = || {
            let ports = first - 9..=last + 9;
            ports.flat_map(|port| (0..4).map(move |address| MediaPort { address, port }))
        };
        assert!(model.len() > 10);
        assert!(all().all(|port| flows.owner(port) == model.get(&port).copied()));
        let others = &flows.words.words()[..FLOWS_FROM as usize * WORDS];
        assert!(others.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        flows.close_all();
        assert!(all().all(|port| flows.owner(port).is_none()));
    }

    #[test]
    fn spaces_are_bounded_and_told_apart() {
        let good = space(&["192.0.2.1"], 16_384, 32_767);
        assert!(good.is_valid());
        let mut marks = vec![good.mark()];
        for other in [
            space(&["192.0.2.2"], 16_384, 32_767),
            space(&["192.0.2.1"], 16_386, 32_767),
            space(&["192.0.2.1"], 16_384, 32_765),
            space(&["192.0.2.1", "192.0.2.2"], 16_384, 32_767),
            space(&["2001:db8::1"], 16_384, 32_767),
            FlowSpace { shards: 2, ..good.clone() },
        ] {
            assert!(other.is_valid() && !marks.contains(&other.mark()), "{other:?}");
            marks.push(other.mark());
        }
        for bad in [
            space(&[], 2, 3),
            space(&["192.0.2.1"; 9], 2, 3),
            space(&["192.0.2.1"], 0, 3),
            space(&["192.0.2.1"], 4, 3),
            FlowSpace { shards: 0, ..good.clone() },
            FlowSpace { shards: SHARDS_MAX + 1, ..good },
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
    }
}
