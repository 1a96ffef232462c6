use super::*;
use std::net::UdpSocket;

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn receiver(buffers: u16, completions: u32) -> Option<Receiver> {
    Receiver::new(&Size { buffers, payload: 100, completions }).ok()
}

/// Takes all that comes; sockets by their keys, whose requests are made again. How often that was.
fn drain(ring: &mut Receiver, sockets: &[UdpSocket]) -> (Vec<(u64, Vec<u8>)>, u32) {
    let (mut came, mut again) = (Vec::new(), 0);
    let mut idle = 0;
    while idle < 3 {
        match ring.take() {
            Some(done) => {
                idle = 0;
                let arrived = ring.arrived(&done);
                came.extend(arrived.map(|arrived| (done.key, arrived.data.to_vec())));
                ring.give_back(&done);
                if done.is_to_be_made_again() {
                    ring.want(sockets[done.key as usize].as_fd(), done.key);
                    again += 1;
                }
            }
            None => {
                idle += u32::from(!ring.has_work());
                ring.enter().unwrap();
            }
        }
    }
    (came, again)
}

#[test]
fn four_buffers_carry_any_number() {
    let Some(mut ring) = receiver(4, 256) else { return };
    let (sockets, phone) = ([socket(), socket()], socket());
    (0..2).for_each(|at| ring.want(sockets[at].as_fd(), at as u64));
    for round in 0..20u8 {
        for n in 0..50u8 {
            phone.send_to(&[round, n], sockets[usize::from(n % 2)].local_addr().unwrap()).unwrap();
        }
        let (came, again) = drain(&mut ring, &sockets);
        assert!(again > 0, "requests end for want of buffers");
        for key in 0..2 {
            let of: Vec<_> = came.iter().filter(|(at, _)| *at == key).collect();
            let wanted = (0..50).filter(|n| u64::from(n % 2) == key).map(|n| (key, vec![round, n]));
            assert!(of.into_iter().cloned().eq(wanted), "round {round}, socket {key}: {came:?}");
        }
    }
}

#[test]
fn more_completions_than_their_queue_holds_are_fetched() {
    let Some(mut ring) = receiver(1_024, 256) else { return };
    let (sockets, phone): (Vec<_>, _) = ((0..16).map(|_| socket()).collect(), socket());
    (0..16).for_each(|at| ring.want(sockets[at].as_fd(), at as u64));
    ring.enter().unwrap();
    let mut all = 0;
    for _ in 0..50 {
        for socket in &sockets {
            phone.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            all += 1;
        }
        // Completed, and nobody looks.
        while ring.has_work() && !ring.ring.submission().cq_overflow() {
            ring.enter().unwrap();
        }
    }
    assert_eq!(drain(&mut ring, &sockets).0.len(), all);
}

#[test]
fn a_cancelled_request_says_so_and_writes_no_more() {
    let Some(mut ring) = receiver(8, 256) else { return };
    let (there, phone) = (socket(), socket());
    let to = there.local_addr().unwrap();
    ring.want(there.as_fd(), 0);
    ring.cancel(0);
    ring.enter().unwrap();
    phone.send_to(b"1", to).unwrap();
    assert!(ring.take().is_none() && !ring.is_ready(), "it was not asked for");
    ring.want(there.as_fd(), 1);
    ring.enter().unwrap();
    let first = ring.take().unwrap();
    assert_eq!((first.key, ring.arrived(&first).unwrap().data), (1, &b"1"[..]));
    ring.give_back(&first);
    ring.cancel(1);
    phone.send_to(b"2", to).unwrap();
    ring.enter().unwrap();
    let last = ring.take().unwrap();
    assert!(last.key == 1 && last.ended && !last.has_datagram() && !last.is_to_be_made_again());
    assert!(ring.take().is_none());
    // Closed behind it, and another socket is heard.
    drop(there);
    let there = socket();
    ring.want(there.as_fd(), 2);
    phone.send_to(b"3", there.local_addr().unwrap()).unwrap();
    ring.enter().unwrap();
    let done = ring.take().unwrap();
    assert_eq!((done.key, ring.arrived(&done).unwrap().data), (2, &b"3"[..]));
}

/// Whoever sleeps on the bell is woken, also when nothing was asked of the ring meanwhile.
#[test]
fn the_bell_is_rung_for_what_comes() {
    let Some(mut ring) = receiver(8, 256) else { return };
    let (there, phone) = (socket(), socket());
    ring.want(there.as_fd(), 0);
    ring.enter().unwrap();
    for _ in 0..100 {
        phone.send_to(b"x", there.local_addr().unwrap()).unwrap();
        assert!(ring.bell.wait(Some(10_000)).unwrap() && ring.is_ready());
        assert_eq!(drain(&mut ring, std::slice::from_ref(&there)).0.len(), 1);
        // Rung for the same datagram once more, perhaps.
        let _again = ring.bell.drain();
    }
}
