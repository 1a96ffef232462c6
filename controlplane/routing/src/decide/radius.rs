//! Whether a call may be made, and for how long, by RADIUS (spec RAD-01, AUTH-EXT-01).
//!
//! It stands behind the hook and behind barring: what is refused anyway is not asked about. Servers
//! see the number that the call is routed by. Emergency calls never come here, and forwards,
//! transfers and pick-ups are the same call to RADIUS as the one that they follow from.

use super::called::Called;
use super::sender::Sender;
use super::{Attempt, Stop};
use crate::fact::{Finding, Outsider, Query, RadiusSays};
use crate::refusal::Refusal;
use crate::trace::Step;

impl<'a> Attempt<'a> {
    /// Asks, if who pays wants that.
    pub(super) fn authorize(
        &mut self,
        sender: &Sender<'a>,
        called: &Called,
        local: bool,
    ) -> Result<(), Stop> {
        let set = &sender.settings.fact;
        if !set.radius {
            return Ok(());
        }
        let query = Query::Radius(Box::new(self.asked_call(sender, called, local)));
        let lack = match self.find_out(query).map(Finding::radius) {
            None => return Ok(()),
            Some(Ok(RadiusSays::Accept { talk_s, class })) => {
                if let Some(known) = &mut self.known {
                    known.class = class;
                }
                let Some(talk_s) = talk_s else {
                    self.note(Step::RadiusAccepts {});
                    return Ok(());
                };
                self.note(Step::RadiusAcceptsFor { seconds: talk_s.into() });
                return self.limit_talk(sender, u64::from(talk_s) * 1_000);
            }
            Some(Ok(RadiusSays::Reject(status))) => {
                self.note(Step::RadiusRejects { sip: status.into() });
                return Err(Stop::Refuse(Refusal::Rule(status)));
            }
            Some(Err(lack)) => lack,
        };
        Ok(self.without(Outsider::Radius, lack, set.radius_unknown)?)
    }

    /// The talk is no longer than this; less than the shortest call is no time left.
    pub(super) fn limit_talk(&mut self, sender: &Sender<'a>, ms: u64) -> Result<(), Stop> {
        if ms < sender.settings.call.talk_ms_min.max(1) {
            return Err(self.refuse_for(Refusal::NoCredit, Step::TalkTooShort {}));
        }
        self.talk_ms = Some(self.talk_ms.map_or(ms, |known| known.min(ms)));
        Ok(())
    }
}
