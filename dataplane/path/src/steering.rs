//! Opening, handing on and taking what steers media: see the crate's documentation.

use core::fmt;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use strowger_link::SHARDS_MAX;
use strowger_port::bpf::{self, Map, Program};
use strowger_port::flows::{FLOW_BYTES, FlowSpace, Flows};
use strowger_port::keep::SOCKETS_MAX;
use strowger_port::mmsg::{
    MEDIA_DSCP, Relayer, Steering as OfShard, bind_blackhole, bind_raw, bind_shared,
};
use strowger_port::net::{LISTENERS_MAX, MEDIA_ADDRESSES_MAX};
use strowger_tuning::{Backend, Config, INTERFACES_MAX};

use crate::object::{Object, ObjectError};
use crate::program::{OBJECT, PLACES_BYTES, PROGRAM, places};
use crate::relaying::{self, Relaying, Wanted};

/// Most descriptors of a [`Steering`].
const HANDLES_MAX: usize =
    2 + 2 + 2 * SHARDS_MAX as usize + MEDIA_ADDRESSES_MAX + 2 + INTERFACES_MAX;

/// A dataplane offers all of them beside its sockets of signalling.
const _: () = assert!(HANDLES_MAX + 2 * LISTENERS_MAX <= SOCKETS_MAX);

/// This thread's network namespace.
const NAMESPACE: &str = "/proc/thread-self/ns/net";
/// In the map of sockets those of IPv4 come first, one for each shard, then those of IPv6, then
/// the two blackholes.
const BLACKHOLE: u32 = 2 * SHARDS_MAX as u32;
const SOCKETS: u32 = BLACKHOLE + 2;

/// Who may relay what was handed on.
const TC: Option<Relayer> = Some(Relayer::Tc);
const XDP: Option<Relayer> = Some(Relayer::Xdp);

/// Why there is a socket for each port.
#[derive(Debug)]
pub enum Refusal {
    /// Ports of the range are given to whoever asks for any port.
    Given((u16, u16)),
    /// Somebody has a port of the range, and would hear nothing any more.
    Occupied(SocketAddr),
    /// Another program chooses sockets in this network namespace.
    Another,
    /// What was handed on is for other addresses, ports or shards, or its program was ended.
    Changed,
    /// An interface is none that the program could relay at.
    Interface(String, &'static str),
    /// The driver of an interface does not take the program.
    Driver(String, io::Error),
    /// The program in our own file cannot be read.
    Object(ObjectError),
    /// The system refuses; what it was asked for.
    System(&'static str, io::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Given((first, last)) => write!(
                f,
                "the kernel gives ports of {first}-{last} to whoever asks for any: keep them in \
                 net.ipv4.ip_local_reserved_ports"
            ),
            Refusal::Occupied(at) => {
                write!(f, "another socket is at {at} and would hear nothing any more")
            }
            Refusal::Another => {
                write!(f, "another program chooses sockets in this network namespace")
            }
            Refusal::Changed => write!(f, "it is for other addresses, ports or shards, or over"),
            Refusal::Interface(name, why) => write!(f, "interface {name} {why}"),
            Refusal::Driver(name, error) => {
                write!(f, "the driver of {name} does not take the program ({error})")
            }
            Refusal::Object(error) => write!(f, "the program for the kernel is {error}"),
            Refusal::System(what, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                write!(f, "{what} needs CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW ({error})")
            }
            Refusal::System(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// What steers media to the shards. As long as any process holds it, packets to the ports of the
/// configuration go by it.
#[derive(Debug)]
pub struct Steering {
    link: OwnedFd,
    map: OwnedFd,
    flows: Flows,
    /// Of each family that has an address.
    blackholes: Vec<UdpSocket>,
    /// For each shard one of each of these families.
    shared: Vec<UdpSocket>,
    /// For each address.
    raws: Vec<OwnedFd>,
    /// What relays flows, where that is wanted.
    relaying: Option<Relaying>,
}

/// How many programs choose sockets here.
pub(crate) fn programs() -> Result<u32, Refusal> {
    let namespace = File::open(NAMESPACE).map_err(system("the network namespace"))?;
    bpf::attached(namespace.as_fd()).map_err(system("choosing sockets by a program"))
}

/// Has a program run no more, whoever else holds its link; what is no link needs no end.
pub(crate) fn end(link: &OwnedFd) {
    let _ended = bpf::detach(link.as_fd());
}

pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal::System(what, error)
}

fn space(config: &Config) -> FlowSpace {
    let media = &config.media;
    FlowSpace {
        addresses: media.addresses.clone(),
        port_min: media.port_min,
        port_max: media.port_max,
        shards: config.shards(),
    }
}

/// The families that have an address: whether each is IPv6.
fn families(space: &FlowSpace) -> Vec<bool> {
    let has = |is_ipv6: &bool| space.addresses.iter().any(|ip| ip.is_ipv6() == *is_ipv6);
    [false, true].into_iter().filter(has).collect()
}

impl Steering {
    /// Opens all of it, all ports closed, with what relays flows or without. The programs are there
    /// when this returns.
    ///
    /// # Errors
    /// [`Refusal`]; nothing stays behind.
    pub fn open(config: &Config, relays: Option<Wanted>) -> Result<Steering, Refusal> {
        let space = space(config);
        let families = families(&space);
        let make = system("a map of the kernel");
        let places_map = Map::array("places", PLACES_BYTES, 1, false).map_err(&make)?;
        places_map.set(0, &places(&space)).map_err(&make)?;
        let map = Map::array("flows", FLOW_BYTES, space.entries(), true).map_err(&make)?;
        let flows = Flows::new(space.clone(), &map).map_err(&make)?;
        let sockets = Map::sockets("sockets", SOCKETS).map_err(&make)?;
        let (mut blackholes, mut shared) = (Vec::new(), Vec::new());
        let put = |index: u32, socket: io::Result<UdpSocket>| -> io::Result<UdpSocket> {
            let socket = socket?;
            sockets.set_socket(index, socket.as_fd())?;
            Ok(socket)
        };
        let wrong = system("a socket for all media ports");
        for is_ipv6 in &families {
            let index = BLACKHOLE + u32::from(*is_ipv6);
            blackholes.push(put(index, bind_blackhole(*is_ipv6)).map_err(&wrong)?);
        }
        for shard in 0..u32::from(space.shards) {
            for is_ipv6 in &families {
                let index = u32::from(*is_ipv6) * u32::from(SHARDS_MAX) + shard;
                shared.push(put(index, bind_shared(*is_ipv6)).map_err(&wrong)?);
            }
        }
        let raws = space.addresses.iter().map(|address| bind_raw(*address, MEDIA_DSCP));
        let raws = raws.collect::<io::Result<_>>().map_err(system("a raw socket"))?;
        let link = attach(&[("places", &places_map), ("flows", &map), ("sockets", &sockets)])?;
        let maps = (&places_map, &map);
        let names = &config.media.interfaces;
        let relaying = relays.map(|wanted| Relaying::open(names, (space, wanted), maps));
        let relaying = relaying.transpose()?;
        Ok(Steering { link, map: map.into_fd(), flows, blackholes, shared, raws, relaying })
    }

    /// Takes what another process opened for the same configuration. Ports stay as they are.
    ///
    /// # Errors
    /// [`Refusal::Changed`].
    pub fn take(config: &Config, handed: Vec<OwnedFd>) -> Result<Steering, Refusal> {
        let space = space(config);
        let (of_each, shards) = (families(&space).len(), usize::from(space.shards));
        let wanted = 2 + of_each + of_each * shards + space.addresses.len();
        let interfaces = &config.media.interfaces;
        let may_relay = match config.media.backend {
            Backend::Tc => &[TC][..],
            Backend::Xdp => &[XDP, TC],
            Backend::Auto if !interfaces.is_empty() => &[XDP, TC, None],
            Backend::Auto | Backend::Lookup | Backend::Sockets | Backend::Uring => &[None],
        };
        let more = |relayer: Relayer| relaying::handles(relayer, interfaces.len());
        let fits = |relays: &&Option<Relayer>| handed.len() == wanted + relays.map_or(0, more);
        let relays = *may_relay.iter().find(fits).ok_or(Refusal::Changed)?;
        let mut all = handed.into_iter();
        let (link, map) = all.next().zip(all.next()).ok_or(Refusal::Changed)?;
        if !bpf::is_attached(link.as_fd()) {
            return Err(Refusal::Changed);
        }
        let flows = Flows::open(space.clone(), map.as_fd()).map_err(|_| Refusal::Changed)?;
        let blackholes = all.by_ref().take(of_each).map(UdpSocket::from).collect();
        let shared = all.by_ref().take(of_each * shards).map(UdpSocket::from).collect();
        let raws = all.by_ref().take(space.addresses.len()).collect();
        let relaying = relays.map(|relayer| Relaying::take(interfaces, (space, relayer), all));
        let relaying = relaying.transpose()?;
        Ok(Steering { link, map, flows, blackholes, shared, raws, relaying })
    }

    /// All descriptors, in the order that [`Steering::take`] wants.
    #[must_use]
    pub fn into_handles(self) -> Vec<OwnedFd> {
        let sockets = self.blackholes.into_iter().chain(self.shared).map(OwnedFd::from);
        let relaying = self.relaying.into_iter().flat_map(Relaying::into_handles);
        let first = [self.link, self.map].into_iter();
        first.chain(sockets).chain(self.raws).chain(relaying).collect()
    }

    /// Copies of all descriptors, in the same order.
    ///
    /// # Errors
    /// The system's: no descriptors left.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let first = [&self.link, &self.map].into_iter().map(OwnedFd::try_clone);
        let sockets = self.blackholes.iter().chain(&self.shared);
        let sockets = sockets.map(|socket| socket.try_clone().map(OwnedFd::from));
        let relaying = self.relaying.iter().flat_map(Relaying::handles);
        let plain = self.raws.iter().chain(relaying).map(OwnedFd::try_clone);
        first.chain(sockets).chain(plain).collect()
    }

    /// The program that flows can be given to; `None` = none relays.
    #[must_use]
    pub fn relayer(&self) -> Option<Relayer> {
        self.relaying.as_ref().map(Relaying::relayer)
    }

    /// Closes all ports: nobody has the calls that they were opened for, or will open them again.
    pub fn close_all(&self) {
        self.flows.close_all();
    }

    /// What a shard's backend is given.
    ///
    /// # Errors
    /// The system's: no descriptors left.
    pub fn of_shard(&self, shard: u8) -> io::Result<OfShard> {
        let of_each = self.blackholes.len();
        let sockets = self.shared.chunks(of_each.max(1)).nth(usize::from(shard));
        let sockets = sockets.unwrap_or_default().iter().map(UdpSocket::try_clone);
        let raws = self.raws.iter().map(OwnedFd::try_clone);
        Ok(OfShard {
            shard,
            sockets: sockets.collect::<io::Result<_>>()?,
            raws: raws.collect::<io::Result<_>>()?,
            flows: self.flows.clone(),
            offloading: self.relaying.as_ref().map(Relaying::of_shard),
        })
    }
}

/// Loads the program and has it run in this network namespace. The kernel keeps program and maps as
/// long as the link is open.
fn attach(maps: &[(&str, &Map)]) -> Result<OwnedFd, Refusal> {
    let code = instructions((OBJECT, PROGRAM), maps)?;
    let wrong = system("choosing sockets by a program");
    let program = Program::load_sk_lookup("strowger_steer", &code).map_err(&wrong)?;
    let namespace = File::open(NAMESPACE).map_err(system("the network namespace"))?;
    bpf::attach(&program, namespace.as_fd()).map_err(&wrong)
}

/// A program's instructions, with the maps that it names.
pub(crate) fn instructions(
    (object, section): (&[u8], &str),
    maps: &[(&str, &Map)],
) -> Result<Vec<u8>, Refusal> {
    let fd_of = |name: &str| {
        let known = maps.iter().find(|(known, _)| *known == name);
        known.map(|(_, map)| map.as_fd().as_raw_fd())
    };
    let object = Object::new(object).map_err(Refusal::Object)?;
    object.instructions(section, fd_of).map_err(Refusal::Object)
}
