//! Handshakes by threads while a shard goes on: 500 of them, and what they cost the shard.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement of real threads reads the clock; helpers of tests"
)]

use rcgen::{CertificateParams, KeyPair};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use strowger_link::Tick;
use strowger_stream::tls::{Client, Clients, Identity, Server, Speaks};
use strowger_stream::{Desk, Handshaker, Pipe, Times};

const HANDSHAKES: usize = 500;
/// The shard's part of a handshake, all reads and writes of it: the median, since a machine that
/// does other things too stops us now and then. Run inline a handshake takes several times as much.
const INLINE_US_MAX: u128 = 100;
const NOW: Tick = Tick(1);

struct Side {
    pipes: Vec<Pipe>,
    desk: Desk,
    /// What each pipe took of the shard.
    busy: Vec<Duration>,
}

impl Side {
    fn new(pipes: Vec<Pipe>, desk: Desk) -> Side {
        let busy = vec![Duration::ZERO; pipes.len()];
        Side { pipes, desk, busy }
    }

    /// What a shard does in a turn: takes what came back, gives out what can be done.
    fn turn(&mut self) {
        while let Some((id, done)) = self.desk.poll_done() {
            let began = Instant::now();
            let pipe = &mut self.pipes[id as usize];
            pipe.handle_done(done, NOW).unwrap();
            while pipe.poll_message().is_some() {}
            self.busy[id as usize] += began.elapsed();
        }
        for (id, pipe) in self.pipes.iter_mut().enumerate() {
            if let Some(job) = pipe.poll_job() {
                let began = Instant::now();
                assert!(self.desk.submit(id as u64, job).is_ok(), "there is room");
                self.busy[id] += began.elapsed();
            }
        }
    }

    /// The time is the reader's: opening records is what costs.
    fn deliver(&mut self, to: &mut Side) {
        for (id, (from, to_pipe)) in self.pipes.iter_mut().zip(&mut to.pipes).enumerate() {
            let Some(bytes) = from.poll_transmit() else { continue };
            let began = Instant::now();
            to_pipe.handle_received(bytes, NOW).unwrap();
            let n = bytes.len();
            from.sent(n, NOW);
            while to_pipe.poll_message().is_some() {}
            to.busy[id] += began.elapsed();
        }
    }
}

fn keys() -> (Server, Client) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem().into_bytes();
    let identity = Identity { chain: pem.clone(), key: key.serialize_pem().into_bytes() };
    let server = Server::new(&[identity], Clients::Unasked, Speaks::Sip).unwrap();
    (server, Client::new(&pem, None).unwrap())
}

#[test]
fn five_hundred_handshakes_leave_the_shard_alone() {
    let (server, client) = keys();
    let woken = Arc::new(AtomicUsize::new(0));
    let began = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&began);
    let threads = Handshaker::start(1, move |n| {
        count.fetch_add(n + 1, Ordering::Relaxed);
    })
    .unwrap();
    let count = Arc::clone(&woken);
    let desk = threads.desk(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    let times = Times::default();
    let accept = || Pipe::tls_server(&server, times, NOW);
    let connect = || Pipe::tls_client(&client, "a.example", times, NOW).unwrap();
    let mut ours = Side::new((0..HANDSHAKES).map(|_| accept()).collect(), desk);
    let others = Handshaker::start(1, |_| ()).unwrap();
    let clients = (0..HANDSHAKES).map(|_| connect()).collect();
    let mut theirs = Side::new(clients, others.desk(Arc::new(|| ())));

    let deadline = Instant::now() + Duration::from_secs(60);
    while !ours.pipes.iter().chain(&theirs.pipes).all(Pipe::is_open) {
        assert!(Instant::now() < deadline, "handshakes do not end");
        theirs.turn();
        theirs.deliver(&mut ours);
        ours.turn();
        ours.deliver(&mut theirs);
        std::thread::yield_now();
    }
    assert_eq!(began.load(Ordering::Relaxed), 1);
    assert_eq!(ours.desk.out(), 0);
    let jobs = woken.load(Ordering::Relaxed);
    assert!((2 * HANDSHAKES..=3 * HANDSHAKES).contains(&jobs), "{jobs} jobs");
    ours.busy.sort_unstable();
    let inline_ns = ours.busy[HANDSHAKES / 2].as_nanos();
    assert!((1..=INLINE_US_MAX * 1_000).contains(&inline_ns), "{inline_ns} ns of the shard");
}

#[test]
fn a_full_desk_gives_the_job_back_and_its_connection_can_be_told() {
    let (_, client) = keys();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let held = Arc::clone(&gate);
    let threads = Handshaker::start(1, move |_| {
        held.wait();
    })
    .unwrap();
    let mut desk = threads.desk(Arc::new(|| ()));
    let job = || {
        let mut pipe = Pipe::tls_client(&client, "a.example", Times::default(), NOW).unwrap();
        let job = pipe.poll_job().unwrap();
        (pipe, job)
    };
    let mut given = 0;
    let (mut pipe, back) = loop {
        let (pipe, job) = job();
        match desk.submit(given, job) {
            Ok(()) => given += 1,
            Err(job) => break (pipe, job),
        }
    };
    assert_eq!(given as usize, strowger_stream::limits::JOBS_MAX);
    assert!(pipe.handle_done(back.refused(), NOW).is_err());
    drop(desk);
    gate.wait();
}
