//! Flows that a shard has given to the kernel's program, and by which interface they leave.
//!
//! Routes are asked of the kernel (`crate::netlink`) and believed for [`ROUTE_NS`]: a flow that is
//! away is looked at each second, and comes back when its way is another one by then. The program
//! at the driver has to be told the neighbour too (`super::neighbour`).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use strowger_link::{SECOND, Tally, Tick};

use super::neighbour::Neighbours;
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

/// Which program of the kernel relays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relayer {
    /// The one behind the driver, to whom the kernel finds neighbours.
    Tc,
    /// The one at the driver.
    Xdp,
}

/// What a shard gives flows away by.
#[derive(Clone, Debug)]
pub struct Offloading {
    /// The array.
    pub offloads: Offloads,
    /// Interfaces that the program runs at, by which flows may leave as well.
    pub interfaces: Vec<Interface>,
    /// Which one it is.
    pub relayer: Relayer,
}

/// See the module.
pub(super) struct Away {
    shard: u8,
    of: Offloading,
    netlink: Netlink,
    /// By our address and theirs.
    routes: BTreeMap<(IpAddr, IpAddr), (Tick, Option<Hop>)>,
    neighbours: Neighbours,
}

impl Away {
    pub(super) fn new(of: Offloading, shard: u8) -> io::Result<Away> {
        let (netlink, neighbours) = (Netlink::open()?, Neighbours::default());
        Ok(Away { shard, of, netlink, routes: BTreeMap::new(), neighbours })
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
        let way = (local, offload.to.ip());
        let Some(hop) = self.hop(way, (dscp, false), now) else { return false };
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
        let hop = self.hop((local, to), (dscp, true), now);
        hop.is_some_and(|hop| self.of.offloads.extend(port, &hop, now.plus_ns(LEASE_NS)))
    }

    pub(super) fn offloads(&self) -> &Offloads {
        &self.of.offloads
    }

    /// The ports of this shard's flows that are away.
    pub(super) fn ports(&self) -> impl Iterator<Item = MediaPort> + '_ {
        self.of.offloads.ports_away(self.shard)
    }

    /// Which of them relays.
    pub(super) fn relayer(&self) -> Relayer {
        self.of.relayer
    }

    /// How packets of a flow, away or not, leave.
    fn hop(
        &mut self,
        way: (IpAddr, IpAddr),
        (dscp, is_away): (u8, bool),
        now: Tick,
    ) -> Option<Hop> {
        let hop = self.route(way, now)?;
        let mac = match self.of.relayer {
            Relayer::Tc => hop.mac,
            Relayer::Xdp => {
                let neighbour = (hop.interface, hop.next);
                self.neighbours.mac((&mut self.netlink, now), neighbour, is_away)?
            }
        };
        Some(Hop { dscp, mac, ..hop })
    }

    /// How packets to an address leave, but for class and neighbour.
    fn route(&mut self, way: (IpAddr, IpAddr), now: Tick) -> Option<Hop> {
        let known = self.routes.get(&way).filter(|(at, _)| now.ns_since(*at) < ROUTE_NS);
        if let Some((_, hop)) = known {
            return *hop;
        }
        let hop = self.ask(way);
        if self.routes.len() >= ROUTES_MAX {
            self.routes.clear();
        }
        self.routes.insert(way, (now, hop));
        hop
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
            mac: [0; 6],
            len_max,
            dscp: 0,
        })
    }
}
