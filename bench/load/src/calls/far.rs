//! The far end: it answers.

use std::net::SocketAddr;

use strowger_link::Tick;

use super::text::{ID_DIGITS, Name};
use super::{AGAIN_NS, Calls, Due, Far, Phase, RING, audio_of};
use crate::message::{Method, View};
use crate::net::Out;
use crate::template::read_decimal;

impl Calls {
    pub(super) fn take_far(&mut self, peer: SocketAddr, view: &View<'_>, now: Tick, out: &mut Out) {
        if view.status != 0 {
            self.strays += 1;
            return;
        }
        match view.method {
            Method::Invite if view.tag_of_to().is_none() => self.take_invite(peer, view, now, out),
            // A description again, as before.
            Method::Invite => self.reply(peer, view, "200 OK", b"", true, out),
            Method::Ack => {
                if let Some(call) = self.far_of(view).and_then(|name| self.named(name))
                    && call.far == Far::Answered
                {
                    call.far = Far::Confirmed;
                }
            }
            Method::Bye => {
                self.reply(peer, view, "200 OK", b"", false, out);
                self.take_bye(view);
            }
            Method::Register if !view.authorized => self.challenge(peer, view, out),
            Method::Cancel | Method::Options | Method::Register | Method::Other => {
                self.reply(peer, view, "200 OK", b"", false, out);
            }
        }
    }

    fn reply(
        &self,
        to: SocketAddr,
        view: &View<'_>,
        line: &str,
        tag: &[u8],
        with_body: bool,
        out: &mut Out,
    ) {
        out.send(self.plan.far.0, to, |bytes| {
            self.answers.write(bytes, view, line, tag, with_body);
        });
    }

    /// For measuring the generator alone.
    fn challenge(&self, to: SocketAddr, view: &View<'_>, out: &mut Out) {
        let line = "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"load\", \
                    nonce=\"0123456789abcdef\", algorithm=MD5, qop=\"auth\"";
        self.reply(to, view, line, b"c", false, out);
    }

    /// The call of a message inside of the far dialog, by our tag.
    fn far_of(&self, view: &View<'_>) -> Option<Name> {
        Name::read(self.plan.run, view.tag_of_to()?.strip_prefix(b"f")?)
    }

    /// The call that an INVITE belongs to: by its Call-ID, where that is the near one, or by what
    /// was dialled.
    fn called(&self, view: &View<'_>) -> Option<Name> {
        if let Some(name) = Name::read(self.plan.run, view.call_id) {
            return Some(name);
        }
        let user = view.user();
        let digits = user.get(user.len().checked_sub(8)?..)?;
        let (slot, age) = digits.split_at(6);
        let slot = u32::try_from(read_decimal(slot)?).ok()?;
        let call = self.call(slot)?;
        let same = u64::from(call.age % 100) == read_decimal(age)?;
        same.then_some(Name { slot, age: call.age })
    }

    fn take_invite(&mut self, peer: SocketAddr, view: &View<'_>, now: Tick, out: &mut Out) {
        let name = self.called(view).filter(|name| self.named(*name).is_some());
        let Some(name) = name else {
            self.strays += 1;
            self.reply(peer, view, "404 Not Found", b"n", false, out);
            return;
        };
        let mut tag = Vec::with_capacity(ID_DIGITS + 1);
        tag.push(b'f');
        name.write(self.plan.run, &mut tag);
        let Some(call) = self.named(name) else { return };
        match call.far {
            Far::None => {
                call.far = Far::Ringing;
                call.asked_by = peer;
                call.far_audio = audio_of(view.body);
                let mut ok = std::mem::take(&mut call.ok);
                ok.clear();
                self.answers.write(&mut ok, view, "200 OK", &tag, self.plan.audio.is_some());
                if let Some(call) = self.named(name) {
                    call.ok = ok;
                }
                self.reply(peer, view, "180 Ringing", &tag, false, out);
                if self.plan.ring_ns == 0 {
                    self.answer(name, now, out);
                } else {
                    self.timers.push(RING, now, Due::Answer(name));
                }
            }
            Far::Ringing => self.reply(peer, view, "180 Ringing", &tag, false, out),
            Far::Answered | Far::Confirmed | Far::Ended => self.send_ok(name, out),
        }
    }

    fn send_ok(&self, name: Name, out: &mut Out) {
        if let Some(call) = self.call(name.slot) {
            out.send(self.plan.far.0, call.asked_by, |bytes| bytes.extend_from_slice(&call.ok));
        }
    }

    /// The far end answers.
    pub(super) fn answer(&mut self, name: Name, now: Tick, out: &mut Out) {
        let Some(call) = self.named(name) else { return };
        if call.far == Far::Ringing {
            call.far = Far::Answered;
            self.send_ok(name, out);
            self.timers.push(0, now, Due::OkAgain(name, 0));
        }
    }

    /// The answer is sent again until its ACK comes (RFC 3261 13.3.1.4).
    pub(super) fn ok_again(&mut self, name: Name, tries: usize, now: Tick, out: &mut Out) {
        let Some(call) = self.named(name) else { return };
        let tally = call.tally;
        if call.far == Far::Answered {
            self.send_ok(name, out);
            self.tally_mut(tally).oks_again += 1;
            let next = (tries + 1).min(AGAIN_NS.len() - 1);
            self.timers.push(next, now, Due::OkAgain(name, next));
        }
    }

    fn take_bye(&mut self, view: &View<'_>) {
        let Some(name) = self.far_of(view) else { return };
        let Some(call) = self.named(name) else { return };
        if call.far == Far::Ended {
            return;
        }
        call.far = Far::Ended;
        let (over, tally) = (call.phase == Phase::Ended, call.tally);
        self.tally_mut(tally).far_ended += 1;
        if over {
            self.release(name.slot);
        }
    }
}
