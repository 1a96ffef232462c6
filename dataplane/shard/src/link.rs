//! The control plane's side of a turn: sessions, frames down, frames up.

use crate::Shard;
use crate::desk::Desk;
use crate::edge::Verdict;
use std::sync::atomic::AtomicU64;
use strowger_link::journal::Position;
use strowger_link::{
    Answer, AnswerBody, Ask, Cause, Challenge, Down, Edge, FlowEpoch, Key, Octets, Reason, Refuse,
    Tick, Up,
};
use strowger_port::net::{Io, JournalSink, Lane, LinkError, PlaneLink};
use strowger_sip::digest::Nonces;

/// Places of an edge snapshot that are compiled in a turn: a quarter of a millisecond.
const PLACES_PER_TURN: usize = 1_024;

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Notices the end and the beginning of sessions with the control plane.
    pub(crate) fn watch_session(&mut self, now: Tick) {
        let session = self.link.session();
        if session == self.session {
            return;
        }
        self.session = session;
        if session.is_some() {
            let frame = Up::FlowEpoch(self.flow_epoch());
            let _first = self.link.send(Lane::Registrations, &frame.to_bytes());
        }
        // A new session means that the former control plane is gone, seen or not.
        self.greeted = false;
        self.backlogs.iter_mut().for_each(|backlog| backlog.away(now));
        self.calls.handle_control_lost();
        self.settle(now);
    }

    /// Takes one frame; `false` when none waits.
    pub(crate) fn take_frame(&mut self, now: Tick) -> bool {
        let mut frame = core::mem::take(&mut self.frame);
        let taken = self.link.recv(&mut frame);
        if matches!(taken, Ok(true)) {
            match Down::from_bytes(&frame) {
                Ok(down) => self.handle_down(down, now),
                Err(_) => self.counts.frames_malformed += 1,
            }
        }
        self.frame = frame;
        matches!(taken, Ok(true))
    }

    fn handle_down(&mut self, down: Down, now: Tick) {
        let wall_us = self.io.wall_us();
        let Shard { io, calls, media, endpoint, .. } = self;
        let mut desk = Desk { media, io, now };
        match down {
            Down::Hello(hello) => {
                self.backlogs.iter_mut().for_each(|backlog| backlog.back(now));
                calls.set_origin(hello.origin);
                calls.handle_control_back();
                self.mark_origin(hello.origin);
                self.greeted = true;
                self.keeper.tell_again();
                self.ask_outside_again(now);
            }
            Down::Answer(answer) => {
                self.backlogs.iter_mut().for_each(|backlog| backlog.answered(answer.ask));
                if let Some(answer) = self.outside.handle_answer(*answer, endpoint, now) {
                    calls.handle_answer(answer, now, &mut desk);
                }
            }
            Down::Verb(verb) => calls.handle_verb(*verb, now, wall_us, &mut desk),
            Down::Edge(edge) => self.set_edge(*edge),
            Down::EdgePage(page) => {
                self.pages_taken += 1;
                self.pages.take(&page);
            }
            Down::Lengthen(more) => calls.handle_lengthen(&more, now, &mut desk),
            Down::Upstream(order) => endpoint.handle_upstream(*order, now),
            Down::Keep(order) => self.keeper.handle_order(*order, now),
            Down::Stored(word) => self.journal.stored(Position::from_word(word)),
        }
    }

    /// A snapshot has come. One that is still being compiled is out of date.
    fn set_edge(&mut self, mut edge: Edge) {
        let draft = self.pages.whole(&edge);
        edge.sources.clear();
        self.compiling = Some(Box::new((draft, edge)));
        self.compile_edge();
    }

    /// Goes on compiling; the former snapshot counts until the new one is whole.
    pub(crate) fn compile_edge(&mut self) {
        let Some(compiling) = &mut self.compiling else { return };
        let Some(sources) = compiling.0.step(PLACES_PER_TURN) else { return };
        self.sources = sources;
        let Some((_, edge)) = self.compiling.take().map(|compiling| *compiling) else { return };
        self.front.set_emergencies(edge.emergency.iter().map(|e| e.number.as_str()));
        self.calls.set_emergency(edge.emergency.clone());
        self.endpoint.set_nonces(Nonces::new(Key(edge.nonce_key), edge.nonce_valid_s));
        let Edge { realm, algorithms, .. } = edge;
        self.challenge = Some(Challenge { realm, algorithms, stale: false });
    }

    /// Asks for a call. The edge snapshot says whose source it is.
    pub(crate) fn ask(&mut self, ask: &Ask, lane: Lane, now: Tick) {
        let [backlog, _] = &mut self.backlogs;
        backlog.sent(ask.id, now);
        let frame = ask.to_frame(self.trunk_of(ask));
        match self.link.send(lane, &frame) {
            Ok(()) | Err(LinkError::Down) => {}
            Err(LinkError::Full | LinkError::TooLong) => {
                self.counts.ring_full += 1;
                let [backlog, _] = &mut self.backlogs;
                backlog.unsent(ask.id);
                let refuse = overloaded();
                let answer = Answer { ask: ask.id, body: AnswerBody::Refuse(refuse) };
                let Shard { io, calls, media, .. } = self;
                calls.handle_answer(answer, now, &mut Desk { media, io, now });
            }
        }
    }

    pub(crate) fn trunk_of(&self, ask: &Ask) -> Option<i64> {
        match self.sources.verdict(ask.hints.source) {
            Verdict::Trunk(id) => Some(id),
            Verdict::Deny | Verdict::Stranger => None,
        }
    }

    /// Tells how registrations of ours stand. Only the latest word on each counts, so what finds no
    /// room waits for the next turn; a control plane that greets anew is told everything.
    pub(crate) fn tell_upstreams(&mut self) {
        while let Some(entry) = self.upstreams.first_entry() {
            match self.link.send(Lane::Registrations, &Up::Upstream(*entry.get()).to_bytes()) {
                Ok(()) | Err(LinkError::Down | LinkError::TooLong) => entry.remove(),
                Err(LinkError::Full) => return,
            };
        }
    }

    fn flow_epoch(&self) -> FlowEpoch {
        FlowEpoch { shard: self.number, epoch: self.connections.epoch() }
    }

    /// Tells which registered flows have failed. What finds no room waits for the next turn; a
    /// control plane that was away hears of it when a call goes there.
    pub(crate) fn tell_flows(&mut self) {
        while let Some(flow) = self.connections.flow_failed() {
            let frame = Up::FlowFailed(flow).to_bytes();
            match self.link.send(Lane::Registrations, &frame) {
                Ok(()) | Err(LinkError::Down | LinkError::TooLong) => {
                    self.connections.flow_told(flow);
                }
                Err(LinkError::Full) => return,
            }
        }
    }

    /// Tells which trunks stopped to answer probes, or answer again. What finds no room waits for
    /// the next turn; a control plane that was away is told after its greeting.
    pub(crate) fn tell_probes(&mut self) {
        while let Some(probed) = self.keeper.news() {
            match self.link.send(Lane::Registrations, &Up::Probed(probed).to_bytes()) {
                Ok(()) | Err(LinkError::Down | LinkError::TooLong) => self.keeper.told(probed),
                Err(LinkError::Full) => return,
            }
        }
    }

    /// Tells the control plane; what finds no room while nobody listens is read again from table
    /// and journal.
    pub(crate) fn tell(&mut self, up: &Up) {
        let frame = up.to_bytes();
        let told = match up {
            // A wake-up costs more than all that is done with them, and nobody waits.
            Up::Live(_) | Up::Started(_) => self.link.leave(Lane::Calls, &frame),
            Up::Ask(_)
            | Up::Abandoned(_)
            | Up::Journal(_)
            | Up::Verb(_)
            | Up::Turned(_)
            | Up::Counters(_)
            | Up::Listeners(_)
            | Up::Upstream(_)
            | Up::FlowFailed(_)
            | Up::FlowEpoch(_)
            | Up::Sounds(_)
            | Up::Probed(_) => self.link.send(Lane::Calls, &frame),
        };
        if told == Err(LinkError::Full) {
            self.counts.ring_full += 1;
        }
    }
}

/// The control plane is too slow: this node as a whole cannot (design of calls, 7).
pub(crate) fn overloaded() -> Refuse {
    Refuse {
        cause: Cause::new(503, 42),
        reason: Reason::Overload,
        phrase: String::new(),
        retry_after_s: 1,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
        headers: Vec::new(),
    }
}
