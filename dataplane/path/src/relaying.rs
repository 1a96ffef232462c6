//! The program that relays flows: its array, and the interfaces that it runs at.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use strowger_port::bpf::{self, Map, Program};
use strowger_port::flows::FlowSpace;
use strowger_port::mmsg::Offloading;
use strowger_port::netlink::{Interface, Netlink};
use strowger_port::offload::{OFFLOAD_BYTES, Offloads};

use crate::program::{RELAY_OBJECT, RELAY_PROGRAM};
use crate::steering::{Refusal, instructions, system};

/// Descriptors of it.
#[derive(Debug)]
pub(crate) struct Relaying {
    map: OwnedFd,
    /// One for each interface.
    links: Vec<OwnedFd>,
    of: Offloading,
}

/// The interfaces of these names.
fn interfaces(names: &[String]) -> Result<Vec<Interface>, Refusal> {
    let mut netlink = Netlink::open().map_err(system("asking for interfaces"))?;
    let find = |name: &String| match netlink.interface(name) {
        Ok(found) if !found.is_ethernet => {
            Err(Refusal::Interface(name.clone(), "is none of Ethernet"))
        }
        Ok(found) => Ok(found),
        Err(_) => Err(Refusal::Interface(name.clone(), "is not there")),
    };
    names.iter().map(find).collect()
}

impl Relaying {
    /// Makes the array, no flow away, and has the program run at the interfaces. It reads the
    /// arrays of addresses and of ports as well.
    pub(crate) fn open(
        names: &[String],
        space: FlowSpace,
        (places, flows): (&Map, &Map),
    ) -> Result<Relaying, Refusal> {
        let interfaces = interfaces(names)?;
        let make = system("a map of the kernel");
        let map = Map::array("offloads", OFFLOAD_BYTES, space.pairs(), true).map_err(&make)?;
        let offloads = Offloads::open(space, map.as_fd()).map_err(&make)?;
        let maps = [("places", places), ("flows", flows), ("offloads", &map)];
        let code = instructions((RELAY_OBJECT, RELAY_PROGRAM), &maps)?;
        let program = Program::load_ingress("strowger_relay", &code);
        let program = program.map_err(system("relaying by a program"))?;
        let attach = |one: &Interface| bpf::attach_ingress(&program, one.index);
        let links = interfaces.iter().map(attach).collect::<io::Result<_>>();
        let links = links.map_err(system("a program at an interface (Linux 6.6)"))?;
        Ok(Relaying { map: map.into_fd(), links, of: Offloading { offloads, interfaces } })
    }

    /// Takes what another process opened for these interfaces. Flows that are away stay away.
    pub(crate) fn take(
        names: &[String],
        space: FlowSpace,
        mut handed: impl Iterator<Item = OwnedFd>,
    ) -> Result<Relaying, Refusal> {
        let interfaces = interfaces(names)?;
        let map = handed.next().ok_or(Refusal::Changed)?;
        let links: Vec<OwnedFd> = handed.collect();
        let runs_at =
            |(one, link): (&Interface, &OwnedFd)| bpf::attached_to(link.as_fd()) == Some(one.index);
        if links.len() != interfaces.len() || !interfaces.iter().zip(&links).all(runs_at) {
            return Err(Refusal::Changed);
        }
        let offloads = Offloads::open(space, map.as_fd()).map_err(|_| Refusal::Changed)?;
        Ok(Relaying { map, links, of: Offloading { offloads, interfaces } })
    }

    /// All descriptors, in the order that [`Relaying::take`] wants.
    pub(crate) fn into_handles(self) -> impl Iterator<Item = OwnedFd> {
        std::iter::once(self.map).chain(self.links)
    }

    /// The same, to be copied.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &OwnedFd> {
        std::iter::once(&self.map).chain(&self.links)
    }

    /// What a shard gives flows away by.
    pub(crate) fn of_shard(&self) -> Offloading {
        self.of.clone()
    }
}
