//! One ask and one answer as a call with credentials to one trunk has them.

use std::net::SocketAddr;

use strowger_link::codec::Octets;
use strowger_link::{
    Algorithm, Answer, AnswerBody, Ask, AskBody, AskId, Branch, BranchAuth, CallAsk,
    CallerIdentity, Cause, Credentials, Gauge, Go, Grant, Hints, LegId, Manner, MediaMode,
    MediaPolicy, OnRedirect, PartyRef, Reason, Refuse, Srtp, Stage, Target, Tick, Transport,
    Voices,
};

/// Bytes of a settlement: a rate, its account and the supplier's.
const SETTLEMENT_BYTES: usize = 200;

/// The ask of an INVITE with credentials.
pub(crate) fn ask(id: u64) -> Ask {
    Ask {
        id: AskId(id),
        parent: None,
        leg: LegId::default(),
        hints: Hints {
            listener: 0,
            local: address(5060),
            source: address(40_000),
            transport: Transport::Udp,
            host: "sip.example.net".into(),
            sni: None,
            trunk: None,
        },
        deadline: Tick(u64::MAX),
        wall_us: 1_790_000_000_000_000,
        body: AskBody::Call(Box::new(CallAsk {
            request_uri: "sip:441632960123@sip.example.net".into(),
            called: "441632960123".into(),
            to_user: "441632960123".into(),
            caller: CallerIdentity {
                from_user: "1001".into(),
                from_host: "sip.example.net".into(),
                display: "Ada".into(),
                asserted: Vec::new(),
                preferred: None,
                remote_party: None,
                privacy: String::new(),
            },
            credentials: Some(credentials()),
            sip_call_id: "3848276298220188511@phone.example.net".into(),
            user_agent: "bench".into(),
            has_offer: true,
            emergency: false,
            headers: Vec::new(),
            diverted: Vec::new(),
            session_s: 0,
        })),
    }
}

/// The answer to it: one branch to a trunk, priced.
pub(crate) fn answer(ask: AskId) -> Answer {
    let go = Go {
        prelude: None,
        stages: Stage::in_turn(vec![vec![branch()]]),
        on_exhausted: Refuse {
            cause: Cause::new(480, 41),
            reason: Reason::Normal,
            phrase: String::new(),
            retry_after_s: 0,
            prompt: None,
            record: true,
            explain: false,
            headers: Vec::new(),
            settlement: Octets::default(),
        },
        grant: Grant { ms: 3_600_000, last: false, go_on: false, free_ms: 0 },
        max_ms: 7_200_000,
        media: MEDIA,
        manner: Manner::default(),
        reroute: None,
        settlement: Octets(vec![7; SETTLEMENT_BYTES]),
    };
    Answer { ask, body: AnswerBody::Go(Box::new(go)) }
}

const MEDIA: MediaPolicy = MediaPolicy {
    mode: MediaMode::Relay,
    nated: false,
    start_timeout_ms: 0,
    timeout_ms: 300_000,
    voices: Voices::ALL,
    strict: false,
    ends_false: false,
    first_packet: false,
    srtp: Srtp::Accept,
};

fn branch() -> Branch {
    Branch {
        manner: Manner::default(),
        target: Target {
            uri: "sip:441632960123@192.0.2.7:5060".into(),
            address: address(5090),
            transport: Transport::Udp,
            flow: 0,
            routes: Vec::new(),
        },
        to_uri: String::new(),
        listener: 0,
        dialed: "441632960123".into(),
        from_user: "1001".into(),
        display: "Ada".into(),
        asserted: Some("1001".into()),
        anonymous: false,
        headers: Vec::new(),
        media: MEDIA,
        ring_ms: 60_000,
        first_ms: 5_000,
        record: false,
        app: None,
        auth: BranchAuth::Ours,
        gauges: vec![Gauge { id: 1, in_use_max: 100, per_second_max: 0 }],
        redirect: OnRedirect::Fail,
        replies: Vec::new(),
        continue_on: Vec::new(),
        stop_on: Vec::new(),
        hop: 0,
        party: PartyRef::Trunk(1),
    }
}

fn credentials() -> Credentials {
    Credentials {
        algorithm: Algorithm::Md5,
        username: "1001".into(),
        realm: "sip.example.net".into(),
        nonce: "0123456789abcdef0123456789abcdef".into(),
        uri: "sip:441632960123@sip.example.net".into(),
        method: "INVITE".into(),
        qop: Some("auth".into()),
        cnonce: "0a4f113b".into(),
        nonce_count: "00000001".into(),
        response: "6629fae49393a05397450978507c4ef1".into(),
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
