//! Taking up what a former life of the process left in the call table.
//!
//! A call whose two legs are confirmed goes on: ports and sockets first, then its dialogs, then the
//! call. Whatever cannot go on is ended in order: each leg that is known is refused, cancelled or
//! sent a BYE, and the record is closed at the last heartbeat. A leg of which its call had heard
//! the last says its last word by itself, whether its call goes on or not. A slot in whose thawing
//! the process died twice is quarantined: nothing of its image is touched, only its record is
//! written.
//!
//! Calls that a transfer made one bridge are taken up each by itself; when the last slot is read
//! they find each other again, and a half without the other one is ended. Their thawing lasts until
//! then.

use crate::Shard;
use crate::desk::Desk;
use crate::image::{Image, LegImage};
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use strowger_call::{Lost, LostLeg, Resources};
use strowger_link::codec::decode;
use strowger_link::table::SlotState;
use strowger_link::{CallFacts, LegId, Reason, RecordId, SlotBody, SlotRef, Tick};
use strowger_port::net::{Io, JournalSink, PlaneLink};
use strowger_sip::endpoint::Thawed;

/// Crashes in the thawing of a slot after which it is left alone.
const THAW_CRASHES_MAX: u8 = 2;

/// What became of the calls of the former life.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Adopted {
    /// They go on.
    pub adopted: u32,
    /// They were ended in order.
    pub ended: u32,
    /// They were over, and a party was owed a last word.
    pub left: u32,
    /// Of these, left alone because the process died in their thawing before.
    pub quarantined: u32,
    /// Slots that could not be read: freed.
    pub unreadable: u32,
}

/// A leg that the endpoint has taken back.
struct Back<'a> {
    image: &'a LegImage,
    how: Thawed,
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Takes up the calls of the table, before the first turn. `recorded` are records that stand in
    /// the journal as ended.
    pub fn adopt(&mut self, recorded: &BTreeSet<RecordId>) -> Adopted {
        let now = self.io.sample();
        // Before the first beat of this life: the last sign of the former one.
        let (at, _) = self.table.heartbeat();
        let mut sum = Adopted::default();
        let mut meshed = Vec::new();
        for idx in 0..self.table.setup().slots {
            let slot = u16::try_from(idx).ok().and_then(|idx| self.table.occupant(idx));
            let Some(slot) = slot else { continue };
            if self.adopt_slot(slot, (at, recorded), &mut sum, now) {
                meshed.push(slot);
            } else {
                let _lives = self.table.end_thaw(slot);
            }
            self.settle(now);
        }
        self.rejoin(&meshed, at, &mut sum, now);
        self.media.take_up_away(&mut self.io, now);
        if sum.adopted > 0 {
            // From here on this life's marks are theirs: a power cut ends them at its last one.
            self.mark(now, true);
        }
        self.io.flush();
        sum
    }

    /// Brings the halves of transferred calls together.
    fn rejoin(&mut self, meshed: &[SlotRef], at: Tick, sum: &mut Adopted, now: Tick) {
        let Shard { io, calls, media, .. } = self;
        let lost = calls.rejoin(at, now, &mut Desk { media, io, now });
        sum.adopted = sum.adopted.saturating_sub(lost);
        sum.ended += lost;
        self.settle(now);
        for slot in meshed {
            let _lives = self.table.end_thaw(*slot);
        }
    }

    /// Whether the call lives and has halves of others, so that its thawing goes on.
    fn adopt_slot(
        &mut self,
        slot: SlotRef,
        (at, recorded): (Tick, &BTreeSet<RecordId>),
        sum: &mut Adopted,
        now: Tick,
    ) -> bool {
        // The slot was found in use just now.
        let attempts = self.table.begin_thaw(slot).unwrap_or(u8::MAX);
        let mut body = Vec::new();
        let head = self.table.read(slot.idx, &mut body);
        let (Ok(Some(head)), Ok(SlotBody { facts, image })) = (head, decode(&body)) else {
            sum.unreadable += 1;
            let _freed = self.table.close(slot);
            return false;
        };
        let poisoned = attempts > THAW_CRASHES_MAX;
        let image = Image::read(&image.0).filter(|_| !poisoned);
        let back = self.thaw_legs(slot, image.as_ref(), now);
        let goes_on = head.state == SlotState::Answered
            && image.as_ref().is_some_and(|image| self.go_on(&facts, image, &back, now));
        if goes_on {
            sum.adopted += 1;
            self.touch(slot);
        } else {
            let left = head.state == SlotState::Leaving;
            sum.left += u32::from(left);
            sum.ended += u32::from(!left);
            sum.quarantined += u32::from(poisoned);
            let owes_record = leaves_record(head.state) && !recorded.contains(&facts.record);
            let legs = back.iter().filter(|b| b.how != Thawed::Leaving);
            let call = image.as_ref().map(|image| image.call.0.as_slice()).unwrap_or_default();
            let lost = |b: &Back<'_>| LostLeg {
                leg: b.image.leg,
                early: b.how == Thawed::Early,
                explain: strowger_call::explained(call, b.image.leg),
            };
            let legs = legs.map(lost).collect();
            let lost = Lost { facts, legs, at, reason: Reason::ProcessLost, owes_record };
            let Shard { io, calls, media, .. } = self;
            if !calls.close_lost(slot, lost, now, &mut Desk { media, io, now }) {
                // Only a table with more slots than this process has.
                let _freed = self.table.close(slot);
            }
        }
        goes_on && image.as_ref().is_some_and(|image| strowger_call::is_meshed(&image.call.0))
    }

    fn thaw_legs<'a>(
        &mut self,
        slot: SlotRef,
        image: Option<&'a Image>,
        now: Tick,
    ) -> Vec<Back<'a>> {
        let legs = image.map_or(&[] as &[LegImage], |image| &image.legs);
        let mut back = Vec::with_capacity(legs.len());
        for image in legs {
            let id = LegId { slot, leg: image.leg };
            if let Ok(how) = self.endpoint.thaw(id, &image.sip.0, now) {
                back.push(Back { image, how });
            }
        }
        back
    }

    /// Takes an answered call up; `false` when it cannot go on, and then nothing of it is held but
    /// its legs.
    fn go_on(&mut self, facts: &CallFacts, image: &Image, back: &[Back<'_>], now: Tick) -> bool {
        let speaking: Vec<&Back<'_>> = back.iter().filter(|b| b.how == Thawed::Confirmed).collect();
        let slot = facts.slot;
        let Shard { io, calls, media, .. } = self;
        let mut desk = Desk { media, io, now };
        let mut held = Vec::with_capacity(speaking.len());
        for leg in &speaking {
            let id = LegId { slot, leg: leg.image.leg };
            match leg.image.media.as_ref().map(|media| desk.thaw(id, media)) {
                Some(Ok(())) => held.push(id),
                Some(Err(_)) => break,
                None => {}
            }
        }
        let complete = strowger_call::bridged(&image.call.0).is_some_and(|bridge| {
            bridge.iter().all(|leg| speaking.iter().any(|b| b.image.leg == *leg))
        });
        let media_back = speaking.iter().filter(|b| b.image.media.is_some()).count() == held.len();
        let thawed = complete
            && media_back
            && calls.thaw(slot, facts.clone(), &image.call.0, now, &mut desk).is_ok();
        if !thawed {
            for leg in held {
                let _of_this_life = desk.release(leg);
            }
            return false;
        }
        true
    }
}

/// Whether a call that a crash ended in this state leaves a record. An attempt of which nobody had
/// decided does not; a call that leaves has left its own. The settlement does not tell: an
/// emergency call by our own table has none.
fn leaves_record(state: SlotState) -> bool {
    match state {
        SlotState::Ringing | SlotState::Answered | SlotState::Ended => true,
        SlotState::Free | SlotState::Asked | SlotState::Leaving => false,
    }
}
