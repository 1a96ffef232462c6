//! A guest between a peer of the test and a listener of the test.

use super::*;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use strowger_stream::{Policy, Times};

const NOW: Tick = Tick(1_000_000_000);

struct Rig {
    path: PathBuf,
    door: UnixListener,
    peer: TcpStream,
    guest: Spliced,
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    for one in [&peer, &stream] {
        one.set_nonblocking(true).unwrap();
    }
    (peer, stream)
}

/// A connection whose pipe has found that it is no SIP, with what it said.
fn foreign(said: &[u8]) -> (TcpStream, Guest) {
    let (peer, stream) = pair();
    let mut pipe = Pipe::ws_server(Arc::new(Policy::default()), Times::default(), NOW);
    pipe.handle_received(said, NOW).unwrap();
    let Some(Item::Foreign(first)) = pipe.poll_message() else { panic!("it is SIP") };
    let first = first.to_vec();
    let address = |text: &str| text.parse().unwrap();
    let (local, from) = (address("192.0.2.1:443"), address("203.0.113.7:40000"));
    (peer, Guest { stream, pipe, first, local, peer: from })
}

fn rig(name: &str, said: &[u8]) -> Rig {
    let path = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
    let _former = std::fs::remove_file(&path);
    let door = UnixListener::bind(&path).unwrap();
    let (peer, guest) = foreign(said);
    let (guest, begun) = Spliced::begin(guest, &path, false, NOW);
    begun.unwrap();
    Rig { path, door, peer, guest }
}

/// Steps as a thread does that was told all it waits for.
fn turn(guest: &mut Spliced, now: Tick) -> Step {
    let interests = guest.interests();
    guest.step(interests, now)
}

#[test]
fn bytes_go_both_ways_behind_a_header_that_says_whose_they_are() {
    let mut rig = rig("both", b"POST / HTTP/1.1\r\n\r\n");
    assert_eq!(turn(&mut rig.guest, NOW), Step::On);
    let (mut rest, _) = rig.door.accept().unwrap();
    rig.peer.write_all(b"more words").unwrap();
    assert_eq!(turn(&mut rig.guest, NOW), Step::On);
    turn(&mut rig.guest, NOW);
    let mut heard = [0; 28 + 19 + 10];
    rest.read_exact(&mut heard).unwrap();
    let (head, text) = heard.split_at(28);
    assert_eq!(&head[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(head[16..], [203, 0, 113, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb]);
    assert_eq!(text, b"POST / HTTP/1.1\r\n\r\nmore words");
    rest.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    drop(rest);
    while turn(&mut rig.guest, NOW) == Step::On {}
    let mut answer = [0; 64];
    let got = rig.peer.read(&mut answer).unwrap();
    assert_eq!(&answer[..got], b"HTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn a_peer_that_says_no_more_has_its_answer() {
    let mut rig = rig("half", b"GET / HTTP/1.1\r\n\r\n");
    rig.peer.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(turn(&mut rig.guest, NOW), Step::On);
    }
    let (mut rest, _) = rig.door.accept().unwrap();
    let mut heard = Vec::new();
    rest.read_to_end(&mut heard).unwrap();
    assert!(heard.ends_with(b"GET / HTTP/1.1\r\n\r\n"));
    rest.write_all(b"yes").unwrap();
    turn(&mut rig.guest, NOW);
    let mut answer = [0; 8];
    assert_eq!(rig.peer.read(&mut answer).unwrap(), 3);
}

/// As one that refuses a long body at once: its answer comes through.
#[test]
fn what_rest_said_before_it_listened_no_more_comes_through() {
    let mut rig = rig("deaf", b"POST / HTTP/1.1\r\n\r\n");
    turn(&mut rig.guest, NOW);
    let (mut rest, _) = rig.door.accept().unwrap();
    rest.write_all(b"HTTP/1.1 413 Too Long\r\n\r\n").unwrap();
    rest.shutdown(Shutdown::Read).unwrap();
    rig.peer.write_all(b"more words").unwrap();
    for _ in 0..4 {
        assert_eq!(turn(&mut rig.guest, NOW), Step::On);
    }
    let mut answer = [0; 64];
    let got = rig.peer.read(&mut answer).unwrap();
    assert!(answer[..got].starts_with(b"HTTP/1.1 413 "));
}

/// A control plane that is killed between the question and the answer.
#[test]
fn rest_that_ends_before_it_answered_is_an_answer() {
    for is_read in [true, false] {
        let mut rig = rig("gone", b"GET / HTTP/1.1\r\n\r\n");
        turn(&mut rig.guest, NOW);
        let (mut rest, _) = rig.door.accept().unwrap();
        if is_read {
            let mut heard = [0; 28 + 18];
            rest.read_exact(&mut heard).unwrap();
        }
        // What was not read makes it a reset.
        drop(rest);
        while turn(&mut rig.guest, NOW) == Step::On {}
        let mut answer = [0; 256];
        let got = rig.peer.read(&mut answer).unwrap();
        assert_eq!(&answer[..got], AWAY, "read: {is_read}");
    }
}

/// Whoever does not read holds up his own bytes and is asked for no more.
#[test]
fn what_waits_is_bounded_on_both_sides() {
    let mut rig = rig("bound", b"POST / HTTP/1.1\r\n\r\n");
    turn(&mut rig.guest, NOW);
    let (mut rest, _) = rig.door.accept().unwrap();
    rest.set_nonblocking(true).unwrap();
    // REST does not read: the peer's bytes wait in its own queue.
    let much = vec![b'x'; 1 << 20];
    let mut given = 0;
    for _ in 0..500 {
        given += rig.peer.write(&much).unwrap_or(0);
        assert_eq!(turn(&mut rig.guest, NOW), Step::On);
        assert!(rig.guest.up.len() <= READ_LEN, "{}", rig.guest.up.len());
    }
    assert!(!rig.guest.interests()[0].read && rig.guest.interests()[1].write);
    assert!(given < 64 << 20);
    // The peer does not read: REST's bytes wait in its queue.
    for _ in 0..500 {
        let _full = rest.write(&much);
        assert_eq!(turn(&mut rig.guest, NOW), Step::On);
        assert!(rig.guest.pipe.backlog() <= BACKLOG_MAX + READ_LEN);
    }
    assert!(!rig.guest.interests()[1].read && rig.guest.interests()[0].write);
}

#[test]
fn nobody_there_is_an_answer_and_so_is_a_full_house() {
    for (crowded, missing) in [(false, Some(ErrorKind::NotFound)), (true, None)] {
        let (mut peer, guest) = foreign(b"GET / HTTP/1.1\r\n\r\n");
        let nowhere = Path::new("/nonexistent/rest.sock");
        let (mut guest, begun) = Spliced::begin(guest, nowhere, crowded, NOW);
        assert_eq!(begun.map_err(|why| why.kind()).err(), missing);
        assert_eq!(turn(&mut guest, NOW), Step::Over);
        let mut answer = [0; 256];
        let got = peer.read(&mut answer).unwrap();
        assert!(answer[..got].starts_with(b"HTTP/1.1 503 "));
    }
}

#[test]
fn a_silent_guest_goes() {
    let mut rig = rig("silent", b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(turn(&mut rig.guest, NOW), Step::On);
    assert_eq!(turn(&mut rig.guest, NOW.plus_ms(IDLE_MS - 1)), Step::On);
    assert_eq!(turn(&mut rig.guest, NOW.plus_ms(IDLE_MS)), Step::Over);
}

#[test]
fn addresses_of_ipv6_have_their_own_header() {
    let bytes = header("[2001:db8::7]:80".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap());
    assert_eq!(bytes[12..16], [0x21, 0x21, 0, 36]);
    assert_eq!((bytes.len(), bytes[31]), (52, 7));
    let mapped = header("[::ffff:192.0.2.7]:80".parse().unwrap(), "192.0.2.1:443".parse().unwrap());
    assert_eq!((mapped[13], &mapped[16..20]), (0x11, &[192, 0, 2, 7][..]));
}
