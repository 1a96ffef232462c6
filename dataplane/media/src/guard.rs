//! HOT PATH
//!
//! SRTP that ends at a local port: what arrives there is opened, what leaves from there is sealed.
//!
//! A guard belongs to the port, not to the pair that the port is in: as long as the party has the
//! port, its keys and the indices used under them stay, whoever it is joined with. The same key
//! given again changes nothing, so an index is never used for two packets.

mod setup;

use crate::datagram::Drop;
use crate::ports::LocalPort;
use std::collections::VecDeque;
use strowger_srtp::{Fault, Master, Passed, RtcpOpener, RtcpSealer, RtpOpener, RtpSealer};

pub(crate) use setup::Use;
pub use setup::{GuardMarks, Keys};

/// What arrives at a port.
#[derive(Debug)]
enum Opener {
    Rtp(RtpOpener),
    Rtcp(RtcpOpener),
}

/// What leaves from a port.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lies in the box of its guard")]
enum Sealer {
    Rtp(RtpSealer),
    Rtcp(RtcpSealer),
}

/// The guard of a port.
#[derive(Debug)]
pub(crate) struct Guard {
    theirs: Master,
    opener: Opener,
    ours: Master,
    sealer: Sealer,
}

impl Guard {
    fn open(&mut self, packet: &mut [u8]) -> Result<Passed, Fault> {
        match &mut self.opener {
            Opener::Rtp(opener) => opener.open(packet),
            Opener::Rtcp(opener) => opener.open(packet),
        }
    }

    fn seal(&mut self, room: &mut [u8], len: usize) -> Result<Passed, Fault> {
        match &mut self.sealer {
            Sealer::Rtp(sealer) => sealer.seal(room, len),
            Sealer::Rtcp(sealer) => sealer.seal(room, len),
        }
    }
}

/// The guards of all local ports.
#[derive(Debug)]
pub(crate) struct Guards {
    /// By port; only ports with keys have one.
    guards: Box<[Option<Box<Guard>>]>,
    /// Ports whose marks are to be kept anew; one that finds no room comes again in time.
    due: VecDeque<LocalPort>,
}

impl Guards {
    /// Proves and opens what arrived at a port, in place; its length then.
    pub(crate) fn open(
        &mut self,
        at: LocalPort,
        room: &mut [u8],
        len: usize,
    ) -> Result<usize, Drop> {
        let guard = self.guards.get_mut(at.index()).and_then(Option::as_deref_mut);
        let packet = room.get_mut(..len);
        let (guard, packet) = guard.zip(packet).ok_or(Drop::Unproven)?;
        let passed = guard.open(packet).map_err(|_| Drop::Unproven)?;
        self.note(at, passed);
        Ok(passed.len)
    }

    /// Seals what leaves from a port, in place; its length then.
    pub(crate) fn seal(
        &mut self,
        from: LocalPort,
        room: &mut [u8],
        len: usize,
    ) -> Result<usize, Drop> {
        let guard = self.guards.get_mut(from.index()).and_then(Option::as_deref_mut);
        let guard = guard.ok_or(Drop::Unproven)?;
        let passed = guard.seal(room, len).map_err(|_| Drop::Unproven)?;
        self.note(from, passed);
        Ok(passed.len)
    }

    /// A port whose marks are to be kept anew.
    pub(crate) fn poll_due(&mut self) -> Option<LocalPort> {
        self.due.pop_front()
    }

    /// Something else of a port is to be kept anew.
    pub(crate) fn note_due(&mut self, at: LocalPort) {
        if self.due.len() < self.due.capacity() {
            self.due.push_back(at);
        }
    }

    fn note(&mut self, at: LocalPort, passed: Passed) {
        if passed.is_mark_due {
            self.note_due(at);
        }
    }
}
