//! The front as a whole, in virtual time: who is served, refused, dropped, and what is counted.

use super::*;
use strowger_link::{Edge, EdgeSource, MS, SECOND, SourceAction};
use strowger_sip::{Index, Message};

const NOW: Tick = Tick(100 * SECOND);
const TRUNK: &str = "192.0.2.1:5060";
const CALLED: &str = "192.0.2.2:5060";
const BANNED: &str = "192.0.2.3:5060";
const STRANGER: &str = "198.51.100.7:5060";
const EXEMPT: &str = "203.0.113.9:5060";

struct Bench {
    front: Front,
    sources: Sources,
    counts: Counts,
    branches: u32,
}

/// What a test sends.
#[derive(Clone, Copy)]
struct Sent<'a> {
    method: &'a str,
    from: &'a str,
    to_tag: bool,
    user: &'a str,
    branch: u32,
    queued_ms: u64,
    at: Tick,
}

impl Bench {
    fn new(limits: Limits) -> Bench {
        let source = |text: &str, action| {
            let at: SocketAddr = text.parse().unwrap();
            EdgeSource { network: at.ip(), prefix_len: 32, port: 0, action }
        };
        let sources = Sources::compile(
            &Edge {
                version: 1,
                realm: "r".into(),
                algorithms: vec![],
                nonce_key: [0; 16],
                nonce_valid_s: 60,
                sources: vec![
                    source(TRUNK, SourceAction::Trunk(1)),
                    source(CALLED, SourceAction::Target(1)),
                    source(BANNED, SourceAction::Deny),
                ],
                emergency: vec![],
            },
            &[],
        );
        let mut front = Front::new(&limits, Key([5; 16]));
        front.set_emergencies(["112", "110"].into_iter());
        Bench { front, sources, counts: Counts::default(), branches: 0 }
    }

    fn sent<'a>(&mut self, method: &'a str, from: &'a str, queued_ms: u64, at: Tick) -> Sent<'a> {
        self.branches += 1;
        let branch = self.branches;
        Sent { method, from, to_tag: false, user: "1001", branch, queued_ms, at }
    }

    fn send(&mut self, sent: Sent<'_>) -> Fate {
        let Sent { method, from, to_tag, user, branch, queued_ms, at } = sent;
        let tag = if to_tag { ";tag=t" } else { "" };
        self.take(&wire(method, user, branch, tag), from, queued_ms, at)
    }

    fn take(&mut self, data: &[u8], from: &str, queued_ms: u64, at: Tick) -> Fate {
        let path = SipPath { listener: 0, local: None, peer: from.parse().unwrap() };
        let arrival = Arrival { path: &path, data, queued_ns: queued_ms * MS, flow: 0 };
        self.front.handle(arrival, &self.sources, &mut self.counts, at)
    }

    /// Late for longer than the interval.
    fn overload(&mut self) {
        for ms in [0, 101] {
            let bye = Sent { to_tag: true, ..self.sent("BYE", TRUNK, 60, NOW.plus_ms(ms)) };
            assert_eq!(self.send(bye), PASS);
        }
        assert_eq!(self.front.report(), (1, 60_000));
    }
}

const PASS: Fate = Fate::Pass { may_challenge: true };
const LATE: Tick = Tick(NOW.0 + 200 * MS);

fn wire(method: &str, user: &str, branch: u32, tag: &str) -> Vec<u8> {
    let first = match method {
        "200" => "SIP/2.0 200 OK".to_owned(),
        method => format!("{method} sip:{user}@h SIP/2.0"),
    };
    format!(
        "{first}\r\nVia: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK{branch}\r\n\
         From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>{tag}\r\nCall-ID: c{branch}\r\n\
         CSeq: 1 INVITE\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn overload_refuses_what_begins_something_and_nothing_else() {
    let mut bench = Bench::new(Limits::default());
    let early = bench.sent("INVITE", STRANGER, 60, NOW);
    assert_eq!(bench.send(early), PASS);
    bench.overload();
    for (method, to_tag, user, refused) in [
        ("INVITE", false, "1001", true),
        ("REGISTER", false, "1001", true),
        ("OPTIONS", false, "1001", true),
        ("SUBSCRIBE", false, "1001", true),
        ("MESSAGE", false, "1001", true),
        ("INVITE", true, "1001", false),
        ("INFO", true, "1001", false),
        ("ACK", false, "1001", false),
        ("BYE", false, "1001", false),
        ("CANCEL", false, "1001", false),
        ("PRACK", false, "1001", false),
        ("200", false, "1001", false),
        ("INVITE", false, "112", false),
    ] {
        for from in [TRUNK, STRANGER] {
            let sent = Sent { to_tag, user, ..bench.sent(method, from, 60, LATE) };
            let peer = from.parse().unwrap();
            let expected = if refused { Fate::Answer(peer) } else { PASS };
            assert_eq!(bench.send(sent), expected, "{method} {to_tag} {user}");
        }
    }
    assert_eq!(bench.counts, Counts { shed_refused: 10, ..Counts::default() });
}

#[test]
fn the_refusal_is_a_503_with_retry_after() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    let mut seconds = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let sent = bench.sent("INVITE", TRUNK, 60, LATE);
        bench.send(sent);
        let mut index = Index::new();
        let answer = Message::parse(bench.front.answer(), &mut index).unwrap();
        answer.validate().unwrap();
        assert_eq!(answer.status().unwrap().code(), 503);
        let after = answer.number(strowger_sip::Header::RetryAfter).unwrap().unwrap();
        seconds.insert(after);
    }
    assert_eq!(seconds.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn silence_falls_when_an_answer_would_be_too_late() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    let sent = bench.sent("INVITE", TRUNK, 201, LATE);
    assert_eq!(bench.send(sent), Fate::Drop);
    let bye = Sent { to_tag: true, ..bench.sent("BYE", TRUNK, 5_000, LATE) };
    assert_eq!(bench.send(bye), PASS);
    assert_eq!(bench.counts, Counts { shed_silent: 1, ..Counts::default() });
    // In time again: all pass.
    let sent = bench.sent("INVITE", TRUNK, 50, LATE);
    assert_eq!(bench.send(sent), PASS);
    assert_eq!(bench.front.report(), (0, 5_000_000));
    assert_eq!(bench.front.report(), (0, 0));
}

#[test]
fn copies_that_waited_are_dropped_and_later_ones_answered() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    let first = bench.sent("INVITE", TRUNK, 150, LATE);
    assert!(matches!(bench.send(first), Fate::Answer(_)));
    // Sent 100 ms after the first one, before its answer.
    let copy = Sent { queued_ms: 100, at: LATE.plus_ms(50), ..first };
    assert_eq!(bench.send(copy), Fate::Drop);
    // Sent after the answer: that was lost.
    let again = Sent { queued_ms: 60, at: LATE.plus_ms(500), ..first };
    assert!(matches!(bench.send(again), Fate::Answer(_)));
    assert_eq!((bench.counts.shed_repeats, bench.counts.shed_refused), (1, 2));
}

#[test]
fn the_ack_of_a_refusal_ends_here() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    let invite = bench.sent("INVITE", TRUNK, 60, LATE);
    bench.send(invite);
    let answer = String::from_utf8(bench.front.answer().to_vec()).unwrap();
    let tag = answer.split("b@h>").nth(1).unwrap().split("\r\n").next().unwrap();
    let ack = wire("ACK", "1001", invite.branch, tag);
    assert_eq!(bench.take(&ack, TRUNK, 60, LATE), Fate::Drop);
    let other = wire("ACK", "1001", invite.branch, ";tag=of-a-call");
    assert_eq!(bench.take(&other, TRUNK, 60, LATE), PASS);
    assert_eq!(bench.counts.shed_acks, 1);
}

#[test]
fn listeners_are_late_each_by_itself() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    let path = SipPath { listener: 1, local: None, peer: TRUNK.parse().unwrap() };
    let data = wire("INVITE", "1", 900, "");
    let arrival = Arrival { path: &path, data: &data, queued_ns: 60 * MS, flow: 0 };
    assert_eq!(bench.front.handle(arrival, &bench.sources, &mut bench.counts, LATE), PASS);
    bench.front.idle(LATE);
    assert_eq!(bench.front.report().0, 0);
}

fn tight() -> Limits {
    let exempt = vec![("203.0.113.0".parse().unwrap(), 24)];
    Limits {
        stranger_datagrams: 100,
        stranger_requests: 10,
        stranger_challenges: 5,
        exempt,
        ..Limits::default()
    }
}

#[test]
fn limits_of_strangers_hit_strangers_only() {
    for (from, limited) in [(TRUNK, false), (CALLED, false), (EXEMPT, false), (STRANGER, true)] {
        let mut bench = Bench::new(tight());
        let mut passed = 0;
        for _ in 0..1_000 {
            let sent = bench.sent("INVITE", from, 0, NOW);
            passed += u32::from(matches!(bench.send(sent), Fate::Pass { .. }));
        }
        // Two seconds' worth at once.
        assert_eq!(passed, if limited { 20 } else { 1_000 }, "{from}");
        let counted = (bench.counts.limited_datagrams, bench.counts.limited_requests);
        assert_eq!(counted, if limited { (800, 180) } else { (0, 0) }, "{from}");
    }
}

/// A new life does not take carriers for strangers.
#[test]
fn before_the_edge_snapshot_nobody_is_limited() {
    let mut bench = Bench::new(tight());
    bench.front = Front::new(&tight(), Key([5; 16]));
    for _ in 0..1_000 {
        let sent = bench.sent("INVITE", STRANGER, 0, NOW);
        assert_eq!(bench.send(sent), PASS);
    }
    assert_eq!(bench.counts, Counts::default());
}

#[test]
fn what_goes_on_is_not_counted_as_beginning() {
    let mut bench = Bench::new(tight());
    for _ in 0..150 {
        let sent = Sent { to_tag: true, ..bench.sent("INVITE", STRANGER, 0, NOW) };
        assert_eq!(bench.send(sent), PASS);
        let help = Sent { user: "110", ..bench.sent("INVITE", "198.51.100.8:1", 0, NOW) };
        assert_eq!(bench.send(help), PASS);
    }
    assert_eq!(bench.counts, Counts::default());
}

#[test]
fn who_is_challenged_too_often_has_to_prove_itself() {
    let mut bench = Bench::new(tight());
    let stranger = STRANGER.parse().unwrap();
    for n in 0..10 {
        let sent = bench.sent("INVITE", STRANGER, 0, NOW);
        assert_eq!(bench.send(sent), PASS, "{n}");
        bench.front.challenged(stranger, &bench.sources, NOW);
    }
    let sent = bench.sent("INVITE", STRANGER, 0, NOW);
    assert_eq!(bench.send(sent), Fate::Pass { may_challenge: false });
    let trunk = bench.sent("REGISTER", TRUNK, 0, NOW);
    assert_eq!(bench.send(trunk), PASS);
    let later = bench.sent("INVITE", STRANGER, 0, NOW.plus_ms(1_000));
    assert_eq!(bench.send(later), PASS);
}

/// A STUN binding request.
const BINDING: [u8; 20] = {
    let mut bytes = [7; 20];
    let head = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    bytes
};

/// It shares the allowance of challenges: neither can be had by whoever shows nothing more often.
#[test]
fn stun_is_answered_as_often_as_a_source_may_be_challenged() {
    for (from, answers) in [(TRUNK, 100), (EXEMPT, 100), (STRANGER, 10), (BANNED, 0)] {
        let mut bench = Bench::new(tight());
        let fates: Vec<Fate> = (0..100).map(|_| bench.take(&BINDING, from, 0, NOW)).collect();
        let to = Fate::Answer(from.parse().unwrap());
        assert_eq!(fates.iter().filter(|fate| **fate == to).count(), answers, "{from}");
        let counted = (bench.counts.stun_answered, bench.counts.stun_dropped);
        let dropped = if from == STRANGER { 90 } else { 0 };
        assert_eq!(counted, (answers as u64, dropped), "{from}");
        assert_eq!(bench.counts.sip_denied, if from == BANNED { 100 } else { 0 });
        if answers > 0 {
            assert_eq!(bench.front.answer()[..8], [1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42]);
        }
    }
    let mut bench = Bench::new(tight());
    for _ in 0..10 {
        assert!(matches!(bench.take(&BINDING, STRANGER, 0, NOW), Fate::Answer(_)));
    }
    let sent = bench.sent("INVITE", STRANGER, 0, NOW);
    assert_eq!(bench.send(sent), Fate::Pass { may_challenge: false });
    // By a connection it is no STUN: there the framing has said what it is.
    let path = SipPath { listener: 0, local: None, peer: EXEMPT.parse().unwrap() };
    let arrival = Arrival { path: &path, data: &BINDING, queued_ns: 0, flow: 9 };
    assert_eq!(bench.front.handle(arrival, &bench.sources, &mut bench.counts, NOW), PASS);
    // Who is not served with SIP is not served with STUN.
    bench.overload();
    assert_eq!(bench.take(&BINDING, EXEMPT, 300, LATE), Fate::Drop);
    bench.front = Front::new(&tight(), Key([5; 16]));
    assert_eq!(bench.take(&BINDING, EXEMPT, 0, NOW), Fate::Drop, "before the edge snapshot");
}

#[test]
fn the_banned_begin_nothing() {
    let mut bench = Bench::new(Limits::default());
    for (method, to_tag, fate) in [
        ("INVITE", false, Fate::Drop),
        ("OPTIONS", false, Fate::Drop),
        ("INVITE", true, PASS),
        ("BYE", false, PASS),
    ] {
        let sent = Sent { to_tag, ..bench.sent(method, BANNED, 0, NOW) };
        assert_eq!(bench.send(sent), fate, "{method}");
    }
    assert_eq!(bench.counts, Counts { sip_denied: 2, ..Counts::default() });
}

/// Strangers only, and what begins something only: a trunk may use what programs it likes, and help
/// is for everybody.
#[test]
fn scanners_and_who_is_lured_get_no_answer() {
    let limits = Limits {
        agents: vec!["friendly-scanner".into()],
        honeypots: vec!["9009".into()],
        exempt: vec![("203.0.113.0".parse().unwrap(), 24)],
        ..Limits::default()
    };
    let mut bench = Bench::new(limits);
    let wire = |method: &str, user: &str, tag: &str| {
        let text = String::from_utf8(wire(method, user, 1, tag)).unwrap();
        text.replacen("\r\n", "\r\nUser-Agent: friendly-scanner\r\n", 1).into_bytes()
    };
    for (method, user, from, tag, fate) in [
        ("OPTIONS", "100", STRANGER, "", Fate::Drop),
        ("REGISTER", "100", STRANGER, "", Fate::Drop),
        ("INVITE", "9009725", STRANGER, "", Fate::Drop),
        ("INVITE", "112", STRANGER, "", PASS),
        ("OPTIONS", "100", STRANGER, ";tag=t", PASS),
        ("BYE", "100", STRANGER, "", PASS),
        ("OPTIONS", "100", TRUNK, "", PASS),
        ("INVITE", "9009725", CALLED, "", PASS),
        ("OPTIONS", "100", EXEMPT, "", PASS),
    ] {
        assert_eq!(bench.take(&wire(method, user, tag), from, 0, NOW), fate, "{method} {from}");
    }
    assert_eq!(bench.counts, Counts { sip_scanners: 2, sip_lured: 1, ..Counts::default() });
}

/// Junk never panics and is the endpoint's to count.
#[test]
fn junk_passes_or_is_limited() {
    let mut bench = Bench::new(Limits::default());
    bench.overload();
    for junk in ["", "\r\n\r\n", "hello", "INVITE", "INVITE sip:a SIP/2.0\r\n\r\n"] {
        let fate = bench.take(junk.as_bytes(), STRANGER, 60, LATE);
        let no_answer = junk.ends_with("SIP/2.0\r\n\r\n");
        assert_eq!(fate, if no_answer { Fate::Drop } else { PASS }, "{junk}");
    }
    assert_eq!(bench.counts, Counts { sip_malformed: 1, ..Counts::default() });
}

/// What a datagram costs: refused, limited, passed.
#[test]
#[expect(clippy::print_stdout, reason = "who runs it by hand reads the figures")]
fn the_front_costs_little() {
    let datagram = wire("INVITE", "1001", 1, "");
    let limits = Limits { stranger_datagrams: 1_000_000, stranger_requests: 1_000_000, ..tight() };
    let measure = |name: &str, from: &str, limits: Limits, late: bool, most_ns: u64| {
        let mut bench = Bench::new(limits);
        if late {
            bench.overload();
        }
        let mut best_ns = u64::MAX;
        for round in 0..5 {
            let began = strowger_port::clock::monotonic();
            for n in 0..2_000 {
                let at = LATE.plus_ms(1_000 + round * 100_000 + n);
                let fate = bench.take(&datagram, from, if late { 60 } else { 0 }, at);
                std::hint::black_box(fate);
            }
            let took = strowger_port::clock::monotonic().ns_since(began) / 2_000;
            best_ns = best_ns.min(took);
        }
        println!("{name}: {best_ns} ns");
        assert!(best_ns < most_ns, "{name}: {best_ns} ns");
    };
    measure("a trunk's, calm", TRUNK, limits.clone(), false, 5_000);
    measure("a stranger's, calm", STRANGER, limits.clone(), false, 10_000);
    measure("refused", TRUNK, limits, true, 50_000);
    measure("limited", STRANGER, Limits { stranger_datagrams: 1, ..tight() }, false, 5_000);
}
