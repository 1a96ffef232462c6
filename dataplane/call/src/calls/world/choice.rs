//! Words of parties, plans and other answers, by a few bytes of choice.

use super::{branch, challenge, gauge, offer, refuse, sdp};
use strowger_leg::{Body, Event, Part, TransferWish};
use strowger_link::{
    AnswerBody, AskId, Bodies, Branch, BranchAuth, Cause, Extended, Go, Grant, HeaderField, LegId,
    Manner, Octets, OnRedirect, Originate, PartyRef, Reason, Refuse, Reroute,
};

const STATUSES: [u16; 8] = [302, 404, 408, 480, 486, 503, 600, 603];

// What a party says, by the first byte.
const PROGRESS: u8 = 0;
/// Its branch answers, or it does as no caller may.
pub const ANSWERED: u8 = 3;
/// No by status; some name where else to call.
pub const REFUSED: u8 = 8;
/// It wants another session.
pub const OFFERS: u8 = 10;
/// It accepts one.
pub const ACCEPTS: u8 = 12;
/// It wants the other one put through, if its second byte says so to the other shard.
pub const TRANSFER: u8 = 17;
/// Something stands beside its next word.
pub const BESIDE: u8 = 19;
/// It is gone.
pub const ENDED: u8 = 21;
const WORDS: u8 = 22;

/// What a party says; `joined` are the legs that it may want the other one joined with.
#[must_use]
pub fn said(how: u8, detail: u8, joined: [Option<LegId>; 2]) -> Event {
    let cause = Cause::from_sip(STATUSES[usize::from(detail % 8)]);
    let body = (detail & 0x30 != 0).then(|| sdp("x"));
    match how % WORDS {
        PROGRESS..ANSWERED => {
            let status = if detail & 0x40 == 0 { 180 + u16::from(detail % 4) } else { 199 };
            Event::Progress { status, body, fork: detail >> 7 }
        }
        ANSWERED..7 => Event::Answered { body },
        7 => Event::Confirmed { body },
        REFUSED..OFFERS => {
            let contacts = (0..detail >> 5 & 3).map(|n| format!("sip:{}@x", n ^ detail)).collect();
            Event::Refused { cause, contacts, silent: detail & 0x80 != 0 }
        }
        OFFERS if detail & 1 == 0 => Event::Update { body: sdp("u") },
        OFFERS => Event::Reoffer { body },
        11 => Event::Refreshed { body },
        ACCEPTS..14 => Event::ReofferAnswered { body },
        14 => Event::ReofferRefused { cause },
        15 => Event::Digits { digits: "12".into(), duration_ms: 100 },
        16 if detail & 0x40 != 0 => Event::Offered(Box::new(offer("1002", None))),
        16 if detail & 1 == 0 => Event::Info { body: sdp("i") },
        16 => Event::Message { body: sdp("m") },
        TRANSFER | 18 => transfer(match detail % 4 {
            0 => None,
            1 | 2 => joined[0],
            _ => joined[1],
        }),
        BESIDE => Event::Parts(vec![part(detail)]),
        20 => Event::Fields(vec![HeaderField {
            name: "WWW-Authenticate".to_owned(),
            value: Octets(b"Digest realm=\"x\"".to_vec()),
        }]),
        _ => Event::Ended { cause, by_party: detail & 0x80 != 0 },
    }
}

fn transfer(replaces: Option<LegId>) -> Event {
    Event::Transfer(Box::new(TransferWish {
        target: "sip:1003@host".into(),
        user: "1003".into(),
        host: "host".into(),
        referred_by: None,
        replaces,
        abroad: Vec::new(),
    }))
}

/// What stands beside a description.
#[must_use]
pub fn part(detail: u8) -> Part {
    let kind = if detail & 1 == 0 { "application/isup" } else { "text/xml" };
    let body = Body { content_type: kind.into(), data: [detail; 3].into() };
    Part { body, disposition: "signal".into(), required: detail & 2 != 0 }
}

/// A manner that is told, where `takes` takes what stands beside descriptions.
fn manner(takes: bool) -> Manner {
    let bodies = Bodies { types: vec!["application/*".to_owned()], len_max: 100 };
    Manner { bodies: takes.then(|| Box::new(bodies)), ..Manner::default() }
}

fn target(shape: u8) -> Branch {
    Branch {
        ring_ms: 1_000 * u32::from(shape % 30),
        first_ms: 500 * u32::from(shape >> 5),
        auth: if shape & 0x40 != 0 { BranchAuth::Pass } else { BranchAuth::Ours },
        gauges: (0..shape % 3).map(|id| gauge(id.into())).collect(),
        continue_on: if shape & 0x10 != 0 { vec![486, 408, 600] } else { Vec::new() },
        stop_on: if shape & 0x20 != 0 { vec![503] } else { Vec::new() },
        party: match shape & 0x04 {
            0 => PartyRef::Unknown,
            _ => PartyRef::Trunk(shape.into()),
        },
        manner: manner(shape & 0x08 != 0),
        redirect: match shape % 4 {
            0 | 1 => OnRedirect::Ask,
            2 => OnRedirect::Pass,
            _ => OnRedirect::Fail,
        },
        ..branch(&format!("b{shape}"))
    }
}

/// A plan of up to three stages of up to three branches; its settlement names the ask.
#[must_use]
pub fn go(ask: AskId, shape: u8, choice: u8) -> Go {
    let branches = |stage: u8| (0..=(shape >> 2) % 3).map(move |n| target(shape ^ stage ^ n << 3));
    let stages = (0..shape % 4).map(|stage| branches(stage).collect()).collect();
    let max_ms = if shape & 0x40 == 0 { 0 } else { 30_000 };
    let any = shape & 0x10 != 0;
    let mut manner = manner(shape & 0x10 != 0);
    // One that is told.
    manner.ringing = shape & 0x80 != 0;
    let reroute = (shape & 0x20 != 0).then_some(Reroute { talk_ms_max: 20_000, any });
    Go { manner, reroute, ..super::go(ask, stages, grant(choice), max_ms) }
}

/// Talk time.
#[must_use]
pub fn grant(choice: u8) -> Grant {
    let ms = match choice % 4 {
        0 => u64::MAX,
        1 => u64::from(choice) * 10,
        2 => u64::from(choice) * 1_000,
        _ => 0,
    };
    let free_ms = if choice & 0x20 != 0 { ms.min(u64::from(choice) * 500) } else { 0 };
    Grant { ms, free_ms, last: choice & 0x80 != 0, go_on: choice & 0x40 != 0 }
}

/// More talk time.
#[must_use]
pub fn extended(choice: u8) -> AnswerBody {
    AnswerBody::Extended(Extended { grant: grant(choice) })
}

/// An answer that is no plan.
#[must_use]
pub fn other(how: u8, detail: u8) -> AnswerBody {
    if how.is_multiple_of(3) {
        return challenge();
    }
    let reason = if detail & 1 == 0 { Reason::NoCredit } else { Reason::Denied };
    AnswerBody::Refuse(Refuse { record: detail & 2 != 0, ..refuse(403, reason) })
}

/// Two legs to be originated under `ask`.
#[must_use]
pub fn originate(ask: AskId, shape: u8, choice: u8) -> Originate {
    Originate {
        first: target(shape),
        second: target(shape >> 3),
        grant: grant(choice),
        settlement: Octets(ask.0.to_le_bytes().to_vec()),
        ask,
        deadline_ms: u32::from(shape % 3) * 10_000,
    }
}
