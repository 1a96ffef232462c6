//! Connections over a system that only writes down what it is told.

use super::*;
use std::collections::BTreeMap as Map;
use strowger_link::{MS, SECOND};
use strowger_port::net::{
    Closed, MediaBurst, MediaPort, OpenError, SendResult, SipDatagram, SipFailure, SipPath, Woke,
};

const NOW: Tick = Tick(100 * SECOND);
const PHONE: &str = "198.51.100.7:40000";
const PEER: &str = "192.0.2.20:5060";

#[derive(Default)]
struct Fake {
    next: u32,
    opened: Vec<(ConnId, SocketAddr)>,
    closed: Vec<ConnId>,
    sent: Map<ConnId, Vec<u8>>,
    /// Bytes that each connection still takes; not there = all.
    room: Map<ConnId, usize>,
    refuses: bool,
    /// Sockets of connections that can be given away.
    sockets: Map<ConnId, std::net::TcpStream>,
}

impl Io for Fake {
    fn now(&self) -> Tick {
        NOW
    }
    fn sample(&mut self) -> Tick {
        NOW
    }
    fn wall_us(&self) -> i64 {
        0
    }
    fn recv_sip(&mut self, _: impl FnMut(SipDatagram<'_>)) -> usize {
        0
    }
    fn recv_sip_errors(&mut self, _: impl FnMut(SipFailure)) -> usize {
        0
    }
    fn send_sip(&mut self, _: SipPath, _: &[u8]) -> SendResult {
        SendResult::NoListener
    }
    fn open_stream(&mut self, listener: u8, peer: SocketAddr) -> Result<ConnId, ConnectError> {
        assert_eq!(listener, 1);
        if self.refuses {
            return Err(ConnectError::Unreachable);
        }
        let conn = self.conn();
        self.opened.push((conn, peer));
        Ok(conn)
    }
    fn send_stream(&mut self, conn: ConnId, data: &[u8]) -> usize {
        let room = self.room.entry(conn).or_insert(usize::MAX);
        let taken = data.len().min(*room);
        *room -= taken;
        self.sent.entry(conn).or_default().extend_from_slice(&data[..taken]);
        taken
    }
    fn close_stream(&mut self, conn: ConnId) {
        self.closed.push(conn);
    }
    fn release_stream(&mut self, conn: ConnId) -> Option<std::net::TcpStream> {
        self.sockets.remove(&conn)
    }
    fn open_media(&mut self, _: MediaPort) -> Result<(), OpenError> {
        Err(OpenError::NoAddress)
    }
    fn close_media(&mut self, _: MediaPort) {}
    fn recv_media(&mut self, _: &mut MediaBurst) -> usize {
        0
    }
    fn send_media(&mut self, _: &mut MediaBurst) {}
    fn flush(&mut self) {}
    fn wait(&mut self, _: Tick) -> Woke {
        Woke::default()
    }
}

impl Fake {
    fn conn(&mut self) -> ConnId {
        self.next += 1;
        ConnId { place: self.next, life: 1 }
    }

    fn sent(&mut self, conn: ConnId) -> String {
        String::from_utf8(self.sent.remove(&conn).unwrap_or_default()).unwrap()
    }
}

struct Bench {
    all: Connections,
    io: Fake,
    now: Tick,
    trusted: bool,
}

impl Bench {
    fn new(config: Streams) -> Bench {
        let config = Streams { epoch: 9, ..config };
        let all = Connections::new(2, config);
        Bench { all, io: Fake::default(), now: NOW, trusted: false }
    }

    fn event(&mut self, event: StreamEvent<'_>) {
        let local: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let of = |transport| Listener { transport, local, advertised: local };
        let listeners = [of(Transport::Udp), of(Transport::Tcp), of(Transport::Ws)];
        self.all.handle_event(event, &listeners, |_| self.trusted, self.now);
    }

    fn accept(&mut self, peer: &str) -> ConnId {
        self.accept_at(1, peer)
    }

    fn accept_at(&mut self, listener: u8, peer: &str) -> ConnId {
        let (local, peer) = ("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap());
        let conn = self.io.conn();
        self.event(StreamEvent::Accepted { conn, listener, local, peer });
        conn
    }

    fn connected(&mut self, conn: ConnId) {
        let local = "192.0.2.1:33333".parse().unwrap();
        self.event(StreamEvent::Connected { conn, local });
        assert_eq!(self.read(), []);
    }

    /// All that can be read: text, and the flow that it came by.
    fn read(&mut self) -> Vec<(String, u64)> {
        let (mut all, mut text) = (Vec::new(), Vec::new());
        while let Some(read) = self.all.read(&mut self.io, &mut text, self.now) {
            let text = String::from_utf8(text.clone()).unwrap();
            all.push(match read {
                Read::Message(path) => (text, path.flow),
                Read::Unframed(path, refusal) => (format!("{refusal:?}"), path.flow),
            });
        }
        all
    }

    fn receive(&mut self, conn: ConnId, text: &str) -> Vec<(String, u64)> {
        self.event(StreamEvent::Received { conn, data: text.as_bytes() });
        self.read()
    }

    fn send(&mut self, peer: &str, flow: u64, text: &str) -> bool {
        let path = path(peer, flow);
        self.all.transmit(&mut self.io, &path, text.as_bytes(), self.now)
    }

    fn flow(&self, conn: ConnId) -> u64 {
        self.all.token(conn).unwrap()
    }

    fn wait_until(&mut self, end: Tick) {
        while let Some(at) = self.all.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.all.handle_timeout(&mut self.io, self.now);
        }
        self.now = end;
    }

    fn lost(&mut self) -> Vec<(String, Vec<u64>)> {
        let mut all = Vec::new();
        while let Some(lost) = self.all.poll_lost() {
            assert_eq!(lost.transport, Transport::Tcp);
            all.push((lost.peer.to_string(), lost.flows));
        }
        all
    }
}

fn path(peer: &str, flow: u64) -> Path {
    let local = "192.0.2.1:5060".parse().unwrap();
    Path { listener: 1, transport: Transport::Tcp, local, peer: peer.parse().unwrap(), flow }
}

fn message(start: &str, to: &str) -> String {
    format!(
        "{start}\r\nVia: SIP/2.0/TCP 198.51.100.7:5070;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:c@d>{to}\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

fn request() -> String {
    message("OPTIONS sip:c@192.0.2.20 SIP/2.0", "")
}

fn response() -> String {
    message("SIP/2.0 200 OK", ";tag=2")
}

#[test]
fn an_answer_goes_back_by_the_connection_that_its_request_came_by() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let (whole, flow) = (request(), bench.flow(conn));
    let (first, second) = whole.split_at(40);
    assert_eq!(bench.receive(conn, first), []);
    let two = format!("{second}{whole}");
    assert_eq!(bench.receive(conn, &two), [(whole.clone(), flow), (whole, flow)]);
    assert!(bench.send(PHONE, flow, &response()));
    assert_eq!(bench.io.sent(conn), response());
    assert_eq!(bench.io.opened, []);
}

#[test]
fn a_request_goes_by_what_is_open_or_opens_one() {
    let mut bench = Bench::new(Streams::default());
    assert!(bench.send(PEER, 0, &request()));
    let [(conn, to)] = bench.io.opened[..] else { panic!("{:?}", bench.io.opened) };
    assert_eq!(to.to_string(), PEER);
    // It waits for the connection, and so does the next one.
    assert!(bench.send(PEER, 0, &request()));
    assert_eq!(bench.io.sent(conn), "");
    bench.connected(conn);
    assert_eq!(bench.io.sent(conn), [request(), request()].concat());
    assert!(bench.send(PEER, 0, &request()));
    assert_eq!((bench.io.sent(conn), bench.io.opened.len()), (request(), 1));
    // Its answer comes by the same connection.
    let flow = bench.flow(conn);
    assert_eq!(bench.receive(conn, &response()), [(response(), flow)]);
    // To the same host by another port: another one. And one that the peer made serves as well.
    assert!(bench.send("192.0.2.20:5070", 0, &request()));
    assert_eq!(bench.io.opened.len(), 2);
    let theirs = bench.accept(PHONE);
    assert!(bench.send(PHONE, 0, &request()));
    assert_eq!((bench.io.sent(theirs), bench.io.opened.len()), (request(), 2));
}

/// RFC 5923: a trunk's own port leads to the connection that it made, once it said so.
#[test]
fn a_connection_that_is_offered_is_used() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept("192.0.2.20:40000");
    let path = path("192.0.2.20:40000", bench.flow(conn));
    let offer = request().replace(":5070;branch", ":5060;alias;branch");
    bench.all.look_for_alias(&path, request().as_bytes());
    bench.all.look_for_alias(&path, offer.as_bytes());
    assert!(bench.send(PEER, 0, &request()), "only the first message says");
    assert_eq!((bench.io.sent(conn), bench.io.opened.len()), (String::new(), 1));
    let other = bench.accept("192.0.2.20:40001");
    let path = Path { peer: "192.0.2.20:40001".parse().unwrap(), flow: bench.flow(other), ..path };
    bench.all.look_for_alias(&path, offer.as_bytes());
    assert!(bench.send(PEER, 0, &request()));
    assert_eq!((bench.io.sent(other), bench.io.opened.len()), (request(), 1));
    bench.event(StreamEvent::Closed { conn: other, how: Closed::Ended });
    assert!(bench.send(PEER, 0, &request()));
    assert_eq!(bench.io.opened.len(), 2);
}

#[test]
fn what_does_not_come_up_is_lost_at_once_or_in_time() {
    let mut bench = Bench::new(Streams::default());
    bench.io.refuses = true;
    assert!(!bench.send(PEER, 0, &request()));
    assert_eq!(bench.lost(), [(PEER.to_owned(), vec![0])]);
    bench.io.refuses = false;
    for late in [false, true] {
        assert!(bench.send(PEER, 0, &request()));
        let (conn, _) = *bench.io.opened.last().unwrap();
        let flow = bench.flow(conn);
        assert_eq!(bench.lost(), []);
        if late {
            bench.wait_until(bench.now.plus_ms(1_999));
            assert_eq!(bench.lost(), []);
            bench.wait_until(bench.now.plus_ms(1));
            assert_eq!(bench.io.closed, [conn]);
        } else {
            bench.event(StreamEvent::Closed { conn, how: Closed::Refused });
        }
        assert_eq!(bench.lost(), [(PEER.to_owned(), vec![flow])]);
        assert_eq!((bench.all.open_count(), bench.all.poll_timeout()), (0, None));
    }
}

/// RFC 3261 18.2.2: to the source, by the port of sent-by.
#[test]
fn an_answer_whose_connection_is_gone_opens_another_one() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let flow = bench.flow(conn);
    bench.event(StreamEvent::Closed { conn, how: Closed::Ended });
    assert!(bench.send(PHONE, flow, &response()));
    let (new, to) = bench.io.opened[0];
    assert_eq!(to.to_string(), "198.51.100.7:5070");
    bench.connected(new);
    assert_eq!(bench.io.sent(new), response());
    // A connection of another life of ours is gone as well.
    let former = FlowToken { epoch: 8, shard: 2, place: new.place, life: 1 }.to_word().unwrap();
    assert!(bench.send(PHONE, former, &response()));
    assert_eq!((bench.io.sent(new), bench.io.opened.len()), (response(), 1));
    // Nobody waits for answers to answers.
    bench.event(StreamEvent::Closed { conn: new, how: Closed::Broken });
    assert_eq!(bench.lost(), []);
}

/// RFC 5626 5.3.1: a request for a flow goes by that flow or nowhere.
#[test]
fn a_registered_flow_that_is_gone_is_said_to_be() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let flow = bench.flow(conn);
    bench.all.registered(flow);
    assert_eq!(bench.all.flow_failed(), None);
    bench.event(StreamEvent::Closed { conn, how: Closed::Broken });
    assert_eq!(bench.all.flow_failed(), Some(flow));
    bench.all.flow_told(flow);
    assert_eq!(bench.all.flow_failed(), None);
    let first = message("OPTIONS sip:c@198.51.100.7:5071;ob SIP/2.0", "");
    assert!(!bench.send(PHONE, flow, &first));
    assert_eq!(bench.lost(), [(PHONE.to_owned(), vec![flow])]);
    assert_eq!((bench.all.flow_failed(), bench.io.opened.len()), (Some(flow), 0));
    // A request inside a dialog may go to its target; if that fails, it has failed.
    let inside = message("OPTIONS sip:c@198.51.100.7:5071 SIP/2.0", ";tag=2");
    assert!(bench.send(PHONE, flow, &inside));
    let (new, to) = bench.io.opened[0];
    assert_eq!(to.to_string(), "198.51.100.7:5071");
    bench.event(StreamEvent::Closed { conn: new, how: Closed::Refused });
    let flows = vec![flow, bench.flow(new)];
    assert_eq!(bench.lost(), [("198.51.100.7:5071".to_owned(), flows)]);
}

#[test]
fn one_source_has_so_many_connections_unless_it_is_a_trunk() {
    let mut bench = Bench::new(Streams { per_source_max: 2, ..Streams::default() });
    let first = bench.accept(PHONE);
    bench.accept(PHONE);
    let third = bench.accept(PHONE);
    assert_eq!((bench.read(), &bench.io.closed[..]), (vec![], &[third][..]));
    bench.accept("198.51.100.8:1");
    assert_eq!((bench.all.open_count(), bench.all.counted(1).refused), (3, 1));
    bench.event(StreamEvent::Closed { conn: first, how: Closed::Ended });
    bench.accept(PHONE);
    bench.trusted = true;
    bench.accept(PHONE);
    assert_eq!((bench.all.open_count(), bench.all.counted(1).refused), (4, 1));
}

#[test]
fn pings_are_answered_and_ours_are_sent() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    assert_eq!(bench.receive(conn, "\r\n\r\n"), []);
    assert_eq!((bench.io.sent(conn), bench.all.counted(1).pings), ("\r\n".to_owned(), 1));
    assert!(bench.send(PEER, 0, &request()));
    let (ours, _) = bench.io.opened[0];
    bench.connected(ours);
    bench.io.sent.clear();
    // A peer that does not know of it is silent, and keeps its connection.
    bench.wait_until(NOW.plus_ns(250 * SECOND));
    assert_eq!(bench.io.sent(ours), "\r\n\r\n\r\n\r\n");
    assert!(bench.all.named(bench.flow(ours)).is_some());
}

#[test]
fn messages_are_taken_in_turn() {
    let mut bench = Bench::new(Streams::default());
    let (a, b) = (bench.accept(PHONE), bench.accept("198.51.100.8:1"));
    let (of_a, of_b) = (bench.flow(a), bench.flow(b));
    let three = [request(), request(), request()].concat();
    bench.event(StreamEvent::Received { conn: a, data: three.as_bytes() });
    let read = bench.receive(b, &request());
    assert!(!bench.all.is_ready());
    let flows: Vec<u64> = read.into_iter().map(|(_, flow)| flow).collect();
    assert_eq!(flows, [of_a, of_b, of_a, of_a]);
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let flow = bench.flow(conn);
    bench.io.room.insert(conn, 10);
    assert!(bench.send(PHONE, flow, &request()));
    assert_eq!(bench.io.sent(conn), request()[..10]);
    bench.io.room.insert(conn, usize::MAX);
    assert!(bench.send(PHONE, flow, &request()));
    assert_eq!(bench.io.sent(conn), "", "nothing is tried before there is room");
    bench.event(StreamEvent::Writable { conn });
    bench.read();
    assert_eq!(bench.io.sent(conn), [&request()[10..], &request()].concat());
    bench.io.room.insert(conn, 0);
    let large = message(&format!("OPTIONS sip:{}@d SIP/2.0", "x".repeat(60_000)), "");
    while bench.send(PHONE, flow, &large) {}
    assert_eq!((&bench.io.closed[..], bench.all.open_count()), (&[conn][..], 0));
    assert_eq!(bench.lost(), [(PHONE.to_owned(), vec![flow])]);
}

#[test]
fn a_message_without_an_end_is_told_and_its_connection_closed() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let flow = bench.flow(conn);
    let endless = request().replace("Content-Length: 0\r\n", "");
    assert_eq!(bench.receive(conn, &endless), [("LengthMissing".to_owned(), flow)]);
    assert!(bench.send(PHONE, flow, &response()));
    bench.all.close(&mut bench.io, flow, NOW);
    assert_eq!((bench.io.sent(conn), &bench.io.closed[..]), (response(), &[conn][..]));
}

#[test]
fn a_peer_that_says_nothing_is_not_kept() {
    let mut bench = Bench::new(Streams::default());
    let conn = bench.accept(PHONE);
    let first_ns = u64::from(Times::default().first_ms) * MS;
    bench.wait_until(NOW.plus_ns(first_ns - MS));
    assert_eq!(bench.io.closed, []);
    bench.wait_until(NOW.plus_ns(first_ns));
    assert_eq!((&bench.io.closed[..], bench.all.poll_timeout()), (&[conn][..], None));
}

/// A browser at the listener for WebSocket that wants something else; where its guests went.
fn browser(takes: bool) -> (Bench, ConnId, std::sync::mpsc::Receiver<Guest>) {
    let mut bench = Bench::new(Streams { per_source_max: 1, ..Streams::default() });
    let (went, guests) = std::sync::mpsc::channel();
    let take = move |guest: Guest| match takes {
        true => went.send(guest).map_err(|gone| Box::new(gone.0)),
        false => Err(Box::new(guest)),
    };
    bench.all.set_guests(Guests { listeners: vec![2], take: Box::new(take) });
    let conn = bench.accept_at(2, PHONE);
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
    bench.io.sockets.insert(conn, socket);
    (bench, conn, guests)
}

#[test]
fn http_at_a_listener_for_websocket_leaves_with_what_it_said() {
    let (mut bench, conn, guests) = browser(true);
    assert_eq!(bench.receive(conn, "GET /health"), []);
    assert!(guests.try_recv().is_err(), "nobody knows yet what it is");
    assert_eq!(bench.receive(conn, "z HTTP/1.1\r\nHost: x\r\n\r\n"), []);
    let guest = guests.try_recv().unwrap();
    assert_eq!(guest.first, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((guest.peer, guest.pipe.is_open()), (PHONE.parse().unwrap(), true));
    // Nothing of it is left, and its source may come again.
    assert_eq!((bench.all.open_count(), bench.all.poll_timeout()), (0, None));
    assert_eq!((bench.io.closed.len(), bench.lost()), (0, vec![]));
    bench.receive(conn, "late words");
    bench.accept_at(2, PHONE);
    assert_eq!(bench.all.open_count(), 1);
}

#[test]
fn a_guest_that_nobody_takes_is_closed() {
    let (mut bench, conn, _) = browser(false);
    bench.receive(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((bench.all.open_count(), bench.io.sockets.len()), (0, 0));
    // At a listener without guests.
    let (mut bench, conn, guests) = browser(true);
    bench.all.set_guests(Guests { listeners: vec![1], take: Box::new(|_| Ok(())) });
    bench.receive(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(guests.try_recv().is_err());
    assert_eq!((bench.all.open_count(), &bench.io.closed[..]), (0, &[conn][..]));
    // A system without sockets.
    let (mut bench, conn, guests) = browser(true);
    bench.io.sockets.clear();
    bench.receive(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(guests.try_recv().is_err());
    assert_eq!((bench.all.open_count(), &bench.io.closed[..]), (0, &[conn][..]));
}
