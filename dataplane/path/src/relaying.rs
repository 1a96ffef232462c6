//! The program that relays flows: its arrays, and the interfaces that it runs at.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;

use strowger_port::bpf::{self, Map, Program};
use strowger_port::flows::FlowSpace;
use strowger_port::mmsg::{Offloading, Relayer};
use strowger_port::netlink::{Interface, Netlink, relays_frames};
use strowger_port::offload::{OFFLOAD_BYTES, Offloads};

use crate::program::{CABLES_BYTES, RELAY_OBJECT, RELAY_PROGRAM, XDP_OBJECT, XDP_PROGRAM, cables};
use crate::steering::{Refusal, instructions, system};

/// What is to relay, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The program behind the driver.
    Tc,
    /// The program in the driver, at interfaces that are told to have one.
    Xdp,
    /// The same, but at no end of a cable within this machine: packets come there with checksums
    /// that are only begun, and such go up.
    XdpAtCards,
    /// The program of XDP right behind the driver, whatever the driver can.
    XdpGeneric,
}

impl Wanted {
    pub(crate) const fn relayer(self) -> Relayer {
        match self {
            Wanted::Tc => Relayer::Tc,
            Wanted::Xdp | Wanted::XdpAtCards | Wanted::XdpGeneric => Relayer::Xdp,
        }
    }
}

/// Descriptors of it.
#[derive(Debug)]
pub(crate) struct Relaying {
    map: OwnedFd,
    /// With XDP, the interfaces' own addresses.
    cables: Option<OwnedFd>,
    /// One for each interface.
    links: Vec<OwnedFd>,
    of: Offloading,
}

/// How many descriptors it has.
pub(crate) const fn handles(relayer: Relayer, interfaces: usize) -> usize {
    match relayer {
        Relayer::Tc => 1 + interfaces,
        Relayer::Xdp => 2 + interfaces,
    }
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
        (space, wanted): (FlowSpace, Wanted),
        (places, flows): (&Map, &Map),
    ) -> Result<Relaying, Refusal> {
        let interfaces = interfaces(names)?;
        let make = system("a map of the kernel");
        let map = Map::array("offloads", OFFLOAD_BYTES, space.pairs(), true).map_err(&make)?;
        let offloads = Offloads::open(space, map.as_fd()).map_err(&make)?;
        let maps = [("places", places), ("flows", flows), ("offloads", &map)];
        let (cables, links) = match wanted {
            Wanted::Tc => (None, attach_tc(&maps, &interfaces)?),
            Wanted::Xdp | Wanted::XdpAtCards | Wanted::XdpGeneric => {
                let (cables, links) = attach_xdp(&maps, (names, &interfaces), wanted)?;
                (Some(cables), links)
            }
        };
        let of = Offloading { offloads, interfaces, relayer: wanted.relayer() };
        Ok(Relaying { map: map.into_fd(), cables, links, of })
    }

    /// Takes what another process opened for these interfaces. Flows that are away stay away.
    pub(crate) fn take(
        names: &[String],
        (space, relayer): (FlowSpace, Relayer),
        mut handed: impl Iterator<Item = OwnedFd>,
    ) -> Result<Relaying, Refusal> {
        let interfaces = interfaces(names)?;
        let map = handed.next().ok_or(Refusal::Changed)?;
        let cables = match relayer {
            Relayer::Tc => None,
            Relayer::Xdp => Some(handed.next().ok_or(Refusal::Changed)?),
        };
        let links: Vec<OwnedFd> = handed.collect();
        let runs_at =
            |(one, link): (&Interface, &OwnedFd)| bpf::attached_to(link.as_fd()) == Some(one.index);
        let is_there =
            links.len() == interfaces.len() && interfaces.iter().zip(&links).all(runs_at);
        if !is_there || !cables.iter().all(|cables| has(cables, &interfaces)) {
            return Err(Refusal::Changed);
        }
        let offloads = Offloads::open(space, map.as_fd()).map_err(|_| Refusal::Changed)?;
        Ok(Relaying { map, cables, links, of: Offloading { offloads, interfaces, relayer } })
    }

    /// All descriptors, in the order that [`Relaying::take`] wants.
    pub(crate) fn into_handles(self) -> impl Iterator<Item = OwnedFd> {
        std::iter::once(self.map).chain(self.cables).chain(self.links)
    }

    /// The same, to be copied.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &OwnedFd> {
        std::iter::once(&self.map).chain(&self.cables).chain(&self.links)
    }

    /// Which program it is.
    pub(crate) const fn relayer(&self) -> Relayer {
        self.of.relayer
    }

    /// What a shard gives flows away by.
    pub(crate) fn of_shard(&self) -> Offloading {
        self.of.clone()
    }
}

/// Has the program run behind the drivers.
fn attach_tc(maps: &[(&str, &Map)], interfaces: &[Interface]) -> Result<Vec<OwnedFd>, Refusal> {
    let code = instructions((RELAY_OBJECT, RELAY_PROGRAM), maps)?;
    let program = Program::load_ingress("strowger_relay", &code);
    let program = program.map_err(system("relaying by a program"))?;
    let attach = |one: &Interface| bpf::attach_ingress(&program, one.index);
    let links = interfaces.iter().map(attach).collect::<io::Result<_>>();
    links.map_err(system("a program at an interface (Linux 6.6)"))
}

/// Has the program run in the drivers, or right behind them; the array of the interfaces' addresses
/// comes back with the links.
fn attach_xdp(
    maps: &[(&str, &Map)],
    (names, interfaces): (&[String], &[Interface]),
    wanted: Wanted,
) -> Result<(OwnedFd, Vec<OwnedFd>), Refusal> {
    let refused = |name: &String, why| Err(Refusal::Interface(name.clone(), why));
    for (name, one) in names.iter().zip(interfaces) {
        if wanted == Wanted::XdpAtCards && one.is_veth {
            return refused(name, "is an end of a veth, whose packets come without checksums");
        }
    }
    let make = system("a map of the kernel");
    let own = Map::array("cables", CABLES_BYTES, 1, true).map_err(&make)?;
    own.set(0, &cables(interfaces)).map_err(&make)?;
    let exits = Map::exits("exits", interfaces.len() as u32).map_err(&make)?;
    interfaces.iter().try_for_each(|one| exits.set_exit(one.index)).map_err(&make)?;
    let maps = [maps, &[("cables", &own), ("exits", &exits)][..]].concat();
    let code = instructions((XDP_OBJECT, XDP_PROGRAM), &maps)?;
    let program = Program::load_xdp("strowger_xdp", &code);
    let program = program.map_err(system("relaying by a program"))?;
    let is_generic = wanted == Wanted::XdpGeneric;
    let mut links = Vec::new();
    for (name, one) in names.iter().zip(interfaces) {
        let link = bpf::attach_xdp(&program, one.index, is_generic);
        links.push(link.map_err(|error| not_attached(name, error))?);
    }
    // Some drivers tell only now; what cannot send frames would drop every packet in silence.
    for (name, one) in names.iter().zip(interfaces).filter(|_| !is_generic) {
        match relays_frames(one.index) {
            Ok(true) => {}
            Ok(false) => return refused(name, "has a driver that takes no frames of XDP to send"),
            Err(_) => {
                return refused(name, "has a kernel before Linux 6.3, which tells too little");
            }
        }
    }
    Ok((own.into_fd(), links))
}

fn not_attached(name: &str, error: io::Error) -> Refusal {
    let refused = |why| Refusal::Interface(name.to_owned(), why);
    if error.kind() == io::ErrorKind::ResourceBusy {
        refused("has another program of XDP")
    } else if error.kind() == io::ErrorKind::Unsupported {
        refused("has a driver without XDP")
    } else {
        Refusal::Driver(name.to_owned(), error)
    }
}

/// Whether an array of the interfaces' addresses is what would be written by now.
fn has(array: &OwnedFd, interfaces: &[Interface]) -> bool {
    let Ok(array) = bpf::map_array(array.as_fd(), CABLES_BYTES, 1) else { return false };
    let now = cables(interfaces);
    let words = now.chunks_exact(8).filter_map(<[u8]>::first_chunk).copied();
    let words = words.map(u64::from_ne_bytes);
    words.eq(array.words().iter().map(|word| word.load(Ordering::Relaxed)).take(CABLES_BYTES / 8))
}
