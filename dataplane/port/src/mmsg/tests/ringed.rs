//! What only io_uring has: requests that end, cancelled ones, silent ones, and its own end.

use super::*;
use crate::mmsg::ring::watch::WATCH_NS;

fn counts(io: &Mmsg) -> (u64, u64) {
    let counters = io.media_counters();
    assert!(counters.is_ring);
    (counters.rearmed, counters.silent)
}

/// Turns for so long; what came.
fn turn_for(io: &mut Mmsg, ms: u64) -> Vec<(MediaPort, Vec<u8>)> {
    let (mut burst, mut came) = (MediaBurst::new(), Vec::new());
    let end = io.sample().plus_ms(ms);
    while io.sample() < end {
        io.wait(end);
        io.recv_media(&mut burst);
        came.extend(burst.packets().iter().map(|one| (one.local(), one.data().to_vec())));
    }
    came
}

#[test]
fn a_socket_whose_error_ended_its_request_is_heard_again() {
    by_ring(|| {
        let mut io = backend(&["127.0.0.1:0"]);
        let gone = peer("127.0.0.1:0").local_addr().unwrap();
        let phone = peer("127.0.0.1:0");
        let listener = io.listener_address(0).unwrap();
        for n in 0..20u8 {
            // Asked for before the error comes.
            io.recv_sip(|_| ());
            let path = SipPath { listener: 0, local: None, peer: gone };
            assert_eq!(io.send_sip(path, b"INVITE"), SendResult::Queued);
            io.flush();
            assert_eq!(failures(&mut io, 1)[0].reason, SipFailureReason::Refused);
            phone.send_to(&[n], listener).unwrap();
            assert_eq!(receive(&mut io, 1)[0].1, [n]);
        }
        let (rearmed, silent) = counts(&io);
        assert!(rearmed >= 10 && silent == 0, "{rearmed} {silent}");
    });
}

/// More than three times what the buffers do.
#[test]
fn what_waits_beyond_the_buffers_comes_whole_and_in_order() {
    by_ring(|| {
        let mut io = backend(&["127.0.0.1:0"]);
        let phone = peer("127.0.0.1:0");
        io.recv_sip(|_| ());
        for n in 0..200u8 {
            phone.send_to(&[n], io.listener_address(0).unwrap()).unwrap();
        }
        let came: Vec<u8> = receive(&mut io, 200).iter().map(|(_, data, _)| data[0]).collect();
        assert_eq!(came, (0..200).collect::<Vec<u8>>());
        assert_eq!(io.sip_counters(0).received, 200);
    });
}

#[test]
fn a_port_of_another_call_hears_nothing_of_the_one_before() {
    by_ring(|| {
        let mut io = backend(&[]);
        let (port, local) = open(&mut io, 0);
        let phone = peer("127.0.0.1:0");
        assert_eq!(turn_for(&mut io, 1), []);
        for n in 0..50u8 {
            // Completed and not looked at, or not even that.
            phone.send_to(&[n, 0], local).unwrap();
            if n % 2 == 0 {
                assert!(io.wait(io.now().plus_ms(1_000)).media);
            }
            io.close_media(port);
            assert_eq!(io.open_media(port), Ok(()));
            phone.send_to(&[n, 1], local).unwrap();
            let mut burst = MediaBurst::new();
            assert_eq!(receive_media(&mut io, &mut burst), 1);
            assert_eq!(burst.packets()[0].data(), [n, 1]);
        }
        // A cancelled request is none to be made again.
        assert_eq!(counts(&io), (0, 0));
    });
}

#[test]
fn strays_cost_a_port_at_rest_its_socket() {
    by_ring(|| {
        let mut io = backend(&[]);
        let (port, local) = open(&mut io, 0);
        let stranger = peer("127.0.0.1:0");
        let held = |io: &Mmsg| (io.media_ports_open(), UdpSocket::bind(local).is_err());
        io.close_media(port);
        assert_eq!(held(&io), (0, true));
        for _ in 0..200 {
            stranger.send_to(b"flood", local).unwrap();
            assert_eq!(turn_for(&mut io, 1), []);
            if !held(&io).1 {
                break;
            }
        }
        assert_eq!(held(&io), (0, false));
        assert_eq!(io.open_media(port), Ok(()));
        stranger.send_to(b"new", local).unwrap();
        assert_eq!(turn_for(&mut io, 20), [(port, b"new".to_vec())]);
    });
}

#[test]
fn a_flooded_port_leaves_the_others_their_places_in_the_burst() {
    by_ring(|| {
        let mut io = backend(&[]);
        let (_, flooded) = open(&mut io, 0);
        let quiet: Vec<_> = (0..4).map(|_| open(&mut io, 0)).collect();
        assert_eq!(turn_for(&mut io, 1), []);
        let phone = peer("127.0.0.1:0");
        for _ in 0..150 {
            phone.send_to(&[1; 20], flooded).unwrap();
        }
        for (_, local) in &quiet {
            phone.send_to(&[2; 20], local).unwrap();
        }
        let mut burst = MediaBurst::new();
        receive_media(&mut io, &mut burst);
        let first: Vec<_> = burst.packets().iter().map(MediaPacket::local).collect();
        for (port, _) in &quiet {
            assert!(first.contains(port), "{port:?} is not in the first burst: {first:?}");
        }
    });
}

/// Whatever lost it: here somebody cancels it behind our back.
#[test]
fn a_request_that_is_lost_is_found_and_made_anew() {
    by_ring(|| {
        let mut io = backend(&["127.0.0.1:0"]);
        let (port, local) = open(&mut io, 0);
        let phone = peer("127.0.0.1:0");
        assert_eq!(turn_for(&mut io, 1), []);
        let Media::Sockets(sockets) = &mut io.media else { panic!("no sockets") };
        sockets.lose_requests();
        io.sip.lose_requests();
        assert_eq!(turn_for(&mut io, 1), []);
        phone.send_to(b"rtp", local).unwrap();
        phone.send_to(b"sip", io.listener_address(0).unwrap()).unwrap();
        assert_eq!(counts(&io), (0, 0));
        // The shard turns for other reasons.
        let mut came = Vec::new();
        let end = io.sample().plus_ms(5_000);
        while came.is_empty() && io.sample() < end {
            io.wait(io.now().plus_ns(WATCH_NS / 4));
            let mut burst = MediaBurst::new();
            io.recv_media(&mut burst);
            came.extend(burst.packets().iter().map(|one| (one.local(), one.data().to_vec())));
        }
        assert_eq!(came, [(port, b"rtp".to_vec())]);
        assert_eq!(receive(&mut io, 1)[0].1, b"sip");
        assert_eq!(counts(&io), (0, 2));
    });
}

/// Another thread may not ask: what a ring says that fails, as far as we can have one fail.
#[test]
fn a_ring_that_fails_is_left_and_nothing_else_changes() {
    by_ring(|| {
        let mut io = backend(&["127.0.0.1:0"]);
        let (port, local) = open(&mut io, 0);
        let phone = peer("127.0.0.1:0");
        phone.send_to(b"1", local).unwrap();
        assert_eq!(receive_media(&mut io, &mut MediaBurst::new()), 1);
        phone.send_to(b"2", local).unwrap();
        phone.send_to(b"3", io.listener_address(0).unwrap()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut burst = MediaBurst::new();
                assert_eq!(receive_media(&mut io, &mut burst), 1);
                assert_eq!(burst.packets()[0].data(), b"2");
                burst.packets_mut()[0].send_from(port, phone.local_addr().unwrap());
                io.send_media(&mut burst);
                let (path, data, _) = receive(&mut io, 1).remove(0);
                assert_eq!(data, b"3");
                for text in [b"4", b"5"] {
                    assert_eq!(io.send_sip(path, text), SendResult::Queued);
                    io.flush();
                }
            });
        });
        assert!(!io.media_counters().is_ring);
        // One that the ring had when it failed is not sent: it is counted.
        let mut heard = Vec::new();
        phone.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        while let Ok((len, _)) = phone.recv_from(&mut [0; 16]) {
            heard.push(len);
        }
        let media = io.media_counters();
        assert_eq!(media.sent + media.failed, 1);
        assert_eq!(heard.len() as u64, media.sent + 2);
    });
}
