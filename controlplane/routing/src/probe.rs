//! Which places of trunks are probed with OPTIONS, and how often (spec FAIL-01: failover that needs
//! no call to fail).

use crate::decide::parameter;
use crate::location::wire_transport;
use crate::world::World;
use std::net::SocketAddr;
use strowger_link::siphash::siphash24;
use strowger_link::{KeepMode, Kept, Key};
use strowger_model::{Egress, Transport, Trunk, TrunkId};

/// Most places that are probed; those beyond are not.
pub const PROBES_MAX: usize = 4_096;

/// The places that are probed, each with its trunk: those of trunks that want it.
#[must_use]
pub fn probes(world: &World) -> Vec<(TrunkId, Kept)> {
    let wanted = |trunk: &&Trunk| trunk.enabled && trunk.egress.as_ref().is_some_and(is_probed);
    let places = world.trunks().filter(wanted).filter_map(|trunk| {
        let egress = trunk.egress.as_ref()?;
        let all = world.egress_addresses(egress).into_iter();
        Some(all.filter_map(|place| Some((trunk.id, probe(world, egress, place)?))))
    });
    places.flatten().take(PROBES_MAX).collect()
}

fn is_probed(egress: &Egress) -> bool {
    // Nobody can connect to a browser.
    let may_connect = match egress.transport {
        Transport::Udp | Transport::Tcp | Transport::Tls => true,
        Transport::Ws | Transport::Wss => false,
    };
    egress.probe_s > 0 && may_connect
}

fn probe(world: &World, egress: &Egress, (peer, host): (SocketAddr, String)) -> Option<Kept> {
    world.perimeter().check(peer, egress.allow_private).ok()?;
    let transport = wire_transport(egress.transport);
    let listener = world.listener(egress.listener.unwrap_or_default(), transport, peer)?;
    // Trunks at one place are probed once.
    let name = format!("{listener} {peer} {host}");
    Some(Kept {
        id: siphash24(&Key(*b"probes of trunks"), name.as_bytes()),
        listener,
        transport,
        peer,
        uri: format!("sip:{host}{}", parameter(transport)),
        how: KeepMode::Probe,
        every_ms: egress.probe_s.saturating_mul(1_000),
        left_ms: u64::MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::world::{Listener, Rows};

    #[test]
    fn places_of_trunks_that_want_it_are_probed() {
        let mut rows = Rows {
            tenants: vec![testing::tenant(1, testing::REALM)],
            organizations: vec![testing::organization(1, None)],
            accounts: vec![testing::account(9, None)],
            listeners: vec![testing::listener("192.0.2.1:5060")],
            trunks: vec![
                testing::egress_trunk(6, &["192.0.2.61:5060", "192.0.2.62:5070"]),
                testing::egress_trunk(7, &["192.0.2.7:5060"]),
            ],
            ..Rows::default()
        };
        let probed = |rows: &Rows| {
            let world = World::build(rows.clone()).unwrap();
            let said = |(trunk, kept): (TrunkId, Kept)| {
                format!("{trunk} {} {} {} {:?}", kept.peer, kept.uri, kept.every_ms, kept.how)
            };
            probes(&world).into_iter().map(said).collect::<Vec<_>>()
        };
        assert_eq!(probed(&rows), [""; 0]);
        rows.trunks[0].egress.as_mut().unwrap().probe_s = 30;
        let all = [
            "6 192.0.2.61:5060 sip:192.0.2.61:5060 30000 Probe",
            "6 192.0.2.62:5070 sip:192.0.2.62:5070 30000 Probe",
        ];
        assert_eq!(probed(&rows), all);
        rows.trunks[0].egress.as_mut().unwrap().transport = Transport::Tls;
        assert_eq!(probed(&rows), [""; 0], "there is no listener to leave by");
        let by_tls = Listener::new(Transport::Tls, "192.0.2.1:5061".parse().unwrap());
        rows.listeners.push(by_tls);
        let uris = ["sip:192.0.2.61:5060;transport=tls", "sip:192.0.2.62:5070;transport=tls"];
        let all = probes(&World::build(rows.clone()).unwrap());
        assert_eq!(all.iter().map(|(_, kept)| kept.uri.as_str()).collect::<Vec<_>>(), uris);
        assert!(all.iter().all(|(_, kept)| kept.listener == 1));
        rows.trunks[0].egress.as_mut().unwrap().transport = Transport::Wss;
        assert_eq!(probed(&rows), [""; 0], "nobody connects to a browser");
        rows.trunks[0].egress.as_mut().unwrap().transport = Transport::Udp;
        rows.trunks[0].enabled = false;
        assert_eq!(probed(&rows), [""; 0]);
    }
}
