use super::*;
use crate::limits::PONG_ROOM_LEN;
use proptest::prelude::*;

mod tls;
mod websocket;

/// An item that owns what it shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Message(Vec<u8>),
    KeepAlive,
    Pong,
    Refused(Vec<u8>, Refusal),
    Foreign(Vec<u8>),
    Over(Fault),
}

pub(crate) fn drain(pipe: &mut Pipe) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(item) = pipe.poll_message() {
        seen.push(match item {
            Item::Message(bytes) => Seen::Message(bytes.to_vec()),
            Item::KeepAlive => Seen::KeepAlive,
            Item::Pong => Seen::Pong,
            Item::Refused { head, refusal } => Seen::Refused(head.to_vec(), refusal),
            Item::Foreign(bytes) => Seen::Foreign(bytes.to_vec()),
            Item::Over(fault) => Seen::Over(fault),
        });
    }
    seen
}

pub(crate) fn transmitted(pipe: &mut Pipe, now: Tick) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(bytes) = pipe.poll_transmit() {
        let n = bytes.len();
        all.extend_from_slice(bytes);
        pipe.sent(n, now);
    }
    all
}

pub(crate) fn at(ms: u64) -> Tick {
    Tick(0).plus_ms(ms)
}

fn server() -> Pipe {
    Pipe::tcp(Role::Server, Times::default(), at(0))
}

fn message(name: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("MESSAGE sip:{name}@h SIP/2.0\r\nContent-Length: {len}\r\n\r\n{body}").into_bytes()
}

fn whole(bytes: &[u8]) -> Seen {
    Seen::Message(bytes.to_vec())
}

/// All that a fresh server sees of `bytes`, and what it sends.
fn check(bytes: &[u8], expect: &[Seen], sent: &[u8]) -> Pipe {
    let mut pipe = server();
    pipe.handle_received(bytes, at(1)).unwrap();
    assert_eq!(drain(&mut pipe), expect, "{}", bytes.escape_ascii());
    let answers = transmitted(&mut pipe, at(1));
    assert_eq!(answers, sent, "{}", bytes.escape_ascii());
    pipe
}

#[test]
fn messages_come_whole_and_in_order() {
    let (a, b) = (message("a", "v=0\r\n"), message("b", ""));
    check(&[&a[..], &b].concat(), &[whole(&a), whole(&b)], b"");
    check(&[b"\r\n", &a[..], b"\r\n", &b].concat(), &[whole(&a), whole(&b)], b"");
}

#[test]
fn two_empty_lines_are_a_ping_and_get_one() {
    let a = message("a", "");
    check(b"\r\n\r\n", &[Seen::KeepAlive], b"\r\n");
    check(b"\r\n", &[], b"");
    let twice = [&a[..], b"\r\n\r\n\r\n\r\n"].concat();
    check(&twice, &[whole(&a), Seen::KeepAlive, Seen::KeepAlive], b"\r\n\r\n");
    // One before a message and one behind it are two that are ignored.
    let apart = [b"\r\n", &a[..], b"\r\n"].concat();
    check(&apart, &[whole(&a)], b"");
}

#[test]
fn our_ping_is_answered_by_one_empty_line_or_ends_the_connection() {
    let mut pipe = Pipe::tcp(Role::Client, Times::default(), at(0));
    pipe.ping(at(5)).unwrap();
    assert_eq!(transmitted(&mut pipe, at(5)), PING);
    pipe.handle_received(PONG, at(9)).unwrap();
    assert_eq!(drain(&mut pipe), [Seen::Pong]);
    pipe.ping(at(10)).unwrap();
    transmitted(&mut pipe, at(10));
    assert_eq!(pipe.poll_timeout(), Some(at(10_010)));
    assert_eq!(pipe.handle_timeout(at(10_009)), Ok(()));
    assert_eq!(pipe.handle_timeout(at(10_010)), Err(Fault::PongMissing));
    assert_eq!(pipe.over(), Some(Fault::PongMissing));
}

#[test]
fn a_message_without_its_length_is_answered_and_nothing_more_is_read() {
    let head = b"OPTIONS sip:a@h SIP/2.0\r\nVia: x\r\n\r\n";
    let bytes = [&head[..], &message("b", "")].concat();
    let refused = Seen::Refused(head.to_vec(), Refusal::LengthMissing);
    let mut pipe = check(&bytes, &[refused], b"");
    pipe.handle_received(&message("c", ""), at(2)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    pipe.send(b"SIP/2.0 400 Bad Request\r\n\r\n", at(2)).unwrap();
    pipe.close(at(2));
    assert_eq!(transmitted(&mut pipe, at(2)), b"SIP/2.0 400 Bad Request\r\n\r\n");
    assert_eq!((pipe.over(), pipe.poll_timeout()), (Some(Fault::Closed), None));
}

#[test]
fn an_owner_who_forgets_a_refused_stream_is_reminded_by_time() {
    let mut pipe = server();
    pipe.handle_received(b"OPTIONS sip:a@h SIP/2.0\r\n\r\n", at(1)).unwrap();
    drain(&mut pipe);
    assert_eq!(pipe.poll_timeout(), Some(at(10_001)));
    assert_eq!(pipe.handle_timeout(at(10_001)), Err(Fault::MessageLate));
}

#[test]
fn what_is_no_sip_ends_the_connection() {
    let a = message("a", "");
    let bytes = [&a[..], b"\x16\x03\x01", &a[..]].concat();
    let mut pipe = check(&bytes, &[whole(&a), Seen::Over(Fault::Garbage)], b"");
    assert_eq!(pipe.handle_received(&a, at(2)), Err(Fault::Garbage));
    assert_eq!(pipe.send(&a, at(2)), Err(Unsent::Over));
    assert_eq!(pipe.poll_timeout(), None);
}

#[test]
fn a_message_dripped_byte_by_byte_is_late_pings_or_not() {
    let mut pipe = server();
    let a = message("a", "");
    for (n, byte) in a.iter().enumerate().take(a.len() - 1) {
        pipe.handle_received(&[*byte], at(100 * n as u64)).unwrap();
        assert_eq!(drain(&mut pipe), []);
        assert_eq!(pipe.poll_timeout(), Some(at(10_000)));
    }
    assert_eq!(pipe.handle_timeout(at(10_000)), Err(Fault::MessageLate));
}

#[test]
fn a_peer_that_says_nothing_is_late_and_one_that_speaks_is_idle_later() {
    let mut pipe = server();
    assert_eq!(pipe.poll_timeout(), Some(at(20_000)));
    pipe.handle_received(b"\r\n", at(10)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    assert_eq!(pipe.poll_timeout(), Some(at(20_000)), "half a ping is nothing whole");
    pipe.handle_received(b"\r\n", at(20)).unwrap();
    assert_eq!(drain(&mut pipe), [Seen::KeepAlive]);
    transmitted(&mut pipe, at(20));
    assert_eq!(pipe.poll_timeout(), Some(at(3_900_020)));
    assert_eq!(pipe.handle_timeout(at(3_900_020)), Err(Fault::Idle));
}

#[test]
fn a_peer_that_does_not_read_fills_a_bounded_box_and_stalls() {
    let mut pipe = Pipe::tcp(Role::Client, Times::default(), at(0));
    let long = vec![b'x'; MESSAGE_LEN_MAX];
    let expect = (crate::limits::OUTBOX_LEN_MAX - SEALED_LEN_MAX) / MESSAGE_LEN_MAX;
    let taken = (0..10).take_while(|_| pipe.send(&long, at(3)).is_ok()).count();
    assert_eq!(taken, expect);
    assert_eq!(pipe.send(&long, at(3)), Err(Unsent::Full));
    assert_eq!(pipe.send(&[long, vec![0]].concat(), at(3)), Err(Unsent::TooLong));
    assert_eq!(pipe.poll_timeout(), Some(at(20_003)));
    pipe.sent(1, at(10_000));
    assert_eq!(pipe.poll_timeout(), Some(at(30_000)));
    assert_eq!(pipe.handle_timeout(at(30_000)), Err(Fault::Stalled));
    // It has a moment to take the last words, then they are dropped.
    assert_eq!(pipe.poll_timeout(), Some(at(33_000)));
    assert_eq!(pipe.handle_timeout(at(33_000)), Err(Fault::Stalled));
    assert_eq!((pipe.poll_transmit(), pipe.poll_timeout()), (None, None));
}

#[test]
fn pings_of_a_peer_that_does_not_read_are_taken_but_not_answered_for_ever() {
    let mut pipe = server();
    for n in 0..4u64 {
        pipe.handle_received(&PING.repeat(RECEIVED_LEN_MAX / 4), at(n)).unwrap();
        drain(&mut pipe);
    }
    assert!(pipe.backlog() <= PONG_ROOM_LEN + PONG.len(), "{}", pipe.backlog());
}

#[test]
fn more_than_was_taken_is_an_overrun() {
    let mut pipe = server();
    assert_eq!(pipe.handle_received(&[b'\r'; RECEIVED_LEN_MAX + 1], at(0)), Err(Fault::Overrun));
    let mut pipe = server();
    let chunk = PING.repeat(RECEIVED_LEN_MAX / 4);
    let results: Vec<_> = (0..4).map(|_| pipe.handle_received(&chunk, at(0))).collect();
    assert_eq!(results, [Ok(()), Ok(()), Err(Fault::Overrun), Err(Fault::Overrun)]);
}

#[test]
fn the_longest_message_fits_however_it_comes() {
    let head = "MESSAGE sip:a@h SIP/2.0\r\nContent-Length: 65485\r\n\r\n";
    let a = [head.as_bytes(), &vec![b'x'; 65_485]].concat();
    assert_eq!(a.len(), MESSAGE_LEN_MAX);
    let mut pipe = server();
    pipe.handle_received(&a[..a.len() - 1], at(0)).unwrap();
    assert_eq!(drain(&mut pipe), []);
    let rest = [&a[a.len() - 1..], &a[..RECEIVED_LEN_MAX - 1]].concat();
    pipe.handle_received(&rest, at(0)).unwrap();
    assert_eq!(drain(&mut pipe), [whole(&a), whole(&a)]);
}

#[test]
fn the_end_of_the_stream_ends_the_pipe_but_not_what_waits() {
    let mut pipe = server();
    pipe.send(b"x", at(0)).unwrap();
    pipe.handle_end(at(1));
    assert_eq!(pipe.over(), Some(Fault::Ended));
    assert_eq!(transmitted(&mut pipe, at(1)), b"x");
    pipe.close(at(2));
    assert_eq!(pipe.over(), Some(Fault::Ended), "the first reason stays");
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Pipe>() <= 320, "{}", size_of::<Pipe>());
}

/// Pieces of a stream: messages, pings, and now and then something wrong.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z]{1,8}".prop_flat_map(|name| {
            "[ -~\r\n]{0,40}".prop_map(move |body| message(&name, &body))
        }),
        2 => Just(b"\r\n".to_vec()),
        2 => Just(b"\r\n\r\n".to_vec()),
        1 => Just(b"INFO sip:a SIP/2.0\r\nl\t:\r\n 3\r\n\r\nabc".to_vec()),
        1 => Just(b"INFO sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// However a stream is cut into reads, it says the same.
    #[test]
    fn any_split_gives_the_same_items(
        pieces in proptest::collection::vec(piece(), 1..8),
        cuts in proptest::collection::vec(1usize..60, 1..40),
    ) {
        let bytes = pieces.concat();
        let mut one = server();
        one.handle_received(&bytes, at(1)).unwrap();
        let expect = drain(&mut one);

        let (mut pipe, mut seen, mut rest) = (server(), Vec::new(), &bytes[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            rest = tail;
            let _ = pipe.handle_received(piece, at(1));
            seen.extend(drain(&mut pipe));
        }
        prop_assert_eq!(seen, expect);
        prop_assert_eq!(pipe.over(), one.over());
        prop_assert_eq!(transmitted(&mut pipe, at(2)), transmitted(&mut one, at(2)));
    }
}
