use super::{LocalPort, PortPair, PortSpace, Ports, PortsError};
use proptest::prelude::*;
use std::collections::BTreeSet;
use strowger_link::Tick;

const REST_MS: u64 = 10_000;

fn ports(addresses: u8, port_min: u16, port_max: u16) -> Ports {
    Ports::with_cool_down(PortSpace::new(addresses, port_min, port_max).unwrap(), 1, REST_MS)
}

fn at(ms: u64) -> Tick {
    Tick(0).plus_ms(ms)
}

fn take_all(ports: &mut Ports, address: u8, now: Tick) -> Vec<PortPair> {
    std::iter::from_fn(|| ports.take(address, now).ok()).collect()
}

#[test]
fn rtp_is_even_and_rtcp_the_odd_one_above() {
    for (min, max, rtp_ports) in [
        (16_384, 16_391, vec![16_384, 16_386, 16_388, 16_390]),
        (16_385, 16_390, vec![16_386, 16_388]),
        (16_384, 16_386, vec![16_384]),
        (16_385, 16_386, vec![]),
        (65_532, 65_535, vec![65_532, 65_534]),
        (7, 7, vec![]),
    ] {
        let mut ports = ports(1, min, max);
        let pairs = take_all(&mut ports, 0, at(0));
        let places = |port: LocalPort| ports.space().place(port).unwrap().1;
        let found: BTreeSet<_> = pairs.iter().map(|pair| places(pair.rtp)).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), rtp_ports, "{min}-{max}");
        assert!(pairs.iter().all(|pair| places(pair.rtcp) == places(pair.rtp) + 1));
    }
}

#[test]
fn the_default_range_has_8192_pairs_in_no_guessable_order() {
    let order = |seed| take_all(&mut Ports::new(PortSpace::DEFAULT, seed), 0, at(0));
    let (one, two) = (order(1), order(2));
    assert_eq!((one.len(), two.len()), (8192, 8192));
    assert_ne!(one, two);
    assert_eq!(one, order(1));
    let ascending = one.windows(2).filter(|pair| pair[0].rtp < pair[1].rtp).count();
    assert!((3500..4700).contains(&ascending), "{ascending} of 8191 steps rise");
}

#[test]
fn a_port_given_back_rests() {
    let mut ports = ports(1, 16_384, 16_387);
    let (one, two) = (ports.take(0, at(0)).unwrap(), ports.take(0, at(0)).unwrap());
    assert_eq!(ports.take(0, at(1)), Err(PortsError::Exhausted { ready: None }));
    ports.give(two, at(5)).unwrap();
    ports.give(one, at(7)).unwrap();
    let ready = Some(at(5 + REST_MS));
    assert_eq!(ports.take(0, at(4 + REST_MS)), Err(PortsError::Exhausted { ready }));
    assert_eq!(ports.take(0, at(5 + REST_MS)), Ok(two));
    let ready = Some(at(7 + REST_MS));
    assert_eq!(ports.take(0, at(6 + REST_MS)), Err(PortsError::Exhausted { ready }));
    assert_eq!(ports.take(0, at(7 + REST_MS)), Ok(one));
}

#[test]
fn only_what_was_taken_is_taken_back() {
    let mut ports = ports(2, 16_384, 16_387);
    let pair = ports.take(1, at(0)).unwrap();
    let crossed = PortPair { rtp: pair.rtp, rtcp: pair.rtp };
    assert_eq!(ports.give(crossed, at(0)), Err(PortsError::NotTaken));
    assert_eq!(ports.give(pair, at(0)), Ok(()));
    assert_eq!(ports.give(pair, at(0)), Err(PortsError::NotTaken));
    let unknown = PortPair { rtp: LocalPort(99), rtcp: LocalPort(100) };
    assert_eq!(ports.give(unknown, at(0)), Err(PortsError::NotTaken));
    assert_eq!(ports.take(2, at(0)), Err(PortsError::UnknownAddress));
}

#[test]
fn addresses_do_not_share_ports() {
    let mut ports = ports(3, 16_384, 16_391);
    let all: Vec<_> = (0..3).flat_map(|address| take_all(&mut ports, address, at(0))).collect();
    let indexes: BTreeSet<_> = all.iter().flat_map(|pair| [pair.rtp, pair.rtcp]).collect();
    assert_eq!((all.len(), indexes.len()), (12, 24));
    for address in 0..3 {
        for port in 16_384..=16_391 {
            let local = ports.space().local_port(address, port).unwrap();
            assert!(local.index() < ports.space().len());
            assert_eq!(ports.space().place(local), Some((address, port)));
        }
    }
    assert_eq!(ports.space().local_port(3, 16_384), None);
    assert_eq!(ports.space().local_port(0, 16_383), None);
    assert_eq!(ports.space().local_port(0, 16_392), None);
    assert_eq!(ports.space().place(LocalPort(24)), None);
}

#[test]
fn a_space_has_an_address_and_a_port() {
    assert_eq!(PortSpace::new(0, 1, 2), None);
    assert_eq!(PortSpace::new(9, 1, 2), None);
    assert_eq!(PortSpace::new(1, 0, 2), None);
    assert_eq!(PortSpace::new(1, 3, 2), None);
    assert!(PortSpace::new(8, 1, 65_535).is_some_and(|space| !space.is_empty()));
}

proptest! {
    /// No pair is lost or doubled, none is handed out while taken or at rest, whatever the order.
    #[test]
    fn ports_do_not_leak(
        steps in prop::collection::vec((any::<bool>(), 0usize..8, 0u64..6000), 1..300),
    ) {
        let mut ports = ports(1, 16_384, 16_395);
        let total = ports.free_count();
        let mut held: Vec<PortPair> = Vec::new();
        let mut rests: Vec<(PortPair, Tick)> = Vec::new();
        let mut now = at(0);
        for (takes, which, ms) in steps {
            now = now.plus_ms(ms);
            if takes {
                if let Ok(pair) = ports.take(0, now) {
                    prop_assert!(!held.contains(&pair));
                    let is_rested = |(rested, until): &_| *rested != pair || *until <= now;
                    prop_assert!(rests.iter().all(is_rested));
                    rests.retain(|(rested, _)| *rested != pair);
                    held.push(pair);
                }
            } else if !held.is_empty() {
                let pair = held.swap_remove(which % held.len());
                prop_assert_eq!(ports.give(pair, now), Ok(()));
                rests.push((pair, now.plus_ms(REST_MS)));
            }
            prop_assert_eq!(ports.taken_count(), held.len());
            prop_assert_eq!(ports.taken_count() + ports.free_count(), total);
        }
    }
}
