//! The near end: it calls.

use std::net::SocketAddr;

use strowger_link::Tick;

use super::text::{Name, Remote};
use super::{AGAIN_NS, Calls, Due, Far, GIVE_UP, HOLD, Kind, Pending, Phase, audio_of};
use crate::media::Media;
use crate::message::{Method, View};
use crate::net::Out;
use crate::secret::{guards, key_of};

/// CSeq of the INVITE that begins a call.
const FIRST: u32 = 1;

impl Calls {
    /// Begins a call; `false` = there is no place for it.
    pub(super) fn begin(
        &mut self,
        intended: Tick,
        standing: bool,
        now: Tick,
        out: &mut Out,
    ) -> bool {
        let Some(slot) = self.place(now) else { return false };
        let tally = if standing { 0 } else { self.tally };
        let Some(call) = self.call_mut(slot) else { return false };
        call.age = (call.age + 1) & 0x00ff_ffff;
        call.phase = Phase::Inviting;
        call.standing = standing;
        call.intended = intended;
        call.tally = tally;
        (call.heard, call.rang, call.cseq) = (false, false, FIRST);
        (call.pending, call.far, call.far_audio) = (None, Far::None, None);
        let name = Name { slot, age: call.age };
        self.busy += 1;
        self.tally_mut(tally).offered += 1;
        self.send_invite(name, out);
        self.timers.push(0, now, Due::Again(name, FIRST, 0));
        self.timers.push(GIVE_UP, now, Due::GiveUp(name, FIRST));
        true
    }

    /// Which near socket a call uses.
    fn socket_of(&self, slot: u32) -> usize {
        slot as usize % self.plan.near.len().max(1)
    }

    fn send_invite(&self, name: Name, out: &mut Out) {
        let at = self.socket_of(name.slot);
        let (Some(requests), Some((by, _))) = (self.requests.get(at), self.plan.near.get(at))
        else {
            return;
        };
        let (run, dial) = (self.plan.run, &self.plan.dial);
        out.send(*by, self.plan.server, |bytes| requests.invite(bytes, run, name, dial, FIRST));
    }

    /// Sends a request inside of the dialog.
    pub(super) fn ask(&mut self, slot: u32, kind: Kind, intended: Tick, now: Tick, out: &mut Out) {
        let current = self.tally;
        let Some(call) = self.call_mut(slot) else { return };
        call.cseq += 1;
        let tally = if kind == Kind::Bye { call.tally } else { current };
        let cseq = call.cseq;
        call.pending = Some(Pending { kind, cseq, intended, tally });
        if kind == Kind::Bye {
            call.phase = Phase::Ending;
        }
        let name = Name { slot, age: call.age };
        if kind != Kind::Bye {
            self.tally_mut(tally).asked += 1;
        }
        self.send_inside(name, kind, cseq, out);
        self.timers.push(0, now, Due::Again(name, cseq, 0));
        self.timers.push(GIVE_UP, now, Due::GiveUp(name, cseq));
    }

    fn send_inside(&self, name: Name, kind: Kind, cseq: u32, out: &mut Out) {
        self.write_inside(name.slot, out, |calls, at, bytes, remote| {
            if let Some(requests) = calls.requests.get(at) {
                requests.inside(bytes, kind, (calls.plan.run, name, cseq), remote);
            }
        });
    }

    fn write_inside(
        &self,
        slot: u32,
        out: &mut Out,
        write: impl FnOnce(&Calls, usize, &mut Vec<u8>, &Remote),
    ) {
        let at = self.socket_of(slot);
        let (Some(call), Some((by, _))) = (self.call(slot), self.plan.near.get(at)) else { return };
        out.send(*by, self.plan.server, |bytes| write(self, at, bytes, &call.remote));
    }

    /// Sends a request again that has no response yet (RFC 3261 17.1.1.2, 17.1.2.2).
    pub(super) fn again(&mut self, name: Name, cseq: u32, tries: usize, now: Tick, out: &mut Out) {
        let Some(call) = self.named(name) else { return };
        let (phase, heard, pending, tally) = (call.phase, call.heard, call.pending, call.tally);
        let kind = match pending {
            Some(pending) if pending.cseq == cseq => {
                // A re-INVITE that something has come back for is not sent again.
                if pending.kind == Kind::Reinvite && heard {
                    return;
                }
                Some(pending.kind)
            }
            Some(_) | None if phase == Phase::Inviting && cseq == FIRST && !heard => None,
            Some(_) | None => return,
        };
        match kind {
            Some(kind) => {
                self.send_inside(name, kind, cseq, out);
                let at = pending.map_or(tally, |pending| pending.tally);
                self.tally_mut(at).requests_again += 1;
            }
            None => {
                self.send_invite(name, out);
                self.tally_mut(tally).invites_again += 1;
            }
        }
        let next = (tries + 1).min(AGAIN_NS.len() - 1);
        self.timers.push(next, now, Due::Again(name, cseq, next));
    }

    pub(super) fn give_up(&mut self, name: Name, cseq: u32, now: Tick) {
        let Some(call) = self.named(name) else { return };
        let tally = call.tally;
        if call.phase == Phase::Inviting && cseq == FIRST {
            self.tally_mut(tally).silent += 1;
            self.finish(name.slot, now);
            return;
        }
        let Some(pending) = call.pending.filter(|pending| pending.cseq == cseq) else { return };
        call.pending = None;
        if pending.kind == Kind::Bye {
            self.tally_mut(tally).unended += 1;
            self.finish(name.slot, now);
        } else {
            self.tally_mut(pending.tally).unheard += 1;
        }
    }

    pub(super) fn take_near(
        &mut self,
        (socket, peer): (u8, SocketAddr),
        view: &View<'_>,
        now: Tick,
        out: &mut Out,
        media: &mut Media,
    ) {
        if view.status == 0 {
            self.take_request((socket, peer), view, now, out);
            return;
        }
        let name = Name::read(self.plan.run, view.call_id);
        let Some(name) = name.filter(|name| self.named(*name).is_some()) else {
            self.handle_stray((socket, peer), view, out);
            return;
        };
        let Some(call) = self.named(name) else { return };
        match view.method {
            Method::Invite if view.cseq == FIRST => self.take_first(name, view, now, out, media),
            Method::Invite if view.status < 200 => call.heard = true,
            Method::Invite | Method::Bye | Method::Options if view.status >= 200 => {
                self.take_inside(name, view, now, out);
            }
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Other => {}
        }
    }

    /// A response to the first INVITE.
    fn take_first(
        &mut self,
        name: Name,
        view: &View<'_>,
        now: Tick,
        out: &mut Out,
        media: &mut Media,
    ) {
        let Some(call) = self.named(name) else { return };
        let (phase, intended, tally) = (call.phase, call.intended, call.tally);
        call.heard = true;
        match (phase, view.status) {
            (Phase::Inviting, 101..=199) if !call.rang => {
                call.rang = true;
                self.tally_mut(tally).early.add(intended, now);
            }
            (Phase::Inviting, 200..=299) => {
                call.remote.learn(view);
                call.phase = Phase::Up;
                self.tally_mut(tally).answered += 1;
                self.tally_mut(tally).setup.add(intended, now);
                self.send_ack(name, FIRST, out);
                self.settle(name, now);
                self.speak(name, view, now, out, media);
            }
            (Phase::Inviting, 300..) => {
                self.send_refusal_ack(name, view, out);
                self.tally_mut(tally).refused.add(view.status);
                self.finish(name.slot, now);
            }
            // The ACK was lost (RFC 3261 13.2.2.4).
            (Phase::Up | Phase::Ending | Phase::Ended, 200..=299) => {
                self.send_ack(name, FIRST, out);
            }
            (Phase::Free | Phase::Inviting | Phase::Up | Phase::Ending | Phase::Ended, _) => {}
        }
    }

    /// What an answered call does next.
    fn settle(&mut self, name: Name, now: Tick) {
        if self.named(name).is_some_and(|call| call.standing) {
            self.busy -= 1;
            self.standing.up.push(name.slot);
        } else {
            self.timers.push(HOLD, now, Due::Hold(name));
        }
    }

    /// Both ends send their audio.
    fn speak(&mut self, name: Name, view: &View<'_>, now: Tick, out: &mut Out, media: &mut Media) {
        let Some(flows) = self.connect(name.slot, audio_of(view.body)) else { return };
        let first = name.slot as usize * 2;
        let theirs = key_of(view.body).filter(|_| self.plan.srtp);
        let guards = theirs.as_ref().and_then(guards);
        if self.plan.srtp && guards.is_none() {
            // Without keys nothing is said, and so nothing arrives.
            self.strays += 1;
            return;
        }
        media.guard(first, &flows, guards);
        for (number, flow) in (first..).zip(flows) {
            media.set(number, flow);
            for _ in 0..self.plan.packets {
                media.send(number, now, out);
            }
        }
    }

    fn send_ack(&self, name: Name, cseq: u32, out: &mut Out) {
        self.write_inside(name.slot, out, |calls, at, bytes, remote| {
            if let Some(requests) = calls.requests.get(at) {
                requests.ack(bytes, (calls.plan.run, name, cseq), remote);
            }
        });
    }

    fn send_refusal_ack(&self, name: Name, view: &View<'_>, out: &mut Out) {
        self.write_inside(name.slot, out, |calls, at, bytes, _remote| {
            if let Some(requests) = calls.requests.get(at) {
                let id = (calls.plan.run, name, view.cseq);
                requests.ack_refusal(bytes, id, &calls.plan.dial, view.to);
            }
        });
    }

    /// A final response to a request inside of the dialog.
    fn take_inside(&mut self, name: Name, view: &View<'_>, now: Tick, out: &mut Out) {
        let Some(call) = self.named(name) else { return };
        let tally = call.tally;
        let pending = call.pending.filter(|pending| pending.cseq == view.cseq);
        let ok = view.status < 300;
        if view.method == Method::Invite {
            if ok {
                self.send_ack(name, view.cseq, out);
            } else if pending.is_some() {
                self.write_inside(name.slot, out, |calls, at, bytes, remote| {
                    if let Some(requests) = calls.requests.get(at) {
                        requests.ack_reinvite(bytes, (calls.plan.run, name, view.cseq), remote);
                    }
                });
            }
        }
        let Some(pending) = pending else { return };
        if let Some(call) = self.named(name) {
            call.pending = None;
        }
        if pending.kind == Kind::Bye {
            let counts = self.tally_mut(tally);
            if ok {
                counts.ended += 1;
                counts.bye.add(pending.intended, now);
            } else {
                counts.unended += 1;
            }
            self.finish(name.slot, now);
        } else {
            let counts = self.tally_mut(pending.tally);
            if ok {
                counts.served += 1;
                counts.inside.add(pending.intended, now);
            } else {
                counts.unserved.add(view.status);
            }
        }
    }

    /// A request of the server's.
    fn take_request(
        &mut self,
        (socket, peer): (u8, SocketAddr),
        view: &View<'_>,
        now: Tick,
        out: &mut Out,
    ) {
        if view.method == Method::Ack {
            return;
        }
        out.send(socket, peer, |bytes| self.answers.write(bytes, view, "200 OK", b"", false));
        let name = Name::read(self.plan.run, view.call_id);
        if view.method != Method::Bye {
            return;
        }
        let Some(call) = name.and_then(|name| self.named(name)) else { return };
        let (tally, phase) = (call.tally, call.phase);
        if let (Phase::Up | Phase::Ending, Some(name)) = (phase, name) {
            self.tally_mut(tally).cut += 1;
            self.finish(name.slot, now);
        }
    }

    /// A response for a call that is over here: an answer is ended at once, else it would stand.
    fn handle_stray(&mut self, (socket, peer): (u8, SocketAddr), view: &View<'_>, out: &mut Out) {
        self.strays += 1;
        let is_answer = view.method == Method::Invite && (200..300).contains(&view.status);
        let Some(name) = Name::read(self.plan.run, view.call_id).filter(|_| is_answer) else {
            return;
        };
        let Some(requests) = self.requests.get(self.socket_of(name.slot)) else { return };
        let mut remote = Remote::default();
        remote.learn(view);
        let id = |cseq| (self.plan.run, name, cseq);
        out.send(socket, peer, |bytes| requests.ack(bytes, id(view.cseq), &remote));
        out.send(socket, peer, |bytes| {
            requests.inside(bytes, Kind::Bye, id(view.cseq + 1), &remote);
        });
    }
}
