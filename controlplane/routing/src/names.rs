//! Addresses of host names, as they were resolved last.
//!
//! Part of the [`World`](crate::World), so that a decision sees names and rows of one moment. Who
//! resolves them is another's affair; how names become addresses says RFC 3263 (`strowger_locate`).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use strowger_link::Transport;
use strowger_locate::{Place, draw, port_of};
use strowger_model::HostPort;

/// Most names in use at once.
pub const NAMES_MAX: usize = 1_024;
/// Most addresses of one name that are used.
pub const NAME_ADDRESSES_MAX: usize = 16;
/// SIP's port where none is named (RFC 3261 19.1.2).
pub(crate) const PORT_DEFAULT: u16 = 5060;

/// Names and their addresses.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Names {
    map: BTreeMap<String, Vec<IpAddr>>,
    /// Places that SRV records name, better ones first, by host and transport.
    services: BTreeMap<(String, Transport), Vec<Place>>,
}

/// A name that rows mention, and what is to be known of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NamedHost {
    /// The name, lower case.
    pub name: String,
    /// Transports for which it may name servers by SRV records: targets without a port.
    pub services: Vec<Transport>,
    /// Its own addresses are wanted even if it names servers: calls come from them, or go to a
    /// port of them.
    pub addresses: bool,
}

impl From<BTreeMap<String, Vec<IpAddr>>> for Names {
    fn from(map: BTreeMap<String, Vec<IpAddr>>) -> Names {
        let mut names = Names::default();
        for (name, addresses) in &map {
            names.set(name, addresses);
        }
        names
    }
}

impl Names {
    /// Takes the addresses of a name; the good old ones go. Whether that changed anything.
    pub fn set(&mut self, name: &str, addresses: &[IpAddr]) -> bool {
        let addresses = addresses.get(..NAME_ADDRESSES_MAX).unwrap_or(addresses);
        if self.map.get(name).is_some_and(|known| known == addresses)
            || (self.map.len() >= NAMES_MAX && !self.map.contains_key(name))
        {
            return false;
        }
        self.map.insert(name.to_owned(), addresses.to_vec());
        true
    }

    /// Takes the places that a name's SRV records of a transport name, better ones first; none of
    /// them means that it has no such records. Whether that changed anything.
    pub fn set_service(&mut self, name: &str, transport: Transport, places: Vec<Place>) -> bool {
        let key = (name.to_owned(), transport);
        if places.is_empty() {
            return self.services.remove(&key).is_some();
        }
        if self.services.get(&key) == Some(&places)
            || (self.services.len() >= NAMES_MAX && !self.services.contains_key(&key))
        {
            return false;
        }
        self.services.insert(key, places);
        true
    }

    /// Forgets all names but those that `wanted` says; whether there were any.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        let before = self.map.len() + self.services.len();
        self.map.retain(|name, _| wanted(name));
        self.services.retain(|(name, _), _| wanted(name));
        self.map.len() + self.services.len() != before
    }

    /// The addresses of a name, in the order of the name server, and those of the servers that it
    /// names; those of a written address are itself.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        if let Some(address) = literal(name) {
            return vec![address];
        }
        let mut found = self.map.get(name).cloned().unwrap_or_default();
        let of_name = self.services.iter().filter(|((of, _), _)| of == name);
        let places = of_name.flat_map(|(_, places)| places);
        for address in places.flat_map(|place| &place.addresses) {
            if !found.contains(&address.ip()) {
                found.push(address.ip());
            }
        }
        found
    }

    /// The addresses that requests to a host go to, in the order to try: those of the servers that
    /// it names, drawn by `chance`, or its own.
    #[must_use]
    pub fn targets(&self, host: &HostPort, transport: Transport, chance: u64) -> Vec<SocketAddr> {
        let places = self.services.get(&(host.name.clone(), transport));
        if let Some(places) = places.filter(|_| host.port == 0) {
            return draw(places, chance).into_iter().map(|(_, address)| address).collect();
        }
        let port = if host.port == 0 { port_of(transport) } else { host.port };
        let own = match literal(&host.name) {
            Some(address) => vec![address],
            None => self.map.get(&host.name).cloned().unwrap_or_default(),
        };
        own.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
    }
}

/// The address that a host name is, if it is one.
#[must_use]
pub(crate) fn literal(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn shown(names: &Names, name: &str, port: u16, transport: Transport) -> Vec<String> {
        let host = HostPort { name: name.into(), port };
        names.targets(&host, transport, 0).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_have_addresses_and_addresses_are_names() {
        let mut names = Names::default();
        assert!(names.set("a.example", &[ip("192.0.2.1"), ip("2001:db8::1")]));
        assert!(!names.set("a.example", &[ip("192.0.2.1"), ip("2001:db8::1")]));
        let udp = |name: &str, port| shown(&names, name, port, Transport::Udp);
        assert_eq!(udp("a.example", 0), ["192.0.2.1:5060", "[2001:db8::1]:5060"]);
        assert_eq!(udp("192.0.2.7", 5070), ["192.0.2.7:5070"]);
        assert_eq!(udp("[2001:db8::7]", 0), ["[2001:db8::7]:5060"]);
        assert_eq!(udp("b.example", 0), Vec::<String>::new());
        assert_eq!(shown(&names, "192.0.2.7", 0, Transport::Tls), ["192.0.2.7:5061"]);
        assert!(names.retain(|name| name != "a.example"));
        assert_eq!(names, Names::default());
    }

    #[test]
    fn a_name_may_name_servers_for_a_transport() {
        let mut names = Names::default();
        names.set("a.example", &[ip("192.0.2.1")]);
        let place = |priority, address: &str| Place {
            rank: 0,
            transport: Transport::Udp,
            priority,
            weight: 0,
            addresses: vec![address.parse().unwrap()],
        };
        let places = vec![place(1, "192.0.2.8:5070"), place(2, "192.0.2.9:5080")];
        assert!(names.set_service("a.example", Transport::Udp, places.clone()));
        assert!(!names.set_service("a.example", Transport::Udp, places));
        let servers = ["192.0.2.8:5070", "192.0.2.9:5080"];
        assert_eq!(shown(&names, "a.example", 0, Transport::Udp), servers);
        // A port is an address's own, and another transport another service.
        assert_eq!(shown(&names, "a.example", 5060, Transport::Udp), ["192.0.2.1:5060"]);
        assert_eq!(shown(&names, "a.example", 0, Transport::Tcp), ["192.0.2.1:5060"]);
        let all: Vec<IpAddr> = ["192.0.2.1", "192.0.2.8", "192.0.2.9"].map(ip).into();
        assert_eq!(names.addresses("a.example"), all);
        assert!(names.set_service("a.example", Transport::Udp, Vec::new()));
        assert_eq!(shown(&names, "a.example", 0, Transport::Udp), ["192.0.2.1:5060"]);
    }

    #[test]
    fn names_and_addresses_have_bounds() {
        let mut names = Names::default();
        let many: Vec<IpAddr> = (0..99).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        for n in 0..NAMES_MAX {
            assert!(names.set(&format!("h{n}"), &many));
        }
        assert!(!names.set("one-more", &many));
        assert_eq!(names.addresses("h0").len(), NAME_ADDRESSES_MAX);
    }
}
