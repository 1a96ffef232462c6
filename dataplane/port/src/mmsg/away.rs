//! Flows that a shard has given to the kernel's program, and by which interface they leave.
//!
//! Routes are asked of the kernel (`crate::netlink`) and believed for [`ROUTE_NS`]: a flow that is
//! away is looked at each second, and comes back when its way is another one by then.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use strowger_link::{SECOND, Tally, Tick};

use crate::net::MediaPort;
use crate::netlink::{Interface, Netlink};
use crate::offload::{Hop, Offload, Offloads};

/// How long an answer about a route is believed.
const ROUTE_NS: u64 = 5 * SECOND;
/// Most routes remembered; when there are more all are asked anew.
const ROUTES_MAX: usize = 4_096;
/// How long a flow may stay away without being looked after.
const LEASE_NS: u64 = 10 * SECOND;
/// Shortest packets that are of use: below it an interface is none for media.
const MTU_MIN: u32 = 576;

/// What a shard gives flows away by.
#[derive(Clone, Debug)]
pub struct Offloading {
    /// The array.
    pub offloads: Offloads,
    /// Interfaces that the program runs at, by which flows may leave as well.
    pub interfaces: Vec<Interface>,
}

/// See the module.
pub(super) struct Away {
    shard: u8,
    of: Offloading,
    netlink: Netlink,
    /// By our address and theirs.
    routes: BTreeMap<(IpAddr, IpAddr), (Tick, Option<Hop>)>,
}

impl Away {
    pub(super) fn new(of: Offloading, shard: u8) -> io::Result<Away> {
        Ok(Away { shard, of, netlink: Netlink::open()?, routes: BTreeMap::new() })
    }

    /// Gives a flow away; `dscp` is the class of what leaves by `local`, the address of its way
    /// out.
    pub(super) fn give(
        &mut self,
        port: MediaPort,
        (offload, tally): (&Offload, &Tally),
        (local, dscp): (IpAddr, u8),
        now: Tick,
    ) -> bool {
        let Some(hop) = self.hop((local, offload.to.ip()), dscp, now) else { return false };
        let until = now.plus_ns(LEASE_NS);
        self.of.offloads.give((port, self.shard), (offload, &hop), tally, (until, now))
    }

    /// Looks after a flow: it may stay away, if its way is the same still.
    pub(super) fn look_after(
        &mut self,
        port: MediaPort,
        (to, local, dscp): (IpAddr, IpAddr, u8),
        now: Tick,
    ) -> bool {
        let hop = self.hop((local, to), dscp, now);
        hop.is_some_and(|hop| self.of.offloads.extend(port, &hop, now.plus_ns(LEASE_NS)))
    }

    pub(super) fn offloads(&self) -> &Offloads {
        &self.of.offloads
    }

    /// The ports of this shard's flows that are away.
    pub(super) fn ports(&self) -> impl Iterator<Item = MediaPort> + '_ {
        self.of.offloads.ports_away(self.shard)
    }

    /// How packets to an address leave.
    fn hop(&mut self, way: (IpAddr, IpAddr), dscp: u8, now: Tick) -> Option<Hop> {
        let known = self.routes.get(&way).filter(|(at, _)| now.ns_since(*at) < ROUTE_NS);
        let hop = match known {
            Some((_, hop)) => *hop,
            None => {
                let hop = self.ask(way);
                if self.routes.len() >= ROUTES_MAX {
                    self.routes.clear();
                }
                self.routes.insert(way, (now, hop));
                hop
            }
        };
        hop.map(|hop| Hop { dscp, ..hop })
    }

    fn ask(&mut self, (local, to): (IpAddr, IpAddr)) -> Option<Hop> {
        // What the kernel does not tell now it may tell later: the flow stays with us till then.
        let route = self.netlink.route(local, to).ok()??;
        let next = route.gateway.unwrap_or(to);
        let mut all = self.of.interfaces.iter();
        let by = all.find(|one| one.index == route.interface && one.mtu >= MTU_MIN)?;
        let len_max = u16::try_from(by.mtu).unwrap_or(u16::MAX);
        (next.is_ipv4() == to.is_ipv4()).then_some(Hop {
            interface: by.index,
            next,
            len_max,
            dscp: 0,
        })
    }
}
