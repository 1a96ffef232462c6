//! Media lines of every kind through the relay: audio, video, fax; what stands in descriptions and
//! is nobody's business stays, and what could not work through us goes.

use std::net::{SocketAddr, UdpSocket};

use serde_json::json;
use strowger_phone::message::Message;

use crate::assert_tidy;
use crate::demo::{Demo, Home};
use crate::dialog::{answer, hang_up, peers};
use crate::rows::set;
use crate::talk::SOON;

/// The sockets of one side, one for each of its lines.
struct Side(Vec<UdpSocket>);

impl Side {
    fn new(lines: usize) -> Side {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            socket
        };
        Side((0..lines).map(|_| socket()).collect())
    }

    fn port(&self, line: usize) -> u16 {
        self.0[line].local_addr().unwrap().port()
    }

    /// A description whose media lines are these, each with what stands behind it.
    fn describe(&self, lines: &[(&str, Option<usize>, &str)]) -> String {
        let head = "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                    a=group:BUNDLE one two\r\na=own-session:kept\r\n";
        lines.iter().fold(head.to_owned(), |body, (line, socket, rest)| {
            let port = socket.map_or(0, |socket| self.port(socket));
            body + "m=" + &line.replace("PORT", &port.to_string()) + "\r\n" + rest
        })
    }
}

/// Our ports of the media lines of a description.
fn told(message: &Message) -> Vec<SocketAddr> {
    let body = String::from_utf8(message.body.clone()).unwrap();
    let lines = body.lines().filter(|line| line.starts_with("m="));
    let port = |line: &str| line.split(' ').nth(1).unwrap().parse().unwrap();
    lines.map(|line| SocketAddr::from(([127, 0, 0, 1], port(line)))).collect()
}

/// What `from` sends on a line arrives at `to`, byte by byte, from where `to` was told.
fn passes(
    (from, from_line, from_told): (&Side, usize, SocketAddr),
    (to, to_line, to_told): (&Side, usize, SocketAddr),
    packet: &[u8],
) {
    from.0[from_line].send_to(packet, from_told).unwrap();
    let mut buffer = [0; 2_048];
    let (length, source) = to.0[to_line].recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], source), (packet, to_told));
}

fn rtp(payload_type: u8) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7];
    packet.extend((0..160).map(|n| n ^ payload_type));
    packet
}

/// What a demultiplexer would take for STUN.
const UDPTL: &[u8] = &[0, 1, 6, 1, 2, 3, 4, 5, 6, 0];

#[test]
fn every_line_goes_its_own_way_and_a_call_turns_into_a_fax() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, _) = peers(&demo);
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    let ok = answer((&edge, &far), (&call, &invite), &[]);

    let (near, there) = (Side::new(3), Side::new(3));
    let lines = [
        ("audio PORT RTP/AVP 8", Some(0), "a=mid:one\r\na=rtcp-mux\r\na=own-audio:kept\r\n"),
        ("video PORT RTP/AVP 96", Some(1), "a=mid:two\r\na=rtpmap:96 H264/90000\r\n"),
        ("image PORT udptl t38", Some(2), "a=T38FaxVersion:0\r\n"),
    ];
    let exchange = |lines: &[(&str, Option<usize>, &str)]| {
        edge.within_with(&call, &ok, "INVITE", &[], &near.describe(lines));
        let offer = far.expect("INVITE");
        far.respond(&offer, 200, &[], Some(&there.describe(lines)));
        let answer = edge.expect("200 INVITE");
        edge.within(&call, &answer, "ACK", &[]);
        far.expect("ACK");
        (offer, answer)
    };
    let (offer, accepted) = exchange(&lines);
    let body = String::from_utf8(offer.body.clone()).unwrap();
    for kept in ["a=own-session:kept", "a=own-audio:kept", "a=mid:two", "a=T38FaxVersion:0"] {
        assert!(body.contains(kept), "no {kept} in {body}");
    }
    for gone in ["BUNDLE", "rtcp-mux"] {
        assert!(!body.contains(gone), "{gone} in {body}");
    }
    let (ours_there, ours_near) = (told(&offer), told(&accepted));
    for (line, packet) in [rtp(8), rtp(96), UDPTL.to_vec()].iter().enumerate() {
        let (near, there) = ((&near, line, ours_near[line]), (&there, line, ours_there[line]));
        passes(near, there, packet);
        passes(there, near, packet);
    }

    // The audio line turns into fax where it stands, the others end.
    let fax = [
        ("image PORT udptl t38", Some(2), "a=T38FaxVersion:0\r\n"),
        ("video PORT RTP/AVP 96", None, ""),
        ("image PORT udptl t38", None, ""),
    ];
    let (offer, accepted) = exchange(&fax);
    assert_eq!(told(&offer)[1].port(), 0);
    let (ours_there, ours_near) = (told(&offer)[0], told(&accepted)[0]);
    passes((&near, 2, ours_near), (&there, 2, ours_there), UDPTL);
    passes((&there, 2, ours_there), (&near, 2, ours_near), UDPTL);
    hang_up((&edge, &far), &call, &ok);
    let cdrs = demo.rest.cdrs(1);
    assert_eq!(cdrs[0]["caller_media"]["codec"], json!("PCMA"), "{:#}", cdrs[0]);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn codecs_are_those_that_a_trunk_may_be_spoken_to_in() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (edge, far, trunk) = peers(&demo);
    let side = Side::new(1);
    let call = edge.invite("44700", &[]);
    let invite = far.expect("INVITE");
    let ok = answer((&edge, &far), (&call, &invite), &[]);
    hang_up((&edge, &far), &call, &ok);
    let offered = "audio PORT RTP/AVP 0 8 18 101";
    let events = "a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n";
    // The formats that the far side is offered in a call; none when it is never called.
    let formats = |dialog: &serde_json::Value| {
        set(&demo, "trunks/1", &json!({"egress": {"dialog": dialog}}));
        let body = side.describe(&[(offered, Some(0), events)]);
        let call = edge.invite_with("44700", &body);
        let invite = far.expect("INVITE");
        let text = String::from_utf8(invite.body.clone()).unwrap();
        let line = text.lines().find(|line| line.starts_with("m=audio")).unwrap().to_owned();
        far.respond(&invite, 486, &[], None);
        far.expect("ACK");
        let busy = edge.expect("486 INVITE");
        edge.within(&call, &busy, "ACK", &[]);
        line.split("RTP/AVP ").nth(1).unwrap().to_owned()
    };
    let set_to = |codecs: serde_json::Value, one: bool, g711: &str| {
        formats(&json!({"codecs": codecs, "one_codec": one, "g711": g711}))
    };
    assert_eq!(formats(&json!({"codecs": null})), "0 8 18 101");
    assert_eq!(set_to(json!(["G729", "PCMA"]), false, "keep"), "18 8 101");
    assert_eq!(set_to(json!(["PCMA", "G729"]), true, "keep"), "8 101");
    assert_eq!(set_to(json!(null), false, "spare"), "18 101");
    assert_eq!(set_to(json!(null), false, "bar"), "18 101");
    // Who has nothing that may be spoken hears it at once.
    set(&demo, &trunk, &json!({"ingress": {"dialog": {"codecs": ["opus"]}}}));
    let call = edge.invite_with("44700", &side.describe(&[(offered, Some(0), events)]));
    let refused = edge.expect("488 INVITE");
    edge.within(&call, &refused, "ACK", &[]);
    assert_tidy(&demo);
    demo.stop();
}
