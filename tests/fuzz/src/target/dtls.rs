//! What a port that agrees on keys gets: told apart by its first octets, and handed to an
//! association, which neither panics nor exports anything to whom nobody knows.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use strowger_dtls::{Clock, Fault, Fingerprint, Identity, Job, Start, is_client_hello};
use strowger_link::Tick;
use strowger_wire::demux::Kind;

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target {
    name: "dtls",
    run,
    seeds,
    words: &[&[22, 254, 253, 0, 0], &[20, 254, 253, 0, 0], &[21, 254, 253, 0, 0], &[1, 0, 0]],
};

/// Datagrams of one input.
const STEPS_MAX: usize = 8;

fn identity() -> Option<&'static Arc<Identity>> {
    static MADE: OnceLock<Option<Arc<Identity>>> = OnceLock::new();
    let make = || {
        let pem = Identity::make().ok()?;
        Identity::read(pem.as_bytes(), Clock::new(Instant::now(), Tick(0))).ok().map(Arc::new)
    };
    MADE.get_or_init(make).as_ref()
}

fn start(is_active: bool) -> Option<Start> {
    let theirs = Fingerprint::of(b"a certificate that nobody has");
    Some(Start { identity: Arc::clone(identity()?), theirs, is_active })
}

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let mut choices = Choices(input);
    let Some(start) = start(choices.u8() & 1 == 1) else { return shape };
    let mut association = None;
    for nth in 0..STEPS_MAX {
        if choices.0.is_empty() {
            break;
        }
        let len = usize::from(choices.u16() & 0x7ff);
        let datagram = choices.bytes(len).to_vec();
        shape.note("kind", &(Kind::of(&datagram) as u8, is_client_hello(&datagram)));
        let now = Tick(nth as u64 * 1_000_000);
        let job = match association.take() {
            Some(association) => Job::go(association, vec![datagram], now),
            None => Job::start(start.clone(), vec![datagram], now),
        };
        let done = job.run();
        assert!(done.keys.is_none(), "keys for whom nobody knows");
        assert_ne!(done.fault, Some(Fault::Ours), "the protocol's code has a bug");
        shape.note("out", &done.out.len()).print("fault", &done.fault);
        association = done.association;
    }
    shape
}

/// Hellos and what answers them, as chance of the protocol's own makes them.
fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let Some(own) = start(true) else { return Vec::new() };
    let hello = Job::start(own, Vec::new(), Tick(0)).run().out;
    let framed = |datagrams: &[Vec<u8>], role: u8| {
        let mut input = vec![role];
        for datagram in datagrams {
            input.extend_from_slice(&u16::try_from(datagram.len()).unwrap_or(0).to_be_bytes());
            input.extend_from_slice(datagram);
        }
        input
    };
    let noise: Vec<u8> = [22, 254, 253].into_iter().chain((0..40).map(|_| dice.byte())).collect();
    let answer = start(false).map(|start| Job::start(start, hello.clone(), Tick(0)).run().out);
    vec![
        framed(&hello, 0),
        framed(&[noise.clone(), noise], 0),
        framed(&answer.unwrap_or_default(), 1),
        framed(&[[hello.concat(), vec![0]].concat()], 0),
    ]
}
