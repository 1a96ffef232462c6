//! The numbering of local ports, and who has which.
//!
//! RTP takes an even port and RTCP the odd one above it (RFC 3550 section 11). A port that is
//! given back rests for a while before it is handed out again, so that packets of its last call
//! meet a closed port and not another call.

use crate::limits::{ADDRESSES_MAX, COOL_DOWN_MS, PORT_MAX, PORT_MIN};
use std::collections::VecDeque;
use strowger_link::Tick;

/// A local port of one of our media addresses: an index into the slab of flows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalPort(u32);

impl LocalPort {
    /// The index in the slab, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// RTCP's port of a pair whose RTP port this is.
    pub(crate) const fn above(self) -> LocalPort {
        LocalPort(self.0.saturating_add(1))
    }

    /// RTP's port of a pair whose RTCP port this is.
    pub(crate) const fn below(self) -> LocalPort {
        LocalPort(self.0.saturating_sub(1))
    }
}

/// The ports that a relay may use: the same range on each of its media addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortSpace {
    addresses: u8,
    port_min: u16,
    port_max: u16,
}

impl PortSpace {
    /// The default range on one address.
    pub const DEFAULT: PortSpace =
        PortSpace { addresses: 1, port_min: PORT_MIN, port_max: PORT_MAX };

    /// A range on a number of addresses; `None` without address or port, above
    /// [`ADDRESSES_MAX`], or for port 0.
    #[must_use]
    pub fn new(addresses: u8, port_min: u16, port_max: u16) -> Option<PortSpace> {
        let addresses_fit = (1..=ADDRESSES_MAX).contains(&usize::from(addresses));
        (addresses_fit && port_min > 0 && port_min <= port_max).then_some(PortSpace {
            addresses,
            port_min,
            port_max,
        })
    }

    /// The index of a port of an address, which are numbered from 0.
    #[must_use]
    pub fn local_port(&self, address: u8, port: u16) -> Option<LocalPort> {
        let known = address < self.addresses && (self.port_min..=self.port_max).contains(&port);
        let offset = u32::from(port.checked_sub(self.port_min)?);
        known.then(|| LocalPort(u32::from(address) * self.span() + offset))
    }

    /// The address and port of an index.
    #[must_use]
    pub fn place(&self, local: LocalPort) -> Option<(u8, u16)> {
        let address = u8::try_from(local.0 / self.span()).ok()?;
        let offset = u16::try_from(local.0 % self.span()).ok()?;
        (address < self.addresses).then_some((address, self.port_min.saturating_add(offset)))
    }

    /// Indexes in use: the size of the slab.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.addresses) * self.span() as usize
    }

    /// Never: a space has at least one port.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ports of one address, at least 1.
    fn span(&self) -> u32 {
        u32::from(self.port_max - self.port_min) + 1
    }

    /// Even ports that have the odd one above them in the range.
    fn pairs(&self) -> impl Iterator<Item = u16> + use<> {
        let first = self.port_min.saturating_add(self.port_min % 2);
        (first..self.port_max).step_by(2)
    }
}

/// An RTP port and the RTCP port above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortPair {
    /// Even.
    pub rtp: LocalPort,
    /// Odd, one above.
    pub rtcp: LocalPort,
}

/// Why no ports were handed out or taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortsError {
    /// No port is free; the one that has rested longest is free at `ready`, if one rests.
    Exhausted {
        /// When to try again.
        ready: Option<Tick>,
    },
    /// No such address.
    UnknownAddress,
    /// The pair was not handed out: our caller's bug.
    NotTaken,
    /// The pair cannot be claimed: it is handed out, or none of ours.
    NotFree,
}

/// Who has which ports: every pair is taken, free, or at rest.
#[derive(Clone, Debug)]
pub struct Ports {
    space: PortSpace,
    cool_down_ms: u64,
    /// For each address the pairs not taken, longest at rest first, each with the time it is free.
    free: Vec<VecDeque<(PortPair, Tick)>>,
    taken: Box<[bool]>,
    /// All pairs.
    pairs: usize,
}

impl Ports {
    /// All ports free, resting [`COOL_DOWN_MS`] after use. The order of the first use follows
    /// from `seed`: strangers shall not guess the next port.
    #[must_use]
    pub fn new(space: PortSpace, seed: u64) -> Ports {
        Ports::with_cool_down(space, seed, COOL_DOWN_MS)
    }

    /// The same with another rest.
    #[must_use]
    pub fn with_cool_down(space: PortSpace, seed: u64, cool_down_ms: u64) -> Ports {
        let mut chance = seed;
        let free: Vec<VecDeque<_>> = (0..space.addresses)
            .map(|address| {
                let pair = |port: u16| {
                    let rtp = space.local_port(address, port)?;
                    let rtcp = space.local_port(address, port.checked_add(1)?)?;
                    Some((PortPair { rtp, rtcp }, Tick(0)))
                };
                let mut pairs: Vec<_> = space.pairs().filter_map(pair).collect();
                shuffle(&mut pairs, &mut chance);
                VecDeque::from(pairs)
            })
            .collect();
        let pairs = free.iter().map(VecDeque::len).sum();
        let taken = vec![false; space.len()].into_boxed_slice();
        Ports { space, cool_down_ms, free, taken, pairs }
    }

    /// The numbering.
    #[must_use]
    pub const fn space(&self) -> PortSpace {
        self.space
    }

    /// Takes the pair of an address that was not used for the longest time.
    ///
    /// # Errors
    /// [`PortsError::Exhausted`], [`PortsError::UnknownAddress`].
    pub fn take(&mut self, address: u8, now: Tick) -> Result<PortPair, PortsError> {
        let free = self.free.get_mut(usize::from(address)).ok_or(PortsError::UnknownAddress)?;
        let ready = free.front().map(|(_, ready)| *ready);
        if ready.is_none_or(|ready| ready > now) {
            return Err(PortsError::Exhausted { ready });
        }
        let (pair, _) = free.pop_front().ok_or(PortsError::Exhausted { ready: None })?;
        if let Some(taken) = self.taken.get_mut(pair.rtp.index()) {
            *taken = true;
        }
        Ok(pair)
    }

    /// Takes a pair that a former process had handed out.
    ///
    /// # Errors
    /// [`PortsError::NotFree`] when it is taken, or none of ours.
    pub fn claim(&mut self, pair: PortPair) -> Result<(), PortsError> {
        let (address, _) = self.space.place(pair.rtp).ok_or(PortsError::NotFree)?;
        let free = self.free.get_mut(usize::from(address)).ok_or(PortsError::NotFree)?;
        let place = free.iter().position(|(known, _)| *known == pair);
        free.remove(place.ok_or(PortsError::NotFree)?);
        if let Some(taken) = self.taken.get_mut(pair.rtp.index()) {
            *taken = true;
        }
        Ok(())
    }

    /// Gives a pair back; it rests before it is handed out again.
    ///
    /// # Errors
    /// [`PortsError::NotTaken`], also for a pair that is none of ours.
    pub fn give(&mut self, pair: PortPair, now: Tick) -> Result<(), PortsError> {
        let taken = self.taken.get_mut(pair.rtp.index()).filter(|taken| **taken);
        let (address, _) = self.space.place(pair.rtp).ok_or(PortsError::NotTaken)?;
        let free = self.free.get_mut(usize::from(address)).ok_or(PortsError::NotTaken)?;
        let is_pair = pair.rtcp.index() == pair.rtp.index() + 1;
        *taken.filter(|_| is_pair).ok_or(PortsError::NotTaken)? = false;
        free.push_back((pair, now.plus_ms(self.cool_down_ms)));
        Ok(())
    }

    /// Pairs handed out.
    #[must_use]
    pub fn taken_count(&self) -> usize {
        self.pairs - self.free_count()
    }

    /// Pairs of an address that are free or at rest; none of one that is not there.
    #[must_use]
    pub fn free_at(&self, address: u8) -> usize {
        self.free.get(usize::from(address)).map_or(0, VecDeque::len)
    }

    /// Pairs free or at rest.
    #[must_use]
    pub fn free_count(&self) -> usize {
        self.free.iter().map(VecDeque::len).sum()
    }
}

/// Fisher and Yates, with the numbers of splitmix64.
fn shuffle<T>(items: &mut [T], chance: &mut u64) {
    for last in (1..items.len()).rev() {
        *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = *chance;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
        items.swap(last, (number % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests;
