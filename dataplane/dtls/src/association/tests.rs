//! Two associations with each other, over a network of the test's.

use super::*;
use crate::{Clock, Fingerprint, Identity, Unfit};
use std::time::Instant;
use strowger_link::MS;

const NOW: Tick = Tick(5_000 * MS);

#[expect(clippy::disallowed_methods, reason = "the protocol's code counts from somewhere")]
fn identity() -> Arc<Identity> {
    let pem = Identity::make().unwrap();
    Arc::new(Identity::read(pem.as_bytes(), Clock::new(Instant::now(), NOW)).unwrap())
}

/// One end: what it begins with, its association, and what it has told.
struct End {
    start: Start,
    association: Option<Box<Association>>,
    due: Option<Tick>,
    keys: Vec<Exported>,
    faults: Vec<Fault>,
}

impl End {
    fn new(own: &Arc<Identity>, theirs: Fingerprint, is_active: bool) -> End {
        let start = Start { identity: Arc::clone(own), theirs, is_active };
        End { start, association: None, due: None, keys: Vec::new(), faults: Vec::new() }
    }

    fn step(&mut self, datagrams: Vec<Vec<u8>>, now: Tick) -> Vec<Vec<u8>> {
        let job = match self.association.take() {
            Some(association) => Job::go(association, datagrams, now),
            None => Job::start(self.start.clone(), datagrams, now),
        };
        let done = job.run();
        self.association = done.association;
        self.due = done.due;
        self.keys.extend(done.keys);
        self.faults.extend(done.fault);
        done.out
    }
}

/// Carries datagrams between both until nothing is under way, losing those that `loses` names;
/// time goes on when nothing else does.
fn shake(client: &mut End, server: &mut End, mut loses: impl FnMut(usize) -> bool) {
    let mut now = NOW;
    let mut count = 0;
    let mut pass = |datagrams: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let kept = datagrams.into_iter().filter(|_| {
            count += 1;
            !loses(count)
        });
        kept.collect()
    };
    let mut to_server = pass(client.step(Vec::new(), now));
    let mut to_client = Vec::new();
    for _ in 0..200 {
        if to_server.is_empty() && to_client.is_empty() {
            if !client.keys.is_empty() && !server.keys.is_empty() {
                return;
            }
            let due = client.due.into_iter().chain(server.due).min();
            now = due.unwrap_or(now).max(Tick(now.0 + MS));
            to_server = pass(client.step(Vec::new(), now));
            if server.association.is_some() {
                to_client = pass(server.step(Vec::new(), now));
            }
            continue;
        }
        if !to_server.is_empty() {
            to_client.extend(pass(server.step(std::mem::take(&mut to_server), now)));
        }
        if !to_client.is_empty() {
            to_server = pass(client.step(std::mem::take(&mut to_client), now));
        }
        if client.faults.len() + server.faults.len() > 0 {
            return;
        }
    }
}

#[test]
fn both_ends_export_the_same_keys() {
    let (ada, bob) = (identity(), identity());
    let mut client = End::new(&ada, *bob.fingerprint(), true);
    let mut server = End::new(&bob, *ada.fingerprint(), false);
    shake(&mut client, &mut server, |_| false);
    let ([ours], [theirs]) = (&client.keys[..], &server.keys[..]) else {
        panic!("{:?} {:?}", client.faults, server.faults);
    };
    assert_eq!((&ours.ours, &ours.theirs), (&theirs.theirs, &theirs.ours));
    assert_ne!(ours.ours, ours.theirs);
    assert!(server.association.as_ref().is_some_and(|one| one.is_connected()));
    assert!(!format!("{:?} {:?}", client.keys, ada).contains("octets"), "no key in a log");
}

/// Whatever one datagram of the first twenty is lost, and each third one.
#[test]
fn what_is_lost_is_sent_again() {
    let (ada, bob) = (identity(), identity());
    for lost in 0..20 {
        let mut client = End::new(&ada, *bob.fingerprint(), true);
        let mut server = End::new(&bob, *ada.fingerprint(), false);
        shake(&mut client, &mut server, |nth| {
            if lost == 0 { nth % 3 == 0 && nth < 30 } else { nth == lost }
        });
        assert_eq!((client.keys.len(), server.keys.len()), (1, 1), "datagram {lost} lost");
    }
}

#[test]
fn a_certificate_of_somebody_else_gets_no_keys() {
    let (ada, bob, eve) = (identity(), identity(), identity());
    let mut client = End::new(&eve, *bob.fingerprint(), true);
    let mut server = End::new(&bob, *ada.fingerprint(), false);
    shake(&mut client, &mut server, |_| false);
    assert_eq!(server.faults, [Fault::Stranger]);
    assert!(server.keys.is_empty() && server.association.is_none());
    let mut client = End::new(&ada, *bob.fingerprint(), true);
    let mut server = End::new(&eve, *ada.fingerprint(), false);
    shake(&mut client, &mut server, |_| false);
    assert_eq!(client.faults, [Fault::Stranger]);
    assert!(client.keys.is_empty());
}

#[test]
fn noise_ends_nothing_and_much_of_it_an_association() {
    let (ada, bob) = (identity(), identity());
    let mut client = End::new(&ada, *bob.fingerprint(), true);
    let mut server = End::new(&bob, *ada.fingerprint(), false);
    for noise in [&[22, 254, 253][..], &[20; 40], &[63; 13], &[]] {
        server.step(vec![noise.to_vec()], NOW);
    }
    assert_eq!(server.faults, []);
    shake(&mut client, &mut server, |_| false);
    assert_eq!((client.keys.len(), server.keys.len()), (1, 1));
}

#[test]
fn a_hello_is_known_from_its_record() {
    let (ada, bob) = (identity(), identity());
    let mut client = End::new(&ada, *bob.fingerprint(), true);
    let hello = client.step(Vec::new(), NOW);
    assert!(hello.first().is_some_and(|hello| is_client_hello(hello)));
    let mut later = hello[0].clone();
    later[4] = 1;
    assert!(!is_client_hello(&later) && !is_client_hello(&hello[0][..13]));
}

/// RFC 5764 4.2.
#[test]
fn keys_stand_before_salts_and_the_clients_before_the_servers() {
    let octets: Vec<u8> = (0..88).collect();
    let (client, server) = ((0..16).chain(32..46), (16..32).chain(46..60));
    let master = |octets: Vec<u8>| Master::new(Suite::AesCm128Sha80, &octets).unwrap();
    let (client, server) = (master(client.collect()), master(server.collect()));
    let profile = SrtpProfile::AES128_CM_SHA1_80;
    let own = export(&octets[..60], profile, true).unwrap();
    assert_eq!((&own.ours, &own.theirs), (&client, &server));
    let own = export(&octets[..60], profile, false).unwrap();
    assert_eq!((&own.ours, &own.theirs), (&server, &client));
    assert_eq!(export(&octets[..59], profile, false), None);
    let gcm = export(&octets, SrtpProfile::AEAD_AES_256_GCM, true).unwrap();
    assert_eq!(gcm.ours.suite(), Suite::Gcm256);
    assert_eq!(gcm.ours.octets()[32..], (64..76).collect::<Vec<u8>>());
}

#[test]
fn what_is_no_identity_is_told() {
    let (one, other) = (Identity::make().unwrap(), Identity::make().unwrap());
    let key_at = |pem: &str| pem.find("-----BEGIN PRIVATE").unwrap();
    let (certificate, _) = one.split_at(key_at(&one));
    let (_, key) = other.split_at(key_at(&other));
    #[expect(clippy::disallowed_methods, reason = "the protocol's code counts from somewhere")]
    let clock = Clock::new(Instant::now(), NOW);
    for (pem, unfit) in [
        (String::new(), Unfit::Certificate),
        (certificate.to_owned(), Unfit::Key),
        (key.to_owned(), Unfit::Certificate),
        ([certificate, key].concat(), Unfit::Mismatch),
    ] {
        assert_eq!(Identity::read(pem.as_bytes(), clock).err(), Some(unfit));
    }
    let first = Identity::read(one.as_bytes(), clock).unwrap();
    let again = Identity::read(one.as_bytes(), clock).unwrap();
    assert_eq!(first.fingerprint(), again.fingerprint(), "it is kept by its PEM");
}
