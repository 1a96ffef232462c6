//! Messages between the shards of one process: a bounded ring for each ordered pair of them.
//!
//! Each shard has a [`MeshEnd`], which its [`Mmsg`](crate::mmsg::Mmsg) serves. Rings are those of
//! the link between the planes ([`strowger_link::ring`]), in memory of this process: one writing
//! and one reading thread each, no lock. A reader that sleeps is woken by its shard's bell, one
//! that is awake finds what came in its next turn. What finds no room is not sent, and its sender
//! says what becomes of it: a shard never waits for another one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use strowger_link::SHARDS_MAX;
use strowger_link::ring::{self, Consumer, FRAME_BYTES_MAX, Producer, Wake};

use crate::eventfd::EventFd;

/// Most messages one [`MeshEnd::receive`] hands out.
pub const MESH_BURST_MAX: usize = 64;
/// Longest message, bytes.
pub const MESH_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Words of a ring: 1 MiB, about 1,000 messages of SIP.
pub const MESH_WORDS: usize = 1 << 17;

/// A message was not sent: no such shard, no room at it, or the message is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeshFull;

type Words = Arc<[AtomicU64]>;

/// The way to another shard.
struct Way {
    to: u8,
    ring: Producer<Words>,
    bell: EventFd,
}

/// One shard's end of the mesh. To be moved to the shard's thread.
pub struct MeshEnd {
    number: u8,
    ways: Vec<Way>,
    /// Rings of the others, by their numbers.
    inlets: Vec<(u8, Consumer<Words>)>,
    /// The inlet that is looked at first: none starves the others.
    first: usize,
    buffer: Vec<u8>,
}

/// The ends of as many shards as there are wakers, in order. `words` is the size of each ring, a
/// power of two; [`MESH_WORDS`] is usual.
///
/// # Errors
/// `InvalidInput`: too many shards, or a size out of bounds. Else the system's: no descriptors.
pub fn mesh(wakers: &[EventFd], words: usize) -> io::Result<Vec<MeshEnd>> {
    if wakers.len() > usize::from(SHARDS_MAX) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let end = |(number, _): (u8, &EventFd)| MeshEnd {
        number,
        ways: Vec::new(),
        inlets: Vec::new(),
        first: 0,
        buffer: Vec::new(),
    };
    let mut ends: Vec<MeshEnd> = (0..).zip(wakers).map(end).collect();
    for from in 0..ends.len() {
        for (to, waker) in wakers.iter().enumerate().filter(|(to, _)| *to != from) {
            let (producer, consumer) = new_ring(words)?;
            let number =
                |index: usize| u8::try_from(index).map_err(|_| io::ErrorKind::InvalidInput);
            let way = Way { to: number(to)?, ring: producer, bell: waker.try_clone()? };
            if let Some(end) = ends.get_mut(from) {
                end.ways.push(way);
            }
            if let Some(end) = ends.get_mut(to) {
                end.inlets.push((number(from)?, consumer));
            }
        }
    }
    Ok(ends)
}

fn new_ring(words: usize) -> io::Result<(Producer<Words>, Consumer<Words>)> {
    let bounds = ring::CAPACITY_WORDS_MIN..=ring::CAPACITY_WORDS_MAX;
    if !words.is_power_of_two() || !bounds.contains(&words) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let memory: Words = (0..ring::words_needed(words)).map(|_| AtomicU64::new(0)).collect();
    ring::format(&memory).map_err(|_| io::ErrorKind::InvalidInput)?;
    let producer = Producer::attach(Arc::clone(&memory));
    let consumer = Consumer::attach(memory).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok((producer.map_err(|_| io::ErrorKind::InvalidInput)?, consumer))
}

impl MeshEnd {
    /// The shard's number.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Sends one message and wakes its shard if that sleeps.
    ///
    /// # Errors
    /// [`MeshFull`]; nothing was sent.
    pub fn send(&mut self, to: u8, message: &[u8]) -> Result<(), MeshFull> {
        let way = self.ways.iter_mut().find(|way| way.to == to).ok_or(MeshFull)?;
        match way.ring.try_push(message) {
            Ok(Wake::Needed) => way.bell.ring(),
            Ok(Wake::NotNeeded) => {}
            // Both ends are ours: no ring is ever broken.
            Err(_) => return Err(MeshFull),
        }
        Ok(())
    }

    /// Hands out what waits, at most [`MESH_BURST_MAX`] messages; returns how many.
    pub fn receive(&mut self, mut sink: impl FnMut(u8, &[u8])) -> usize {
        let count = self.inlets.len();
        let mut taken = 0;
        for turn in 0..count {
            let place = (self.first + turn) % count;
            let Some((from, inlet)) = self.inlets.get_mut(place) else { continue };
            while taken < MESH_BURST_MAX && matches!(inlet.pop(&mut self.buffer), Ok(Some(_))) {
                sink(*from, &self.buffer);
                taken += 1;
            }
        }
        self.first = (self.first + 1).checked_rem(count).unwrap_or(0);
        taken
    }

    /// The shard is about to sleep; `false` = a message waits, it must not.
    #[must_use]
    pub fn prepare_sleep(&mut self) -> bool {
        // Each of them is told, so that each rings.
        self.inlets.iter_mut().fold(true, |quiet, (_, inlet)| inlet.prepare_sleep() && quiet)
    }

    /// The shard is awake: nobody need ring any more.
    pub fn finish_sleep(&mut self) {
        self.inlets.iter_mut().for_each(|(_, inlet)| inlet.finish_sleep());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(end: &mut MeshEnd) -> Vec<(u8, Vec<u8>)> {
        let mut all = Vec::new();
        end.receive(|from, message| all.push((from, message.to_vec())));
        all
    }

    #[test]
    fn each_shard_hears_the_others_in_order() {
        let wakers: Vec<EventFd> = (0..3).map(|_| EventFd::new().unwrap()).collect();
        let mut ends = mesh(&wakers, 64).unwrap();
        let mut last = ends.pop().unwrap();
        assert_eq!((last.number(), ends.len()), (2, 2));
        for (end, texts) in ends.iter_mut().zip([["a", "b"], ["c", "d"]]) {
            for text in texts {
                end.send(2, text.as_bytes()).unwrap();
            }
        }
        let all = taken(&mut last);
        let of = |from| all.iter().filter(|(f, _)| *f == from).map(|(_, m)| m.clone()).collect();
        let [first, second]: [Vec<Vec<u8>>; 2] = [of(0), of(1)];
        assert_eq!(
            (first, second),
            (vec![b"a".into(), b"b".into()], vec![b"c".into(), b"d".into()])
        );
        assert!(taken(&mut last).is_empty() && taken(&mut ends[0]).is_empty());
        assert_eq!(
            (last.send(2, b"to itself"), last.send(9, b"nobody")),
            (Err(MeshFull), Err(MeshFull))
        );
    }

    #[test]
    fn who_sleeps_is_rung_once_and_a_full_ring_says_so() {
        let wakers: Vec<EventFd> = (0..2).map(|_| EventFd::new().unwrap()).collect();
        let mut ends = mesh(&wakers, 8).unwrap();
        let mut reader = ends.pop().unwrap();
        let mut writer = ends.pop().unwrap();
        writer.send(1, b"awake").unwrap();
        assert!(!wakers[1].drain());
        assert!(!reader.prepare_sleep(), "a message waits");
        reader.finish_sleep();
        assert_eq!(taken(&mut reader).len(), 1);
        assert!(reader.prepare_sleep());
        writer.send(1, b"asleep").unwrap();
        assert!(wakers[1].drain() && !wakers[0].drain());
        reader.finish_sleep();
        writer.send(1, &[0; 40]).unwrap();
        assert_eq!(writer.send(1, &[0; 40]), Err(MeshFull));
        assert_eq!(taken(&mut reader).len(), 2);
        writer.send(1, &[0; 40]).unwrap();
    }

    #[test]
    fn sizes_and_numbers_have_bounds() {
        let wakers: Vec<EventFd> = (0..33).map(|_| EventFd::new().unwrap()).collect();
        assert!(mesh(&wakers, 64).is_err());
        assert!(mesh(&wakers[..2], 63).is_err() && mesh(&wakers[..2], 4).is_err());
        assert!(mesh(&wakers[..1], 64).unwrap().pop().is_some_and(|end| end.inlets.is_empty()));
    }
}
