use super::super::{Mmsg, MmsgConfig, bind_stream};
use super::*;
use crate::eventfd::EventFd;
use crate::net::Io;
use std::net::Shutdown;
use std::time::Duration;
use strowger_link::SECOND;

/// A backend with one listener on loopback, number 3, and so many connections at most.
fn backend(connections_max: u32) -> (Mmsg, SocketAddr) {
    let config = MmsgConfig {
        listeners: Vec::new(),
        media_addresses: Vec::new(),
        waker: EventFd::new().unwrap(),
        sip_dscp: Vec::new(),
        media_dscp: Vec::new(),
    };
    let mut io = Mmsg::new(config).unwrap();
    let socket = bind_stream("127.0.0.1:0".parse().unwrap()).unwrap();
    let local = socket.local_addr().unwrap();
    let listeners = vec![StreamListener { number: 3, local, socket: Some(socket), dscp: 24 }];
    io.add_streams(StreamsConfig { listeners, connections_max }).unwrap();
    (io, local)
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// What happened, without the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Accepted(ConnId),
    Connected(ConnId),
    Received(ConnId, Vec<u8>),
    Writable(ConnId),
    Closed(ConnId, Closed),
}

fn once(io: &mut Mmsg, all: &mut Vec<Told>) -> usize {
    io.recv_streams(|event| {
        all.push(match event {
            StreamEvent::Accepted { conn, listener, .. } => {
                assert_eq!(listener, 3);
                Told::Accepted(conn)
            }
            StreamEvent::Connected { conn, .. } => Told::Connected(conn),
            StreamEvent::Received { conn, data } => Told::Received(conn, data.to_vec()),
            StreamEvent::Writable { conn } => Told::Writable(conn),
            StreamEvent::Closed { conn, how } => Told::Closed(conn, how),
        });
    })
}

/// Turns until `done`, ten seconds at most; gives all that happened.
fn until(io: &mut Mmsg, mut done: impl FnMut(&[Told]) -> bool) -> Vec<Told> {
    let (end, mut all) = (io.sample().plus_ns(10 * SECOND), Vec::new());
    while !done(&all) {
        assert!(io.now() < end, "nothing came behind {all:?}");
        once(io, &mut all);
        if !done(&all) {
            io.wait(end);
        }
    }
    all
}

fn accepted(io: &mut Mmsg) -> ConnId {
    let all = until(io, |all| matches!(all, [Told::Accepted(_), ..]));
    let [Told::Accepted(conn), ..] = all.as_slice() else { panic!("{all:?}") };
    *conn
}

#[test]
fn bytes_go_both_ways_until_the_peer_ends() {
    let (mut io, at) = backend(8);
    let mut peer = connect(at);
    let conn = accepted(&mut io);
    peer.write_all(b"OPTIONS").unwrap();
    let all = until(&mut io, |all| !all.is_empty());
    assert_eq!(all, [Told::Received(conn, b"OPTIONS".to_vec())]);
    assert_eq!(io.send_stream(conn, b"200 OK"), 6);
    let mut buffer = [0; 6];
    peer.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"200 OK");
    // What was sent before the end is read before the end.
    peer.write_all(b"BYE").unwrap();
    drop(peer);
    let all = until(&mut io, |all| matches!(all, [.., Told::Closed(..)]));
    assert_eq!(all, [Told::Received(conn, b"BYE".to_vec()), Told::Closed(conn, Closed::Ended)]);
    assert_eq!((io.send_stream(conn, b"x"), io.streams_open()), (0, 0));
    let counted = io.stream_counters(3);
    assert_eq!((counted.accepted, counted.closed, counted.lost), (1, 1, 0));
    assert_eq!(io.stream_counters(2), StreamCounters::default());
}

#[test]
fn the_next_connection_in_a_place_is_another_one() {
    let (mut io, at) = backend(1);
    let first = connect(at);
    let old = accepted(&mut io);
    io.close_stream(old);
    let mut second = connect(at);
    let new = accepted(&mut io);
    assert_eq!((new.place, new.life), (old.place, old.life + 1));
    assert_eq!(io.send_stream(old, b"for the first"), 0);
    io.close_stream(old);
    assert_eq!(io.send_stream(new, b"for the second"), 14);
    let mut buffer = [0; 14];
    second.read_exact(&mut buffer).unwrap();
    assert_eq!((&first).read(&mut [0; 8]).unwrap(), 0, "we closed it");
}

#[test]
fn too_many_are_turned_away() {
    let (mut io, at) = backend(2);
    let peers: Vec<TcpStream> = (0..3).map(|_| connect(at)).collect();
    until(&mut io, |all| all.iter().filter(|t| matches!(t, Told::Accepted(_))).count() == 2);
    let end = io.sample().plus_ns(10 * SECOND);
    while io.stream_counters(3).refused == 0 {
        once(&mut io, &mut Vec::new());
        io.wait(end);
    }
    assert_eq!(io.streams_open(), 2);
    assert_eq!((&peers[2]).read(&mut [0; 8]).unwrap_or(0), 0, "closed at once");
    assert_eq!(io.open_stream(3, at), Err(ConnectError::Full));
}

#[test]
fn ours_come_up_or_do_not() {
    let (mut io, _) = backend(8);
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let conn = io.open_stream(3, there.local_addr().unwrap()).unwrap();
    assert_eq!(io.send_stream(conn, b"too early"), 0);
    assert_eq!(until(&mut io, |all| !all.is_empty()), [Told::Connected(conn)]);
    assert_eq!(io.send_stream(conn, b"INVITE"), 6);
    let (mut peer, from) = there.accept().unwrap();
    assert_eq!(from.ip(), "127.0.0.1".parse::<std::net::IpAddr>().unwrap());
    let mut buffer = [0; 6];
    peer.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"INVITE");
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let conn = io.open_stream(3, gone).unwrap();
    let all = until(&mut io, |all| !all.is_empty());
    assert_eq!(all, [Told::Closed(conn, Closed::Refused)]);
    let counted = io.stream_counters(3);
    assert_eq!((counted.opened, counted.failed), (1, 1));
    let v6 = "[::1]:5060".parse().unwrap();
    for (listener, to) in [(3, v6), (0, gone)] {
        assert_eq!(io.open_stream(listener, to), Err(ConnectError::NoListener));
    }
}

/// A peer that does not read fills what the system holds; when it reads, we are told.
#[test]
fn a_full_connection_says_when_there_is_room() {
    let (mut io, at) = backend(8);
    let mut peer = connect(at);
    let conn = accepted(&mut io);
    let block = [7; 65_536];
    let mut sent = 0;
    loop {
        let taken = io.send_stream(conn, &block);
        sent += taken;
        if taken < block.len() {
            break;
        }
    }
    assert_eq!(io.send_stream(conn, &block), 0);
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    while read < sent {
        read += peer.read(&mut buffer).unwrap();
    }
    assert_eq!(until(&mut io, |all| !all.is_empty()), [Told::Writable(conn)]);
    assert_eq!(io.send_stream(conn, b"on"), 2);
    // A reset is no end in order. What the peer has not read makes one of its closing.
    io.send_stream(conn, b"unread");
    peer.set_nonblocking(false).unwrap();
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let all = until(&mut io, |all| matches!(all, [.., Told::Closed(..)]));
    assert_eq!(all, [Told::Closed(conn, Closed::Broken)]);
    assert_eq!(io.stream_counters(3).lost, 1);
}

/// One that sends without end is read in turn with the others.
#[test]
fn nobody_starves() {
    let (mut io, at) = backend(8);
    let loud = connect(at);
    let first = accepted(&mut io);
    let mut quiet = connect(at);
    let second = accepted(&mut io);
    loud.set_nonblocking(true).unwrap();
    let block = vec![7; 1 << 20];
    let mut sent = 0;
    while let Ok(taken) = (&loud).write(&block) {
        sent += taken;
    }
    assert!(sent > 4 * STREAM_BYTES_MAX, "loopback holds more than four reads");
    quiet.write_all(b"hello").unwrap();
    let heard = |all: &[Told], who| {
        let of = |told: &Told| match told {
            Told::Received(conn, bytes) if *conn == who => bytes.len(),
            Told::Received(..)
            | Told::Accepted(_)
            | Told::Connected(_)
            | Told::Writable(_)
            | Told::Closed(..) => 0,
        };
        all.iter().map(of).sum::<usize>()
    };
    let all = until(&mut io, |all| heard(all, second) == 5);
    assert!(heard(&all, first) < sent, "it did not have to wait for all of the other's");
    let before = heard(&all, first);
    let rest = until(&mut io, |all| before + heard(all, first) >= sent);
    assert!(rest.iter().all(|t| !matches!(t, Told::Received(_, b) if b.len() > STREAM_BYTES_MAX)));
    loud.shutdown(Shutdown::Both).unwrap();
}

#[test]
fn an_idle_connection_does_not_wake_anybody() {
    let (mut io, at) = backend(8);
    let _peers: Vec<TcpStream> = (0..4).map(|_| connect(at)).collect();
    until(&mut io, |all| all.iter().filter(|t| matches!(t, Told::Accepted(_))).count() == 4);
    once(&mut io, &mut Vec::new());
    // That there is room to write is told once of each.
    let soon = io.sample().plus_ms(5);
    io.wait(soon);
    assert_eq!(once(&mut io, &mut Vec::new()), 0, "nothing that is new");
    let until = io.sample().plus_ms(50);
    let woke = io.wait(until);
    assert!(io.now() >= until && !woke.streams, "{woke:?}");
}

#[test]
fn a_connection_that_is_given_away_is_heard_of_no_more() {
    let (mut io, at) = backend(1);
    let mut peer = connect(at);
    let conn = accepted(&mut io);
    let mut stream = io.release_stream(conn).unwrap();
    assert!(io.release_stream(conn).is_none());
    assert_eq!((io.streams_open(), io.send_stream(conn, b"x")), (0, 0));
    // Its place is free, and its bytes are its new owner's.
    peer.write_all(b"GET").unwrap();
    let other = connect(at);
    let second = accepted(&mut io);
    assert_eq!((second.place, second.life), (conn.place, conn.life + 1));
    drop(peer);
    let mut all = Vec::new();
    let end = io.sample().plus_ns(SECOND / 20);
    while io.sample() < end {
        io.wait(end);
        once(&mut io, &mut all);
    }
    assert_eq!(all, []);
    stream.set_nonblocking(false).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "GET");
    drop(other);
}
