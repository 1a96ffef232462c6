//! Two phones that talk directly to each other, and through a bad network: the phone itself is
//! tested without the product.

#![cfg(test)]

use std::net::SocketAddr;
use std::time::Duration;

use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::forwarder::{Forwarder, Impairment};
use strowger_phone::sdp::Direction;
use strowger_phone::{Cause, Config, EndedBy, Pattern, Phone};

const SOON: Duration = Duration::from_secs(5);

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn config(user: &str) -> Config {
    let t1 = Duration::from_millis(50);
    let rtcp_interval = Duration::from_millis(100);
    Config { t1, rtcp_interval, patience: SOON, ..Config::new(user, "", any()) }
}

fn pair() -> (Phone, Phone) {
    let (a, b) = (Phone::new(config("1001")).unwrap(), Phone::new(config("1002")).unwrap());
    a.set_server(b.addr());
    b.set_server(a.addr());
    (a, b)
}

/// Two phones whose SIP passes a network both ways.
fn pair_through(net: &Forwarder, mut own: Config) -> (Phone, Phone) {
    own.server = net.front();
    own.outbound_proxy = true;
    let a = Phone::new(own).unwrap();
    let mut other = config("1002");
    other.server = net.open(a.addr()).unwrap();
    other.outbound_proxy = true;
    let b = Phone::new(other).unwrap();
    net.set_target(b.addr());
    (a, b)
}

#[test]
fn a_call_rings_is_answered_speaks_both_ways_and_ends() {
    let (a, b) = pair();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    assert_eq!(inc.request().uri(), format!("sip:1002@{}", b.addr()));
    inc.ring().unwrap();
    assert_eq!(out.wait_ringing(SOON).unwrap(), 180);
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    out.start_sending(15, Pattern::Marked).unwrap();
    inc.send_rtp(15, Pattern::Marked).unwrap();
    let (ours, theirs) = (out.media_report().own_stream, inc.media_report().own_stream);
    let all =
        |stream| move |r: &strowger_phone::rtp::tally::MediaReport| r.lost_of(stream, 15) == 0;
    let heard = inc.wait_media(SOON, "all of the caller", all(ours)).unwrap();
    let back = out.wait_media(SOON, "all of the callee", all(theirs)).unwrap();
    assert_eq!(heard.strangers(&[ours]), Vec::<u64>::new());
    assert_eq!((heard.source_changes, heard.ssrc_changes, heard.corrupt), (0, 0, 0));
    assert_eq!(heard.sources[0].0, out.rtp_addr().unwrap());
    assert!(back.rtcp.sr + heard.rtcp.sr > 0, "{:?}", back.rtcp);
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(a.counts(), Default::default(), "{}", a.ladder());
    assert_eq!(b.counts(), Default::default(), "{}", b.ladder());
}

#[test]
fn the_callee_may_hang_up_and_a_second_bye_is_refused_by_the_phone() {
    let (a, b) = pair();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    assert_eq!(inc.bye().unwrap(), EndedBy::LocalBye);
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    assert_eq!(out.bye().unwrap_err().cause, Cause::Ended(EndedBy::RemoteBye));
}

#[test]
fn cancel_and_refusals_end_calls_with_their_codes() {
    let (a, b) = pair();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    inc.ring().unwrap();
    out.wait_ringing(SOON).unwrap();
    assert_eq!(out.cancel().unwrap(), EndedBy::LocalCancel);
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
    assert_eq!(inc.answer().unwrap_err().cause, Cause::Ended(EndedBy::RemoteCancel));
    for code in [404, 486, 503, 603] {
        let out = a.invite("1002").unwrap();
        b.wait_call(SOON).unwrap().reject(code).unwrap();
        let failure = out.wait_answer(SOON).unwrap_err();
        assert_eq!(failure.code(), Some(code));
        assert_eq!(out.ended(), Some(EndedBy::Refused(code)));
    }
    // Longer than it takes a refusal that was not acknowledged to come again.
    std::thread::sleep(Duration::from_millis(120));
    assert_eq!(a.counts().repeated_responses, 0, "{}", a.ladder());
    assert_eq!(b.seen("ACK sip:"), 5, "{}", b.ladder());
}

#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut quiet = config("1002");
    quiet.trying = false;
    let (a, b) = (Phone::new(config("1001")).unwrap(), Phone::new(quiet).unwrap());
    a.set_server(b.addr());
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    std::thread::scope(|scope| {
        let cancel = scope.spawn(|| out.cancel());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!out.cancel_sent());
        inc.ring().unwrap();
        assert_eq!(cancel.join().unwrap().unwrap(), EndedBy::LocalCancel);
    });
    assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteCancel);
}

#[test]
fn hold_and_resume_stop_and_start_the_audio_of_both_sides() {
    let (a, b) = pair();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    for (holder, held) in [(&*out, &*inc), (&*inc, &*out)] {
        holder.hold().unwrap();
        held.wait_remote_direction(Direction::SendOnly, SOON).unwrap();
        assert_eq!(holder.remote_sdp().unwrap().direction, Direction::RecvOnly);
        assert!(held.start_sending(1, Pattern::Marked).is_err());
        holder.send_rtp(3, Pattern::Marked).unwrap();
        holder.resume().unwrap();
        held.wait_remote_direction(Direction::SendRecv, SOON).unwrap();
        held.send_rtp(3, Pattern::Marked).unwrap();
        assert_eq!(holder.media_report().while_held, 0);
    }
    let versions = inc.requests().len();
    assert_eq!(versions, 2, "two re-INVITEs came to the callee");
    assert_eq!(out.request_inside("INFO", None).unwrap().code(), Some(200));
    assert_eq!(out.request_inside("OPTIONS", None).unwrap().code(), Some(200));
    out.bye().unwrap();
}

/// A network with so much delay that the two re-INVITEs cross.
#[test]
fn both_hold_at_once_and_both_get_their_turn() {
    let slow = Impairment { delay: Duration::from_millis(40), ..Impairment::NONE };
    let net = Forwarder::new(any(), None, slow).unwrap();
    let (a, b) = pair_through(&net, config("1001"));
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::scope(|scope| {
        let one = scope.spawn(|| out.hold());
        let two = scope.spawn(|| inc.hold());
        one.join().unwrap().unwrap();
        two.join().unwrap().unwrap();
    });
    assert!(a.seen("491") >= 1 && b.seen("491") >= 1, "{}", a.ladder());
    out.bye().unwrap();
}

#[test]
fn a_request_that_comes_again_gets_the_same_response_again() {
    let phone = Phone::new(config("1002")).unwrap();
    let raw = strowger_phone::raw::Raw::new(any(), phone.addr()).unwrap();
    let at = raw.local().unwrap();
    let options = format!(
        "OPTIONS sip:1002@x SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK7\r\n\
         From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
    );
    raw.send(options.as_bytes()).unwrap();
    raw.send(options.as_bytes()).unwrap();
    let got = raw.collect(Duration::from_millis(200)).unwrap();
    assert_eq!(got.len(), 2, "{}", phone.ladder());
    assert_eq!(got[0], got[1], "the tag of the first response must come again");
    assert_eq!(phone.counts().repeated_requests, 1);
}

#[test]
fn an_invite_without_offer_gets_one_in_the_answer() {
    let (a, b) = pair();
    let out = a.invite_with("1002", &[("X-Test", "late")], false).unwrap();
    let inc = b.wait_call(SOON).unwrap();
    assert!(inc.request().body.is_empty());
    assert_eq!(inc.request().header("x-test"), Some("late"));
    inc.answer().unwrap();
    out.wait_answer(SOON).unwrap();
    inc.send_rtp(3, Pattern::Marked).unwrap();
    out.send_rtp(3, Pattern::Marked).unwrap();
    inc.wait_media(SOON, "three packets", |r| r.verified == 3).unwrap();
    out.wait_media(SOON, "three packets", |r| r.verified == 3).unwrap();
}

#[test]
fn failures_tell_what_was_awaited_and_show_the_ladder() {
    let (a, b) = pair();
    let out = a.invite("1002").unwrap();
    let inc = b.wait_call(SOON).unwrap();
    inc.ring().unwrap();
    let failure = out.wait_answer(Duration::from_millis(100)).unwrap_err();
    assert_eq!(failure.cause, Cause::TimedOut);
    let text = failure.to_string();
    for part in ["an answer (2xx)", "-> 127.0.0.1", "INVITE sip:1002@", "180 Ringing", "Ringing"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(b.wait_call(Duration::from_millis(50)).is_err());
}

#[test]
fn a_dead_server_is_given_up_after_64_t1() {
    let dead = std::net::UdpSocket::bind(any()).unwrap();
    let mut own = config("1001");
    own.t1 = Duration::from_millis(20);
    own.server = dead.local_addr().unwrap();
    let phone = Phone::new(own).unwrap();
    let out = phone.invite("1").unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::TimedOut);
    assert_eq!(phone.seen("again INVITE"), 6, "{}", phone.ladder());
    assert_eq!(phone.register(60).unwrap_err().cause, Cause::TimedOut);
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_the_call() {
    let mut own = config("1002");
    own.t1 = Duration::from_millis(5);
    let phone = Phone::new(own).unwrap();
    let raw = strowger_phone::raw::Raw::new(any(), phone.addr()).unwrap();
    let at = raw.local().unwrap();
    let invite = format!(
        "INVITE sip:1002@x SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK1\r\n\
         From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@{at}>\r\n\r\n"
    );
    raw.send(invite.as_bytes()).unwrap();
    let call = phone.wait_call(SOON).unwrap();
    call.answer_without_waiting().unwrap();
    assert_eq!(call.wait_end(SOON).unwrap(), EndedBy::NoAck);
    let got = raw.collect(Duration::from_millis(100)).unwrap();
    let texts: Vec<String> = got.iter().map(|b| String::from_utf8_lossy(b).into_owned()).collect();
    assert!(texts.iter().filter(|t| t.starts_with("SIP/2.0 200")).count() > 4, "{texts:?}");
    assert!(texts.iter().any(|t| t.starts_with("BYE ")), "{texts:?}");
}

/// Signalling and audio of the caller pass a network that loses a tenth and overtakes.
#[test]
fn calls_survive_a_network_that_loses_doubles_and_overtakes() {
    let lost: u64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=5).map(|seed| scope.spawn(move || call_through(seed))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert!(lost >= 5, "the network was too good to prove anything: {lost} lost");
}

fn faults(seed: u64) -> Impairment {
    Impairment {
        seed,
        loss_per_mille: 100,
        duplicate_per_mille: 50,
        reorder_per_mille: 100,
        reorder_by: Duration::from_millis(30),
        delay: Duration::from_millis(2),
        jitter: Duration::from_millis(3),
    }
}

/// Two calls through a network with this seed; SIP datagrams that it lost.
fn call_through(seed: u64) -> u64 {
    let net = Forwarder::new(any(), None, faults(seed)).unwrap();
    let mut own = config("1001");
    own.media_impairment = Some(faults(seed + 100));
    let (a, b) = pair_through(&net, own);
    for _ in 0..2 {
        let out = a.invite("1002").unwrap();
        let inc = b.wait_call(SOON).unwrap();
        inc.ring().unwrap();
        inc.answer().unwrap();
        out.wait_answer(SOON).unwrap();
        out.send_rtp(25, Pattern::Marked).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        let (heard, own) = (inc.media_report(), out.media_report().own_stream);
        let to = out.media_forwarder().unwrap().to_target;
        assert_eq!(heard.lost_of(own, 25), to.lost, "{heard:?} {to:?}");
        assert_eq!(heard.stream(own).unwrap().duplicated, to.duplicated);
        assert_eq!(heard.corrupt, 0);
        out.bye().unwrap();
        assert_eq!(inc.wait_end(SOON).unwrap(), EndedBy::RemoteBye);
    }
    let stats = net.stats();
    stats.to_client.lost + stats.to_target.lost
}

#[test]
fn the_carrier_plays_its_scripts_and_remembers() {
    let carrier = Carrier::new(any(), any()).unwrap();
    carrier.script("486", Script::busy());
    carrier.script("404", Script::refuse(404));
    carrier.script("503", Script::refuse(503));
    carrier.script("0", Script::NoAnswer);
    carrier.script("1", Script::Silent);
    carrier.script("183", Script::early_media(Duration::from_millis(150)));
    let bye = Some(Duration::from_millis(50));
    let ring_for = Duration::ZERO;
    let short = Script::Answer { ring_for, early_media: false, hang_up_after: bye };
    carrier.script("2", short);
    let mut own = config("1001");
    own.server = carrier.addr();
    own.t1 = Duration::from_millis(10);
    let phone = Phone::new(own).unwrap();

    for code in [486, 404, 503] {
        let out = phone.invite(&code.to_string()).unwrap();
        assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::Refused(code));
    }
    let out = phone.invite("0").unwrap();
    out.wait_ringing(SOON).unwrap();
    assert_eq!(out.cancel().unwrap(), EndedBy::LocalCancel);
    let out = phone.invite("1").unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::TimedOut);
    assert_eq!(out.provisional_codes(), Vec::<u16>::new());

    let out = phone.invite("183").unwrap();
    assert_eq!(out.wait_ringing(SOON).unwrap(), 183);
    out.wait_media(SOON, "early audio", |r| r.verified > 2).unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    let out = phone.invite("2").unwrap();
    assert_eq!(out.wait_end(SOON).unwrap(), EndedBy::RemoteBye);

    let asserted = ("P-Asserted-Identity", "\"Desk\" <sip:4930@x>");
    let out = phone.invite_with("44123", &[asserted], true).unwrap();
    out.wait_answer(SOON).unwrap();
    out.send_rtp(10, Pattern::Marked).unwrap();
    let own = out.media_report().own_stream;
    let back = out.wait_media(SOON, "the echo", |r| r.lost_of(own, 10) == 0).unwrap();
    assert_eq!(back.delay.count, 10);
    out.bye().unwrap();
    // The silent call is never told to end, so it is not among them.
    let seen = carrier.wait_ended(7, SOON).unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.number(), last.from(), last.asserted()), ("44123", "1001", Some("4930")));
    assert_eq!(last.media.as_ref().unwrap().echoed, 10);
    assert_eq!(seen.iter().filter_map(|s| s.failure.as_deref()).count(), 0);
}
