//! Making, changing and keeping guards: by signalling, outside of the packet path.

use super::{Guard, Guards, Opener, Sealer};
use crate::limits::MARKS_DUE_MAX;
use crate::ports::LocalPort;
use std::collections::VecDeque;
use strowger_srtp::{Mark, Master, RtcpOpener, RtcpSealer, RtpOpener, RtpSealer};

/// The keys of a party's media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// What we send it is under this one.
    pub ours: Master,
    /// What it sends is under this one.
    pub theirs: Master,
}

/// Where the streams of a party's ports are, for the next life of the process.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GuardMarks {
    /// RTP that it sent.
    pub opened: Vec<Mark>,
    /// RTP that it was sent.
    pub sealed: Vec<Mark>,
    /// RTCP that it was sent.
    pub rtcp_sealed: u32,
}

/// Which of a party's two ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Rtp,
    Rtcp,
}

impl Opener {
    fn new(master: &Master, of: Use) -> Option<Opener> {
        match of {
            Use::Rtp => RtpOpener::new(master).map(Opener::Rtp),
            Use::Rtcp => RtcpOpener::new(master).map(Opener::Rtcp),
        }
    }
}

impl Sealer {
    fn new(master: &Master, of: Use) -> Option<Sealer> {
        match of {
            Use::Rtp => RtpSealer::new(master).map(Sealer::Rtp),
            Use::Rtcp => RtcpSealer::new(master).map(Sealer::Rtcp),
        }
    }
}

impl Guards {
    /// No port has keys.
    pub(crate) fn new(ports: usize) -> Guards {
        let guards = std::iter::repeat_with(|| None).take(ports).collect();
        Guards { guards, due: VecDeque::with_capacity(MARKS_DUE_MAX) }
    }

    /// Whether a port has keys.
    pub(crate) fn has(&self, port: LocalPort) -> bool {
        self.guards.get(port.index()).is_some_and(Option::is_some)
    }

    /// Gives a port its keys, or takes them. A key that it has already goes on where it is.
    pub(crate) fn set(&mut self, port: LocalPort, of: Use, keys: Option<&Keys>) {
        let Some(place) = self.guards.get_mut(port.index()) else { return };
        let Some(keys) = keys else { return *place = None };
        let Some(guard) = place else {
            // A master has the lengths of its suite, so both are made.
            let made = Opener::new(&keys.theirs, of).zip(Sealer::new(&keys.ours, of));
            *place = made.map(|(opener, sealer)| {
                let Keys { ours, theirs } = keys.clone();
                Box::new(Guard { theirs, opener, ours, sealer })
            });
            return;
        };
        if guard.theirs != keys.theirs
            && let Some(opener) = Opener::new(&keys.theirs, of)
        {
            guard.opener = opener;
            guard.theirs = keys.theirs.clone();
        }
        if guard.ours != keys.ours
            && let Some(sealer) = Sealer::new(&keys.ours, of)
        {
            guard.sealer = sealer;
            guard.ours = keys.ours.clone();
        }
    }

    /// Where the streams of a party are.
    pub(crate) fn marks(&self, rtp: LocalPort, rtcp: LocalPort) -> GuardMarks {
        let guard = |port: LocalPort| self.guards.get(port.index()).and_then(Option::as_deref);
        let mut marks = GuardMarks::default();
        if let Some(Guard { opener: Opener::Rtp(opener), sealer: Sealer::Rtp(sealer), .. }) =
            guard(rtp)
        {
            marks.opened = opener.marks().collect();
            marks.sealed = sealer.marks().collect();
        }
        if let Some(Guard { sealer: Sealer::Rtcp(sealer), .. }) = guard(rtcp) {
            marks.rtcp_sealed = sealer.mark();
        }
        marks
    }

    /// Takes the streams of a party up where a former life left them.
    pub(crate) fn resume(&mut self, rtp: LocalPort, rtcp: LocalPort, marks: &GuardMarks) {
        let guards = &mut self.guards;
        if let Some(Some(guard)) = guards.get_mut(rtp.index())
            && let Guard { opener: Opener::Rtp(opener), sealer: Sealer::Rtp(sealer), .. } =
                guard.as_mut()
        {
            marks.opened.iter().for_each(|mark| opener.resume(*mark));
            marks.sealed.iter().for_each(|mark| sealer.resume(*mark));
        }
        if let Some(Some(guard)) = guards.get_mut(rtcp.index())
            && let Sealer::Rtcp(sealer) = &mut guard.sealer
        {
            sealer.resume(marks.rtcp_sealed);
        }
    }
}
