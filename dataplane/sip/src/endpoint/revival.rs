//! Legs for a later process: which images are out of date, what they are, and the way back.

use strowger_link::{LegId, Tick, token};

use super::image::{Answer, Image, Shape, ThawError, Thawed};
use super::leg::{Leg, kept};
use super::{Endpoint, Message, Path, Status};
use crate::field::MAGIC_COOKIE;
use crate::method::Method;
use crate::transaction::ResponseClass;

impl Endpoint {
    /// A leg whose image is out of date since this was asked last; drain to `None`. Images have to
    /// be stored before what the endpoint sends, or a peer may know more than they do.
    pub fn poll_touched(&mut self) -> Option<LegId> {
        self.look_at_heeded();
        self.touched.pop_first()
    }

    /// A leg whose peer is owed nothing any more, though its call heard the last of it before;
    /// drain to `None`. It has no image from here on.
    pub fn poll_let_go(&mut self) -> Option<LegId> {
        self.look_at_heeded();
        self.let_go.pop_first()
    }

    fn look_at_heeded(&mut self) {
        while let Some(leg) = self.layer.poll_heeded() {
            let owes = self.owes(leg);
            let set = if owes { &mut self.touched } else { &mut self.let_go };
            set.insert(leg);
        }
    }

    /// Whether the peer of a leg is owed a word: the leg goes on, or its CANCEL or BYE has no
    /// answer, or an answer to one of its INVITEs no ACK. The timers of the transactions bound it
    /// once the call has heard the last of the leg.
    #[must_use]
    pub fn owes(&self, leg: LegId) -> bool {
        self.layer.is_refusing(leg) || self.legs.get(&leg).is_some_and(|leg| leg.owes(&self.layer))
    }

    /// The image of a leg, to be kept from others as passwords are, since it may hold one.
    ///
    /// `None` when there is no such leg, when its peer is owed nothing, or when its image would be
    /// longer than [`IMAGE_LEN_MAX`](crate::limits::IMAGE_LEN_MAX) (an INVITE without a
    /// final response: longer than
    /// [`IMAGE_HEAD_LEN_MAX`](crate::limits::IMAGE_HEAD_LEN_MAX)): such a leg ends with its
    /// process.
    #[must_use]
    pub fn freeze(&self, leg: LegId) -> Option<Vec<u8>> {
        let image = self.legs.get(&leg).and_then(|leg| leg.freeze(&self.layer));
        image.or_else(|| self.freeze_refusal(leg))
    }

    /// The image of a leg of which nothing is left but a refusal.
    fn freeze_refusal(&self, leg: LegId) -> Option<Vec<u8>> {
        let (path, bytes, reply) = self.layer.refusal_of(leg)?;
        let image = Image {
            nated: false,
            path,
            told: None,
            refusal: Some(kept(&bytes, reply)?),
            asked: None,
            shape: Shape::Refused,
        };
        image.encode(&token::seal(&self.layer.config.token_key, leg)?)
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
        let path = image.path;
        let refusal = image.refusal.clone();
        if image.shape == Shape::Refused {
            self.thaw_refusal(leg, refusal.as_ref(), &path, now)?;
            self.touched.insert(leg);
            return Ok(Thawed::Leaving);
        }
        let (revived, thawed) = Leg::thaw(leg, token, image, &mut self.layer, now)?;
        self.legs.insert(leg, Box::new(revived));
        // A refusal that is not taken is no reason to lose the leg.
        let _not_taken = self.thaw_refusal(leg, refusal.as_ref(), &path, now);
        self.settle(leg);
        Ok(thawed)
    }

    fn thaw_refusal(
        &mut self,
        leg: LegId,
        refusal: Option<&Answer>,
        path: &Path,
        now: Tick,
    ) -> Result<(), ThawError> {
        let Answer { bytes, reply } = refusal.ok_or(ThawError::Malformed)?;
        let answer = (&bytes.0.as_slice().into(), ResponseClass::Failure);
        self.layer.resume_answered(answer, (path, *reply), leg, now)
    }

    /// A response without a transaction, maybe to a request of a former process: its branch still
    /// names the leg. Only a final response to INVITE wants something of us.
    pub(super) fn handle_former(
        &mut self,
        response: Message<'_>,
        status: Status,
        now: Tick,
    ) -> bool {
        let invite = Method::Invite.name().as_bytes();
        if !status.is_final() || !response.cseq().is_ok_and(|cseq| cseq.name == invite) {
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
