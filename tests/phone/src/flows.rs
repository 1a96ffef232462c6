//! What the product must do, seen from its subscribers and its carrier: each flow takes the address
//! of a running demo (subscribers 1001 and 1002, trunk `demo-carrier`) and says what went wrong.
//!
//! A flow registers its own phones and removes their contacts again, also when it fails, so flows
//! may run one after the other on one product. They must not run at the same time.

mod rough;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use rough::{flow_junk, flow_stranger_rtp};

use crate::call::{Call, IncomingCall, OutgoingCall};
use crate::carrier::{Carrier, Script};
use crate::digest::Algorithm;
use crate::failure::{EndedBy, Failure};
use crate::media::Pattern;
use crate::phone::{Config, Phone};
use crate::sdp::Direction;

/// The demo's first subscriber.
pub const ALICE: (&str, &str) = ("1001", "demo1001");
/// The demo's second subscriber.
pub const BOB: (&str, &str) = ("1002", "demo1002");
/// A number that the demo does not know.
pub const NOBODY: &str = "9999";
/// A number that the demo routes to its carrier.
pub const ABROAD: &str = "44123";

/// Limit of everything that should happen at once.
const SOON: Duration = Duration::from_secs(5);
/// Packets of a proof of audio, 20 ms each.
const AUDIO_PACKETS: u64 = 50;
/// Seconds for which flows register.
const EXPIRES_S: u32 = 120;

/// Where the product is, and what its configuration says that flows must know.
#[derive(Debug, Clone, Copy)]
pub struct Site {
    /// SIP address of the product.
    pub server: SocketAddr,
    /// After how long the product gives up an unanswered call.
    pub ring_timeout: Duration,
    /// Where the product expects its carrier.
    pub carrier: SocketAddr,
}

/// A flow by its name.
pub type Flow = (&'static str, fn(&Site) -> Result<(), String>);

/// All flows, in the order in which they make sense.
pub const FLOWS: [Flow; 14] = [
    ("register_both", |site| flow_register_both(site.server)),
    ("register_algorithms", |site| flow_register_algorithms(site.server)),
    ("wrong_password", |site| flow_wrong_password(site.server)),
    ("call_caller_ends", |site| flow_call_caller_ends(site.server)),
    ("call_callee_ends", |site| flow_call_callee_ends(site.server)),
    ("cancel", |site| flow_cancel(site.server)),
    ("busy", |site| flow_busy(site.server)),
    ("no_answer", |site| flow_no_answer(site.server, site.ring_timeout)),
    ("wrong_number", |site| flow_wrong_number(site.server)),
    ("unauthenticated_call", |site| flow_unauthenticated_call(site.server)),
    ("hold_resume", |site| flow_hold_resume(site.server)),
    ("carrier", |site| flow_carrier(site.server, site.carrier)),
    ("junk", |site| flow_junk(site.server)),
    ("stranger_rtp", |site| flow_stranger_rtp(site.server)),
];

/// Both subscribers register, again, and are gone after `unregister`.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_register_both(server: SocketAddr) -> Result<(), String> {
    for (user, password) in [ALICE, BOB] {
        let phone = new_phone(Config::new(user, password, server))?;
        let first = phone.register(EXPIRES_S)?;
        check(!first.challenges.is_empty(), "REGISTER was accepted without a challenge", &phone)?;
        let granted = first.expires_s;
        check(granted > 0 && granted <= EXPIRES_S, "the expiry granted is not ours", &phone)?;
        let again = phone.register(EXPIRES_S)?;
        check(again.contacts.len() == 1, "a refresh is one contact", &phone)?;
        let gone = phone.unregister()?;
        check(gone.contacts.is_empty(), "contacts are left after unregistering", &phone)?;
    }
    Ok(())
}

/// A phone that knows only MD5 can register; so can one that knows only SHA-256, if that is
/// offered.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_register_algorithms(server: SocketAddr) -> Result<(), String> {
    let only = |algorithm| {
        let algorithms = vec![algorithm];
        let phone = new_phone(Config { algorithms, ..Config::new(ALICE.0, ALICE.1, server) })?;
        let done = phone.register(EXPIRES_S)?;
        check(done.contacts.len() == 1, "a registration is one contact", &phone)?;
        phone.unregister()?;
        Ok::<_, String>(done.challenges)
    };
    let offered = only(Algorithm::Md5)?;
    if offered.iter().any(|challenge| challenge.algorithm == Algorithm::Sha256) {
        only(Algorithm::Sha256)?;
    }
    Ok(())
}

/// A wrong password is refused with 401 or 403, and nobody is registered by it.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_wrong_password(server: SocketAddr) -> Result<(), String> {
    for (user, password) in [(ALICE.0, "wrong"), (BOB.0, ALICE.1), (NOBODY, "wrong")] {
        let phone = new_phone(Config::new(user, password, server))?;
        match phone.register(EXPIRES_S) {
            Ok(_) => return Err(format!("{user} registered with a wrong password")),
            Err(failure) if matches!(failure.code(), Some(401 | 403)) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    let caller = Desk::new(server, ALICE)?;
    let out = caller.phone.invite(BOB.0)?;
    match out.wait_answer(SOON) {
        Err(failure) if matches!(failure.code(), Some(404 | 480)) => Ok(()),
        Err(failure) => Err(failure.into()),
        Ok(()) => Err("a call to nobody registered was answered".to_owned()),
    }
}

/// 1001 calls 1002: ringing, answer, audio both ways, BYE from the caller.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_call_caller_ends(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let (out, inc) = establish(&caller, &callee)?;
    talk(&out, &inc)?;
    ended(out.bye()?, EndedBy::LocalBye, &caller)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteBye, &callee)?;
    quiet(&out, &inc)
}

/// The same with BYE from the callee.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_call_callee_ends(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let (out, inc) = establish(&caller, &callee)?;
    talk(&out, &inc)?;
    ended(inc.bye()?, EndedBy::LocalBye, &callee)?;
    ended(out.wait_end(SOON)?, EndedBy::RemoteBye, &caller)?;
    quiet(&out, &inc)
}

/// The caller gives up while it rings.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_cancel(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let out = caller.phone.invite(BOB.0)?;
    let inc = callee.phone.wait_call(SOON)?;
    inc.ring()?;
    out.wait_ringing(SOON)?;
    ended(out.cancel()?, EndedBy::LocalCancel, &caller)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteCancel, &callee)
}

/// The callee refuses with 486, before and after ringing.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_busy(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    for ringing in [false, true] {
        let out = caller.phone.invite(BOB.0)?;
        let inc = callee.phone.wait_call(SOON)?;
        if ringing {
            inc.ring()?;
            out.wait_ringing(SOON)?;
        }
        inc.reject(486)?;
        ended(out.wait_end(SOON)?, EndedBy::Refused(486), &caller)?;
    }
    Ok(())
}

/// Nobody answers: the product gives up after `ring_timeout` with 408 or 480 and stops the ringing.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_no_answer(server: SocketAddr, ring_timeout: Duration) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let out = caller.phone.invite(BOB.0)?;
    let inc = callee.phone.wait_call(SOON)?;
    inc.ring()?;
    out.wait_ringing(SOON)?;
    let begun = Instant::now();
    let end = out.wait_end(ring_timeout + SOON)?;
    let given = matches!(end, EndedBy::Refused(408 | 480));
    check(given, &format!("unanswered: expected 408 or 480, got {end:?}"), &caller.phone)?;
    let early = begun.elapsed() < ring_timeout / 2;
    check(!early, "the product gave up long before its ring time-out", &caller.phone)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteCancel, &callee)
}

/// A number that does not exist gives 404, for a phone that is registered and one that is not.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_wrong_number(server: SocketAddr) -> Result<(), String> {
    let caller = Desk::new(server, ALICE)?;
    let out = caller.phone.invite(NOBODY)?;
    ended(out.wait_end(SOON)?, EndedBy::Refused(404), &caller)
}

/// A caller with a wrong password cannot call, neither inside nor abroad.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_unauthenticated_call(server: SocketAddr) -> Result<(), String> {
    let callee = Desk::new(server, BOB)?;
    let thief = new_phone(Config::new(ALICE.0, "wrong", server))?;
    for number in [BOB.0, ABROAD] {
        let end = thief.invite(number)?.wait_end(SOON)?;
        let refused = matches!(end, EndedBy::Refused(401 | 403 | 407));
        check(refused, &format!("a call with a wrong password: {end:?}"), &thief)?;
    }
    Ok(callee.phone.expect_no_call(Duration::from_millis(200))?)
}

/// Hold and resume by re-INVITE, by the caller and then by the callee, with audio after each.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_hold_resume(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let (out, inc) = establish(&caller, &callee)?;
    for (holder, held, desk) in [(&*out, &*inc, &caller), (&*inc, &*out, &callee)] {
        holder.hold()?;
        held.wait_held(SOON)?;
        let said = holder.remote_sdp().map(|sdp| sdp.direction);
        let silent = said.is_some_and(|way| !way.sends());
        check(silent, &format!("the held side still sends by {said:?}"), &desk.phone)?;
        let before = holder.media_report().received;
        std::thread::sleep(Duration::from_millis(100));
        let after = holder.media_report().received;
        check(before == after, "audio came while on hold", &desk.phone)?;
        holder.resume()?;
        held.wait_remote_direction(Direction::SendRecv, SOON)?;
        talk(&out, &inc)?;
    }
    ended(out.bye()?, EndedBy::LocalBye, &caller)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteBye, &callee)
}

/// 1001 calls a number abroad: the carrier at `carrier` is asked, and audio comes back from it.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_carrier(server: SocketAddr, carrier: SocketAddr) -> Result<(), String> {
    let carrier = Carrier::new(carrier, server).map_err(|e| format!("carrier: {e}"))?;
    carrier.otherwise(Script::refuse(404));
    for number in [ABROAD.to_owned(), format!("+{ABROAD}")] {
        carrier.script(&number, Script::echo());
    }
    let caller = Desk::new(server, ALICE)?;
    let out = caller.phone.invite(ABROAD)?;
    out.wait_ringing(SOON)?;
    out.wait_answer(SOON)?;
    out.send_rtp(AUDIO_PACKETS, Pattern::Marked)?;
    let own = out.media_report().own_stream;
    let all = |r: &crate::rtp::tally::MediaReport| r.lost_of(own, AUDIO_PACKETS) == 0;
    let back = out.wait_media(SOON, "all audio back from the carrier", all)?;
    let strangers = back.strangers(&[own]);
    check(strangers.is_empty() && back.corrupt == 0, &format!("{back:?}"), &caller.phone)?;
    ended(out.bye()?, EndedBy::LocalBye, &caller)?;
    let seen = carrier.wait_ended(1, SOON)?;
    let [call] = seen.as_slice() else { return Err(format!("{} calls came", seen.len())) };
    let media = call.media.clone().unwrap_or_default();
    if call.ended != Some(EndedBy::RemoteBye) || media.echoed != AUDIO_PACKETS {
        let ladder = carrier.phone().ladder();
        return Err(format!("the carrier saw {:?} and {media:?}\n{ladder}", call.ended));
    }
    Ok(())
}

/// A phone of the demo that is registered, and no longer when it is dropped.
struct Desk {
    phone: Phone,
}

impl Desk {
    fn new(server: SocketAddr, who: (&str, &str)) -> Result<Self, String> {
        Self::with(Config::new(who.0, who.1, server))
    }

    fn with(config: Config) -> Result<Self, String> {
        let desk = Self { phone: new_phone(config)? };
        desk.phone.register(EXPIRES_S)?;
        Ok(desk)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // A flow that failed has already said why; the next one may still find the contact gone.
        let _ = self.phone.unregister();
    }
}

fn new_phone(mut config: Config) -> Result<Phone, String> {
    config.patience = SOON;
    config.rtcp_interval = Duration::from_millis(250);
    config.bind = SocketAddr::new(local_ip(config.server)?, 0);
    Phone::new(config).map_err(|error| format!("no socket for a phone: {error}"))
}

/// The address by which this host reaches `server`.
fn local_ip(server: SocketAddr) -> Result<std::net::IpAddr, String> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let probe = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.connect(server)?;
        socket.local_addr()
    });
    probe.map(|addr| addr.ip()).map_err(|error| format!("no way to {server}: {error}"))
}

fn establish(caller: &Desk, callee: &Desk) -> Result<(OutgoingCall, IncomingCall), Failure> {
    let out = caller.phone.invite(BOB.0)?;
    let inc = callee.phone.wait_call(SOON)?;
    inc.ring()?;
    out.wait_ringing(SOON)?;
    inc.answer()?;
    out.wait_answer(SOON)?;
    Ok((out, inc))
}

/// Audio both ways at once, every packet verified at the other side.
fn talk(out: &Call, inc: &Call) -> Result<(), String> {
    let before = (out.media_report(), inc.media_report());
    out.start_sending(AUDIO_PACKETS, Pattern::Marked)?;
    inc.send_rtp(AUDIO_PACKETS, Pattern::Marked)?;
    let to_inc = before.0.sent + AUDIO_PACKETS;
    let to_out = before.1.sent + AUDIO_PACKETS;
    heard(inc, before.0.own_stream, to_inc, "the callee")?;
    heard(out, before.1.own_stream, to_out, "the caller")
}

/// One side heard all `sent` packets of `stream`, once, in order, from where its session
/// description said, and nothing else.
fn heard(side: &Call, stream: u64, sent: u64, who: &str) -> Result<(), String> {
    let awaited = format!("all audio at {who}");
    let report = side.wait_media(SOON, &awaited, |r| r.lost_of(stream, sent) == 0)?;
    let strangers = report.strangers(&[stream]);
    let wrong = [
        ("other streams", !strangers.is_empty()),
        ("changed payloads", report.corrupt > 0),
        ("unmarked packets", report.foreign > 0),
        ("datagrams that are not RTP", report.malformed > 0),
        ("doubled packets", report.stream(stream).is_none_or(|s| s.duplicated > 0)),
        ("overtaken packets", report.stream(stream).is_none_or(|s| s.reordered > 0)),
        ("a change of SSRC", report.ssrc_changes > 0),
        ("audio while not receiving", report.while_held > 0),
        ("another source than told", {
            report.sources.iter().any(|(source, _)| Some(*source) != side.remote_rtp())
        }),
    ];
    match wrong.iter().find(|(_, is)| *is) {
        None => Ok(()),
        Some((what, _)) => {
            Err(format!("{who} heard {what}; RTP from {:?}: {report:?}", side.remote_rtp()))
        }
    }
}

/// Nothing more comes on either side once the call is over.
fn quiet(out: &Call, inc: &Call) -> Result<(), String> {
    let count = || out.media_report().received + inc.media_report().received;
    let before = count();
    std::thread::sleep(Duration::from_millis(200));
    if count() > before {
        return Err(format!("RTP came after the end of the call: {:?}", out.media_report()));
    }
    Ok(())
}

fn ended(end: EndedBy, expect: EndedBy, desk: &Desk) -> Result<(), String> {
    check(end == expect, &format!("the call ended by {end:?}, not {expect:?}"), &desk.phone)
}

fn check(is: bool, else_what: &str, phone: &Phone) -> Result<(), String> {
    if is { Ok(()) } else { Err(format!("{else_what}\n{}", phone.ladder())) }
}
