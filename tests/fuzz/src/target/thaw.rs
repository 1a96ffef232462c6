//! Images of SIP legs: any bytes come back as a leg or not at all; a leg that came back keeps the
//! laws of the endpoint, and its own image brings it back in the same way.

use std::collections::BTreeSet;

use strowger_link::Key;
use strowger_link::token::{TOKEN_LEN, seal};
use strowger_sip::endpoint::ThawError;

use super::endpoint::{self, Bench, CHANCE, STEP_END, STEPS_MAX, TOKEN_KEY, leg};
use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "thaw", run, seeds, words: endpoint::WORDS };

/// The chance of a later process.
const LATER: Key = Key([8; 16]);
/// Images of the seeds.
const SEEDS_MAX: usize = 64;

/// `len:u16 flags:u8`, so many bytes of an image, and a script of the endpoint. An image begins
/// behind version and token, unless the flags say otherwise.
fn run(input: &[u8]) -> Shape {
    let mut choices = Choices(input);
    let (len, flags) = (usize::from(choices.u16()), choices.u8());
    let image = choices.bytes(len);
    let image = if flags & 1 == 0 { [prefix().as_slice(), image].concat() } else { image.to_vec() };
    let mut bench = Bench::new(LATER);
    bench.strict = false;
    let id = leg(0);
    let thawed = bench.endpoint.thaw(id, &image, bench.now);
    bench.shape.print("thawed", &thawed).count("len", image.len());
    if thawed.is_err() {
        let left = (bench.endpoint.legs(), bench.endpoint.transactions(), bench.endpoint.alarms());
        assert_eq!((left, bench.endpoint.poll_touched()), ((0, 0, 0), None));
        return bench.shape;
    }
    bench.keys.opened.push(id);
    assert_eq!(bench.endpoint.poll_touched(), Some(id));
    assert_eq!(bench.endpoint.thaw(id, &image, bench.now), Err(ThawError::Known));
    let again = bench.endpoint.freeze(id);
    bench.shape.note("again", &again.is_some());
    if let Some(again) = &again {
        let twice = Bench::new(CHANCE).endpoint.thaw(id, again, bench.now);
        // Only the numbers differ, and those may leave their range.
        assert!(twice == thawed || twice == Err(ThawError::Malformed), "{thawed:?} {twice:?}");
    }
    bench.drain();
    for step in choices.0.split(|byte| *byte == STEP_END).take(STEPS_MAX) {
        bench.step(step);
        while let Some(id) = bench.endpoint.poll_touched() {
            let image = bench.endpoint.freeze(id);
            bench.shape.count("image", image.map_or(0, |image| image.len()));
        }
        bench.drain();
    }
    bench.wind_up();
    bench.shape
}

fn prefix() -> Vec<u8> {
    let token = seal(&TOKEN_KEY, leg(0)).map(|token| token.as_str().as_bytes().to_vec());
    [&[1], token.unwrap_or_default().as_slice()].concat()
}

/// The images of the first leg of each script of the endpoint after each of its steps, and what the
/// script did then.
fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut images = BTreeSet::new();
    for script in endpoint::seeds(dice) {
        let mut bench = Bench::new(CHANCE);
        let mut rest = script.as_slice();
        while !rest.is_empty() {
            let at = rest.iter().position(|byte| *byte == STEP_END).unwrap_or(rest.len());
            let (step, tail) = rest.split_at(at);
            rest = tail.get(1..).unwrap_or_default();
            bench.step(step);
            bench.drain();
            let image = bench.endpoint.freeze(leg(0)).unwrap_or_default();
            if let Some(image) = image.get(1 + TOKEN_LEN..) {
                let len = u16::try_from(image.len()).unwrap_or(u16::MAX).to_be_bytes();
                images.insert([&len, [0].as_slice(), image, rest].concat());
            }
        }
    }
    images.into_iter().take(SEEDS_MAX).collect()
}
