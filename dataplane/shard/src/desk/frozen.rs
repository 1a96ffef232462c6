//! Media of a leg across lives of the process: its ports, our session's number, and what its party
//! said last.
//!
//! The party's description is kept as text and read again, so that nothing that a description can
//! say has to be remembered twice. What packets taught (latched sources, counts) is not kept: it is
//! learned again from the next packet by the same rules.

use super::{Desk, LegMedia, Line, MediaDesk, NO_PORTS, terms_of};
use std::net::IpAddr;
use strowger_link::codec::{Octets, Wire, put_list_of, put_octets_of};
use strowger_link::{Cause, LegId, MediaPolicy, wire_struct};
use strowger_media::ports::PortPair;
use strowger_port::net::Io;
use strowger_sdp::limits::MEDIA_MAX;
use strowger_sdp::{Description, LocalSession};

/// Longest description kept, bytes; a leg with a longer one cannot be taken up.
pub(crate) const SAID_MAX: usize = 3 * 1024;

wire_struct! {
    /// Media of one leg.
    pub struct FrozenMedia {
        /// Number of our session.
        pub session: u64,
        /// Version of our last body.
        pub version: u64,
        /// Index of our address.
        pub address: u8,
        /// Where its signalling comes from.
        pub signalling: Option<IpAddr>,
        /// Its policy.
        pub policy: Option<MediaPolicy>,
        /// The party's last description.
        pub said: Octets,
        /// Our RTP port of each line.
        pub ports: Vec<Option<u16>>,
    }
}

impl MediaDesk {
    /// A leg whose image has changed; drain to `None`.
    pub(crate) fn poll_touched(&mut self) -> Option<LegId> {
        self.touched.pop_first()
    }

    /// Appends the image of a leg's media, as an `Option<FrozenMedia>`: none when it has none, or
    /// too much to keep.
    pub(crate) fn freeze(&self, leg: LegId, out: &mut Vec<u8>) {
        let media = self.legs.get(&leg).filter(|media| media.said.len() <= SAID_MAX);
        media.is_some().put(out);
        let Some(media) = media else { return };
        let port = |line: &Line| {
            let (_, port) = self.space().place(line.ports?.rtp)?;
            Some(port)
        };
        media.session.id().put(out);
        media.session.version().put(out);
        media.address.put(out);
        media.signalling.put(out);
        media.policy.put(out);
        put_octets_of(out, |out| out.extend_from_slice(&media.said));
        put_list_of(out, |out| {
            media.lines.iter().for_each(|line| port(line).put(out));
            media.lines.len()
        });
    }

    /// The pair of an RTP port of ours.
    fn pair_at(&self, address: u8, port: u16) -> Option<PortPair> {
        let space = self.space();
        let rtp = space.local_port(address, port)?;
        let rtcp = space.local_port(address, port.checked_add(1)?)?;
        Some(PortPair { rtp, rtcp })
    }
}

impl<I: Io> Desk<'_, I> {
    /// Takes a leg's media back: the same ports, the same session.
    ///
    /// # Errors
    /// A port that is not to be had; nothing stays open.
    pub(crate) fn thaw(&mut self, leg: LegId, frozen: &FrozenMedia) -> Result<(), Cause> {
        let FrozenMedia { session, version, address, signalling, policy, said, ports } = frozen;
        if self.media.legs.contains_key(&leg) || ports.len() > MEDIA_MAX {
            return Err(NO_PORTS);
        }
        let media = LegMedia {
            session: LocalSession::resume(*session, *version, Vec::new()),
            address: *address,
            signalling: *signalling,
            policy: *policy,
            lines: Vec::new(),
            said: Vec::new(),
            peer: None,
            answered: false,
            report: None,
        };
        self.media.legs.insert(leg, media);
        for (index, port) in ports.iter().enumerate() {
            if let Some(port) = port
                && let Err(cause) = self.reopen(leg, index, (*address, *port))
            {
                let _nothing_was_carried = strowger_call::Resources::release(self, leg);
                return Err(cause);
            }
        }
        if let (Ok(theirs), Some(policy)) = (Description::parse(&said.0), policy) {
            self.media.learn(leg, (&theirs, &terms_of(&theirs)), policy);
            self.media.keep_said(leg, &said.0);
        }
        Ok(())
    }

    fn reopen(
        &mut self,
        leg: LegId,
        index: usize,
        (address, port): (u8, u16),
    ) -> Result<(), Cause> {
        let pair = self.media.pair_at(address, port).ok_or(NO_PORTS)?;
        self.media.ports.claim(pair).map_err(|_| NO_PORTS)?;
        let opened = self.open_pair(pair);
        if opened.is_err() {
            // It was claimed just now, so it can be given back.
            let _given = self.media.ports.give(pair, self.now);
            return opened;
        }
        let lines = &mut self.media.leg(leg).lines;
        lines.resize_with(lines.len().max(index + 1), Line::default);
        if let Some(line) = lines.get_mut(index) {
            line.ports = Some(pair);
        }
        Ok(())
    }
}
