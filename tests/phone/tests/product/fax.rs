//! Fax: a call that begins with audio and turns into T.38 by a new offer of the called side, as fax
//! machines do, carries UDPTL both ways and is audio again; and one whose caller wants no fax.

use std::net::{SocketAddr, UdpSocket};

use serde_json::Value;
use strowger_phone::message::Message;
use strowger_phone::rtp::Packet;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::dialog::{hang_up, peers};
use crate::path::{is_silent, media_socket};
use crate::wire::{Dialing, Wire, sdp};

/// Packets of each kind each way.
const PACKETS: u16 = 12;
/// First number of UDPTL: the first octets of datagrams are those of RTP, RTCP, STUN and DTLS in
/// turn, and mean nothing.
const FIRST_OCTETS: [u8; 6] = [0, 20, 64, 128, 200, 255];

/// A description of fax (RFC 3362, T.38 annex D).
fn fax(at: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 7 8 IN IP4 {ip}\r\ns=by hand\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
         a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxDatagram:400\r\n\
         a=T38FaxUdpEC:t38UDPRedundancy\r\n",
        ip = at.ip(),
        port = at.port(),
    )
}

/// Where a description of ours says that media goes.
fn told(message: &Message, kind: &str) -> SocketAddr {
    let text = String::from_utf8(message.body.clone()).unwrap();
    let line = |start: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no {start} in {text}")).to_owned()
    };
    let port = line(&format!("m={kind} ")).split(' ').next().unwrap().parse().unwrap();
    SocketAddr::new(line("c=IN IP4 ").parse().unwrap(), port)
}

/// UDPTL with its last packet once more as redundancy (T.38 9.1).
fn udptl(number: u16, last: Option<u8>) -> Vec<u8> {
    let field = |number: u8| [6, 0xC0, 1, 0x80, 0, 0, number];
    let mut packet = number.to_be_bytes().to_vec();
    packet.extend(field(number.to_be_bytes()[1]));
    packet.push(0);
    packet.push(u8::from(last.is_some()));
    packet.extend(last.into_iter().flat_map(field));
    packet
}

fn rtp(number: u16) -> Vec<u8> {
    let (ssrc, timestamp) = (0x00FA_0001, u32::from(number) * 160);
    let payload = [0xD5; 160];
    let packet = Packet {
        marker: false,
        payload_type: 8,
        sequence: number,
        timestamp,
        ssrc,
        payload: &payload,
    };
    packet.to_bytes()
}

/// Sends packets from one party to where it was told, and reads them where the other party is.
fn carry(
    (from, to): (&UdpSocket, SocketAddr),
    (other, ours): (&UdpSocket, SocketAddr),
    packets: &[Vec<u8>],
) {
    for packet in packets {
        from.send_to(packet, to).unwrap();
        let mut room = [0; 2_048];
        let (len, source) = other.recv_from(&mut room).unwrap();
        assert_eq!((&room[..len], source), (&packet[..], ours), "as it was sent");
    }
}

/// Two machines in a call: their sockets, and what each was told.
struct Line<'a> {
    sockets: [&'a UdpSocket; 2],
    ours: [SocketAddr; 2],
}

impl Line<'_> {
    /// Both ways, the same packets.
    fn carries(&self, packets: &[Vec<u8>]) {
        let ([one, other], [to, back]) = (self.sockets, self.ours);
        carry((one, to), (other, back), packets);
        carry((other, back), (one, to), packets);
    }
}

fn udptl_packets() -> Vec<Vec<u8>> {
    let numbers = FIRST_OCTETS.into_iter().flat_map(|high| {
        let first = u16::from_be_bytes([high, 1]);
        [first, first + 1]
    });
    numbers.map(|number| udptl(number, Some(number.to_be_bytes()[1] - 1))).collect()
}

/// The called side offers, the caller answers; where each is told to send.
fn turn(
    (edge, far): (&Wire, &Wire),
    (call, invite): (&Dialing, &Message),
    (cseq, kind): (u32, &str),
    [offer, said]: [String; 2],
) -> [SocketAddr; 2] {
    far.back(invite, ("INVITE", cseq), &offer);
    let asked = edge.expect("INVITE");
    assert_eq!(asked.header("Call-ID"), call.invite.header("Call-ID"));
    edge.respond(&asked, 200, &[], Some(&said));
    let moved = far.expect("200 INVITE");
    far.back(invite, ("ACK", cseq), "");
    edge.expect("ACK");
    [told(&asked, kind), told(&moved, kind)]
}

fn received(cdr: &Value, side: &str) -> [u64; 2] {
    ["received", "sent"].map(|name| cdr[side][name].as_u64().unwrap())
}

#[test]
fn audio_turns_into_fax_and_back() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let sockets = [media_socket(), media_socket()];
    let at = [0, 1].map(|n: usize| sockets[n].local_addr().unwrap());
    let line = |ours| Line { sockets: [&sockets[0], &sockets[1]], ours };
    let call = edge.invite_with("44700", &sdp(at[0]));
    let invite = far.expect("INVITE");
    far.respond(&invite, 200, &[], Some(&sdp(at[1])));
    let ok = edge.expect("200 INVITE");
    edge.within(&call, &ok, "ACK", &[]);
    far.expect("ACK");
    let audio = [told(&ok, "audio"), told(&invite, "audio")];
    let both = (&edge, &far);
    line(audio).carries(&(0..PACKETS).map(rtp).collect::<Vec<_>>());

    let ours = turn(both, (&call, &invite), (1, "image"), [fax(at[1]), fax(at[0])]);
    assert_eq!(ours, audio, "the ports stay");
    line(ours).carries(&udptl_packets());
    // Nobody else's datagram is fax of this call.
    media_socket().send_to(&udptl(9, None), ours[0]).unwrap();
    assert!(is_silent(&sockets[1]), "a stranger");

    let ours = turn(both, (&call, &invite), (2, "audio"), [sdp(at[1]), sdp(at[0])]);
    line(ours).carries(&(PACKETS..2 * PACKETS).map(rtp).collect::<Vec<_>>());
    hang_up(both, &call, &ok);
    let cdr = &demo.rest.cdrs(1)[0];
    let all = 3 * u64::from(PACKETS);
    assert_eq!(received(cdr, "caller_media"), [all, all], "{cdr:#}");
    assert_eq!(received(cdr, "called_media"), [all, all], "{cdr:#}");
    assert_eq!(cdr["caller_media"]["dropped"], 1, "{cdr:#}");
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_caller_that_wants_no_fax_talks_on() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let sockets = [media_socket(), media_socket()];
    let at = [0, 1].map(|n: usize| sockets[n].local_addr().unwrap());
    let call = edge.invite_with("44700", &sdp(at[0]));
    let invite = far.expect("INVITE");
    far.respond(&invite, 200, &[], Some(&sdp(at[1])));
    let ok = edge.expect("200 INVITE");
    edge.within(&call, &ok, "ACK", &[]);
    far.expect("ACK");
    let ours = [told(&ok, "audio"), told(&invite, "audio")];
    let line = Line { sockets: [&sockets[0], &sockets[1]], ours };
    far.back(&invite, ("INVITE", 1), &fax(at[1]));
    let asked = edge.expect("INVITE");
    // Until the caller has said so, the line is audio.
    line.carries(&(0..PACKETS).map(rtp).collect::<Vec<_>>());
    edge.respond(&asked, 488, &[], None);
    far.expect("488 INVITE");
    edge.expect("ACK");
    line.carries(&(PACKETS..2 * PACKETS).map(rtp).collect::<Vec<_>>());
    hang_up((&edge, &far), &call, &ok);
    // One that begins as fax is fax from the first packet on.
    let call = edge.invite_with("44700", &fax(at[0]));
    let invite = far.expect("INVITE");
    far.respond(&invite, 200, &[], Some(&fax(at[1])));
    let ok = edge.expect("200 INVITE");
    edge.within(&call, &ok, "ACK", &[]);
    far.expect("ACK");
    let ours = [told(&ok, "image"), told(&invite, "image")];
    Line { sockets: [&sockets[0], &sockets[1]], ours }.carries(&udptl_packets());
    hang_up((&edge, &far), &call, &ok);
    let cdrs = demo.rest.cdrs(2);
    assert_eq!(received(&cdrs[1], "called_media"), [12, 12], "{:#}", cdrs[1]);
    assert_tidy(&demo);
    demo.stop();
}
