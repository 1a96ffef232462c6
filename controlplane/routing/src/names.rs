//! Addresses of host names, as they were resolved last.
//!
//! Part of the [`World`](crate::World), so that a decision sees names and rows of one moment. Who
//! resolves them is another's affair.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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

    /// Forgets all names but those that `wanted` says; whether there were any.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        let before = self.map.len();
        self.map.retain(|name, _| wanted(name));
        self.map.len() != before
    }

    /// The addresses of a name, in the order of the name server; those of a written address are
    /// itself.
    #[must_use]
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        match literal(name) {
            Some(address) => vec![address],
            None => self.map.get(name).cloned().unwrap_or_default(),
        }
    }

    /// The addresses that requests to a host go to.
    #[must_use]
    pub fn targets(&self, host: &HostPort) -> Vec<SocketAddr> {
        let port = if host.port == 0 { PORT_DEFAULT } else { host.port };
        self.addresses(&host.name).into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
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

    #[test]
    fn names_have_addresses_and_addresses_are_names() {
        let mut names = Names::default();
        assert!(names.set("a.example", &[ip("192.0.2.1"), ip("2001:db8::1")]));
        assert!(!names.set("a.example", &[ip("192.0.2.1"), ip("2001:db8::1")]));
        let host = |name: &str, port| HostPort { name: name.into(), port };
        let shown = |host: HostPort| -> Vec<String> {
            names.targets(&host).iter().map(ToString::to_string).collect()
        };
        assert_eq!(shown(host("a.example", 0)), ["192.0.2.1:5060", "[2001:db8::1]:5060"]);
        assert_eq!(shown(host("192.0.2.7", 5070)), ["192.0.2.7:5070"]);
        assert_eq!(shown(host("[2001:db8::7]", 0)), ["[2001:db8::7]:5060"]);
        assert_eq!(shown(host("b.example", 0)), Vec::<String>::new());
        assert!(names.retain(|name| name != "a.example"));
        assert_eq!(names, Names::default());
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
