//! Neighbours of the cables, as the program at the driver has to be told them: it has frames leave
//! without the kernel's part that finds neighbours, and without telling it that they are of use.
//!
//! An answer of the kernel is believed for [`KNOWN_NS`]. Who is not heard of for a while becomes
//! *stale* there, and stays so, right or wrong, until a packet of ours goes to it by a socket: RTCP
//! and signalling do. Where none did for [`STALE_NS`], one flow comes back: its packets go by the
//! shard, and the kernel asks the neighbour whether it is there. All other flows go on meanwhile.

use std::collections::BTreeMap;
use std::net::IpAddr;

use strowger_link::{SECOND, Tick};

use crate::netlink::{Neighbour, Netlink};

/// How long an answer is believed.
const KNOWN_NS: u64 = SECOND;
/// How long a neighbour may be stale before a flow comes back for its sake, and then the next one.
const STALE_NS: u64 = 10 * SECOND;
/// Most neighbours remembered; when there are more all are asked for anew.
const NEIGHBOURS_MAX: usize = 4_096;

#[derive(Clone, Copy)]
struct Known {
    asked: Tick,
    told: Option<Neighbour>,
    /// Since when it is stale, or when a flow came back for its sake.
    stale: Option<Tick>,
}

/// By interface and address.
#[derive(Default)]
pub(super) struct Neighbours(BTreeMap<(u32, IpAddr), Known>);

impl Neighbours {
    /// The address of a neighbour on the cable, for a flow that is given away, or is away and
    /// looked after; `None` = it stays with us, or comes back.
    pub(super) fn mac(
        &mut self,
        (netlink, now): (&mut Netlink, Tick),
        (interface, ip): (u32, IpAddr),
        is_away: bool,
    ) -> Option<[u8; 6]> {
        // What the kernel does not tell now it may tell later.
        let ask = || netlink.neighbour(interface, ip).ok().flatten();
        self.judge((interface, ip), (is_away, now), ask)
    }

    fn judge(
        &mut self,
        at: (u32, IpAddr),
        (is_away, now): (bool, Tick),
        ask: impl FnOnce() -> Option<Neighbour>,
    ) -> Option<[u8; 6]> {
        let known = self.0.get(&at).copied();
        let (asked, told) = match known.filter(|known| now.ns_since(known.asked) < KNOWN_NS) {
            Some(known) => (known.asked, known.told),
            None => (now, ask()),
        };
        let is_stale = told.is_some_and(|told| !told.is_fresh);
        let since = known.and_then(|known| known.stale).unwrap_or(now);
        let comes_back = is_away && is_stale && now.ns_since(since) >= STALE_NS;
        let stale = is_stale.then_some(if comes_back { now } else { since });
        if known.is_none() && self.0.len() >= NEIGHBOURS_MAX {
            self.0.clear();
        }
        self.0.insert(at, Known { asked, told, stale });
        told.filter(|_| !comes_back).map(|told| told.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const FRESH: Option<Neighbour> = Some(Neighbour { mac: MAC, is_fresh: true });
    const STALE: Option<Neighbour> = Some(Neighbour { mac: MAC, is_fresh: false });

    fn at(last: u8) -> (u32, IpAddr) {
        (3, IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn an_answer_is_believed_for_a_second() {
        let mut all = Neighbours::default();
        let mut asked = 0;
        for ms in [0, 500, 999, 1_000, 1_500] {
            let now = Tick(SECOND).plus_ms(ms);
            let ask = || {
                asked += 1;
                FRESH
            };
            assert_eq!(all.judge(at(1), (true, now), ask), Some(MAC), "{ms}");
        }
        assert_eq!(asked, 2);
        // One that moved, and one that is gone.
        let moved = Some(Neighbour { mac: [4; 6], is_fresh: true });
        let later = |s: u64| Tick(s * SECOND);
        assert_eq!(all.judge(at(1), (true, later(5)), || moved), Some([4; 6]));
        assert_eq!(all.judge(at(1), (true, later(7)), || None), None);
    }

    /// However many flows go to it, one comes back for its sake in ten seconds.
    #[test]
    fn one_flow_comes_back_for_a_stale_neighbour() {
        let mut all = Neighbours::default();
        let mut back = Vec::new();
        for second in 1..=25 {
            for _flow in 0..50 {
                let now = Tick(second * SECOND);
                if all.judge(at(1), (true, now), || STALE).is_none() {
                    back.push(second);
                }
            }
        }
        assert_eq!(back, [11, 21]);
        // Who is given away goes: its packets would say nothing new. Others are others.
        let later = |second: u64| Tick(second * SECOND);
        assert_eq!(all.judge(at(1), (false, later(31)), || STALE), Some(MAC));
        assert_eq!(all.judge(at(2), (true, later(31)), || STALE), Some(MAC));
        assert_eq!(all.judge(at(1), (true, later(32)), || STALE), None);
        // One that was heard of meanwhile has its time again.
        assert_eq!(all.judge(at(2), (true, later(40)), || FRESH), Some(MAC));
        assert_eq!(all.judge(at(2), (true, later(42)), || STALE), Some(MAC));
        assert_eq!(all.judge(at(2), (true, later(52)), || STALE), None);
    }
}
