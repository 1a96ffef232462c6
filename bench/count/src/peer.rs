//! What the two trunks of a call say, as text; written without the product's own code.

use std::net::SocketAddr;

/// What a carrier's gear puts into its requests beside the fields that a call needs: with them an
/// INVITE has about 1 KB.
const EXTRAS: &str = "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, \
    REFER, NOTIFY\r\n\
    Supported: timer, replaces, 100rel\r\n\
    User-Agent: Example SBC 9.2.1 build 4711\r\n\
    P-Asserted-Identity: \"Example GmbH\" <sip:+4930901820@198.51.100.7;user=phone>\r\n\
    Date: Sat, 01 Aug 2026 12:00:00 GMT\r\n";

/// A description of one stream of audio.
#[must_use]
pub fn description(at: SocketAddr, port: u16) -> String {
    let ip = at.ip();
    let family = if at.is_ipv4() { 4 } else { 6 };
    format!(
        "v=0\r\no=- 1754049600 1754049600 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\n\
         t=0 0\r\nm=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
         a=ptime:20\r\na=sendrecv\r\n"
    )
}

fn with_body(head: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The INVITE of call `number`, of about 1 KB.
#[must_use]
pub fn invite(number: u64, from: SocketAddr, to: SocketAddr, media: u16) -> Vec<u8> {
    let head = format!(
        "INVITE sip:441632960123@{to} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bKcount{number:08};rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"Example GmbH\" <sip:4930901820@{from}>;tag=from{number:08}\r\n\
         To: <sip:441632960123@{to}>\r\n\
         Call-ID: {number:08}-4f1d-9a0c-count@{from}\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:4930901820@{from};transport=udp>\r\n{EXTRAS}"
    );
    with_body(&head, &description(from, media))
}

/// A request of the caller within the dialog that `answer`, a 200 to its INVITE, made.
#[must_use]
pub fn within(method: &str, number: u64, answer: &str, from: SocketAddr) -> Option<Vec<u8>> {
    let sequence = if method == "ACK" { 1 } else { 2 };
    let target = value(answer, "Contact")?.trim_matches(['<', '>']);
    let [their, own, call_id] = ["To", "From", "Call-ID"].map(|name| value(answer, name));
    let head = format!(
        "{method} {target} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK{method}{number:08};rport\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n",
        own?, their?, call_id?
    );
    Some(with_body(&head, ""))
}

/// A response of the called trunk at `at` to `request`; a 200 to an INVITE has a description.
#[must_use]
pub fn respond(status: &str, request: &str, at: SocketAddr, media: u16) -> Option<Vec<u8>> {
    let [via, from, to, call_id, sequence] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| value(request, name));
    let (to, sequence) = (to?, sequence?);
    let tag = if to.contains(";tag=") { "" } else { ";tag=called0001" };
    let head = format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\n\
         CSeq: {sequence}\r\nContact: <sip:441632960123@{at}>\r\n",
        via?, from?, call_id?
    );
    let is_answer = status.starts_with("200") && sequence.ends_with("INVITE");
    let body = if is_answer { description(at, media) } else { String::new() };
    Some(with_body(&head, &body))
}

/// The value of the first field of this name.
#[must_use]
pub fn value<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = message.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// The port of the audio of a description.
#[must_use]
pub fn audio_port(message: &str) -> Option<u16> {
    let line = message.lines().find_map(|line| line.strip_prefix("m=audio "))?;
    line.split(' ').next()?.parse().ok()
}
