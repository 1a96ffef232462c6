//! Golden bytes of every frame and of the journal's payloads: a change of the layout must be a new
//! version, and this test says so. `golden.txt` holds a name and the bytes, in hexadecimal.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::net::SocketAddr;
use strowger_link::codec::{OCTETS_MAX, Wire as _, decode, encode, put_list_of, put_octets_of};
use strowger_link::*;

const GOLDEN: &str = include_str!("golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|p| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap()).collect()
}

fn check(name: &str, encoded: &[u8]) -> Vec<u8> {
    let line = GOLDEN.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let encoded = hex(encoded);
    let Some(line) = line else { panic!("no golden bytes of {name}:\n{name} {encoded}") };
    assert_eq!(line, encoded, "the layout of {name} has changed: raise FRAME_VERSION");
    bytes(line)
}

fn up(name: &str, frame: &Up) {
    let golden = check(name, &frame.to_bytes());
    assert_eq!(Up::from_bytes(&golden).as_ref(), Ok(frame), "{name}");
    // Another version is no frame of ours, and neither is a part or more than the whole.
    for wrong in [[&[8], &golden[1..]].concat(), [&golden[..], &[0]].concat()] {
        assert_eq!(Up::from_bytes(&wrong), Err(Malformed), "{name}");
    }
    for cut in 0..golden.len() {
        assert_eq!(Up::from_bytes(&golden[..cut]), Err(Malformed), "{name} cut at {cut}");
    }
}

fn down(name: &str, frame: &Down) {
    let golden = check(name, &frame.to_bytes());
    assert_eq!(Down::from_bytes(&golden).as_ref(), Ok(frame), "{name}");
    for cut in 0..golden.len() {
        assert_eq!(Down::from_bytes(&golden[..cut]), Err(Malformed), "{name} cut at {cut}");
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn leg() -> LegId {
    LegId { slot: SlotRef { seg: 1, idx: 2, r#gen: 3 }, leg: 4 }
}

fn identity() -> CallerIdentity {
    CallerIdentity {
        from_user: "1001".into(),
        from_host: "h".into(),
        display: "A".into(),
        asserted: vec!["49".into()],
        preferred: None,
        remote_party: Some("r".into()),
        privacy: "id".into(),
    }
}

fn credentials() -> Credentials {
    Credentials {
        algorithm: Algorithm::Sha256,
        username: "u".into(),
        realm: "r".into(),
        nonce: "n".into(),
        uri: "sip:h".into(),
        method: "INVITE".into(),
        qop: Some("auth".into()),
        cnonce: "c".into(),
        nonce_count: "00000001".into(),
        response: "f".into(),
    }
}

fn ask(body: AskBody) -> Up {
    Up::Ask(Box::new(Ask {
        id: AskId(5),
        parent: Some(AskId(4)),
        leg: leg(),
        hints: Hints {
            listener: 1,
            local: address("192.0.2.1:5060"),
            source: address("[2001:db8::1]:5061"),
            transport: Transport::Tls,
            host: "h".into(),
            sni: Some("s".into()),
            trunk: Some(-7),
        },
        deadline: Tick(1_000),
        wall_us: 1_700_000_000_000_000,
        body,
    }))
}

fn transfer() -> TransferAsk {
    TransferAsk {
        refer_to: "sip:b".into(),
        called: "b".into(),
        referred_by: None,
        party: PartyRef::Trunk(3),
        settlement: Octets(vec![1, 2, 255]),
    }
}

fn call() -> CallAsk {
    CallAsk {
        request_uri: "sip:1002@h".into(),
        called: "1002".into(),
        to_user: "1002".into(),
        caller: identity(),
        credentials: Some(credentials()),
        sip_call_id: "c@h".into(),
        user_agent: "x".into(),
        has_offer: true,
        emergency: false,
        headers: vec![HeaderField { name: "X".into(), value: Octets(vec![1, 2, 255]) }],
        diverted: vec![Diverted {
            user: "49".into(),
            reason: DivertReason::Busy,
            count: 2,
            hidden: true,
        }],
        session_s: 1_800,
    }
}

fn redirected() -> RedirectedAsk {
    RedirectedAsk {
        status: 302,
        contacts: vec!["sip:a".into()],
        settlement: Octets(vec![1, 2, 255]),
        party: PartyRef::Subscriber(9),
        hop: 0x1f,
        dialed: "1002".into(),
        call: Box::new(call()),
    }
}

fn asks() -> Vec<(&'static str, AskBody)> {
    let octets = || Octets(vec![1, 2, 255]);
    vec![
        ("ask.call", AskBody::Call(Box::new(call()))),
        ("ask.redirected", AskBody::Redirected(redirected())),
        ("ask.transfer", AskBody::Transfer(transfer())),
        (
            "ask.reroute",
            AskBody::Reroute(Box::new(RerouteAsk {
                call: Box::new(call()),
                tried: vec![3, -7],
                settlement: octets(),
            })),
        ),
        (
            "ask.pickup",
            AskBody::Pickup(Box::new(PickupAsk {
                target: "*8".into(),
                credentials: None,
                called: "1002".into(),
                caller: call().caller,
                party: PartyRef::Subscriber(9),
                settlement: octets(),
                ringing: true,
            })),
        ),
        (
            "ask.extend",
            AskBody::Extend(ExtendAsk {
                call: AskId(9),
                used_ms: 30_000,
                granted_ms: 60_000,
                free_ms: 9,
                settlement: octets(),
            }),
        ),
        ("ask.register", AskBody::Register(Box::new(registration()))),
        (
            "ask.request",
            AskBody::Request(Box::new(RequestAsk {
                method: "MESSAGE".into(),
                request_uri: "sip:a".into(),
                caller: identity(),
                credentials: None,
                headers: vec![HeaderField { name: "N".into(), value: octets() }],
                body: octets(),
                party: PartyRef::Subscriber(7),
            })),
        ),
        (
            "ask.resolve",
            AskBody::Resolve(ResolveAsk {
                host: "example.org".into(),
                port: 0,
                transport: Some(Transport::Udp),
            }),
        ),
        ("ask.app", AskBody::App(AppAsk { app: "ivr".into(), data: octets() })),
    ]
}

fn registration() -> RegisterAsk {
    RegisterAsk {
        user: "1001".into(),
        host: "h".into(),
        credentials: credentials(),
        contacts: vec![contact()],
        sip_call_id: "r".into(),
        cseq: 2,
        user_agent: String::new(),
        path: vec![],
        flow: 0,
        supported: vec!["path".into()],
        direct: true,
        nated: false,
    }
}

fn contact() -> ContactAsk {
    ContactAsk {
        uri: "sip:1001@192.0.2.7".into(),
        expires_s: 3_600,
        q: 1_000,
        params: String::new(),
    }
}

fn heard() -> Heard {
    Heard { reports: 10, lost: 11, jitter_us: 12, round_trip_us: Some(13), round_trip_us_max: 14 }
}

fn report(at: Tick) -> MediaReport {
    MediaReport {
        received: 1,
        received_octets: 2,
        sent: 3,
        sent_octets: 4,
        lost: 5,
        jitter_us: 6,
        jitter_us_max: 7,
        strangers: 8,
        dropped: 9,
        payload_type: 0,
        codec: "PCMU".into(),
        remote: None,
        first_at: Some(at),
        last_at: None,
        heard: Some(heard()),
        silent_ms: Some(15),
        rang_ms: 16,
    }
}

fn media() -> MediaPolicy {
    MediaPolicy {
        mode: MediaMode::Relay,
        nated: true,
        start_timeout_ms: 1,
        timeout_ms: 2,
        voices: Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: Srtp::Accept,
    }
}

fn branch() -> Branch {
    Branch {
        target: Target {
            uri: "sip:44@192.0.2.9".into(),
            address: address("192.0.2.9:5060"),
            transport: Transport::Udp,
            flow: 3,
            routes: vec!["<sip:p;lr>".into()],
        },
        to_uri: "sip:44@h".into(),
        listener: 0,
        dialed: "44".into(),
        from_user: "49".into(),
        display: "d".into(),
        asserted: Some("49".into()),
        anonymous: false,
        headers: vec![],
        media: media(),
        ring_ms: 60_000,
        first_ms: 4_000,
        record: false,
        app: None,
        auth: BranchAuth::Mapped(secret()),
        gauges: vec![Gauge { id: 1, in_use_max: 2, per_second_max: 3 }],
        continue_on: vec![503],
        stop_on: vec![486],
        hop: 1,
        party: PartyRef::Trunk(6),
        manner: Manner {
            identity: IdentityHeader::RemoteParty,
            from_host: "h".into(),
            privacy: "id".into(),
            explain: false,
            causes: vec![CauseSwap { status: 503, instead: Cause::new(486, 17) }],
            timer: SessionTimer::Ask(1_800),
            reliable: Reliable::Require,
            session_s_min: 120,
            session_s_max: 7_200,
            ringing: true,
            bodies: Some(Box::new(Bodies { types: vec!["text/*".into()], len_max: 512 })),
        },
        redirect: OnRedirect::Ask,
        replies: vec![FieldRule {
            when: vec![FieldTest {
                name: "X-A".into(),
                test: FieldTestKind::Begins,
                value: Octets(vec![1, 2, 255]),
            }],
            action: FieldAction::Copy,
            name: "X-B".into(),
            text: Octets(vec![1, 2, 255]),
        }],
    }
}

fn secret() -> Secret {
    Secret { username: "u".into(), password: "p".into(), realm: "r".into() }
}

fn refuse() -> Refuse {
    Refuse {
        cause: Cause::new(480, 20),
        reason: Reason::Offline,
        phrase: "Away".into(),
        retry_after_s: 3,
        prompt: Some("p".into()),
        record: true,
        settlement: Octets(vec![7]),
        explain: true,
        headers: vec![HeaderField { name: "Min-SE".into(), value: Octets(b"300".to_vec()) }],
    }
}

fn challenge() -> Challenge {
    Challenge {
        realm: "r".into(),
        algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
        stale: true,
    }
}

fn answers() -> Vec<(&'static str, AnswerBody)> {
    let grant = Grant { ms: 60_000, free_ms: 2_000, last: false, go_on: true };
    vec![
        ("answer.refuse", AnswerBody::Refuse(refuse())),
        ("answer.challenge", AnswerBody::Challenge(challenge())),
        (
            "answer.forward",
            AnswerBody::Forward(Forward {
                target: branch().target,
                listener: 2,
                from_user: "49".into(),
            }),
        ),
        (
            "answer.go",
            AnswerBody::Go(Box::new(Go {
                prelude: Some(Prelude { prompts: vec!["w".into()], connect: false }),
                stages: vec![Stage {
                    branches: vec![branch()],
                    next: Next { busy: Some(2), ..Next::failed(1) },
                }],
                on_exhausted: refuse(),
                grant,
                max_ms: 7_200_000,
                media: media(),
                settlement: Octets(vec![1, 2, 3]),
                manner: Manner::default(),
                reroute: Some(Reroute { talk_ms_max: 20_000, any: true }),
            })),
        ),
        (
            "answer.registered",
            AnswerBody::Registered(Registered {
                contacts: vec![BoundContact {
                    uri: "sip:a".into(),
                    expires_s: 60,
                    params: ";q=0.5".into(),
                }],
                headers: vec![HeaderField {
                    name: "Path".into(),
                    value: Octets(b"<sip:p;lr>".to_vec()),
                }],
            }),
        ),
        ("answer.extended", AnswerBody::Extended(Extended { grant })),
        (
            "answer.respond",
            AnswerBody::Respond(Respond {
                status: 423,
                phrase: String::new(),
                headers: vec![HeaderField {
                    name: "Min-Expires".into(),
                    value: Octets(b"60".to_vec()),
                }],
                body: Octets::default(),
            }),
        ),
        (
            "answer.resolved",
            AnswerBody::Resolved(Resolved {
                addresses: vec![address("192.0.2.3:5060")],
                transports: vec![Transport::Tcp],
                ttl_s: 30,
            }),
        ),
    ]
}

fn facts() -> CallFacts {
    let at = Tick(10);
    CallFacts {
        record: RecordId::new(3, 4).unwrap(),
        ask: AskId(5),
        slot: leg().slot,
        anchor_us: -1,
        settlement: Octets(vec![9]),
        facts: vec![
            Fact::Began(Box::new(Began {
                at,
                listener: 0,
                source: Some(address("192.0.2.7:5060")),
                received: "1002".into(),
                from_user: "1001".into(),
                display: String::new(),
                sip_call_id: "c".into(),
                user_agent: "u".into(),
            })),
            Fact::LegOpened(Box::new(LegOpened {
                leg: 1,
                at,
                direction: Direction::Out,
                stage: 0,
                branch: 1,
                hop: 2,
                dialed: "44".into(),
                from_user: "49".into(),
                remote: address("192.0.2.9:5060"),
                transport: Transport::Udp,
                party: PartyRef::Subscriber(8),
            })),
            Fact::LegProgress(LegProgress { leg: 1, at, status: 180 }),
            Fact::LegAnswered(LegAnswered { leg: 1, at }),
            Fact::Granted(Granted { at, ms: 60_000, free_ms: 7, last: true }),
            Fact::Joined(Pair { a: 0, b: 1, at }),
            Fact::Parted(Pair { a: 0, b: 1, at }),
            Fact::LegEnded(Box::new(LegEnded {
                leg: 1,
                at,
                cause: Cause::new(0, 16),
                by: Party::Caller,
                reason: Reason::Normal,
                media: Some(report(at)),
            })),
            Fact::Ended(CallEnded {
                at,
                cause: Cause::new(487, 16),
                by: Party::Called,
                reason: Reason::Cancelled,
                facts_dropped: 1,
            }),
        ],
    }
}

/// A policy that limits voices says so by a bit of its mode; all others are as they always were,
/// and so images of the release before are read.
#[test]
fn voices_stand_behind_a_policy_that_limits_them() {
    let policy = media();
    check("policy", &encode(&policy));
    let mut order = [0; VOICES_MAX];
    order[0] = Voices::place("opus").unwrap();
    let voices = Voices { order, single: true, plain: Plain::Barred };
    let limited = MediaPolicy { mode: MediaMode::Fixed, voices, ..policy };
    let golden = check("policy.voices", &encode(&limited));
    assert_eq!(decode::<MediaPolicy>(&golden), Ok(limited));
    assert_eq!(limited.voices.names().collect::<Vec<_>>(), ["opus"]);
    for code in 0..=6 {
        let srtp = Srtp::from_code(code).unwrap();
        for voices in [voices, Voices::ALL] {
            let policy = MediaPolicy { voices, srtp, ..policy };
            let bytes = encode(&policy);
            assert_eq!(decode::<MediaPolicy>(&bytes), Ok(policy));
            let without = MediaPolicy { srtp: Srtp::Accept, ..policy };
            let more = usize::from(srtp != Srtp::Accept);
            assert_eq!(bytes.len(), encode(&without).len() + more, "{srtp:?} takes its room only");
            assert!(more == 0 || decode::<MediaPolicy>(&bytes[..bytes.len() - 1]).is_err());
        }
    }
    for cut in 0..golden.len() {
        assert_eq!(decode::<MediaPolicy>(&golden[..cut]), Err(Malformed), "cut at {cut}");
    }
    assert_eq!(decode::<MediaPolicy>(&[&[3], &golden[1..]].concat()), Err(Malformed));
    let mut wrong = encode(&MediaPolicy { srtp: Srtp::Off, ..policy });
    *wrong.last_mut().unwrap() = 7;
    assert_eq!(decode::<MediaPolicy>(&wrong), Err(Malformed));
}

/// So do a strict party, one whose false answers end calls, and one that is sent a packet first;
/// each bit is its own.
#[test]
fn flags_of_a_policy_are_bits_of_its_mode() {
    let policy = media();
    let of = |[strict, ends_false, first_packet]: [bool; 3]| MediaPolicy {
        strict,
        ends_false,
        first_packet,
        ..policy
    };
    for (policy, bits) in [
        (of([true, false, false]), 0x20),
        (of([false, true, false]), 0x10),
        (of([false, false, true]), 0x08),
        (of([true, true, true]), 0x38),
    ] {
        let bytes = encode(&policy);
        assert_eq!(bytes[0], MediaMode::Relay as u8 | bits);
        assert_eq!(decode::<MediaPolicy>(&bytes), Ok(policy));
    }
}

/// What stands elsewhere is written as what was copied.
#[test]
fn what_is_written_where_it_stands_has_the_same_bytes() {
    let CallFacts { record, ask: id, slot, anchor_us, settlement, facts } = facts();
    let lent =
        CallFactsRef { record, ask: id, slot, anchor_us, settlement: &settlement, facts: &facts };
    let mut bytes = b"before".to_vec();
    lent.put(&mut bytes);
    let whole = CallFacts { record, ask: id, slot, anchor_us, settlement, facts };
    assert_eq!(bytes, [b"before".to_vec(), encode(&whole)].concat());
    for (name, body) in asks() {
        let Up::Ask(mut ask) = ask(body) else { panic!("no ask") };
        let frame = ask.to_frame(Some(77));
        ask.hints.trunk = Some(77);
        assert_eq!(frame, Up::Ask(ask).to_bytes(), "{name}");
    }
}

#[test]
fn octets_and_lists_are_written_in_place() {
    let octets = Octets(vec![1, 2, 3]);
    let mut bytes = Vec::new();
    put_octets_of(&mut bytes, |out| out.extend_from_slice(&octets.0));
    assert_eq!(bytes, encode(&octets));
    bytes.clear();
    put_octets_of(&mut bytes, |out| out.resize(out.len() + OCTETS_MAX + 5, 7));
    assert_eq!(bytes, encode(&Octets(vec![7; OCTETS_MAX])), "what is beyond the bound is cut");
    let list = vec![octets.clone(), octets.clone()];
    bytes.clear();
    put_list_of(&mut bytes, |out| list.iter().map(|octets| octets.put(out)).count());
    assert_eq!(bytes, encode(&list));
}

#[test]
fn frames_up() {
    for (name, body) in asks() {
        up(name, &ask(body));
    }
    let record = RecordId::new(1, 2).unwrap();
    let settlement = Octets(vec![4]);
    up("started", &Up::Started(Started { ask: AskId(1), record, at: Tick(2), hop: 3, settlement }));
    up("abandoned", &Up::Abandoned(AskId(3)));
    up("journal", &Up::Journal(4));
    up("verb-result", &Up::Verb(VerbResult { id: VerbId(5), outcome: VerbOutcome::NoSuchLeg }));
    let live = Live { ask: AskId(6), leg: leg(), state: LiveState::Held, at: Tick(7) };
    up("live", &Up::Live(live));
    let source = address("198.51.100.1:9");
    let sound = Sound { ask: AskId(6), caller: report(Tick(1)), called: report(Tick(2)) };
    up("sounds", &Up::Sounds(Sounds { calls: vec![sound] }));
    up("turned", &Up::Turned(Turned { source, reason: Reason::AuthFailed, count: 2 }));
    let state = UpstreamState {
        id: 9,
        phase: UpstreamPhase::Registered,
        cause: UpstreamCause::Silent,
        status: 200,
        since: Tick(10),
        until: Tick(11),
    };
    up("upstream-state", &Up::Upstream(state));
    up("counters", &Up::Counters(Counters { shard: 0, at: Tick(8), values: vec![1, 2] }));
    let listener = ListenerCounters {
        local: address("[2001:db8::1]:5060"),
        advertised: address("192.0.2.1:5070"),
        values: vec![3, 4],
    };
    let listeners = Listeners { shard: 0, at: Tick(9), listeners: vec![listener] };
    up("listeners", &Up::Listeners(listeners));
    let flow = FlowToken { epoch: 1, shard: 2, place: 3, life: 4 };
    up("probed", &Up::Probed(Probed { id: 9, alive: true }));
    up("flow-failed", &Up::FlowFailed(flow.to_word().unwrap()));
    up("flow-epoch", &Up::FlowEpoch(FlowEpoch { shard: 2, epoch: 0x0301 }));
}

#[test]
fn frames_down() {
    down("hello", &Down::Hello(Hello { origin: 1, node: 2 }));
    for (name, body) in answers() {
        down(name, &Down::Answer(Box::new(Answer { ask: AskId(5), body })));
    }
    let verb = Verb {
        id: VerbId(1),
        leg: leg(),
        kind: VerbKind::Hangup,
        args: Octets(encode(&Hangup {
            leg: Some(1),
            cause: Cause::new(480, 16),
            reason: Reason::Operator,
        })),
        resume: Octets(vec![1]),
        on_driver_lost: OnDriverLost::Wait(10),
    };
    down("verb.hangup", &Down::Verb(Box::new(verb)));
    let source = |action| EdgeSource {
        network: address("192.0.2.0:0").ip(),
        prefix_len: 24,
        port: 5060,
        action,
    };
    let edge = Edge {
        version: 1,
        realm: "r".into(),
        algorithms: vec![Algorithm::Md5],
        nonce_key: [7; 16],
        nonce_valid_s: 300,
        sources: vec![
            source(SourceAction::Trunk(1)),
            source(SourceAction::Deny),
            source(SourceAction::Challenge),
        ],
        emergency: vec![Emergency { number: "112".into(), branches: vec![branch()] }],
    };
    down("edge", &Down::Edge(Box::new(edge.clone())));
    let targets = |network: &str, prefix_len| EdgeSource {
        network: address(network).ip(),
        prefix_len,
        port: 0,
        action: SourceAction::Target(9),
    };
    let sources = vec![targets("[2001:db8::]:0", 32), targets("192.0.2.9:0", 32)];
    down("edge.targets", &Down::Edge(Box::new(Edge { sources, ..edge })));
    let sources = vec![targets("192.0.2.0:0", 24)];
    down("edge.page", &Down::EdgePage(Box::new(EdgePage { version: 4, sources })));
    down("stored", &Down::Stored(6));
    let grant = Grant { ms: 90_000, free_ms: 0, last: true, go_on: false };
    let put = Upstream {
        id: 9,
        addresses: vec![address("192.0.2.9:5060"), address("[2001:db8::9]:5060")],
        transport: Transport::Udp,
        listener: 1,
        registrar: "sip:carrier".into(),
        aor: "sip:u@carrier".into(),
        contact_user: "c".into(),
        secret: Some(secret()),
        expires_s: 600,
    };
    for (name, order) in [
        ("upstream.put", UpstreamOrder::Put(put)),
        ("upstream.remove", UpstreamOrder::Remove(9)),
        ("upstream.keep", UpstreamOrder::Keep(vec![9, 10])),
    ] {
        down(name, &Down::Upstream(Box::new(order)));
    }
    down("lengthen", &Down::Lengthen(Lengthen { ask: AskId(7), leg: leg(), grant }));
}

#[test]
fn frames_of_contacts_kept_alive() {
    let kept = Kept {
        id: 7,
        listener: 1,
        transport: Transport::Udp,
        peer: address("203.0.113.9:4001"),
        uri: "sip:1001@10.0.0.1".into(),
        how: KeepMode::Options,
        every_ms: 25_000,
        left_ms: 600_000,
    };
    for (name, order) in
        [("keep.put", KeepOrder::Put(vec![kept])), ("keep.drop", KeepOrder::Drop(vec![7, 8]))]
    {
        down(name, &Down::Keep(Box::new(order)));
    }
}

#[test]
fn journal_payloads() {
    let golden = check("facts", &encode(&facts()));
    assert_eq!(decode::<CallFacts>(&golden), Ok(facts()));
    for cut in 0..golden.len() {
        assert_eq!(decode::<CallFacts>(&golden[..cut]), Err(Malformed), "cut at {cut}");
    }
    let alive =
        Alive { shard: 0, at: Tick(1), wall_us: 2, live: vec![RecordId::new(1, 1).unwrap()] };
    let golden = check("alive", &encode(&alive));
    assert_eq!(decode::<Alive>(&golden), Ok(alive));
    let originate = Originate {
        first: branch(),
        second: branch(),
        grant: Grant { ms: 1, free_ms: 1, last: true, go_on: false },
        settlement: Octets(vec![1]),
        ask: AskId(2),
        deadline_ms: 3,
    };
    let golden = check("verb.originate", &encode(&originate));
    assert_eq!(decode::<Originate>(&golden), Ok(originate));
}

#[test]
fn verbs_keep_their_numbers() {
    let numbers: Vec<Option<VerbKind>> = (0..=29).map(VerbKind::from_code).collect();
    assert_eq!((numbers[0], numbers[29]), (None, None));
    assert!(numbers[1..29].iter().all(Option::is_some));
    assert_eq!(VerbKind::from_code(1), Some(VerbKind::Answer));
    assert_eq!(VerbKind::from_code(15), Some(VerbKind::Originate));
    assert_eq!(VerbKind::from_code(28), Some(VerbKind::Hangup));
}

#[test]
fn no_length_is_trusted() {
    // A list that says to hold 65,535 elements, an octet string longer than the frame.
    assert_eq!(decode::<Vec<u64>>(&[0xff, 0xff, 1]), Err(Malformed));
    assert_eq!(decode::<Octets>(&[0xff, 0x00, 1]), Err(Malformed));
    assert_eq!(decode::<Octets>(&[0xff, 0xff]), Err(Malformed));
    assert_eq!(decode::<String>(&[1, 0, 0xff]), Err(Malformed));
    assert_eq!(decode::<Option<u8>>(&[2, 1]), Err(Malformed));
}
