use super::*;
use crate::burst::MediaPacket;
use crate::net::{SIP_BURST_MAX, SIP_DATAGRAM_BYTES_MAX, SipFailureReason};
use std::os::fd::AsRawFd;
use std::time::Duration;
use strowger_link::{MS, SECOND};

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A backend with SIP listeners at these addresses, and 127.0.0.1 and 127.0.0.2 for media.
fn backend(listeners: &[&str]) -> Mmsg {
    let bind = |text: &&str| bind_sip(text.parse().unwrap(), false).unwrap();
    let listeners = listeners.iter().map(bind).collect();
    let media_addresses = vec![LOCALHOST, "127.0.0.2".parse().unwrap()];
    let waker = EventFd::new().unwrap();
    let (sip_dscp, media_dscp) = (Vec::new(), Vec::new());
    made(MmsgConfig { listeners, media_addresses, waker, sip_dscp, media_dscp })
}

thread_local! {
    /// Backends of this thread's test go by io_uring.
    static BY_RING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn made(config: MmsgConfig) -> Mmsg {
    let mut io = Mmsg::new(config).unwrap();
    if BY_RING.get() {
        io.use_ring().unwrap();
    }
    io
}

/// Runs with backends that go by io_uring, where there is one.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn by_ring(test: impl FnOnce()) {
    if let Err(error) = Sender::new() {
        eprintln!("SKIPPED: io_uring cannot be had here: {error}");
        return;
    }
    // The kernel wakes us once when a ring of ours has ended, as the one above.
    EventFd::new().unwrap().wait(Some(100)).unwrap();
    BY_RING.set(true);
    test();
    BY_RING.set(false);
}

/// The same sockets with the same outcome, whichever way they are read and written.
#[test]
fn what_holds_for_each_socket_by_itself_holds_by_io_uring() {
    by_ring(|| {
        // First, before any ring has ended.
        the_waker_and_the_deadline_end_a_sleep();
        receive_buffers_are_as_they_were_set();
        what_is_sent_has_the_mark_of_its_listener_or_address();
        a_reply_leaves_from_the_address_the_request_came_to();
        the_same_with_ipv6();
        a_call_hands_out_at_most_a_burst_and_the_rest_does_not_sleep();
        the_longest_datagram_comes_whole();
        queue_delay_is_told();
        more_than_the_queue_flushes_itself_in_order();
        a_closed_port_is_a_failure_and_spoils_no_other_datagram();
        media_is_relayed_in_place_and_in_order();
        media_made_here_may_grow_and_leaves_by_its_port();
        packets_longer_than_a_buffer_are_counted_and_the_rest_stays_in_order();
        at_a_high_rate_packets_gather_and_no_deadline_is_missed_for_it();
        signalling_gathers_at_a_high_rate_and_lone_messages_do_not();
        ports_open_once_and_close();
    });
}

mod ringed;

fn peer(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Turns until `done`, ten seconds at most.
fn turn_until(io: &mut Mmsg, mut done: impl FnMut(&mut Mmsg) -> bool) {
    let end = io.sample().plus_ns(10 * SECOND);
    while !done(io) {
        assert!(io.now() < end, "nothing came");
        io.wait(end);
    }
}

fn sockets(io: &Mmsg) -> &MediaSockets {
    let Media::Sockets(sockets) = &io.media else { panic!("no socket for each port") };
    sockets
}

/// What the kernel gives: at most its limit, doubled.
#[test]
fn receive_buffers_are_as_they_were_set() {
    let mut io = backend(&["127.0.0.1:0"]);
    for (sip, media) in [(64 * 1024, 32 * 1024), (128 * 1024, 16 * 1024)] {
        io.set_buffers(sip, media).unwrap();
        let (port, _) = open(&mut io, 0);
        assert_eq!(io.sip.rcvbuf(0), Some(2 * sip));
        assert_eq!(sockets(&io).rcvbuf(port), Some(2 * media));
        io.close_media(port);
    }
}

fn receive(io: &mut Mmsg, count: usize) -> Vec<(SipPath, Vec<u8>, u64)> {
    let mut all = Vec::new();
    turn_until(io, |io| {
        io.recv_sip(|got| all.push((got.path, got.data.to_vec(), got.queued_ns)));
        all.len() >= count
    });
    all
}

fn failures(io: &mut Mmsg, count: usize) -> Vec<SipFailure> {
    let mut all = Vec::new();
    turn_until(io, |io| {
        io.recv_sip(|_| ());
        io.recv_sip_errors(|failure| all.push(failure));
        all.len() >= count
    });
    all
}

/// Opens a media port the system has free.
fn open(io: &mut Mmsg, address: u8) -> (MediaPort, SocketAddr) {
    let ip = if address == 0 { "127.0.0.1" } else { "127.0.0.2" };
    for _ in 0..100 {
        let local = peer(&format!("{ip}:0")).local_addr().unwrap();
        let port = MediaPort { address, port: local.port() };
        if io.open_media(port).is_ok() {
            return (port, local);
        }
    }
    panic!("no free port");
}

/// The mark of the next datagram that `socket` receives, its six bits.
fn mark_of(socket: &UdpSocket) -> u8 {
    let (level, kind) = match socket.local_addr().unwrap().ip() {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TOS),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
    };
    let (mut octets, mut control) = ([0u8; 64], [0u64; 8]);
    let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
    // JUSTIFICATION: recvmsg(2) with its control messages is not in std or socket2.
    // SAFETY: a msghdr of zeros is a valid one; its pointers are set to live buffers below, whose
    // lengths are theirs, and the control messages are walked by the macros of the system.
    unsafe {
        let mut message: libc::msghdr = core::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        assert!(libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) > 0);
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if ((*header).cmsg_level, (*header).cmsg_type) == (level, kind) {
                return *libc::CMSG_DATA(header) >> 2;
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    panic!("no mark came along");
}

#[test]
fn what_is_sent_has_the_mark_of_its_listener_or_address() {
    for (ip, other) in [("127.0.0.1", "127.0.0.2"), ("::1", "::1")] {
        let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 0);
        let Ok(phone) = UdpSocket::bind(at(ip)) else { continue };
        let peer = phone.local_addr().unwrap();
        phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (level, name) = match peer.ip() {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVTOS),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS),
        };
        option::set_int(phone.as_fd(), level, name, 1).unwrap();
        let media_addresses = vec![ip.parse().unwrap(), other.parse().unwrap()];
        let config = MmsgConfig {
            listeners: vec![bind_sip(at(ip), false).unwrap(), bind_sip(at(ip), false).unwrap()],
            media_addresses,
            waker: EventFd::new().unwrap(),
            sip_dscp: vec![26],
            media_dscp: vec![34],
        };
        let mut io = made(config);
        // What is said, and what is usual where nothing is.
        for (listener, mark) in [(0, 26), (1, SIP_DSCP)] {
            let path = SipPath { listener, local: None, peer };
            assert_eq!(io.send_sip(path, b"OPTIONS"), SendResult::Queued);
            io.flush();
            assert_eq!(mark_of(&phone), mark, "{ip} {listener}");
        }
        for (address, mark) in [(0, 34), (1, MEDIA_DSCP)] {
            let own = at(if address == 0 { ip } else { other });
            let local = UdpSocket::bind(own).unwrap().local_addr().unwrap();
            let port = MediaPort { address, port: local.port() };
            io.open_media(port).unwrap();
            phone.send_to(b"rtp", local).unwrap();
            let mut burst = MediaBurst::new();
            assert_eq!(receive_media(&mut io, &mut burst), 1);
            burst.packets_mut()[0].send_from(port, peer);
            io.send_media(&mut burst);
            assert_eq!(mark_of(&phone), mark, "{ip} {address}");
        }
    }
}

fn receive_media(io: &mut Mmsg, burst: &mut MediaBurst) -> usize {
    turn_until(io, |io| io.recv_media(burst) > 0);
    burst.len()
}

#[test]
fn a_reply_leaves_from_the_address_the_request_came_to() {
    let mut io = backend(&["0.0.0.0:0"]);
    let port = io.listener_address(0).unwrap().port();
    for ip in ["127.0.0.1", "127.0.0.3"] {
        let phone = peer("127.0.0.1:0");
        let to: SocketAddr = format!("{ip}:{port}").parse().unwrap();
        phone.send_to(b"OPTIONS", to).unwrap();
        let (path, data, _) = receive(&mut io, 1).remove(0);
        let expected =
            SipPath { listener: 0, local: Some(to.ip()), peer: phone.local_addr().unwrap() };
        assert_eq!((path, data.as_slice()), (expected, b"OPTIONS".as_slice()));
        assert_eq!(io.send_sip(path, b"200"), SendResult::Queued);
        io.flush();
        let mut buffer = [0; 16];
        assert_eq!(phone.recv_from(&mut buffer).unwrap(), (3, to));
    }
}

#[test]
fn the_same_with_ipv6() {
    let Ok(phone) = UdpSocket::bind("[::1]:0") else { return };
    phone.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut io = backend(&["[::]:0", "127.0.0.1:0"]);
    let to = SocketAddr::new("::1".parse().unwrap(), io.listener_address(0).unwrap().port());
    phone.send_to(b"OPTIONS", to).unwrap();
    let (path, _, _) = receive(&mut io, 1).remove(0);
    let peer = phone.local_addr().unwrap();
    assert_eq!(path, SipPath { listener: 0, local: Some(to.ip()), peer });
    assert_eq!(io.send_sip(path, b"200"), SendResult::Queued);
    io.flush();
    assert_eq!(phone.recv_from(&mut [0; 16]).unwrap(), (3, to));
    // Family and listener must fit each other.
    let wrong = SipPath { listener: 1, ..path };
    assert_eq!(io.send_sip(wrong, b"200"), SendResult::NoListener);
    assert_eq!(io.send_sip(SipPath { listener: 2, ..path }, b"200"), SendResult::NoListener);
    assert_eq!(
        io.send_sip(SipPath { local: Some(LOCALHOST), ..path }, b"200"),
        SendResult::NoListener
    );
}

#[test]
fn a_call_hands_out_at_most_a_burst_and_the_rest_does_not_sleep() {
    let mut io = backend(&["127.0.0.1:0", "127.0.0.1:0"]);
    let phone = peer("127.0.0.1:0");
    for listener in 0..2 {
        let to = io.listener_address(listener).unwrap();
        for n in 0..40u8 {
            phone.send_to(&[listener, n], to).unwrap();
        }
    }
    let mut seen = [0u8; 2];
    let mut calls = 0;
    while seen != [40, 40] {
        assert!(io.wait(Tick::NEVER).sip);
        let count = io.recv_sip(|got| {
            let which = usize::from(got.path.listener);
            assert_eq!(got.data, [got.path.listener, seen[which]], "in order");
            seen[which] += 1;
        });
        assert!(count <= SIP_BURST_MAX);
        calls += 1;
        assert!(calls < 20, "listeners take turns: {seen:?}");
    }
    let received = |listener| io.sip_counters(listener).received;
    assert_eq!([received(0), received(1), received(2)], [40, 40, 0]);
}

#[test]
fn the_longest_datagram_comes_whole() {
    let mut io = backend(&["127.0.0.1:0"]);
    let phone = peer("127.0.0.1:0");
    let longest = vec![7; 65_507];
    phone.send_to(&longest, io.listener_address(0).unwrap()).unwrap();
    let (path, data, _) = receive(&mut io, 1).remove(0);
    assert_eq!(data, longest);
    let over = vec![7; SIP_DATAGRAM_BYTES_MAX + 1];
    assert_eq!(io.send_sip(path, &over), SendResult::TooLong);
    // More than UDP over IPv4 can carry: the kernel refuses, the failure is told.
    assert_eq!(io.send_sip(path, &over[1..]), SendResult::Queued);
    io.flush();
    let failure = SipFailure { listener: 0, peer: path.peer, reason: SipFailureReason::TooLong };
    assert_eq!(failures(&mut io, 1), [failure]);
    io.wait(io.now());
    assert_eq!(io.recv_sip_errors(|failure| panic!("{failure:?}")), 0, "told once");
}

#[test]
fn queue_delay_is_told() {
    let mut io = backend(&["127.0.0.1:0"]);
    let phone = peer("127.0.0.1:0");
    phone.send_to(b"INVITE", io.listener_address(0).unwrap()).unwrap();
    EventFd::new().unwrap().wait(Some(30)).unwrap();
    let (_, _, queued_ns) = receive(&mut io, 1).remove(0);
    assert!((29 * MS..10 * SECOND).contains(&queued_ns), "{queued_ns} ns");
}

#[test]
fn more_than_the_queue_flushes_itself_in_order() {
    let mut io = backend(&["127.0.0.1:0"]);
    let carrier = peer("127.0.0.1:0");
    let path = SipPath { listener: 0, local: None, peer: carrier.local_addr().unwrap() };
    for n in 0..150u8 {
        assert_eq!(io.send_sip(path, &[n; 100]), SendResult::Queued);
    }
    io.flush();
    let mut buffer = [0; 200];
    for n in 0..150u8 {
        assert_eq!(carrier.recv(&mut buffer).unwrap(), 100);
        assert_eq!(buffer[0], n);
    }
    assert_eq!(io.sip_counters(0).sent, 150);
}

#[test]
fn a_closed_port_is_a_failure_and_spoils_no_other_datagram() {
    let mut io = backend(&["127.0.0.1:0"]);
    let carrier = peer("127.0.0.1:0");
    let gone = peer("127.0.0.1:0").local_addr().unwrap();
    let path = SipPath { listener: 0, local: None, peer: carrier.local_addr().unwrap() };
    let mut buffer = [0; 16];
    for n in 0..20u8 {
        assert_eq!(io.send_sip(path.with_peer(gone), b"INVITE"), SendResult::Queued);
        io.flush();
        // The ICMP error of the first waits on the socket now, and would fail this one.
        assert_eq!(io.send_sip(path, &[n]), SendResult::Queued);
        io.flush();
        assert_eq!(carrier.recv(&mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], n);
    }
    let refused = SipFailure { listener: 0, peer: gone, reason: SipFailureReason::Refused };
    assert_eq!(failures(&mut io, 20), vec![refused; 20]);
    assert_eq!(io.sip_counters(0).sent, 40);
    // And receiving goes on.
    carrier.send_to(b"200", io.listener_address(0).unwrap()).unwrap();
    assert_eq!(receive(&mut io, 1)[0].1, b"200");
    let woke = io.wait(io.now().plus_ms(20));
    assert!(!woke.sip, "nothing is left");
}

#[test]
fn the_waker_and_the_deadline_end_a_sleep() {
    let mut io = backend(&[]);
    let start = io.sample();
    assert_eq!(io.wait(start.plus_ms(30)), Woke::default());
    assert!((29..10_000).contains(&io.now().ms_since(start)));
    io._waker.ring();
    let woke = Woke { waker: true, ..Woke::default() };
    assert_eq!(io.wait(Tick::NEVER), woke);
    assert_eq!(io.wait(io.now()), Woke::default(), "the ring was taken");
    // A ring that a receive comes upon is kept.
    io._waker.ring();
    assert_eq!(io.recv_media(&mut MediaBurst::new()), 0);
    assert_eq!(io.wait(Tick::NEVER), woke);
}

#[test]
fn media_is_relayed_in_place_and_in_order() {
    let mut io = backend(&[]);
    let (a, a_local) = open(&mut io, 0);
    let (b, b_local) = open(&mut io, 1);
    let (phone, carrier) = (peer("127.0.0.1:0"), peer("127.0.0.1:0"));
    let mut burst = MediaBurst::new();
    let mut sent = 0u8;
    let mut relayed = 0u8;
    while relayed < 60 {
        for _ in 0..6 {
            phone.send_to(&[sent; 172], a_local).unwrap();
            carrier.send_to(&[sent; 60], b_local).unwrap();
            sent += 1;
        }
        receive_media(&mut io, &mut burst);
        for packet in burst.packets_mut() {
            assert!(packet.target().is_none());
            packet.data_mut()[1] = 0xEE;
            if packet.local() == a {
                assert_eq!(packet.source(), phone.local_addr().unwrap());
                packet.send_from(b, carrier.local_addr().unwrap());
            } else {
                assert_eq!((packet.local(), packet.len()), (b, 60));
                packet.discard();
            }
        }
        io.send_media(&mut burst);
        assert!(burst.is_empty());
        let mut buffer = [0; 200];
        while io.media_counters().sent > u64::from(relayed) {
            assert_eq!(carrier.recv_from(&mut buffer).unwrap(), (172, b_local));
            assert_eq!(buffer[..3], [relayed, 0xEE, relayed], "in order, changed in place");
            relayed += 1;
        }
    }
    assert_eq!(io.media_counters().full + io.media_counters().failed, 0);
}

#[test]
fn media_made_here_may_grow_and_leaves_by_its_port() {
    let mut io = backend(&[]);
    let (a, a_local) = open(&mut io, 0);
    let phone = peer("127.0.0.1:0");
    let mut burst = MediaBurst::new();
    let to = phone.local_addr().unwrap();
    for n in 0..3u8 {
        let packet = burst.add().unwrap();
        packet.room_mut()[..100].fill(n);
        packet.set_len(100);
        packet.send_from(a, to);
    }
    let closed = MediaPort { port: a.port ^ 1, ..a };
    burst.add().unwrap().send_from(closed, to);
    burst.add().unwrap();
    io.send_media(&mut burst);
    for n in 0..3u8 {
        let mut buffer = [9; 200];
        assert_eq!(phone.recv_from(&mut buffer).unwrap(), (100, a_local));
        assert_eq!(buffer[..100], [n; 100]);
    }
    assert_eq!((io.media_counters().sent, io.media_counters().failed), (3, 1));
}

#[test]
fn packets_longer_than_a_buffer_are_counted_and_the_rest_stays_in_order() {
    let mut io = backend(&[]);
    let (_, local) = open(&mut io, 0);
    let phone = peer("127.0.0.1:0");
    for (n, len) in [(1u8, 100), (2, 1985), (3, 1984), (4, 9000), (5, 1)] {
        phone.send_to(&vec![n; len], local).unwrap();
    }
    let mut burst = MediaBurst::new();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        receive_media(&mut io, &mut burst);
        seen.extend(burst.packets().iter().map(|packet| (packet.data()[0], packet.len())));
    }
    assert_eq!(seen, [(1, 100), (3, 1984), (5, 1)]);
    assert_eq!(io.media_counters().malformed, 2);
    assert_eq!(io.media_counters().received, 3);
}

#[test]
fn a_flooded_port_does_not_keep_others_out_of_the_burst() {
    let mut io = backend(&[]);
    let (flooded, flooded_local) = open(&mut io, 0);
    let quiet: Vec<_> = (0..4).map(|_| open(&mut io, 0)).collect();
    let phone = peer("127.0.0.1:0");
    for _ in 0..60 {
        phone.send_to(&[1; 20], flooded_local).unwrap();
    }
    for (_, local) in &quiet {
        phone.send_to(&[2; 20], local).unwrap();
    }
    let mut burst = MediaBurst::new();
    receive_media(&mut io, &mut burst);
    let first: Vec<_> = burst.packets().iter().map(MediaPacket::local).collect();
    for (port, _) in &quiet {
        let place = first.iter().position(|local| local == port).unwrap();
        assert!(place < MEDIA_PER_SOCKET_MAX + quiet.len(), "{place}");
    }
    let count = first.iter().filter(|local| **local == flooded).count();
    assert_eq!(count, 60, "and the rest of the burst is used");
}

#[test]
fn at_a_high_rate_packets_gather_and_no_deadline_is_missed_for_it() {
    let mut io = backend(&[]);
    let (_, local) = open(&mut io, 0);
    let phone = peer("127.0.0.1:0");
    let mut burst = MediaBurst::new();
    let mut busy_wait = |io: &mut Mmsg, until: fn(Tick) -> Tick| {
        // A hundred packets in less than 5 ms are 20,000 a second; try until the machine keeps up.
        for _ in 0..1_000 {
            let quiet = io.sample().plus_ms(6);
            while io.sample() < quiet {
                io.wait(quiet);
                io.recv_media(&mut burst);
            }
            // The pace is judged anew.
            io.gather(io.now());
            let start = io.sample();
            for _ in 0..100 {
                phone.send_to(&[1; 20], local).unwrap();
            }
            let mut got = 0;
            while got < 100 {
                got += io.recv_media(&mut burst);
            }
            let rate_seen = clock::monotonic().ns_since(start) < 4 * MS;
            phone.send_to(&[2; 20], local).unwrap();
            let before = clock::monotonic();
            io.gather(until(before));
            io.wait(until(before));
            if rate_seen {
                return io.now().ns_since(before);
            }
        }
        panic!("never fast enough");
    };
    assert!(busy_wait(&mut io, |now| now.plus_ms(1_000)) >= GATHER_NS);
    let shortest = (0..50).map(|_| busy_wait(&mut io, |now| now.plus_ns(1_000))).min().unwrap();
    assert!(shortest < GATHER_NS, "{shortest} ns");
    io.set_gather_ns(0);
    let shortest = (0..50).map(|_| busy_wait(&mut io, |now| now.plus_ms(1_000))).min().unwrap();
    assert!(shortest < GATHER_NS, "{shortest} ns");
}

#[test]
fn signalling_gathers_at_a_high_rate_and_lone_messages_do_not() {
    let mut io = backend(&["127.0.0.1:0"]);
    let (to, phone) = (io.listener_address(0).unwrap(), peer("127.0.0.1:0"));
    let slept = |io: &mut Mmsg, messages: u32| {
        let quiet = io.sample().plus_ms(6);
        io.wait(quiet);
        io.gather(io.now());
        let mut got = 0;
        (0..messages).for_each(|_| _ = phone.send_to(b"BYE", to).unwrap());
        while got < messages as usize {
            io.wait(io.now().plus_ms(1_000));
            got += io.recv_sip(|_| {});
        }
        // What may wait is never slept over.
        assert_eq!(io.recv_sip(|_| {}), 0);
        let before = clock::monotonic();
        io.gather(before.plus_ms(1_000));
        clock::monotonic().ns_since(before)
    };
    let shortest = (0..50).map(|_| slept(&mut io, 1)).min().unwrap();
    assert!(shortest < GATHER_SIGNALLING_NS, "{shortest} ns");
    // Sixty-four in less than 30 ms; the machine may be late once.
    let longest = (0..50).map(|_| slept(&mut io, 64)).max().unwrap();
    assert!(longest >= GATHER_SIGNALLING_NS, "{longest} ns");
}

#[test]
fn ports_open_once_and_close() {
    let mut io = backend(&[]);
    let (port, local) = open(&mut io, 0);
    let taken = peer("127.0.0.1:0");
    let other = MediaPort { address: 0, port: taken.local_addr().unwrap().port() };
    assert_eq!(io.open_media(port), Err(OpenError::InUse));
    assert_eq!(io.open_media(other), Err(OpenError::InUse), "another's");
    assert_eq!(io.open_media(MediaPort { address: 2, ..port }), Err(OpenError::NoAddress));
    assert_eq!(io.media_ports_open(), 1);
    // The same port of the other address is another flow.
    let twin = MediaPort { address: 1, ..port };
    assert_eq!(io.open_media(twin), Ok(()));
    taken.send_to(b"late", local).unwrap();
    assert!(io.wait(Tick::NEVER).media);
    io.close_media(port);
    io.close_media(port);
    assert_eq!(io.recv_media(&mut MediaBurst::new()), 0, "lost with its port");
    assert!(!io.wait(io.now()).media);
    assert_eq!(io.open_media(port), Ok(()), "may be opened again");
    assert_eq!(io.media_ports_open(), 2);
    taken.send_to(b"new", local).unwrap();
    let mut burst = MediaBurst::new();
    assert_eq!(receive_media(&mut io, &mut burst), 1);
    assert_eq!((burst.packets()[0].local(), burst.packets()[0].data()), (port, b"new".as_slice()));
}

#[test]
fn a_port_at_rest_keeps_its_socket_and_hears_nothing() {
    let mut io = backend(&[]);
    let (port, local) = open(&mut io, 0);
    let stranger = peer("127.0.0.1:0");
    let held = |io: &Mmsg| (io.media_ports_open(), UdpSocket::bind(local).is_err());
    io.close_media(port);
    assert_eq!(held(&io), (0, true), "nobody else gets it");
    stranger.send_to(b"late", local).unwrap();
    assert_eq!(io.open_media(port), Ok(()));
    assert_eq!(io.recv_media(&mut MediaBurst::new()), 0, "it came before");
    assert_eq!(held(&io), (1, true));
    io.close_media(port);
    // Whoever goes on sending to a port that nobody has costs it its socket.
    for _ in 0..200 {
        stranger.send_to(b"flood", local).unwrap();
        assert!(!io.wait(io.now()).media);
        if !held(&io).1 {
            break;
        }
    }
    assert_eq!(held(&io), (0, false));
    assert_eq!(io.open_media(port), Ok(()), "and it may be opened all the same");
    assert_eq!(held(&io), (1, true));
}
