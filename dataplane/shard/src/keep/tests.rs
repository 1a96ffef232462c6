use super::*;
use strowger_link::Transport;

const EVERY_MS: u32 = 20_000;

fn at(ms: u64) -> Tick {
    Tick::default().plus_ms(1_000_000 + ms)
}

fn kept(id: u64, left_ms: u64) -> Kept {
    Kept {
        id,
        listener: 0,
        transport: Transport::Udp,
        peer: SocketAddr::from(([203, 0, 113, 5], 4_000 + u16::try_from(id).unwrap())),
        uri: format!("sip:{id}@10.0.0.1"),
        how: KeepMode::Crlf,
        every_ms: EVERY_MS,
        left_ms,
    }
}

fn keeper(list: Vec<Kept>) -> Keeper {
    let mut keeper = Keeper::new(Key([3; 16]));
    keeper.handle_order(KeepOrder::Put(list), at(0));
    keeper
}

/// Milliseconds at which contacts are sent something until `end_ms`.
fn run(keeper: &mut Keeper, end_ms: u64) -> Vec<u64> {
    let mut times = Vec::new();
    while let Some(due) = keeper.poll_timeout().filter(|due| *due <= at(end_ms)) {
        while keeper.next(due).is_some() {
            times.push(due.ns_since(at(0)) / MS);
        }
        assert!(keeper.poll_timeout().is_none_or(|next| next > due), "a time that never passes");
    }
    times
}

fn path(id: u64) -> SipPath {
    SipPath { listener: 0, local: None, peer: kept(id, 0).peer }
}

#[test]
fn a_contact_is_kept_to_its_end() {
    let mut keeper = keeper(vec![kept(1, 90_000)]);
    let times = run(&mut keeper, 1_000_000);
    assert!(times[0] < u64::from(EVERY_MS), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == u64::from(EVERY_MS)), "{times:?}");
    assert_eq!(times.len(), ((90_000 - times[0]) / u64::from(EVERY_MS) + 1) as usize);
    let [sent, _, now, _] = keeper.report();
    assert_eq!((sent, now), (times.len() as u64, 0));
    assert!(keeper.peers.is_empty() && keeper.due.is_empty());
}

#[test]
fn many_are_spread_over_the_interval() {
    let mut keeper = keeper((0..1_000).map(|id| kept(id, 1_000_000)).collect());
    let times = run(&mut keeper, u64::from(EVERY_MS) - 1);
    assert_eq!(times.len(), 1_000);
    let per_second = |second: u64| times.iter().filter(|ms| **ms / 1_000 == second).count();
    let most = (0..20).map(per_second).max().unwrap();
    assert!(most < 100, "{most} in one second of twenty");
}

#[test]
fn a_refresh_moves_the_end_and_not_the_place() {
    let mut keeper = keeper(vec![kept(1, 30_000)]);
    let first = run(&mut keeper, u64::from(EVERY_MS))[0];
    keeper.handle_order(KeepOrder::Put(vec![kept(1, 300_000)]), at(25_000));
    let times = run(&mut keeper, 100_000);
    assert_eq!(times[0], first + u64::from(EVERY_MS));
    // Another interval is another place.
    keeper.handle_order(
        KeepOrder::Put(vec![Kept { every_ms: 5_000, ..kept(1, 300_000) }]),
        at(100_000),
    );
    let times = run(&mut keeper, 150_000);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 5_000), "{times:?}");
    keeper.handle_order(KeepOrder::Drop(vec![1, 9]), at(150_000));
    assert_eq!(run(&mut keeper, 400_000), [0; 0]);
    assert!(keeper.peers.is_empty());
}

#[test]
fn a_device_that_speaks_is_left_alone() {
    let mut keeper = keeper(vec![kept(1, 1_000_000)]);
    for seconds in (0..200).step_by(10) {
        assert!(keeper.is_sign(&path(1), b"\r\n\r\n", at(seconds * 1_000)));
    }
    assert_eq!(run(&mut keeper, 209_999), [0; 0]);
    assert_eq!(run(&mut keeper, 210_000), [210_000]);
    // A stranger's line ends are nothing, and no message is taken for a sign.
    assert!(keeper.is_sign(&path(2), b"\r\n", at(0)));
    assert!(keeper.is_sign(&path(2), &[0, 0, 0, 0], at(0)));
    assert!(!keeper.is_sign(&path(1), b"INVITE sip:x SIP/2.0\r\n", at(0)));
    assert!(!keeper.is_sign(&path(1), b"SIP/2.0 200 OK\r\nVia: x;branch=z9hG4bKa\r\n", at(0)));
    assert_eq!(keeper.report()[1], 20);
}

#[test]
fn options_are_answered_by_devices_that_live() {
    let mut keeper = keeper(vec![Kept { how: KeepMode::Options, ..kept(7, 1_000_000) }]);
    let due = keeper.poll_timeout().unwrap();
    let ping = keeper.next(due).unwrap();
    let text = String::from_utf8(ping.bytes("192.0.2.1:5060".parse().unwrap())).unwrap();
    let mut index = strowger_sip::Index::new();
    let message = strowger_sip::Message::parse(text.as_bytes(), &mut index).unwrap();
    message.validate().unwrap();
    assert!(text.starts_with("OPTIONS sip:7@10.0.0.1 SIP/2.0\r\n"), "{text}");
    let via = text.lines().find(|line| line.starts_with("Via")).unwrap();
    let answer = format!("SIP/2.0 405 No\r\n{via}\r\nCall-ID: x\r\n\r\n");
    assert!(keeper.is_sign(&path(7), answer.as_bytes(), due));
    assert!(!keeper.is_sign(&path(8), answer.as_bytes(), due), "from elsewhere it is a stray");
    let odd = Kept { how: KeepMode::Options, uri: "sip:a\r\nX: y".into(), ..kept(8, 1_000_000) };
    keeper.handle_order(KeepOrder::Put(vec![odd]), at(0));
    let ping = keeper.next(at(u64::from(EVERY_MS) * 3)).into_iter();
    let more = std::iter::from_fn(|| keeper.next(at(u64::from(EVERY_MS) * 3)));
    let all: Vec<Vec<u8>> =
        ping.chain(more).map(|p| p.bytes("192.0.2.1:5060".parse().unwrap())).collect();
    assert!(all.iter().any(|bytes| bytes == b"\r\n\r\n"), "no field can be smuggled in");
}

#[test]
fn probes_by_a_connection_name_it() {
    for (transport, via, contact) in [
        (Transport::Tcp, "Via: SIP/2.0/TCP 192.0.2.1:5060;", "<sip:192.0.2.1:5060;transport=tcp>"),
        (Transport::Tls, "Via: SIP/2.0/TLS 192.0.2.1:5060;", "<sip:192.0.2.1:5060;transport=tls>"),
    ] {
        let mut keeper = keeper(vec![Kept { transport, ..probed(7) }]);
        let ping = keeper.next(keeper.poll_timeout().unwrap()).unwrap();
        assert_eq!(ping.transport, transport);
        let text = String::from_utf8(ping.bytes("192.0.2.1:5060".parse().unwrap())).unwrap();
        assert!(text.contains(via) && text.contains(contact), "{text}");
    }
}

#[test]
fn the_table_has_a_bound() {
    let mut keeper = Keeper::new(Key([3; 16]));
    let many = |from: u64| {
        let one = move |id| Kept { id, ..kept(id % 1_000, 1_000) };
        (from..from + KEPT_MAX as u64).map(one).collect()
    };
    keeper.handle_order(KeepOrder::Put(many(0)), at(0));
    keeper.handle_order(KeepOrder::Put(many(10)), at(0));
    let [_, _, now, full] = keeper.report();
    assert_eq!((now, full), (KEPT_MAX as u64, 10));
}

/// By STUN a device keeps its NAT open itself, and needs no word of ours for an interval.
#[test]
fn who_is_heard_by_stun_is_left_alone_for_an_interval() {
    let mut keeper = keeper(vec![kept(1, 1_000_000), kept(2, 1_000_000)]);
    for ms in (0..200_000).step_by(5_000) {
        keeper.heard_from(&path(1), at(ms));
        keeper.heard_from(&path(9), at(ms));
        let sent: Vec<_> =
            std::iter::from_fn(|| keeper.next(at(ms))).map(|ping| ping.peer).collect();
        assert!(sent.iter().all(|peer| *peer == path(2).peer), "{sent:?}");
    }
    let [sent, heard, ..] = keeper.report();
    assert!((9..=11).contains(&sent) && heard == 40, "{sent} {heard}");
}

fn probed(id: u64) -> Kept {
    Kept { how: KeepMode::Probe, ..kept(id, u64::MAX) }
}

fn answer(id: u64, status: u16) -> Vec<u8> {
    let via = format!("Via: SIP/2.0/UDP 192.0.2.1:5060;branch={BRANCH}{id:016x}00000001;rport");
    format!("SIP/2.0 {status} Said\r\n{via}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Sends the next probe.
fn probe(keeper: &mut Keeper) -> Tick {
    let due = keeper.poll_timeout().unwrap();
    assert!(keeper.next(due).unwrap().options.is_some());
    due
}

#[test]
fn a_trunk_that_answers_no_probe_is_gone_until_it_answers() {
    let (gone, back) = (Probed { id: 1, alive: false }, Probed { id: 1, alive: true });
    let mut keeper = keeper(vec![probed(1)]);
    for _ in 0..MISSED_MAX {
        probe(&mut keeper);
        assert_eq!(keeper.news(), None);
    }
    // With the next one so many stand without an answer.
    let now = probe(&mut keeper);
    assert_eq!(keeper.news(), Some(gone));
    keeper.told(gone);
    probe(&mut keeper);
    assert_eq!(keeper.news(), None, "told once");
    keeper.tell_again();
    assert_eq!(keeper.news(), Some(gone), "and to who knows nothing");
    keeper.told(gone);
    // The same order again changes nothing of it.
    keeper.handle_order(KeepOrder::Put(vec![probed(1)]), now);
    assert_eq!(keeper.news(), None);
    // Line ends, 503, and answers that are another place's do not bring it back.
    for data in [b"\r\n\r\n".to_vec(), answer(1, 503), answer(2, 200)] {
        assert!(keeper.is_sign(&path(1), &data, now));
        assert_eq!(keeper.news(), None);
    }
    // That it does not know OPTIONS does.
    assert!(keeper.is_sign(&path(1), &answer(1, 405), now));
    assert_eq!(keeper.news(), Some(back));
    keeper.told(back);
    // What is gone as an order says is told of no more.
    for _ in 0..=MISSED_MAX {
        probe(&mut keeper);
    }
    assert_eq!(keeper.news(), Some(gone));
    keeper.handle_order(KeepOrder::Drop(vec![1]), now);
    assert_eq!(keeper.news(), None);
}

#[test]
fn a_trunk_that_answers_now_and_then_is_there() {
    let mut keeper = keeper(vec![probed(1)]);
    for turn in 0..20 {
        let now = probe(&mut keeper);
        if turn % u64::from(MISSED_MAX) == 0 {
            assert!(keeper.is_sign(&path(1), &answer(1, 200), now));
        }
        assert_eq!(keeper.news(), None);
    }
}
