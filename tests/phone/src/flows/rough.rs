//! Bad input while a call is up: the call must not notice.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{ALICE, AUDIO_PACKETS, BOB, Desk, SOON, check, ended, establish, heard, local_ip};
use crate::call::Call;
use crate::failure::EndedBy;
use crate::media::Pattern;
use crate::message::Message;
use crate::random::Random;
use crate::raw::Raw;
use crate::rtp::{Packet, marked_payload};

/// Seed of the random bytes: the same junk in every run.
const SEED: u64 = 0x5EED;
/// Largest payload of a UDP datagram over IPv4.
const UDP_BYTES_MAX: usize = 65_507;

/// Junk, cut, oversized and wrong datagrams during a call: the call goes on, the server answers as
/// before, and what can be answered is answered with a refusal.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_junk(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let (out, inc) = establish(&caller, &callee)?;
    out.start_sending(u64::MAX, Pattern::Marked)?;
    inc.start_sending(u64::MAX, Pattern::Marked)?;
    let bind = SocketAddr::new(local_ip(server)?, 0);
    let raw = Raw::new(bind, server).map_err(|e| e.to_string())?;
    let at = raw.local().map_err(|e| e.to_string())?;
    for (at, bytes) in junk(at, server).iter().enumerate() {
        raw.send(bytes).map_err(|e| format!("junk {at} of {} bytes: {e}", bytes.len()))?;
        // A burst would test the size of the socket's buffer instead.
        std::thread::sleep(Duration::from_micros(500));
    }
    let answers = raw.collect(Duration::from_millis(300)).map_err(|e| e.to_string())?;
    if let Some(wrong) = answers.iter().find(|bytes| !is_refusal(bytes)) {
        return Err(format!("junk was answered with:\n{}", String::from_utf8_lossy(wrong)));
    }
    refusals(&raw, at, server)?;
    malformed_refusals(&raw, at, server)?;
    for (side, other, who) in [(&*inc, &*out, "the callee"), (&*out, &*inc, "the caller")] {
        still_heard(side, other, who)?;
    }
    check(out.ended().is_none() && inc.ended().is_none(), "junk ended the call", &caller.phone)?;
    caller.phone.register(super::EXPIRES_S)?;
    ended(out.bye()?, EndedBy::LocalBye, &caller)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteBye, &callee)
}

/// Someone else sends RTP to both media ports of a call: nobody hears it.
///
/// # Errors
/// What went wrong, with the ladder.
pub fn flow_stranger_rtp(server: SocketAddr) -> Result<(), String> {
    let (caller, callee) = (Desk::new(server, ALICE)?, Desk::new(server, BOB)?);
    let (out, inc) = establish(&caller, &callee)?;
    // Both sides have been heard before the stranger comes.
    super::talk(&out, &inc)?;
    let before = (out.media_report(), inc.media_report());
    out.start_sending(AUDIO_PACKETS, Pattern::Marked)?;
    inc.start_sending(AUDIO_PACKETS, Pattern::Marked)?;
    let socket = UdpSocket::bind((local_ip(server)?, 0)).map_err(|e| e.to_string())?;
    let mut random = Random::new(SEED);
    for place in 0..AUDIO_PACKETS {
        for target in [out.remote_rtp(), inc.remote_rtp()].into_iter().flatten() {
            for bytes in strange(place, &mut random) {
                socket.send_to(&bytes, target).map_err(|e| format!("to {target}: {e}"))?;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    heard(&inc, before.0.own_stream, before.0.sent + AUDIO_PACKETS, "the callee")?;
    heard(&out, before.1.own_stream, before.1.sent + AUDIO_PACKETS, "the caller")?;
    ended(out.bye()?, EndedBy::LocalBye, &caller)?;
    ended(inc.wait_end(SOON)?, EndedBy::RemoteBye, &callee)
}

/// A stranger's packets of one turn: a marked one, random bytes, and too short ones.
fn strange(place: u64, random: &mut Random) -> Vec<Vec<u8>> {
    let payload = marked_payload(SEED, place, 160);
    let [.., high, low] = place.to_be_bytes();
    let sequence = u16::from_be_bytes([high, low]);
    let packet = Packet {
        marker: place == 0,
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: 0x0BAD_0BAD,
        payload: &payload,
    };
    vec![packet.to_bytes(), noise(random, 172), vec![0x80, 0], Vec::new()]
}

/// A side goes on hearing the other while junk came.
fn still_heard(side: &Call, other: &Call, who: &str) -> Result<(), String> {
    let stream = other.media_report().own_stream;
    let before = other.media_report().sent;
    let goal = before + AUDIO_PACKETS / 2;
    let awaited = format!("audio of the other side at {who} after the junk");
    let report =
        side.wait_media(SOON, &awaited, |r| r.stream(stream).is_some_and(|s| s.highest >= goal))?;
    let lost = report.stream(stream).map_or(u64::MAX, |s| s.lost);
    if lost > 0 || !report.strangers(&[stream]).is_empty() || report.corrupt > 0 {
        return Err(format!("{who} lost {lost} packets or heard others: {report:?}"));
    }
    Ok(())
}

/// Requests that are well formed but cannot be served get the refusal that RFC 3261 names.
fn refusals(raw: &Raw, at: SocketAddr, server: SocketAddr) -> Result<(), String> {
    for (method, tag, codes) in [
        ("FOO", "", &[405, 501, 401, 407, 403][..]),
        ("BYE", ";tag=none", &[481][..]),
        ("INFO", ";tag=none", &[481, 405][..]),
        ("CANCEL", "", &[481][..]),
    ] {
        let bytes = request(method, method, at, server, tag, "Content-Length: 0\r\n", b"");
        raw.send(&bytes).map_err(|e| e.to_string())?;
        let got = raw.collect(Duration::from_millis(300)).map_err(|e| e.to_string())?;
        let got: Vec<u16> = got.iter().filter_map(|b| Message::parse(b).ok()?.code()).collect();
        let fits = got.iter().any(|code| codes.contains(code));
        if !fits {
            return Err(format!("{method} outside calls: expected one of {codes:?}, got {got:?}"));
        }
    }
    Ok(())
}

/// Requests that are malformed behind the fields that tell them are answered 400: RFC 3261 18.3
/// (the body is cut), RFC 4475 3.1.2 (lengths that are none, fields out of range).
fn malformed_refusals(raw: &Raw, at: SocketAddr, server: SocketAddr) -> Result<(), String> {
    for (name, extra) in [
        ("short", "Content-Length: 4000\r\n"),
        ("negative", "Content-Length: -1\r\n"),
        ("text", "Content-Length: many\r\n"),
        ("unequal", "Content-Length: 1\r\nContent-Length: 5\r\n"),
        ("second", "CSeq: 4294967296 INVITE\r\n"),
    ] {
        let bytes = request("INVITE", name, at, server, "", extra, b"short");
        let got = raw.expect(&bytes, 400, SOON).map_err(|e| e.to_string())?;
        if got.is_none() {
            return Err(format!("an INVITE with {extra:?} was not answered 400"));
        }
    }
    Ok(())
}

/// Whether an answer to junk is what it must be: a refusal, of a request that may be answered, with
/// the field beside Via that tells whose it is (RFC 3261 17.1.3). Beyond that it repeats what it
/// was given (8.2.6.2), so that it may be as malformed as the request.
fn is_refusal(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("SIP/2.0 "));
    let code = status.and_then(|rest| rest.get(..3)).and_then(|code| code.parse::<u16>().ok());
    let (mut sequence, mut unanswerable) = (false, false);
    for line in lines {
        sequence |= line.starts_with("CSeq:");
        // Responses and ACKs are never answered (RFC 3261 18.3, 17).
        unanswerable |= line == "Call-ID: nothing" || line.starts_with("Call-ID: junk-ack-");
    }
    code.is_some_and(|code| (400..700).contains(&code)) && sequence && !unanswerable
}

/// Datagrams that are wrong in some way and deserve at most a refusal.
fn junk(at: SocketAddr, server: SocketAddr) -> Vec<Vec<u8>> {
    let mut random = Random::new(SEED);
    let whole =
        |name: &str, extra: &str, body: &[u8]| request("INVITE", name, at, server, "", extra, body);
    let good = whole("cut", "Content-Length: 0\r\n", b"");
    let mut all = vec![
        Vec::new(),
        vec![0],
        b"\r\n\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00".to_vec(),
        b"INVITE sip:1002@x SIP/3.0\r\n\r\n".to_vec(),
        b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
        whole("long", "Content-Length: 4000\r\n", b"short"),
        whole("minus", "Content-Length: -1\r\n", b"short"),
        whole("word", "Content-Length: many\r\n", b"short"),
        whole("huge", "Content-Length: 99999999999999999999\r\n", b"short"),
        whole("twice", "Content-Length: 1\r\nContent-Length: 5\r\n", b"short"),
        whole("cseq", "CSeq: 4294967296 INVITE\r\n", b""),
        response("200 OK", "INVITE", at, server),
        response("180 Ringing", "INVITE", at, server),
        response("999 Beyond", "INVITE", at, server),
        response("401 Unauthorized", "REGISTER", at, server),
        cut_body(&response("200 OK", "INVITE", at, server)),
        request("ACK", "ack", at, server, ";tag=none", "Content-Length: 0\r\n", b""),
        padded(&good, "X-Pad: ", UDP_BYTES_MAX),
        padded(&good, "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKv\r\nX-Rest: ", 8_000),
        vec![b'A'; UDP_BYTES_MAX],
        noise(&mut random, UDP_BYTES_MAX),
    ];
    all.extend((0..good.len()).step_by(7).filter_map(|n| good.get(..n)).map(<[u8]>::to_vec));
    all.extend((0..64).map(|n| noise(&mut random, n * 16)));
    all.extend((0..64).map(|_| flipped(&good, &mut random)));
    all
}

fn request(
    method: &str,
    name: &str,
    at: SocketAddr,
    server: SocketAddr,
    tag: &str,
    extra: &str,
    body: &[u8],
) -> Vec<u8> {
    let text = format!(
        "{method} sip:9999@{server} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {at};rport;branch=z9hG4bKjunk{name}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:junk@{at}>;tag=junk{name}\r\n\
         To: <sip:9999@{server}>{tag}\r\n\
         Call-ID: junk-{name}-{}\r\nCSeq: 1 {method}\r\nContact: <sip:junk@{at}>\r\n{extra}\r\n",
        at.port()
    );
    [text.as_bytes(), body].concat()
}

fn response(status: &str, method: &str, at: SocketAddr, server: SocketAddr) -> Vec<u8> {
    format!(
        "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP {server};branch=z9hG4bKnothing\r\n\
         From: <sip:a@{server}>;tag=1\r\nTo: <sip:b@{at}>;tag=2\r\nCall-ID: nothing\r\n\
         CSeq: 1 {method}\r\nContact: <sip:b@{at}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// A message that says that a body follows, and ends.
fn cut_body(good: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(good);
    text.replace("Content-Length: 0", "Content-Length: 100").into_bytes()
}

/// `good` with one header more, so long that the datagram has `bytes` bytes.
fn padded(good: &[u8], header: &str, bytes: usize) -> Vec<u8> {
    let head = good.strip_suffix(b"\r\n").unwrap_or(good);
    let pad = bytes.saturating_sub(good.len() + header.len() + 2);
    [head, header.as_bytes(), &vec![b'x'; pad], b"\r\n\r\n"].concat()
}

fn noise(random: &mut Random, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.bits().to_be_bytes()[0]).collect()
}

/// `good` with three bytes changed.
fn flipped(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..3 {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= random.bits().to_be_bytes()[0];
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_of_requests_pass_for_answers_to_junk() {
        let answer = |status: &str, fields: &str| {
            is_refusal(format!("SIP/2.0 {status}\r\nVia: x\r\n{fields}\r\n\r\n").as_bytes())
        };
        assert!(answer("400 Bad Request", "Call-ID: junk-cut-1\r\nCSeq: 1 INVITE"));
        assert!(answer("501 Not Implemented", "CSeq: \u{fffd}"));
        assert!(!answer("200 OK", "CSeq: 1 INVITE"));
        assert!(!answer("400 Bad Request", "Call-ID: junk-cut-1"));
        assert!(!answer("481 Gone", "Call-ID: nothing\r\nCSeq: 1 INVITE"));
        assert!(!answer("481 Gone", "Call-ID: junk-ack-77\r\nCSeq: 1 ACK"));
        assert!(!is_refusal(b"\xff"));
    }

    #[test]
    fn junk_is_junk_and_fits_into_datagrams() {
        let at: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        let all = junk(at, "127.0.0.1:5060".parse().unwrap());
        assert!(all.len() > 150);
        assert!(all.iter().all(|bytes| bytes.len() <= UDP_BYTES_MAX));
        assert!(all.iter().any(|bytes| bytes.len() == UDP_BYTES_MAX));
        let wrong = all.iter().filter(|bytes| Message::parse(bytes).is_err()).count();
        assert!(wrong > 100, "{wrong}");
        let again = junk(at, "127.0.0.1:5060".parse().unwrap());
        assert_eq!(all, again, "the same junk in every run");
    }
}
