//! Properties of parsing and rewriting, on arbitrary and on plausible bodies.

#![expect(clippy::unwrap_used, reason = "a property that cannot build its input must fail")]

use proptest::prelude::*;
use strowger_sdp::{
    Codec, Description, Direction, LocalSession, OwnMedia, Place, Policy, RelayPlan, agree,
};

fn place() -> Place {
    Place { rtp: "203.0.113.1:16384".parse().unwrap(), rtcp: "203.0.113.1:16385".parse().unwrap() }
}

/// A line that a plain relay has no reason to touch.
fn foreign_line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[bikz]=[ -~]{0,30}",
        "a=x-[a-z]{1,8}:[ -~]{0,30}",
        "a=fmtp:9[0-9] [ -~]{1,30}",
        "a=rtpmap:9[0-9] [A-Z0-9]{1,8}/8000",
        "a=rtcp-fb:\\* [a-z]{1,8}",
        Just("a=sendrecv".to_owned()),
    ]
}

/// A line of any kind, understood or not, well formed or nearly.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        foreign_line(),
        "m=(audio|video|image) [0-9]{1,5}(/2)? (RTP/AVP|RTP/SAVPF|udptl) [0-9 ]{1,20}",
        "c=IN IP[46] (0\\.0\\.0\\.0|192\\.0\\.2\\.[0-9]{1,3}|2001:db8::[0-9a-f]{1,4}|h\\.example)",
        "a=(rtcp|ptime|candidate|crypto|rtcp-mux|ice-ufrag):?[ -~]{0,30}",
        "a=(sendonly|recvonly|inactive)",
        "[a-z]?=?[ -~]{0,20}",
    ]
}

fn body(lines: &[String], end: &str) -> String {
    let head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"];
    let lines = head.into_iter().chain(lines.iter().map(String::as_str));
    lines.map(|line| format!("{line}{end}")).collect()
}

/// Whatever was parsed can be read in full, printed, relayed, answered and agreed on.
fn use_all(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(description) = Description::parse(body) else { return Ok(()) };
    prop_assert_eq!(description.to_bytes(), body);
    for media in description.media() {
        let terms = media.terms();
        prop_assert_eq!(terms.is_rejected(), media.port() == 0);
        prop_assert!(terms.preferred.is_none_or(|pt| terms.payload_types.contains(pt)));
        prop_assert!(terms.telephone_event.is_none_or(|pt| terms.payload_types.contains(pt)));
        prop_assert!(media.crypto().count() + media.rtpmaps().count() <= media.lines().len());
    }
    let address = "203.0.113.1".parse().unwrap();
    let places = vec![Some(place()); description.media_count()];
    for policy in [Policy::Plain, Policy::Transparent] {
        let plan = RelayPlan { address, places: &places, policy, keys: &[] };
        let mut session = LocalSession::new(1);
        let ours = session.relay(&description, &plan).unwrap().to_vec();
        let ours = Description::parse(&ours).unwrap();
        prop_assert!(agree(&description, &ours).is_ok());
        for (theirs, ours) in description.media().zip(ours.media()) {
            let (theirs, ours) = (theirs.terms(), ours.terms());
            prop_assert_eq!(ours.direction, theirs.direction);
            prop_assert_eq!(ours.payload_types, theirs.payload_types);
            prop_assert_eq!(ours.rtp(), (!theirs.is_rejected()).then_some(place().rtp));
        }
    }
    let media = OwnMedia {
        place: place(),
        codecs: &[Codec::PCMA],
        telephone_event: Some(101),
        ptime_ms: None,
        direction: Direction::SendRecv,
    };
    let mut session = LocalSession::new(1);
    if let Ok((ours, answered)) = session.answer(&description, address, &media) {
        let agreed = agree(&description, &Description::parse(ours).unwrap()).unwrap();
        prop_assert_eq!(agreed.iter().filter(|line| line.is_live()).count(), 1);
        prop_assert!(agreed[answered.index].is_live());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        use_all(&octets)?;
    }

    #[test]
    fn plausible_bodies_print_as_they_were_and_relay(
        lines in prop::collection::vec(any_line(), 0..16),
        end in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        use_all(body(&lines, end).as_bytes())?;
    }

    #[test]
    fn well_formed_bodies_are_parsed_and_relayed(
        session in prop::collection::vec(foreign_line(), 0..4),
        media in prop::collection::vec(prop::collection::vec(foreign_line(), 0..6), 0..8),
    ) {
        let mut lines = session;
        for (index, extra) in media.iter().enumerate() {
            lines.push(format!("m=audio {} RTP/AVP 0 8 97", 4000 + 2 * index));
            lines.extend_from_slice(extra);
        }
        let body = body(&lines, "\r\n");
        prop_assert!(Description::parse(body.as_bytes()).is_ok());
        use_all(body.as_bytes())?;
    }

    #[test]
    fn a_relay_keeps_what_it_does_not_know(
        lines in prop::collection::vec(foreign_line(), 0..12),
        at in 0usize..12,
    ) {
        let mut lines = lines;
        lines.insert(at.min(lines.len()), "m=audio 4000 RTP/AVP 0 97".to_owned());
        let body = body(&lines, "\r\n");
        let description = Description::parse(body.as_bytes()).unwrap();
        let address = "203.0.113.1".parse().unwrap();
        let places = [Some(place())];
        let plan = RelayPlan { address, places: &places, policy: Policy::Plain, keys: &[] };
        let mut session = LocalSession::new(1);
        let ours = session.relay(&description, &plan).unwrap();
        let expected = body
            .replace("o=- 1 1 IN IP4 192.0.2.1", "o=- 1 1 IN IP4 203.0.113.1")
            .replace("c=IN IP4 192.0.2.1", "c=IN IP4 203.0.113.1")
            .replace("m=audio 4000 ", "m=audio 16384 ");
        prop_assert_eq!(String::from_utf8_lossy(ours), expected);
    }
}
