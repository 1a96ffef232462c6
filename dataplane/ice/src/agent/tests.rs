//! The lite side: whom it answers, what it says, and where media goes.

use super::*;
use crate::limits::CHANCE_LEN;

const NOW: Tick = Tick(1_000 * MS);

fn credentials(of: u8) -> Credentials {
    Credentials::from_chance(&[of; CHANCE_LEN])
}

fn agent() -> Agent {
    Agent::new(credentials(1), b"theirs", NOW).unwrap()
}

/// A check by these names and this password; `extra` are attributes before the proof.
fn check(name: &[u8], pwd: &[u8], extra: &[(u16, &[u8])]) -> Vec<u8> {
    let mut room = vec![0; 300];
    let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, [9; 12]);
    reply.attribute(kind::USERNAME, name);
    extra.iter().for_each(|(kind, value)| reply.attribute(*kind, value));
    reply.sign(pwd);
    reply.fingerprint();
    let len = reply.finish().unwrap();
    room.truncate(len);
    room
}

fn good(extra: &[(u16, &[u8])]) -> Vec<u8> {
    let ours = credentials(1);
    check(&[ours.ufrag(), b":theirs"].concat(), ours.pwd(), extra)
}

/// What comes of a datagram: the answer, and whether media goes elsewhere.
fn handle(agent: &mut Agent, datagram: &[u8], source: &str, now: Tick) -> Option<(Vec<u8>, bool)> {
    let mut room = [datagram, &[0xee; 200]].concat();
    let check = agent.handle(&mut room, datagram.len(), source.parse().unwrap(), now)?;
    Some((room[..check.len].to_vec(), check.is_chosen))
}

const NOMINATED: &[(u16, &[u8])] = &[(kind::PRIORITY, &[1, 2, 3, 4]), (kind::USE_CANDIDATE, &[])];

#[test]
fn a_check_is_answered_with_where_it_came_from() {
    let mut agent = agent();
    let (answer, is_chosen) = handle(&mut agent, &good(&[]), "192.0.2.1:32853", NOW).unwrap();
    let message = Message::parse(&answer).unwrap();
    assert_eq!((message.kind(), message.transaction()), (kind::BINDING_SUCCESS, [9; 12]));
    assert!(message.is_by(credentials(1).pwd()) && message.is_fingerprinted());
    assert_eq!(message.attribute(kind::XOR_MAPPED_ADDRESS).unwrap().value.len(), 8);
    assert!(is_chosen, "the first that proves itself");
    assert_eq!(agent.chosen(), Some("192.0.2.1:32853".parse().unwrap()));
}

#[test]
fn media_goes_where_the_party_nominated_last() {
    let mut agent = agent();
    let (first, second) = ("192.0.2.1:1", "[2001:db8::1]:2");
    for (extra, source, is_new, chosen) in [
        (&[][..], first, true, first),
        (&[], second, false, first),
        (NOMINATED, second, true, second),
        (NOMINATED, second, false, second),
        (&[], first, false, second),
        (NOMINATED, first, true, first),
    ] {
        let (_, is_chosen) = handle(&mut agent, &good(extra), source, NOW).unwrap();
        assert_eq!((is_chosen, agent.chosen()), (is_new, Some(chosen.parse().unwrap())));
    }
    // A restart leaves media where it goes, and old names prove nothing any more.
    let next = Agent::new(credentials(2), b"other", NOW).unwrap();
    let mut again = agent.followed_by(next);
    assert_eq!(again.chosen(), agent.chosen());
    assert_eq!(handle(&mut again, &good(NOMINATED), second, NOW), None);
}

#[test]
fn who_proves_nothing_is_told_nothing() {
    let ours = credentials(1);
    let name = [ours.ufrag(), b":theirs"].concat();
    let mut cut = good(NOMINATED);
    cut.truncate(40);
    let mut response = good(NOMINATED);
    response[..2].copy_from_slice(&kind::BINDING_SUCCESS.to_be_bytes());
    let unsigned = {
        let mut room = vec![0; 100];
        let mut reply = Reply::begin(&mut room, kind::BINDING_REQUEST, [9; 12]);
        reply.attribute(kind::USERNAME, &name);
        let len = reply.finish().unwrap();
        room.truncate(len);
        room
    };
    for (datagram, why) in [
        (check(&name, credentials(2).pwd(), NOMINATED), "another password"),
        (check(b"theirs:ours", ours.pwd(), NOMINATED), "another name"),
        (check(ours.ufrag(), ours.pwd(), NOMINATED), "half a name"),
        (check(&[ours.ufrag(), b":theirs2"].concat(), ours.pwd(), NOMINATED), "another party"),
        (unsigned, "no proof"),
        (cut, "cut"),
        (response, "no request"),
        (b"not STUN".to_vec(), "not STUN"),
    ] {
        let mut agent = agent();
        assert_eq!(handle(&mut agent, &datagram, "192.0.2.1:1", NOW), None, "{why}");
        assert_eq!(agent.chosen(), None, "{why}");
    }
    assert_eq!(Agent::new(credentials(1), b"", NOW), None);
}

#[test]
fn what_cannot_be_done_is_said_and_chooses_nothing() {
    for (extra, code, named) in [
        (&[(kind::ICE_CONTROLLED, &[0; 8][..]), (kind::USE_CANDIDATE, &[])][..], 487, None),
        (&[(0x0003, &[0; 4][..]), (0x7777, &[])], 420, Some(&[0, 3, 0x77, 0x77][..])),
    ] {
        let mut agent = agent();
        let (answer, is_chosen) = handle(&mut agent, &good(extra), "192.0.2.1:1", NOW).unwrap();
        let message = Message::parse(&answer).unwrap();
        assert!(message.is_by(credentials(1).pwd()) && message.is_fingerprinted());
        assert_eq!(message.kind(), kind::BINDING_ERROR);
        let told = message.attribute(kind::ERROR_CODE).unwrap().value;
        assert_eq!(u16::from(told[2]) * 100 + u16::from(told[3]), code);
        let unknown = message.attribute(kind::UNKNOWN_ATTRIBUTES).map(|a| a.value);
        assert_eq!(unknown, named);
        assert_eq!((is_chosen, agent.chosen()), (false, None));
    }
}

#[test]
fn consent_ends_when_nothing_proves_it() {
    let mut agent = agent();
    let later = |ms: u64| Tick(NOW.0 + ms * MS);
    assert!(agent.consents(later(CONSENT_MS - 1)) && !agent.consents(later(CONSENT_MS)));
    handle(&mut agent, &good(&[]), "192.0.2.1:1", later(CONSENT_MS)).unwrap();
    assert!(agent.consents(later(CONSENT_MS + 1)));
    agent.prove(later(2 * CONSENT_MS));
    assert!(agent.consents(later(2 * CONSENT_MS + 1)));
}
