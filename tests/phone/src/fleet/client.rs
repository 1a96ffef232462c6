//! Responses that come to a fleet (RFC 3261 8.1.3, 13.2.2, 17.1).

use std::time::Instant;

use super::core::Core;
use super::desk::{Key, Owner};
use super::leg::Cancel;
use super::{Change, End, Phase, Side};
use crate::message::Message;
use crate::sdp::Sdp;

/// How often a request is sent again with other credentials: wrong ones must not loop.
const TRIES_MAX: u8 = 8;

impl Core {
    pub(super) fn handle_response(&mut self, side: Side, response: &Message) {
        let (Some(branch), Some((_, method)), Some(code)) =
            (response.branch(), response.cseq(), response.code())
        else {
            return;
        };
        let key: Key = (branch.to_owned(), method.to_owned());
        let Some(tx) = self.desk(side).clients.get(&key) else { return };
        let (owner, done) = (tx.owner, tx.done.clone());
        self.note(owner, response);
        if code < 200 {
            if let Some(Owner::Invite(id)) = self.desk(side).proceed(&key) {
                self.on_progress(id, code);
            }
            return;
        }
        if let Some(done) = done {
            return self.repeat(side, owner, done.ack, code, response);
        }
        self.desk(side).conclude(&key, response);
        if matches!(code, 401 | 407) && self.retry(side, &key, response) {
            return;
        }
        self.tell(side, owner, code, response);
    }

    fn note(&mut self, owner: Owner, response: &Message) {
        if let Owner::Invite(id) | Owner::Reinvite(id) | Owner::Bye(id) = owner
            && let Some(leg) = self.legs.get_mut(id)
        {
            leg.note(format!("< {}", response.summary()));
        }
    }

    /// A final response came again: so does its ACK.
    fn repeat(
        &mut self,
        side: Side,
        owner: Owner,
        refusal: Option<Vec<u8>>,
        code: u16,
        response: &Message,
    ) {
        let (Owner::Invite(id) | Owner::Reinvite(id)) = owner else { return };
        let number = response.cseq().map_or(0, |(number, _)| number);
        let kept = self.legs.get(id).and_then(|leg| leg.ack.clone());
        let kept = kept.filter(|(cseq, _)| *cseq == number && code < 300).map(|(_, ack)| ack);
        if let Some(ack) = refusal.or(kept) {
            let desk = self.desk(side);
            desk.transmit(&ack, desk.server);
        }
    }

    fn on_progress(&mut self, id: usize, code: u16) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        if code > 100 && leg.phase == Phase::Calling {
            leg.phase = Phase::Ringing;
        }
        if leg.cancel == Cancel::Wanted && leg.is_live() {
            self.cancel(id);
        }
    }

    /// Sends the request once more with credentials, if that can help.
    fn retry(&mut self, side: Side, key: &Key, response: &Message) -> bool {
        let desk = self.desk(side);
        let Some(tx) = desk.clients.get(key) else { return false };
        let (owner, tries, mut request) = (tx.owner, tx.tries + 1, tx.request.clone());
        if tries > TRIES_MAX || !desk.challenge(response) {
            return false;
        }
        request.remove("Via");
        let number = request.cseq().map_or(0, |(number, _)| number) + 1;
        request.set("CSeq", &format!("{number} {}", key.1));
        match owner {
            Owner::Register => desk.register.1 = number,
            Owner::Invite(id) | Owner::Reinvite(id) | Owner::Bye(id) => {
                if let Some(leg) = self.legs.get_mut(id) {
                    leg.cseq = leg.cseq.max(number);
                }
            }
            Owner::Cancel => return false,
        }
        let mut random = self.random.clone();
        self.desk(side).authorize(&mut request, &mut random);
        self.random = random;
        self.send(owner, side, request, tries);
        true
    }

    fn tell(&mut self, side: Side, owner: Owner, code: u16, response: &Message) {
        let retry_after_s = response
            .header("Retry-After")
            .and_then(|value| value.split([' ', ';', '(']).next()?.parse().ok());
        match owner {
            Owner::Register => self.desk(side).registered = Some(code),
            Owner::Invite(id) if code < 300 => self.on_answer(id, response),
            Owner::Invite(id) => {
                let Some(leg) = self.legs.get_mut(id) else { return };
                let end = match (leg.cancel, code) {
                    (Cancel::Sent, 487) => End::LocalCancel,
                    (Cancel::No | Cancel::Wanted | Cancel::Sent, _) => {
                        End::Refused { code, retry_after_s }
                    }
                };
                leg.end(end, response);
            }
            Owner::Reinvite(id) => self.on_changed(id, code, response),
            Owner::Bye(id) => {
                let Some(leg) = self.legs.get_mut(id) else { return };
                let ok = (200..300).contains(&code);
                leg.end(if ok { End::LocalBye } else { End::ByeRefused(code) }, response);
            }
            Owner::Cancel => {}
        }
    }

    /// A 2xx to our INVITE makes the dialog (RFC 3261 12.1.2).
    fn on_answer(&mut self, id: usize, response: &Message) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        leg.meet(response, "To");
        leg.times.answered = Some(Instant::now());
        let wanted = leg.is_live() && leg.cancel == Cancel::No;
        if leg.is_live() {
            leg.phase = Phase::Talking;
        }
        leg.talk.remote = Sdp::parse(&response.body);
        leg.follow();
        self.acknowledge(id, response);
        if !wanted {
            self.part(id);
        }
    }

    fn on_changed(&mut self, id: usize, code: u16, response: &Message) {
        let Some(leg) = self.legs.get_mut(id) else { return };
        if let Change::Pending(wish) = leg.change {
            leg.change = Change::Done(code);
            match code {
                200..300 => leg.talk.wish = wish,
                // RFC 3261 14.1: the session stays as it was.
                _ => leg.talk.local = leg.talk.wish,
            }
        }
        if code < 300 {
            leg.aim(response);
            leg.talk.remote = Sdp::parse(&response.body).or(leg.talk.remote.take());
            leg.follow();
            self.acknowledge(id, response);
        } else if matches!(code, 408 | 481) && leg.phase == Phase::Talking {
            // RFC 3261 12.2.1.2: the dialog is gone.
            self.part(id);
        }
    }

    /// ACK of a 2xx, with the credentials of its INVITE (RFC 3261 13.2.2.4).
    fn acknowledge(&mut self, id: usize, response: &Message) {
        let number = response.cseq().map_or(0, |(number, _)| number);
        let branch = format!("z9hG4bK{}", self.random.token());
        let Some(leg) = self.legs.get_mut(id) else { return };
        let side = leg.side;
        let mut ack = leg.request("ACK", Some(number));
        for (name, value) in &leg.credentials {
            ack.push(name, value);
        }
        leg.note(format!("> {}", ack.summary()));
        let desk = self.desk(side);
        let via = format!("SIP/2.0/UDP {};rport;branch={branch}", desk.local);
        ack.headers.insert(0, ("Via".to_owned(), via));
        let bytes = ack.to_bytes();
        desk.transmit(&bytes, desk.server);
        if let Some(leg) = self.legs.get_mut(id) {
            leg.ack = Some((number, bytes));
        }
    }
}
