//! Legs for a later process: which images are out of date, what they are, and the way back.

use strowger_link::{LegId, Tick};

use super::image::{Image, ThawError, Thawed};
use super::leg::Leg;
use super::{Endpoint, Message, Status};
use crate::field::MAGIC_COOKIE;
use crate::method::Method;

impl Endpoint {
    /// A leg whose image is out of date since this was asked last; drain to `None`. Images have to
    /// be stored before what the endpoint sends, or a peer may know more than they do.
    pub fn poll_touched(&mut self) -> Option<LegId> {
        self.touched.pop_first()
    }

    /// The image of a leg, to be kept from others as passwords are, since it may hold one.
    ///
    /// `None` when there is no such leg, when its call has heard the last of it, or when its image
    /// would be longer than [`IMAGE_LEN_MAX`](crate::limits::IMAGE_LEN_MAX) (an INVITE without a
    /// final response: longer than
    /// [`IMAGE_HEAD_LEN_MAX`](crate::limits::IMAGE_HEAD_LEN_MAX)): such a leg ends with its
    /// process.
    #[must_use]
    pub fn freeze(&self, leg: LegId) -> Option<Vec<u8>> {
        self.legs.get(&leg)?.freeze(&self.layer)
    }

    /// Takes back a leg of a former process, whose endpoint had the same token key and another
    /// chance key. It is told as touched, as its numbers go on from others than before. Transmits
    /// among the outputs belong to it: drain them.
    ///
    /// # Errors
    /// See [`ThawError`]; nothing is left of the leg then.
    pub fn thaw(&mut self, leg: LegId, image: &[u8], now: Tick) -> Result<Thawed, ThawError> {
        if self.legs.contains_key(&leg) {
            return Err(ThawError::Known);
        }
        let token = self.seal(leg).ok_or(ThawError::Token)?;
        let image = Image::decode(image, &token)?;
        if self.legs.len() >= self.layer.config.legs_max {
            return Err(ThawError::Full);
        }
        let (revived, thawed) = Leg::thaw(leg, token, image, &mut self.layer, now)?;
        self.legs.insert(leg, Box::new(revived));
        self.settle(leg);
        Ok(thawed)
    }

    /// A response without a transaction, maybe to a request of a former process: its branch still
    /// names the leg. Only a 2xx to INVITE wants something of us.
    pub(super) fn handle_former(
        &mut self,
        response: Message<'_>,
        status: Status,
        now: Tick,
    ) -> bool {
        let invite = Method::Invite.name().as_bytes();
        if !status.is_success() || !response.cseq().is_ok_and(|cseq| cseq.name == invite) {
            return false;
        }
        let branch = response.top_via().ok().and_then(|via| via.branch());
        let token = branch.and_then(|branch| branch.strip_prefix(MAGIC_COOKIE));
        let Some(id) = token.and_then(|token| self.layer.leg_of(token)) else { return false };
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let ours = leg.handle_former(response, &mut self.layer, now);
        self.settle(id);
        ours
    }
}
