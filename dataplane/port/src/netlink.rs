//! What the kernel says of interfaces, routes and neighbours (rtnetlink): one question, one answer,
//! at once.
//!
//! Asking takes no rights. The kernel answers before the question's call returns, so nothing here
//! waits; what does not answer so, or cannot be read, is an error.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use socket2::{Domain, Protocol, Socket, Type};

mod device;

pub use device::relays_frames;

/// Longest answer: what an interface tells has statistics in it.
const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// Longest name of an interface.
pub const NAME_BYTES_MAX: usize = 15;
/// Most attributes of an answer that are looked at.
const ATTRIBUTES_MAX: usize = 256;
/// Answers to earlier questions that are passed over.
const STALE_MAX: usize = 8;

const HEADER_BYTES: usize = 16;
const ERROR: u16 = 2;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const NEW_NEIGHBOUR: u16 = 28;
const GET_NEIGHBOUR: u16 = 30;
const REQUEST: u16 = 1;

const LINK_BYTES: usize = 16;
const LINK_ADDRESS: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_INFO: u16 = 18;
const LINK_INFO_KIND: u16 = 1;
const ETHERNET: u16 = 1;
const UP: u32 = 1;

const ROUTE_BYTES: usize = 12;
const ROUTE_TO: u16 = 1;
const ROUTE_FROM: u16 = 2;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_GATEWAY: u16 = 5;
/// A gateway of the other family.
const ROUTE_VIA: u16 = 18;
const UNICAST: u8 = 1;

const NEIGHBOUR_BYTES: usize = 12;
const NEIGHBOUR_IP: u16 = 1;
const NEIGHBOUR_MAC: u16 = 2;
const STALE: u16 = 4;
/// Reachable, asked again, asked, permanent: the address is believed.
const BELIEVED: u16 = 2 | 8 | 16 | 128;

/// A socket that asks.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
    answer: Box<[u8]>,
}

/// An interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Longest packet, bytes.
    pub mtu: u32,
    /// Its packets have Ethernet's header.
    pub is_ethernet: bool,
    /// It is up.
    pub is_up: bool,
    /// Its own address on the cable; zeros = it has none of Ethernet.
    pub mac: [u8; 6],
    /// It is one end of a cable within this machine.
    pub is_veth: bool,
}

/// Where packets to an address leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The interface's number.
    pub interface: u32,
    /// The neighbour that takes them; `None` = the address itself.
    pub gateway: Option<IpAddr>,
}

/// Who has an address of a neighbour network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbour {
    /// Its address on the cable.
    pub mac: [u8; 6],
    /// It has shown itself, or was asked, a short while ago.
    pub is_fresh: bool,
}

impl Netlink {
    /// # Errors
    /// The system's.
    pub fn open() -> io::Result<Netlink> {
        Netlink::of(libc::NETLINK_ROUTE)
    }

    fn of(protocol: libc::c_int) -> io::Result<Netlink> {
        let family = Domain::from(libc::AF_NETLINK);
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(family, kind, Some(Protocol::from(protocol)))?;
        Ok(Netlink { socket, sequence: 0, answer: vec![0; ANSWER_BYTES_MAX].into() })
    }

    /// The interface of this name.
    ///
    /// # Errors
    /// `NotFound`: there is none. Else the system's.
    pub fn interface(&mut self, name: &str) -> io::Result<Interface> {
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut body = vec![0; LINK_BYTES];
        put_attribute(&mut body, LINK_NAME, &[name.as_bytes(), &[0]].concat());
        let told = self.ask(GET_LINK, &body)?;
        read_interface(told).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The route from one of our addresses; `None` = there is none that goes on to a neighbour.
    ///
    /// # Errors
    /// The system's.
    pub fn route(&mut self, from: IpAddr, to: IpAddr) -> io::Result<Option<Route>> {
        let (family, bits) = match to {
            IpAddr::V4(_) => (libc::AF_INET as u8, 32),
            IpAddr::V6(_) => (libc::AF_INET6 as u8, 128),
        };
        if from.is_ipv4() != to.is_ipv4() {
            return Ok(None);
        }
        let mut body = vec![0; ROUTE_BYTES];
        for (place, octet) in body.iter_mut().zip([family, bits, bits]) {
            *place = octet;
        }
        put_attribute(&mut body, ROUTE_TO, &octets(to));
        put_attribute(&mut body, ROUTE_FROM, &octets(from));
        match self.ask(GET_ROUTE, &body) {
            Ok(told) => Ok(read_route(told)),
            Err(e) if is_none(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The neighbour that has an address, at an interface; `None` = nobody knows.
    ///
    /// # Errors
    /// The system's.
    pub fn neighbour(&mut self, interface: u32, ip: IpAddr) -> io::Result<Option<Neighbour>> {
        let family = match ip {
            IpAddr::V4(_) => libc::AF_INET as u8,
            IpAddr::V6(_) => libc::AF_INET6 as u8,
        };
        let mut body = vec![family, 0, 0, 0];
        body.extend(interface.to_ne_bytes());
        body.extend([0; 4]);
        put_attribute(&mut body, NEIGHBOUR_IP, &octets(ip));
        match self.ask(GET_NEIGHBOUR, &body) {
            Ok(told) => Ok(read_neighbour(told)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The body of the answer, with its type in front of it.
    fn ask(&mut self, question: u16, body: &[u8]) -> io::Result<(u16, &[u8])> {
        self.sequence = self.sequence.wrapping_add(1);
        let len = u32::try_from(HEADER_BYTES + body.len()).map_err(|_| io::ErrorKind::Other)?;
        let mut message = len.to_ne_bytes().to_vec();
        message.extend(question.to_ne_bytes());
        message.extend(REQUEST.to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend([0; 4]);
        message.extend_from_slice(body);
        self.socket.send(&message)?;
        for _ in 0..STALE_MAX {
            let got = (&self.socket).read(&mut self.answer)?;
            let answer = self.answer.get(..got).unwrap_or_default();
            if long(answer, 8) == Some(self.sequence) {
                let answer = self.answer.get(..got).unwrap_or_default();
                return read_answer(answer);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// No route is no failure.
fn is_none(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL)
    )
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Appends an attribute, its length filled up to four bytes.
fn put_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Names and addresses are short.
    let len = (4 + value.len()) as u16;
    body.extend(len.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn read_answer(answer: &[u8]) -> io::Result<(u16, &[u8])> {
    let garbled = || io::Error::from(io::ErrorKind::InvalidData);
    let len = long(answer, 0).and_then(|len| usize::try_from(len).ok()).ok_or_else(garbled)?;
    let body = answer.get(HEADER_BYTES..len).ok_or_else(garbled)?;
    match half(answer, 4).ok_or_else(garbled)? {
        ERROR => {
            let number = long(body, 0).ok_or_else(garbled)?.cast_signed();
            Err(io::Error::from_raw_os_error(number.saturating_neg()))
        }
        kind => Ok((kind, body)),
    }
}

fn read_interface((kind, body): (u16, &[u8])) -> Option<Interface> {
    let is_ethernet = half(body, 2)? == ETHERNET;
    let (index, flags) = (long(body, 4)?, long(body, 8)?);
    let rest = body.get(LINK_BYTES..)?;
    let mtu = find(rest, LINK_MTU).and_then(|value| long(value, 0))?;
    let mac = find(rest, LINK_ADDRESS).filter(|value| value.len() == 6);
    let mac = mac.and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let of = find(rest, LINK_INFO).and_then(|info| find(info, LINK_INFO_KIND));
    let is_veth = of.is_some_and(|of| of.split(|byte| *byte == 0).next() == Some(b"veth"));
    let is_up = flags & UP != 0;
    let interface = Interface { index, mtu, is_ethernet, is_up, mac, is_veth };
    (kind == NEW_LINK).then_some(interface)
}

fn read_neighbour((kind, body): (u16, &[u8])) -> Option<Neighbour> {
    let state = half(body, 8)?;
    let mac = find(body.get(NEIGHBOUR_BYTES..)?, NEIGHBOUR_MAC).filter(|value| value.len() == 6);
    let neighbour = Neighbour { mac: *mac?.first_chunk()?, is_fresh: state & BELIEVED != 0 };
    (kind == NEW_NEIGHBOUR && state & (BELIEVED | STALE) != 0).then_some(neighbour)
}

fn read_route((kind, body): (u16, &[u8])) -> Option<Route> {
    let (family, of) = (body.first()?, body.get(7)?);
    let rest = body.get(ROUTE_BYTES..)?;
    let interface = long(find(rest, ROUTE_INTERFACE)?, 0)?;
    let goes_on = kind == NEW_ROUTE && *of == UNICAST && find(rest, ROUTE_VIA).is_none();
    let gateway = match find(rest, ROUTE_GATEWAY) {
        None => None,
        Some(value) if i32::from(*family) == libc::AF_INET => {
            Some(Ipv4Addr::from(*value.first_chunk::<4>()?).into())
        }
        Some(value) => Some(Ipv6Addr::from(*value.first_chunk::<16>()?).into()),
    };
    goes_on.then_some(Route { interface, gateway })
}

/// The first attribute of this kind.
fn find(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    for _ in 0..ATTRIBUTES_MAX {
        let (len, kind) = (usize::from(half(rest, 0)?), half(rest, 2)?);
        let value = rest.get(4..len)?;
        if kind == wanted {
            return Some(value);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_and_no_way_on() {
        let mut netlink = Netlink::open().unwrap();
        let lo = netlink.interface("lo").unwrap();
        assert!(lo.index > 0 && lo.mtu >= 1_500 && !lo.is_ethernet, "{lo:?}");
        let here = "127.0.0.1".parse().unwrap();
        assert_eq!(netlink.route(here, here).unwrap(), None);
        assert_eq!(netlink.route(here, "::1".parse().unwrap()).unwrap(), None);
        for name in ["", "no-such-one", "a-name-that-is-too-long"] {
            assert!(netlink.interface(name).is_err(), "{name}");
        }
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        put_attribute(&mut all, kind, value);
        all
    }

    fn route(more: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![libc::AF_INET as u8, 32, 0, 0, 254, 0, 0, UNICAST, 0, 0, 0, 0];
        more.iter().for_each(|one| body.extend(one));
        body
    }

    #[test]
    fn a_neighbour_that_nobody_knows_is_none() {
        let mut netlink = Netlink::open().unwrap();
        let lo = netlink.interface("lo").unwrap();
        assert!(lo.mac == [0; 6] && !lo.is_veth, "{lo:?}");
        for ip in ["192.0.2.77", "2001:db8::77"] {
            assert_eq!(netlink.neighbour(lo.index, ip.parse().unwrap()).unwrap(), None, "{ip}");
        }
    }

    #[test]
    fn neighbours_are_read() {
        let read = |state: u16, mac: &[u8]| {
            let mut body = vec![libc::AF_INET as u8, 0, 0, 0, 7, 0, 0, 0];
            body.extend(state.to_ne_bytes());
            body.extend([0; 2]);
            body.extend(attribute(NEIGHBOUR_IP, &[192, 0, 2, 1]));
            body.extend(attribute(NEIGHBOUR_MAC, mac));
            read_neighbour((NEW_NEIGHBOUR, &body))
        };
        let mac = [2, 0, 0, 0, 0, 9];
        for state in [2, 8, 16, 128] {
            assert_eq!(read(state, &mac), Some(Neighbour { mac, is_fresh: true }), "{state}");
        }
        assert_eq!(read(STALE, &mac), Some(Neighbour { mac, is_fresh: false }));
        // Being asked for, not there, or one that is never asked.
        for state in [1, 32, 64] {
            assert_eq!(read(state, &mac), None, "{state}");
        }
        assert_eq!(read(2, &mac[..5]), None);
    }

    #[test]
    fn an_end_of_a_cable_within_the_machine_is_told_from_a_card() {
        let link = |kind: &[u8]| {
            let mut body = vec![0, 0, 1, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
            body.extend(attribute(LINK_ADDRESS, &[2, 0, 0, 0, 0, 9]));
            body.extend(attribute(LINK_MTU, &1_500u32.to_ne_bytes()));
            body.extend(attribute(LINK_INFO, &attribute(LINK_INFO_KIND, kind)));
            read_interface((NEW_LINK, &body)).unwrap()
        };
        let (veth, other) = (link(b"veth\0"), link(b"vlan\0"));
        assert_eq!((veth.mac, veth.is_veth, other.is_veth), ([2, 0, 0, 0, 0, 9], true, false));
        assert!(veth.is_ethernet && veth.is_up && veth.mtu == 1_500);
    }

    #[test]
    fn routes_are_read() {
        let interface = attribute(ROUTE_INTERFACE, &7u32.to_ne_bytes());
        let read = |more: &[Vec<u8>]| read_route((NEW_ROUTE, &route(more)));
        let direct = Route { interface: 7, gateway: None };
        assert_eq!(read(std::slice::from_ref(&interface)), Some(direct));
        let by = attribute(ROUTE_GATEWAY, &[192, 0, 2, 1]);
        let gateway = Some("192.0.2.1".parse().unwrap());
        assert_eq!(read(&[by.clone(), interface.clone()]), Some(Route { gateway, ..direct }));
        assert_eq!(read(&[by]), None, "without an interface");
        assert_eq!(read(&[interface.clone(), attribute(ROUTE_VIA, &[0; 18])]), None);
        let mut local = route(&[interface]);
        local[7] = 2;
        assert_eq!(read_route((NEW_ROUTE, &local)), None);
        assert_eq!(read_route((ERROR, &local)), None);
    }

    /// However it is cut or changed, nothing panics.
    #[test]
    fn garbled_answers_never_panic() {
        let whole = route(&[
            attribute(ROUTE_GATEWAY, &[192, 0, 2, 1]),
            attribute(ROUTE_INTERFACE, &7u32.to_ne_bytes()),
            attribute(LINK_MTU, &1_500u32.to_ne_bytes()),
        ]);
        for len in 0..whole.len() {
            let cut = &whole[..len];
            assert!(read_route((NEW_ROUTE, cut)).is_none_or(|route| route.interface == 7));
            let (_interface, _answer) = (read_interface((NEW_LINK, cut)), read_answer(cut));
            let _neighbour = read_neighbour((NEW_NEIGHBOUR, cut));
        }
        let mut bytes = whole.clone();
        for at in 0..bytes.len() {
            for value in [0, 1, 3, 4, 0xff] {
                let kept = core::mem::replace(&mut bytes[at], value);
                let (_route, _link) =
                    (read_route((NEW_ROUTE, &bytes)), read_interface((NEW_LINK, &bytes)));
                bytes[at] = kept;
            }
        }
    }
}
