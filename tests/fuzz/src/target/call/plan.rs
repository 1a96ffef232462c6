//! Offers, plans and other answers, by a few bytes of choice.

use std::net::{Ipv4Addr, SocketAddr};

use strowger_leg::{Body, Offer};
use strowger_link::{
    AnswerBody, AskId, Bodies, Branch, BranchAuth, CallerIdentity, Cause, Challenge, Emergency,
    Gauge, Go, Grant, Manner, MediaMode, MediaPolicy, Octets, OnRedirect, PartyRef, Reason, Refuse,
    Srtp, Stage, Target, Transport, Voices,
};

/// The number that help is called by.
pub(super) const HELP: &str = "112";

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(super) fn offer(called: &str, body: Option<&str>) -> Offer {
    Offer {
        listener: 0,
        local: address(5060),
        source: address(5070),
        transport: Transport::Udp,
        request_uri: format!("sip:{called}@host"),
        called: called.to_owned(),
        host: "host".to_owned(),
        to_user: called.to_owned(),
        caller: CallerIdentity {
            from_user: "1001".to_owned(),
            from_host: "host".to_owned(),
            display: String::new(),
            asserted: Vec::new(),
            preferred: None,
            remote_party: None,
            privacy: String::new(),
        },
        credentials: None,
        sip_call_id: "x@y".to_owned(),
        user_agent: String::new(),
        body: body.map(|text| Body::sdp(text.as_bytes().to_vec())),
        nated: false,
        hops_left: 70,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
        shown: Vec::new(),
        parts: Vec::new(),
        replaces: None,
        server_name: None,
    }
}

/// A manner that is told, where `takes` takes what stands beside descriptions.
fn manner(takes: bool) -> Manner {
    let bodies = Bodies { types: vec!["application/*".to_owned()], len_max: 100 };
    Manner { bodies: takes.then(|| Box::new(bodies)), ..Manner::default() }
}

pub(super) fn branch(shape: u8) -> Branch {
    let gauge = |id: u8| Gauge { id: id.into(), in_use_max: 10, per_second_max: 0 };
    Branch {
        target: Target {
            uri: format!("sip:b{shape}@peer"),
            address: address(5090),
            transport: Transport::Udp,
            flow: 0,
            routes: Vec::new(),
        },
        to_uri: String::new(),
        listener: 0,
        dialed: "b".to_owned(),
        from_user: "1001".to_owned(),
        display: String::new(),
        asserted: None,
        anonymous: false,
        headers: Vec::new(),
        media: policy(),
        ring_ms: 1_000 * u32::from(shape % 30),
        first_ms: 500 * u32::from(shape >> 5),
        record: false,
        app: None,
        auth: if shape & 0x40 != 0 { BranchAuth::Pass } else { BranchAuth::Ours },
        gauges: (0..shape % 3).map(gauge).collect(),
        continue_on: if shape & 0x10 != 0 { vec![486, 408, 600] } else { Vec::new() },
        stop_on: if shape & 0x20 != 0 { vec![503] } else { Vec::new() },
        hop: 0,
        party: PartyRef::Unknown,
        manner: manner(shape & 0x08 != 0),
        redirect: match shape % 4 {
            0 | 1 => OnRedirect::Ask,
            2 => OnRedirect::Pass,
            _ => OnRedirect::Fail,
        },
        replies: Vec::new(),
    }
}

fn policy() -> MediaPolicy {
    MediaPolicy {
        mode: MediaMode::Relay,
        nated: false,
        start_timeout_ms: 0,
        timeout_ms: 0,
        voices: Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: Srtp::Accept,
    }
}

/// A plan of up to three stages of up to three branches; its settlement names the ask `paid`.
pub(super) fn go(paid: AskId, shape: u8, choice: u8) -> Go {
    let branches = |stage: u8| (0..=(shape >> 2) % 3).map(move |n| branch(shape ^ stage ^ n << 3));
    let stages = (0..shape % 4).map(|stage| branches(stage).collect()).collect();
    Go {
        prelude: None,
        stages: Stage::in_turn(stages),
        on_exhausted: refuse(480, Reason::Exhausted),
        grant: grant(choice),
        max_ms: if shape & 0x40 == 0 { 0 } else { 30_000 },
        media: policy(),
        settlement: Octets(paid.0.to_le_bytes().to_vec()),
        manner: manner(shape & 0x10 != 0),
        reroute: None,
    }
}

pub(super) fn grant(choice: u8) -> Grant {
    let ms = match choice % 4 {
        0 => u64::MAX,
        1 => u64::from(choice) * 10,
        2 => u64::from(choice) * 1_000,
        _ => 0,
    };
    let free_ms = if choice & 0x20 != 0 { ms.min(u64::from(choice) * 500) } else { 0 };
    Grant { ms, free_ms, last: choice & 0x80 != 0, go_on: choice & 0x40 != 0 }
}

fn refuse(status: u16, reason: Reason) -> Refuse {
    Refuse {
        cause: Cause::from_sip(status),
        reason,
        phrase: String::new(),
        retry_after_s: 0,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
        headers: Vec::new(),
    }
}

/// An answer that is no plan.
pub(super) fn other(how: u8, detail: u8) -> AnswerBody {
    if how.is_multiple_of(3) {
        let realm = "demo".to_owned();
        return AnswerBody::Challenge(Challenge { realm, algorithms: Vec::new(), stale: false });
    }
    let reason = if detail & 1 == 0 { Reason::NoCredit } else { Reason::Denied };
    AnswerBody::Refuse(Refuse { record: detail & 2 != 0, ..refuse(403, reason) })
}

/// Where help is.
pub(super) fn emergency() -> Vec<Emergency> {
    let guarded = |shape| {
        let gauge = Gauge { id: 9, in_use_max: 10, per_second_max: 0 };
        Branch { gauges: vec![gauge], ..branch(shape) }
    };
    vec![Emergency { number: HELP.to_owned(), branches: vec![guarded(3), guarded(7)] }]
}
