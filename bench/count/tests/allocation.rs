//! Allocations of the shard: none while it relays or idles, bounded for a call; and what stays of
//! calls and registrations in memory.

#![cfg(test)]

use allocation_counter::{AllocationInfo, measure};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use strowger_bench_count::rig::{Place, Rig};
use strowger_bench_count::scenario::register::{Phone, Switch};
use strowger_bench_count::scenario::shard::Call;
use strowger_bench_count::{Meter, peer, plan};
use strowger_link::{Algorithm, ContactAsk, Credentials, Hints, RegisterAsk, Tick, Transport};
use strowger_port::eventfd::EventFd;
use strowger_port::mmsg::{Mmsg, MmsgConfig, bind_sip};
use strowger_routing::{Holder, Locations, Registrant};

const TURNS: u32 = 10_000;
/// Turns before anything is counted.
const WARM_UP: u32 = 200;
/// T1: short, so that the call's transactions are over soon. Their timers are signalling's.
const T1_MS: u32 = 10;
/// Longer than 64 times T1 and T4 together.
const TRANSACTIONS_END: Duration = Duration::from_millis(1_000);
/// What loopback takes at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// Allocations of a report of counters, about one a second: its frames.
const REPORT_MAX: u64 = 60;
/// Allocations of a whole call, of two legs, and bytes of them.
const CALL_ALLOCATIONS_MAX: u64 = 550;
const CALL_ALLOCATED_MAX: u64 = 115_000;
/// Bytes that an answered call keeps in the dataplane's heap.
const CALL_HEAP_MAX: i64 = 8_700;
/// Bytes that a registration keeps in the control plane's.
const REGISTRATION_HEAP_MAX: i64 = 1_300;
/// Bytes that it leaves in both for as long as copies of its requests may come.
const REGISTERED_HEAP_MAX: i64 = 900;

/// A call of two phones over loopback through a shard with its real port.
struct Talk {
    rig: Rig<Mmsg>,
    /// Sockets of the two for signalling.
    sip: [UdpSocket; 2],
    /// And for media.
    rtp: [UdpSocket; 2],
    /// Where each sends its media.
    to: [SocketAddr; 2],
}

fn local() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn rig(caller: &UdpSocket, called: &UdpSocket) -> (Rig<Mmsg>, SocketAddr) {
    let listener = bind_sip("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let at = listener.local_addr().unwrap();
    let io = Mmsg::new(MmsgConfig {
        listeners: vec![listener],
        media_addresses: vec![at.ip()],
        waker: EventFd::new().unwrap(),
        sip_dscp: Vec::new(),
        media_dscp: Vec::new(),
    });
    let [caller, called] = [caller, called].map(|socket| socket.local_addr().unwrap());
    // Other tests on this host take their ports in another order.
    let seed = u64::from(std::process::id());
    (Rig::new(io.unwrap(), Place { listener: at, caller, called, seed, t1_ms: T1_MS }).unwrap(), at)
}

/// Turns until a message that begins so has come.
fn hear(rig: &mut Rig<Mmsg>, socket: &UdpSocket, begins: &str) -> String {
    let until = Instant::now() + PATIENCE;
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4_096];
    while Instant::now() < until {
        rig.shard.turn();
        rig.decide();
        if let Ok(len) = socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if text.starts_with(begins) {
                return text;
            }
        }
    }
    panic!("no {begins}");
}

fn talk() -> Talk {
    let (sip, rtp) = ([local(), local()], [local(), local()]);
    let (mut rig, at) = rig(&sip[0], &sip[1]);
    let [caller, called] = [0, 1].map(|side: usize| sip[side].local_addr().unwrap());
    let port = |side: usize| rtp[side].local_addr().unwrap().port();
    sip[0].send_to(&peer::invite(1, caller, at, port(0)), at).unwrap();
    let outgoing = hear(&mut rig, &sip[1], "INVITE ");
    let answer = peer::respond("200 OK", &outgoing, called, port(1)).unwrap();
    sip[1].send_to(&answer, at).unwrap();
    let heard = hear(&mut rig, &sip[0], "SIP/2.0 200");
    sip[0].send_to(&peer::within("ACK", 1, &heard, caller).unwrap(), at).unwrap();
    hear(&mut rig, &sip[1], "ACK ");
    let media = |text: &str| SocketAddr::new(at.ip(), peer::audio_port(text).unwrap());
    let to = [media(&heard), media(&outgoing)];
    let until = Instant::now() + TRANSACTIONS_END;
    while Instant::now() < until {
        rig.shard.turn();
        rig.decide();
    }
    Talk { rig, sip, rtp, to }
}

impl Talk {
    /// Packet `nth` of both directions is sent, relayed and received; what the turns allocated, and
    /// whether a report was among them.
    fn exchange(&mut self, nth: u32) -> (AllocationInfo, bool) {
        let mut packet = [0xD5; 172];
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&(nth as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(nth.wrapping_mul(160)).to_be_bytes());
        let before = (self.rig.shard.counts().media_sent, self.rig.reports());
        for (socket, to) in self.rtp.iter().zip(self.to) {
            socket.send_to(&packet, to).unwrap();
        }
        let until = Instant::now() + PATIENCE;
        let shard = &mut self.rig.shard;
        let counted = measure(|| {
            while shard.counts().media_sent < before.0 + 2 && Instant::now() < until {
                shard.turn();
            }
        });
        let mut buffer = [0; 256];
        for socket in &self.rtp {
            let len = socket.recv(&mut buffer).expect("relayed");
            assert_eq!(buffer[..len], packet, "the payload is whole");
        }
        (counted, self.rig.reports() > before.1)
    }
}

/// Sums what turns allocated; those with a report of counters apart, and the one after it, which
/// tells the control plane that the journal's mark of that second is durable.
#[derive(Default)]
struct Sum {
    was_report: bool,
    quiet: u64,
    reports: u64,
    reported: u64,
}

impl Sum {
    fn add(&mut self, (counted, is_report): (AllocationInfo, bool)) {
        self.reports += u64::from(is_report);
        if std::mem::replace(&mut self.was_report, is_report) || is_report {
            self.reported += counted.count_total;
        } else {
            self.quiet += counted.count_total;
        }
    }

    fn judge(&self) {
        assert_eq!(self.quiet, 0, "allocations in turns without a report");
        let bound = self.reports * REPORT_MAX;
        assert!(self.reported <= bound, "{} in {} reports", self.reported, self.reports);
    }
}

#[test]
fn ten_thousand_turns_that_relay_allocate_nothing() {
    let mut talk = talk();
    for nth in 0..WARM_UP {
        talk.exchange(nth);
    }
    let mut sum = Sum::default();
    (WARM_UP..WARM_UP + TURNS).for_each(|nth| sum.add(talk.exchange(nth)));
    sum.judge();
    assert_eq!(talk.rig.shard.counts().media_sent, 2 * u64::from(WARM_UP + TURNS));
    assert_eq!(talk.rig.shard.calls_in_use(), 1);
    drop(talk.sip);
}

#[test]
fn ten_thousand_idle_turns_allocate_nothing() {
    let mut talk = talk();
    for nth in 0..WARM_UP {
        talk.exchange(nth);
    }
    let mut sum = Sum::default();
    for _ in 0..TURNS {
        let before = talk.rig.reports();
        let counted = measure(|| _ = std::hint::black_box(talk.rig.shard.turn()));
        sum.add((counted, talk.rig.reports() > before));
    }
    sum.judge();
}

/// Signalling may allocate, so much and no more.
#[test]
fn allocations_of_a_call_are_bounded() {
    const CALLS: u64 = 20;
    let mut call = Call::new().unwrap();
    (0..20).for_each(|_| call.turn(&mut |work| work()).unwrap());
    let (mut count, mut bytes) = (0, 0);
    for _ in 0..CALLS {
        let mut meter = |work: &mut dyn FnMut()| {
            let counted = measure(work);
            count += counted.count_total;
            bytes += counted.bytes_total;
        };
        call.turn(&mut meter).unwrap();
    }
    let (count, bytes) = (count / CALLS, bytes / CALLS);
    assert!(count <= CALL_ALLOCATIONS_MAX && count * 10 > CALL_ALLOCATIONS_MAX, "{count}");
    assert!(bytes <= CALL_ALLOCATED_MAX, "{bytes} bytes");
}

/// What an answered call keeps once its transactions are over.
#[test]
fn an_answered_call_keeps_few_bytes() {
    const CALLS: i64 = 100;
    let mut call = Call::new().unwrap();
    // Once before, so that the tables, which stay, have their sizes.
    let mut warm = |work: &mut dyn FnMut()| work();
    let standing: Vec<_> = (0..CALLS).map(|_| call.begin(&mut warm).unwrap()).collect();
    standing.iter().for_each(|answered| call.end(answered, &mut warm).unwrap());
    (0..3).for_each(|_| call.linger(&mut warm));
    let mut bytes = 0;
    let mut meter = |work: &mut dyn FnMut()| bytes += measure(work).bytes_current;
    let standing: Vec<_> = (0..CALLS).map(|_| call.begin(&mut meter).unwrap()).collect();
    // A timer may have to come more than once before the last transaction is over.
    (0..3).for_each(|_| call.linger(&mut meter));
    assert_eq!(call.standing(), standing.len());
    let each = bytes / CALLS;
    assert!((500..=CALL_HEAP_MAX).contains(&each), "{each} bytes");
    // And gives them back.
    let mut left = 0;
    let mut meter = |work: &mut dyn FnMut()| left += measure(work).bytes_current;
    for answered in &standing {
        call.end(answered, &mut meter).unwrap();
    }
    (0..3).for_each(|_| call.linger(&mut meter));
    assert_eq!(call.standing(), 0);
    assert!(-left >= bytes * 98 / 100, "{bytes} bytes kept, {} given back", -left);
}

/// What one of many registrations leaves behind beside the binding that it refreshes: a transaction
/// that waits for copies, and a nonce whose count is used.
#[test]
fn a_refresh_leaves_few_bytes() {
    const REFRESHES: i64 = 64;
    let mut switch = Switch::new().unwrap();
    let mut phones: Vec<Phone> = (0..2).map(Phone::new).collect();
    let mut all = |switch: &mut Switch, times: i64, meter: Meter<'_>| {
        for _ in 0..times {
            phones.iter_mut().for_each(|phone| phone.register(switch, meter).unwrap());
        }
    };
    // Once as many before, and until they are gone, so that the tables have their sizes.
    all(&mut switch, REFRESHES, &mut |work| work());
    switch.linger();
    let mut bytes = 0;
    all(&mut switch, REFRESHES / 2, &mut |work| bytes += measure(work).bytes_current);
    let each = bytes / REFRESHES;
    assert!((200..=REGISTERED_HEAP_MAX).contains(&each), "{each} bytes");
}

#[test]
fn a_registration_keeps_few_bytes() {
    const PHONES: i64 = 1_000;
    let mut locations = Locations::default();
    let registrant = |id| Registrant {
        who: Holder::Subscriber(strowger_model::SubscriberId(id)),
        expires_s_min: 60,
        expires_s_max: 3_600,
        contacts_max: 5,
        full: strowger_model::ContactsFull::Replace,
        spread_percent: 0,
        outbound: true,
        aor: None,
    };
    let counted = measure(|| {
        for id in 1..=PHONES {
            let ask = register_ask(id);
            let done = locations.register(registrant(id), &ask, &hints(), Tick(1), 1);
            assert_eq!(done.map(|bound| bound.len()), Ok(1));
            while locations.poll_output().is_some() {}
            while locations.poll_touched().is_some() {}
        }
    });
    let each = counted.bytes_current / PHONES;
    assert!((100..=REGISTRATION_HEAP_MAX).contains(&each), "{each} bytes");
}

fn register_ask(id: i64) -> RegisterAsk {
    RegisterAsk {
        user: format!("{}", 1_000 + id),
        host: plan::REALM.into(),
        credentials: Credentials {
            algorithm: Algorithm::Sha256,
            username: format!("{}", 1_000 + id),
            realm: plan::REALM.into(),
            nonce: String::new(),
            uri: String::new(),
            method: "REGISTER".into(),
            qop: None,
            cnonce: String::new(),
            nonce_count: String::new(),
            response: String::new(),
        },
        contacts: vec![ContactAsk {
            uri: format!("sip:{}@10.0.1.1:5060;transport=udp", 1_000 + id),
            expires_s: 3_600,
            q: 1_000,
            params: ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"".into(),
        }],
        sip_call_id: format!("{id:08}-register@10.0.1.1"),
        cseq: 1,
        user_agent: "Example Phone 3.1".into(),
        path: Vec::new(),
        flow: 0,
        supported: Vec::new(),
        direct: true,
        nated: false,
    }
}

fn hints() -> Hints {
    Hints {
        listener: 0,
        local: plan::SWITCH,
        source: plan::phone_address(0),
        transport: Transport::Udp,
        host: plan::REALM.into(),
        sni: None,
        trunk: None,
    }
}
