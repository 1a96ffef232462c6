//! Where a host is that no row names: the next hop of a dialog, the contact of a redirect, or the
//! domain of a user who is none of ours.
//!
//! What rows name is known already ([`Names`](crate::Names)); all else is asked outside
//! ([`Query::Place`]) and kept there for as long as its records say. Whatever is said, no address
//! off limits comes of it: a Contact is a peer's word.

use crate::fact::{Finding, Query};
use crate::uri::SipUri;
use crate::world::World;
use std::net::SocketAddr;
use strowger_link::{ResolveAsk, Resolved, Transport};
use strowger_locate::{Place, Wanted, draw};
use strowger_model::HostPort;

/// Most addresses of one name that are handed out.
const ADDRESSES_MAX: usize = 8;

/// The question where requests to a host go by a transport.
#[must_use]
pub fn place_of(host: &HostPort, transport: Transport) -> Query {
    let HostPort { name, port } = host;
    let (host, transport) = (name.to_ascii_lowercase(), Some(transport));
    Query::Place(Box::new(Wanted { host, port: *port, transport, is_secure: false }))
}

/// A SIP URI as it may be called, and where its requests go; `None` when we call no such URI.
#[must_use]
pub fn wanted_of(uri: &str) -> Option<(String, Wanted)> {
    let parsed = SipUri::parse(uri)?;
    let transport = match parsed.param("transport") {
        None => None,
        Some("udp") => Some(Transport::Udp),
        Some("tcp") => Some(Transport::Tcp),
        Some("tls") => Some(Transport::Tls),
        Some(_) => return None,
    };
    let HostPort { name, port } = parsed.host_port();
    let (host, is_secure) = (name.to_ascii_lowercase(), parsed.is_secure());
    let transport = if is_secure { Some(Transport::Tls) } else { transport };
    Some((parsed.without_headers(uri), Wanted { host, port, transport, is_secure }))
}

/// The addresses that were found, in the order to try; `chance` draws among equals.
pub(crate) fn drawn(places: &[Place], transport: Transport, chance: u64) -> Vec<SocketAddr> {
    let fits = draw(places, chance).into_iter().filter(|(of, _)| *of == transport);
    fits.map(|(_, address)| address).collect()
}

/// The answer to a question of the dataplane, when it can be given: names of rows are at hand, for
/// others a `finding` is wanted first. Which of equals comes first is the leg's own.
#[must_use]
pub fn resolved(
    world: &World,
    (asked, transport): (&ResolveAsk, Transport),
    finding: Option<&Finding>,
    chance: u64,
) -> Option<Resolved> {
    let host = HostPort { name: asked.host.clone(), port: asked.port };
    let mut addresses = world.names().targets(&host, transport, chance);
    if addresses.is_empty() {
        let places = finding?.placed().unwrap_or_default();
        addresses = drawn(places, transport, chance);
    }
    // Whether a private network may be meant the dataplane says: by where the dialog is.
    addresses.retain(|address| world.perimeter().check(*address, true).is_ok());
    addresses.truncate(ADDRESSES_MAX);
    let transports = vec![transport; addresses.len()];
    Some(Resolved { addresses, transports, ttl_s: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::world::Rows;
    use strowger_locate::Place;

    fn world() -> World {
        let listeners = vec![testing::listener("198.51.100.1:5060")];
        World::build(Rows { listeners, ..Rows::default() }).unwrap()
    }

    fn asked(host: &str, port: u16) -> ResolveAsk {
        ResolveAsk { host: host.into(), port, transport: Some(Transport::Udp) }
    }

    fn place(priority: u16, address: &str) -> Place {
        Place {
            rank: 0,
            transport: Transport::Udp,
            priority,
            weight: 0,
            addresses: vec![address.parse().unwrap()],
        }
    }

    fn said(world: &World, asked: &ResolveAsk, finding: Option<&Finding>) -> Option<Vec<String>> {
        let resolved = resolved(world, (asked, Transport::Udp), finding, 7)?;
        assert_eq!(resolved.transports.len(), resolved.addresses.len());
        Some(resolved.addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_name_leads_nowhere_off_limits() {
        let world = world();
        let own = world.listeners()[0].address;
        let found = Finding::Placed(vec![
            place(1, &own.to_string()),
            place(2, "127.0.0.1:5060"),
            place(3, "169.254.1.1:5060"),
            place(5, "192.0.2.77:5062"),
            place(4, "192.0.2.70:5061"),
            place(6, "10.0.0.1:5060"),
        ]);
        let host = asked("node7.example.com", 0);
        assert_eq!(said(&world, &host, None), None, "it has to be asked for");
        let all = ["192.0.2.77:5062", "192.0.2.70:5061", "10.0.0.1:5060"].map(String::from);
        assert_eq!(said(&world, &host, Some(&found)), Some(all.to_vec()));
        let nobody = Finding::Unknown(crate::fact::Lack::Late);
        assert_eq!(said(&world, &host, Some(&nobody)), Some(Vec::new()));
        assert_eq!(drawn(found.placed().unwrap(), Transport::Tcp, 7), Vec::<SocketAddr>::new());
        let many: Vec<Place> = (0..20).map(|n| place(n, &format!("192.0.2.{n}:5060"))).collect();
        let many = said(&world, &host, Some(&Finding::Placed(many))).unwrap();
        assert_eq!(many.len(), ADDRESSES_MAX);
    }

    #[test]
    fn an_address_and_a_name_of_a_row_are_at_hand() {
        let world = world();
        let at = said(&world, &asked("192.0.2.70", 5099), None);
        assert_eq!(at, Some(vec!["192.0.2.70:5099".to_owned()]));
    }

    #[test]
    fn a_uri_says_what_is_asked_for() {
        let of = |uri: &str| {
            let (uri, wanted) = wanted_of(uri)?;
            let Wanted { host, port, transport, is_secure } = wanted;
            Some(format!("{uri} {host} {port} {transport:?} {is_secure}"))
        };
        let check =
            |uri: &str, expect: Option<&str>| assert_eq!(of(uri).as_deref(), expect, "{uri}");
        let plain = "sip:bob@Other.test:5080 other.test 5080 None false";
        check("sip:bob@Other.test:5080?Subject=x", Some(plain));
        let tcp = "sip:b@o.test;transport=tcp o.test 0 Some(Tcp) false";
        check("sip:b@o.test;transport=tcp", Some(tcp));
        check("sips:b@o.test", Some("sips:b@o.test o.test 0 Some(Tls) true"));
        check("sip:b@o.test;transport=ws", None);
        check("tel:+44123", None);
    }

    #[test]
    fn a_name_is_one_question_however_it_is_written() {
        let of = |name: &str| place_of(&HostPort { name: name.into(), port: 0 }, Transport::Tcp);
        assert_eq!(of("Node7.Example.COM"), of("node7.example.com"));
        assert_ne!(of("node7.example.com"), of("node8.example.com"));
    }
}
