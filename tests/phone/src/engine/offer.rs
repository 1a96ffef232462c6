//! Offers and answers (RFC 3264) and re-INVITE, UPDATE, hold (RFC 3261 14, RFC 3311).

use std::time::{Duration, Instant};

use super::Engine;
use super::client::Owner;
use super::dialog::{Dialog, Reinvite, State, Talk};
use super::server::Key;
use crate::failure::{Cause, EndedBy};
use crate::media::Media;
use crate::message::{Message, address_uri};
use crate::sdp::{Direction, Sdp};

impl Talk {
    pub(super) fn new(session: u64) -> Self {
        Self {
            session,
            version: 0,
            last_text: String::new(),
            wish: Direction::SendRecv,
            local: Direction::SendRecv,
            remote: None,
            answer_in_ack: false,
        }
    }

    /// Our description; its version grows only when it says something new (RFC 3264 8).
    pub(super) fn describe(
        &mut self,
        media: &Media,
        ptime_ms: u32,
        direction: Direction,
    ) -> String {
        let (rtp, rtcp) = media.advertised();
        self.local = direction;
        let key = media.say_key(self.remote.as_ref());
        let shake = media.say_shake(self.remote.as_ref());
        let sdp = |version| Sdp {
            session: self.session,
            version,
            rtp,
            rtcp,
            formats: vec![0],
            ptime_ms: Some(ptime_ms),
            direction,
            key: key.clone(),
            shake: shake.clone(),
        };
        let mut text = sdp(self.version).to_text();
        if text != self.last_text {
            self.version += 1;
            text = sdp(self.version).to_text();
        }
        self.last_text.clone_from(&text);
        text
    }
}

impl Dialog {
    /// Our answer to the offer that came, or our own offer when none came; media goes with it.
    pub(super) fn answer_text(&mut self, ptime_ms: u32) -> String {
        let direction = match &self.talk.remote {
            Some(offer) if !self.talk.answer_in_ack => offer.direction.answer(self.talk.wish),
            Some(_) | None => self.talk.wish,
        };
        let text = self.talk.describe(&self.media, ptime_ms, direction);
        self.follow_directions();
        text
    }

    /// The other side's description is in force.
    pub(super) fn apply(&mut self, sdp: Sdp, local: Direction) {
        self.talk.local = local;
        self.media.set_remote(sdp.rtp, sdp.rtcp_target());
        self.media.set_key(sdp.key.as_ref());
        self.media.shake(&sdp);
        self.talk.remote = Some(sdp);
        self.follow_directions();
    }

    fn follow_directions(&self) {
        let Some(remote) = &self.talk.remote else { return };
        let (local, remote) = (self.talk.local, remote.direction);
        let sends = local.sends() && remote.receives();
        self.media.set_direction(sends, local.receives() && remote.sends());
    }
}

impl Engine {
    /// Begins a re-INVITE that wishes this direction.
    pub(crate) fn reinvite(&mut self, id: u64, wish: Direction) -> Result<(), Cause> {
        let ptime = self.config.ptime_ms;
        let dialog = self.dialogs.get_mut(&id).ok_or(Cause::Misuse("no such call"))?;
        match (dialog.state, &dialog.reinvite) {
            (State::Ended(by), _) => return Err(Cause::Ended(by)),
            (_, Reinvite::Pending { .. }) => {
                return Err(Cause::Misuse("re-INVITE: one is under way"));
            }
            (State::Talking, _) => {}
            (
                State::Calling | State::Offered | State::Ringing | State::Answered | State::Ending,
                _,
            ) => return Err(Cause::Misuse("re-INVITE: the call is not answered")),
        }
        dialog.reinvite = Reinvite::Pending { wish };
        let text = dialog.talk.describe(&dialog.media, ptime, wish);
        let Some((mut invite, to)) = self.request_inside(id, "INVITE", None) else { return Ok(()) };
        invite.set_body("application/sdp", text.as_bytes());
        self.send_request(Owner::Reinvite(id), invite, to);
        Ok(())
    }

    /// Reads the body of a 2xx to our INVITE; the answer for the ACK if it was an offer.
    pub(super) fn on_answer_body(&mut self, id: u64, response: &Message) -> Option<String> {
        let ptime = self.config.ptime_ms;
        let dialog = self.dialogs.get_mut(&id)?;
        let offered = !dialog.invite.body.is_empty();
        let wish = match dialog.reinvite {
            Reinvite::Pending { wish } => Some(wish),
            Reinvite::Idle | Reinvite::Waiting { .. } | Reinvite::Done(_) => None,
        };
        let sdp = self.config.srtp.read(&response.body);
        if let Some(wish) = wish {
            dialog.talk.wish = wish;
            dialog.reinvite = Reinvite::Done(match sdp {
                Some(_) => Ok(()),
                None => Err(Cause::Protocol("a 2xx to a re-INVITE without an answer")),
            });
        } else if sdp.is_none() && dialog.talk.remote.is_none() {
            dialog.fault = Some("a 2xx to INVITE without a session description");
        }
        let sdp = sdp?;
        if offered || wish.is_some() {
            let local = dialog.talk.local;
            dialog.apply(sdp, local);
            return None;
        }
        let answer = sdp.direction.answer(dialog.talk.wish);
        let text = dialog.talk.describe(&dialog.media, ptime, answer);
        dialog.apply(sdp, answer);
        Some(text)
    }

    pub(super) fn on_reinvite_refused(&mut self, id: u64, code: u16) {
        let unit = self.t1() / 50;
        let spread = self.random.below(u64::from(u16::MAX));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Reinvite::Pending { wish } = dialog.reinvite else { return };
        match code {
            491 => {
                let at = Instant::now() + glare_wait(dialog.outgoing, spread, unit);
                dialog.reinvite = Reinvite::Waiting { wish, at };
            }
            408 | 481 => {
                // RFC 3261 12.2.1.2: the dialog is gone.
                dialog.reinvite = Reinvite::Done(Err(Cause::Code(code)));
                self.send_bye(id);
            }
            _ => {
                // RFC 3261 14.1: the session stays as it was.
                dialog.talk.local = dialog.talk.wish;
                dialog.reinvite = Reinvite::Done(Err(Cause::Code(code)));
            }
        }
    }

    pub(super) fn on_reinvite_timeout(&mut self, id: u64) {
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.reinvite = Reinvite::Done(Err(Cause::TimedOut));
        }
        self.send_bye(id);
        self.end_dialog(id, EndedBy::TimedOut);
    }

    pub(super) fn reinvite_timers(&mut self, now: Instant) -> bool {
        let due: Vec<(u64, Direction)> = self
            .dialogs
            .values()
            .filter_map(|dialog| match dialog.reinvite {
                Reinvite::Waiting { wish, at } if at <= now => Some((dialog.id, wish)),
                Reinvite::Waiting { .. }
                | Reinvite::Idle
                | Reinvite::Pending { .. }
                | Reinvite::Done(_) => None,
            })
            .collect();
        for (id, wish) in &due {
            if let Err(cause) = self.reinvite(*id, *wish)
                && let Some(dialog) = self.dialogs.get_mut(id)
            {
                dialog.reinvite = Reinvite::Done(Err(cause));
            }
        }
        !due.is_empty()
    }

    pub(super) fn on_reinvited(&mut self, id: u64, key: &Key, invite: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if matches!(dialog.reinvite, Reinvite::Pending { .. }) {
            // RFC 3261 14.2: both at once.
            return self.respond_plain(key, invite, 491);
        }
        if !matches!(dialog.state, State::Talking | State::Answered) {
            return self.respond_plain(key, invite, 500);
        }
        if let Some(contact) = invite.values("Contact").first() {
            address_uri(contact).clone_into(&mut dialog.target);
        }
        self.answer_change(id, key, invite, true);
    }

    pub(super) fn on_updated(&mut self, id: u64, key: &Key, update: &Message) {
        if update.body.is_empty() {
            return self.respond_plain(key, update, 200);
        }
        self.answer_change(id, key, update, false);
    }

    fn answer_change(&mut self, id: u64, key: &Key, request: &Message, late_offer: bool) {
        let (ptime, contact) = (self.config.ptime_ms, self.contact());
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let offer = self.config.srtp.read(&request.body);
        if offer.is_none() && !request.body.is_empty() {
            return self.respond_plain(key, request, 488);
        }
        dialog.talk.answer_in_ack = offer.is_none() && late_offer;
        if let Some(offer) = offer {
            let local = offer.direction.answer(dialog.talk.wish);
            dialog.apply(offer, local);
        }
        let text = dialog.answer_text(ptime);
        let mut response = Message::response(200, request, None);
        response.push("Contact", &contact);
        response.set_body("application/sdp", text.as_bytes());
        if let Some(tx) = self.server(key) {
            tx.call = Some(id);
        }
        self.respond(key, response);
    }
}

/// RFC 3261 14.1: 2.1 to 4 s in units of 10 ms for the owner of the Call-ID, else 0 to 2 s; `unit`
/// stands for the 10 ms, so that a smaller T1 makes it shorter.
fn glare_wait(owner: bool, spread: u64, unit: Duration) -> Duration {
    let (from, range) = if owner { (210, 190) } else { (0, 200) };
    unit * u32::try_from(from + spread % range).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_call_id_waits_longer_after_glare() {
        let unit = Duration::from_millis(10);
        for spread in 0..1_000 {
            let owner = glare_wait(true, spread, unit);
            let other = glare_wait(false, spread, unit);
            assert!((2_100..4_000).contains(&owner.as_millis()), "{owner:?}");
            assert!((0..2_000).contains(&other.as_millis()), "{other:?}");
        }
    }
}
