//! A client's pipe against a server's, and a server's against frames made by hand.

use super::*;
use crate::websocket::frame::{Frames, Opcode};

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

fn ws_server() -> Pipe {
    Pipe::ws_server(Arc::default(), Times::default(), at(0))
}

fn ws_client() -> Pipe {
    let chance = [Key([1; 16]), Key([2; 16])];
    Pipe::ws_client("h:80", "/", chance, Times::default(), at(0)).unwrap()
}

/// Bytes of one side to the other until there are none, in reads of `n`; what both saw.
fn shuttle(a: &mut Pipe, b: &mut Pipe, n: usize, now: Tick) -> (Vec<Seen>, Vec<Seen>) {
    let (mut seen_a, mut seen_b) = (Vec::new(), Vec::new());
    loop {
        let (to_b, to_a) = (transmitted(a, now), transmitted(b, now));
        if to_a.is_empty() && to_b.is_empty() {
            return (seen_a, seen_b);
        }
        for (pipe, seen, bytes) in [(&mut *a, &mut seen_a, to_a), (&mut *b, &mut seen_b, to_b)] {
            for read in bytes.chunks(n) {
                let _ = pipe.handle_received(read, now);
                seen.extend(drain(pipe));
            }
        }
    }
}

/// A server with its upgrade done, and frames as a client makes them.
fn opened() -> (Pipe, Frames) {
    let mut pipe = ws_server();
    pipe.handle_received(UPGRADE, at(1)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    assert!(pipe.is_open());
    assert!(transmitted(&mut pipe, at(1)).starts_with(b"HTTP/1.1 101 "));
    (pipe, Frames::client(Key([3; 16])))
}

#[test]
fn messages_go_both_ways_and_wait_for_the_upgrade() {
    for n in [1, 7, 65_536] {
        let (mut client, mut server) = (ws_client(), ws_server());
        client.send(b"MESSAGE a", at(1)).unwrap();
        let (_, seen) = shuttle(&mut client, &mut server, n, at(1));
        assert_eq!(seen, [whole(b"MESSAGE a")], "no Content-Length is asked for");
        assert!(client.is_open() && server.is_open());
        server.send("grüße".as_bytes(), at(2)).unwrap();
        server.send(b"\xff\x00", at(2)).unwrap();
        let (seen, _) = shuttle(&mut client, &mut server, n, at(2));
        assert_eq!(seen, [whole("grüße".as_bytes()), whole(b"\xff\x00")]);
        let long = vec![b'x'; MESSAGE_LEN_MAX];
        client.send(&long, at(3)).unwrap();
        let (_, seen) = shuttle(&mut client, &mut server, n, at(3));
        assert_eq!(seen, [whole(&long)]);
    }
}

#[test]
fn both_kinds_of_ping_are_answered() {
    let (mut client, mut server) = (ws_client(), ws_server());
    shuttle(&mut client, &mut server, 100, at(1));
    client.ping(at(2)).unwrap();
    let (seen, heard) = shuttle(&mut client, &mut server, 100, at(2));
    assert_eq!((seen, heard), (vec![Seen::Pong], vec![Seen::KeepAlive]));
    server.ping(at(2)).unwrap();
    let (heard, seen) = shuttle(&mut client, &mut server, 100, at(2));
    assert_eq!((seen, heard), (vec![Seen::Pong], vec![Seen::KeepAlive]));
    client.send(PING, at(3)).unwrap();
    let (seen, heard) = shuttle(&mut client, &mut server, 100, at(3));
    assert_eq!((seen, heard), (vec![], vec![Seen::KeepAlive]), "empty lines as a message");
    let deadline = client.poll_timeout();
    assert_eq!(deadline, Some(at(3_900_003)), "nothing is awaited");
}

#[test]
fn a_close_is_said_by_both() {
    let (mut client, mut server) = (ws_client(), ws_server());
    shuttle(&mut client, &mut server, 100, at(1));
    server.close(at(5));
    assert_eq!((server.over(), server.poll_timeout()), (None, Some(at(3_005))));
    assert_eq!(server.send(b"x", at(5)), Err(Unsent::Over));
    client.send(b"crossing", at(5)).unwrap();
    let (told, seen) = shuttle(&mut client, &mut server, 100, at(6));
    assert_eq!(seen, [Seen::Over(Fault::Closed)], "what crosses is not looked at");
    assert_eq!(told, [Seen::Over(Fault::Ended)]);
    assert_eq!((client.over(), server.over()), (Some(Fault::Ended), Some(Fault::Closed)));
}

#[test]
fn a_peer_that_does_not_agree_to_a_close_is_left() {
    let (mut pipe, _) = opened();
    pipe.close(at(5));
    assert_eq!(transmitted(&mut pipe, at(5)), b"\x88\x02\x03\xe8");
    assert_eq!(pipe.handle_timeout(at(3_005)), Err(Fault::Closed));
    assert_eq!((pipe.over(), pipe.poll_timeout()), (Some(Fault::Closed), None));
}

#[test]
fn a_breach_is_told_by_its_code() {
    for (bytes, fault, code) in [
        (&b"\x81\x01a"[..], Fault::Protocol, 1002u16),
        (b"\x81\x81\0\0\0\0\xff", Fault::BadText, 1007),
        (b"\x81\xff\0\0\0\0\0\x01\0\0", Fault::TooLong, 1009),
    ] {
        let (mut pipe, _) = opened();
        pipe.handle_received(bytes, at(2)).unwrap();
        assert_eq!(drain(&mut pipe), [Seen::Over(fault)]);
        let sent = transmitted(&mut pipe, at(2));
        assert_eq!(sent, [&b"\x88\x02"[..], &code.to_be_bytes()].concat(), "{fault:?}");
    }
}

#[test]
fn a_message_in_parts_has_the_time_of_one_message_whatever_comes_between() {
    let (mut pipe, mut frames) = opened();
    let mut part = frames.frame(Opcode::Text, b"MESS");
    part[0] &= 0x7f;
    pipe.handle_received(&part, at(100)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    assert_eq!(pipe.poll_timeout(), Some(at(10_100)));
    pipe.handle_received(&frames.frame(Opcode::Pong, b""), at(9_000)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    assert_eq!(pipe.poll_timeout(), Some(at(10_100)));
    let last = frames.frame(Opcode::Continuation, b"AGE");
    pipe.handle_received(&last, at(10_000)).unwrap();
    assert_eq!(drain(&mut pipe), [whole(b"MESSAGE")]);
    assert_eq!(pipe.poll_timeout(), Some(at(3_910_000)));
}

#[test]
fn what_is_no_upgrade_is_handed_on_from_its_first_byte() {
    let mut pipe = ws_server();
    pipe.handle_received(b"GE", at(1)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    pipe.handle_received(b"T /api HTTP/1.1\r\n", at(2)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    let first = b"GET /api HTTP/1.1\r\n\r\nbody";
    pipe.handle_received(b"\r\nbody", at(3)).unwrap();
    assert_eq!(drain(&mut pipe), [Seen::Foreign(first.to_vec())]);
    pipe.handle_received(b"\x16more\r\n\r\n", at(4)).unwrap();
    assert_eq!(drain(&mut pipe), [Seen::Foreign(b"\x16more\r\n\r\n".to_vec())]);
    pipe.send(b"HTTP/1.1 200 OK\r\n\r\n", at(5)).unwrap();
    assert_eq!(transmitted(&mut pipe, at(5)), b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(pipe.poll_timeout(), Some(at(3_900_005)), "its times are its owner's");
}

#[test]
fn a_wrong_upgrade_is_answered_and_ended() {
    let mut pipe = ws_server();
    let old = String::from_utf8(UPGRADE.to_vec()).unwrap().replace("Version: 13", "Version: 8");
    pipe.handle_received(old.as_bytes(), at(1)).unwrap();
    assert_eq!(drain(&mut pipe), [Seen::Over(Fault::UpgradeRefused)]);
    assert!(transmitted(&mut pipe, at(1)).starts_with(b"HTTP/1.1 426 "));
    let mut client = ws_client();
    client.handle_received(b"HTTP/1.1 200 OK\r\n\r\n", at(1)).unwrap();
    assert_eq!(drain(&mut client), [Seen::Over(Fault::UpgradeRefused)]);
}

#[test]
fn a_server_sends_nothing_before_it_knows_what_is_spoken() {
    let mut pipe = ws_server();
    assert_eq!(pipe.send(b"x", at(1)), Err(Unsent::Over));
    pipe.handle_received(UPGRADE, at(1)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    assert_eq!(pipe.send(b"x", at(1)), Ok(()));
}

#[test]
fn an_upgrade_has_its_time() {
    let mut pipe = ws_server();
    pipe.handle_received(&UPGRADE[..50], at(9_000)).unwrap();
    drain(&mut pipe);
    assert_eq!(pipe.poll_timeout(), Some(at(10_000)));
    assert_eq!(pipe.handle_timeout(at(10_000)), Err(Fault::OpeningLate));
    assert_eq!(pipe.poll_transmit(), None);
}

#[test]
fn a_host_cannot_smuggle_lines_into_the_upgrade() {
    let chance = [Key([1; 16]), Key([2; 16])];
    let long = "/".repeat(1_024);
    for (host, path, why) in [
        ("h\r\nX: y", "/", Unsent::Name),
        ("h", "/ HTTP/1.1\r\n", Unsent::Name),
        ("h", "ws", Unsent::Name),
        ("h", &long, Unsent::TooLong),
    ] {
        let pipe = Pipe::ws_client(host, path, chance, Times::default(), at(0));
        assert_eq!(pipe.err(), Some(why));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However the frames are cut into reads, and the messages into frames, they say the same.
    #[test]
    fn any_split_gives_the_same_messages(
        messages in proptest::collection::vec(("[a-z]{1,200}", 1usize..60, any::<bool>()), 1..8),
        cuts in proptest::collection::vec(1usize..60, 1..40),
    ) {
        let mut frames = Frames::client(Key([4; 16]));
        let (mut bytes, mut expect) = (UPGRADE.to_vec(), Vec::new());
        for (text, size, ping) in &messages {
            expect.extend(ping.then_some(Seen::KeepAlive));
            let parts: Vec<_> = text.as_bytes().chunks(*size).collect();
            for (n, part) in parts.iter().enumerate() {
                let opcode = if n == 0 { Opcode::Text } else { Opcode::Continuation };
                let mut frame = frames.frame(opcode, part);
                if n + 1 < parts.len() {
                    frame[0] &= 0x7f;
                }
                bytes.extend(frame);
                if *ping && n == 0 {
                    bytes.extend(frames.frame(Opcode::Ping, b"?"));
                }
            }
            if *ping && parts.len() == 1 {
                expect.pop();
                expect.push(whole(text.as_bytes()));
                expect.push(Seen::KeepAlive);
            } else {
                expect.push(whole(text.as_bytes()));
            }
        }
        let (mut pipe, mut seen, mut rest) = (ws_server(), Vec::new(), &bytes[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            rest = tail;
            prop_assert_eq!(pipe.handle_received(piece, at(1)), Ok(()));
            seen.extend(drain(&mut pipe));
        }
        prop_assert_eq!(seen, expect);
        prop_assert_eq!(pipe.over(), None);
    }
}
