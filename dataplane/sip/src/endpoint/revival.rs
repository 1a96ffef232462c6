//! Legs for a later process: which images are out of date, what they are, and the way back.

use strowger_link::token::TOKEN_LEN;
use strowger_link::{LegId, Tick, token};

use super::image::{Answer, Image, Shape, Strays, ThawError, Thawed};
use super::leg::{Leg, kept};
use super::{Endpoint, Message, Path, Status};
use crate::build::Writer;
use crate::dialog::MAX_FORWARDS;
use crate::field::MAGIC_COOKIE;
use crate::header::Header;
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
        let mut image = Vec::with_capacity(512);
        self.freeze_into(leg, &mut image).then_some(image)
    }

    /// As [`Endpoint::freeze`], appended to `out`; `false`, and nothing appended, where that is
    /// `None`.
    pub fn freeze_into(&self, leg: LegId, out: &mut Vec<u8>) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.freeze(&self.layer, out))
            || self.freeze_refusal(leg, out).is_some()
    }

    /// The image of a leg of which nothing is left but a refusal.
    fn freeze_refusal(&self, leg: LegId, out: &mut Vec<u8>) -> Option<()> {
        let (path, bytes, reply) = self.layer.refusal_of(leg)?;
        let image = Image {
            nated: false,
            path,
            holder: None,
            told: None,
            refusal: Some(kept(&bytes, reply)?),
            asked: None,
            strays: Strays::default(),
            terms: None,
            shape: Shape::Refused,
        };
        image.encode(&token::seal(&self.layer.config.token_key, leg)?, out).then_some(())
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
        refusal: Option<&Answer<'_>>,
        path: &Path,
        now: Tick,
    ) -> Result<(), ThawError> {
        let Answer { bytes, reply } = refusal.ok_or(ThawError::Malformed)?;
        let answer = (&(**bytes).into(), ResponseClass::Failure);
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

    //= rfc3261#section-17.1.1.3
    //# The ACK MUST contain a single Via header field, and
    //# this MUST be equal to the top Via header field of the original
    //# request.
    /// Acknowledges the failure of an INVITE that nobody here knows any more: its transaction died
    /// with a former process, and the peer sends its answer until it gets an ACK. Whether it did.
    ///
    /// Nothing has to be kept for that. That the INVITE was ours the keyed token says, which stands
    /// in its branch and in our tag; the other fields of the ACK stand in the response, of which
    /// only the Request-URI is not itself there: but our To is made of it. A Route is left out, and
    /// the peer that answered, which has one, knows the ACK by its branch.
    pub(super) fn acknowledge_unknown(
        &mut self,
        response: Message<'_>,
        status: Status,
        path: &Path,
    ) -> bool {
        let invite = Method::Invite.name().as_bytes();
        let (Ok(cseq), Ok(from), Ok(to)) = (response.cseq(), response.from(), response.to()) else {
            return false;
        };
        let via = response.top_via().ok().and_then(|via| via.branch());
        let token = via.and_then(|branch| branch.strip_prefix(MAGIC_COOKIE)?.get(..TOKEN_LEN));
        let is_failure = status.is_final() && !status.is_success() && cseq.name == invite;
        let is_ours = token.is_some_and(|token| self.layer.leg_of(token).is_some());
        let (Some(branch), true) = (via, is_failure && is_ours && from.tag() == token) else {
            return false;
        };
        let mut out = Vec::with_capacity(512);
        let mut ack = Writer::request(&mut out, Method::Ack.name(), to.uri);
        ack.via(self.layer.via(path, branch));
        ack.number(Header::MaxForwards, MAX_FORWARDS);
        ack.copy(response, Header::From).copy(response, Header::To);
        ack.copy(response, Header::SipCallId);
        let number = cseq.number.to_string();
        ack.parts(Header::CSeq, &[number.as_bytes(), b" ", Method::Ack.name().as_bytes()]);
        let written = ack.finish(None).is_ok();
        if written {
            self.layer.transmit(*path, out.into());
        }
        written
    }
}
