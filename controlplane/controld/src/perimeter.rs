//! Which addresses calls may be sent to, as the process configuration has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use strowger_routing::Perimeter;
use strowger_tuning::{Config, Listener};

/// A demo listens on loopback addresses only, so its peers are there.
const DEMO: [(IpAddr, u8); 2] =
    [(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];

/// In the run directory: the addresses of the sockets that the supervisor keeps, one a line.
const ADDRESSES_FILE: &str = "addresses";

/// The rule of this process. Its own addresses are those that it listens on, every address of the
/// host for a listener on all of them.
pub(crate) fn of(config: &Config, places: &[Listener], demo: bool) -> Perimeter {
    let allowed = config.targets.allowed.iter().map(|n| (n.address, n.prefix_len));
    let allowed = allowed.chain(DEMO.into_iter().filter(|_| demo));
    // What cannot be read says nothing.
    let table = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let host = local_v4(&table(Path::new("/proc/net/fib_trie")));
    let inet6 = local_v6(&table(Path::new("/proc/net/if_inet6")));
    let host: Vec<IpAddr> = host.into_iter().chain(inet6).collect();
    // A demo may have other ports than its configuration says: the supervisor wrote down which.
    let kept = table(&config.run_dir().join(ADDRESSES_FILE));
    let kept = kept.lines().filter_map(|line| line.parse().ok());
    let own = places.iter().flat_map(|place| own(place, &host));
    Perimeter::new(allowed, own.chain(kept.collect::<Vec<SocketAddr>>()))
}

fn own(place: &Listener, host: &[IpAddr]) -> Vec<SocketAddr> {
    let mut own = vec![place.local, place.advertised];
    if place.local.ip().is_unspecified() {
        // A socket on `::` is one of IPv6 alone.
        let of_family = host.iter().filter(|ip| ip.is_ipv6() == place.local.is_ipv6());
        own.extend(of_family.map(|ip| SocketAddr::new(*ip, place.local.port())));
    }
    own
}

/// The addresses of this host, of the kernel's table of routes: a leaf `|-- ADDRESS` that is
/// followed by `/32 host LOCAL`.
fn local_v4(table: &str) -> Vec<IpAddr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in table.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("|-- ") {
            leaf = text.parse().ok();
        } else if line.ends_with("/32 host LOCAL") {
            found.extend(leaf.map(IpAddr::V4).filter(|ip| !found.contains(ip)));
        }
    }
    found
}

/// The same of IPv6: a line for each, which begins with the 32 hex digits of the address.
fn local_v6(table: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let bits = u128::from_str_radix(line.get(..32)?, 16).ok()?;
        Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
    };
    table.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_addresses_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                    Local:\n     |-- 127.0.0.1\n        /32 host LOCAL\n\
                    \x20    |-- 192.0.2.7\n        /32 host LOCAL\n     |-- 192.0.2.255\n\
                    \x20       /32 link BROADCAST\n";
        let shown: Vec<String> = local_v4(trie).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.1", "192.0.2.7"]);
        let inet6 = "20010db8000000000000000000000007 02 40 00 80     eth0\nx\n";
        assert_eq!(local_v6(inet6), ["2001:db8::7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_listener_on_all_addresses_owns_each() {
        let text = "sip.listen = [\"0.0.0.0:5060\"]\nsip.advertise = [\"198.51.100.1:5060\"]\n\
                    targets.allowed = [\"10.1.0.0/16\"]";
        let config = Config::parse(text).unwrap();
        let places = config.listeners(&config.sip.listen).unwrap();
        let host = ["127.0.0.1", "192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().unwrap());
        let owned: Vec<String> = own(&places[0], &host).iter().map(ToString::to_string).collect();
        let expect = ["0.0.0.0:5060", "198.51.100.1:5060", "127.0.0.1:5060", "192.0.2.7:5060"];
        assert_eq!(owned, expect);
        let at = |text: &str| text.parse().unwrap();
        let (real, demo) = (of(&config, &places, false), of(&config, &places, true));
        assert!(real.check(at("10.1.9.9:5060"), false).is_ok(), "targets.allowed");
        assert!(real.check(at("10.2.9.9:5060"), false).is_err());
        assert!(real.check(at("127.0.0.1:5090"), false).is_err());
        assert!(demo.check(at("127.0.0.1:5090"), false).is_ok());
        // The kernel that runs this test has a loopback address.
        assert!(demo.is_own(at("127.0.0.1:5060")));
    }
}
