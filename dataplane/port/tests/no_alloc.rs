//! A turn over loopback allocates nothing: media relayed, SIP received and answered.
//!
//! One test in this file on purpose: the counting allocator sees the whole process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot build its input must fail"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};

use strowger_link::Tick;
use strowger_port::eventfd::EventFd;
use strowger_port::mmsg::{Mmsg, MmsgConfig, bind_sip};
use strowger_port::net::{Io, MediaBurst, MediaPort};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: hands every request to the system's allocator unchanged.
// JUSTIFICATION: the only way to count allocations.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is passed on.
        // JUSTIFICATION: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        // JUSTIFICATION: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TURNS: u32 = 10_000;

/// By recvmmsg and sendmmsg, then by io_uring where there is one.
#[test]
fn ten_thousand_turns_allocate_nothing() {
    turns(false);
    turns(true);
}

fn turns(by_ring: bool) {
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let phone_address = phone.local_addr().unwrap();
    let mut io = Mmsg::new(MmsgConfig {
        listeners: vec![bind_sip("127.0.0.1:0".parse().unwrap(), false).unwrap()],
        media_addresses: vec!["127.0.0.1".parse().unwrap()],
        waker: EventFd::new().unwrap(),
        sip_dscp: Vec::new(),
        media_dscp: Vec::new(),
    })
    .unwrap();
    if by_ring && io.use_ring().is_err() {
        return;
    }
    let free = || UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (media, sip) = (free(), io.listener_address(0).unwrap());
    let port = MediaPort { address: 0, port: media.port() };
    io.open_media(port).unwrap();
    let mut burst = MediaBurst::new();
    let mut buffer = [0; 2048];
    let mut paths = Vec::with_capacity(64);
    let mut turn = |io: &mut Mmsg| {
        phone.send_to(&[0x80; 172], media).unwrap();
        phone.send_to(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", sip).unwrap();
        let (mut relayed, mut answered) = (0, 0);
        while relayed == 0 || answered == 0 {
            io.wait(Tick::NEVER);
            relayed += io.recv_media(&mut burst);
            burst.packets_mut().iter_mut().for_each(|packet| packet.send_from(port, phone_address));
            io.send_media(&mut burst);
            paths.clear();
            answered += io.recv_sip(|datagram| paths.push(datagram.path));
            io.recv_sip_errors(|failure| panic!("{failure:?}"));
            for path in &paths {
                io.send_sip(*path, b"SIP/2.0 200 OK\r\n\r\n");
            }
            io.flush();
        }
        for _ in 0..2 {
            phone.recv(&mut buffer).unwrap();
        }
    };
    for _ in 0..10 {
        turn(&mut io);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..TURNS {
        turn(&mut io);
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
    assert_eq!(io.media_counters().sent, u64::from(TURNS) + 10);
    assert_eq!(io.sip_counters(0).sent, u64::from(TURNS) + 10);
    assert_eq!(io.media_counters().is_ring, by_ring);
}
