//! Legs into images and back.
//!
//! What the image of each state holds, and what comes back:
//!
//! | state | image | comes back as |
//! |---|---|---|
//! | Offered | head of the INVITE | Offered, its transaction in Proceeding |
//! | Calling | dialog, INVITE without its body | Calling, its transaction in Proceeding |
//! | Up, our first ACK withheld | dialog | Up, the ACK withheld |
//! | Up, our first 2xx without its ACK | dialog, the 2xx | Up, the 2xx sent again |
//! | Up, a 2xx inside the dialog without its ACK | dialog, the 2xx | Up, the 2xx sent again |
//! | Up, the peer's INVITE unanswered | dialog, head of the INVITE | Up, the INVITE refused: 500 |
//! | Up, a re-INVITE of ours unanswered | dialog, its number | Up; its answer gets its ACK |
//! | Up | dialog, newest ACK | Up, nothing in progress |
//! | Over, a BYE or a re-INVITE of ours unanswered | dialog | Over, another BYE sent |
//! | Over, nothing owed | none | |
//!
//! An image of a leg of which its call has heard the last says so, with the cause: a Calling leg
//! comes back to be cancelled, one that is Up to be sent its BYE. Our failure of an INVITE is kept
//! as it was sent, beside a leg or without one, and is sent again until its ACK comes. The dialogs
//! of other forks that answered are kept beside the leg's own until their BYEs have answers, and
//! are sent another one.

use std::borrow::Cow;
use std::collections::VecDeque;

use strowger_link::token::Token;
use strowger_link::{Cause, LegId, Tick};

use super::super::config::Path;
use super::super::image::{
    self, Ack, Answer, Image, Invite, Pending, Shape, Standing, Strays, ThawError, Thawed,
};
use super::super::layer::{self, Layer, Owner, Role, Way, Whose};
use super::outbound::Calling;
use super::session::{AckOf, AwaitAck, By, Phase, Session};
use super::terms::{Kept, Terms};
use super::{Acked, Head, Leg, Offering, Outgoing, State, Stray};
use crate::build::Writer;
use crate::dialog::{Dialog, MAX_FORWARDS};
use crate::header::Header;
use crate::limits::{
    IMAGE_BODY_LEN_MAX, IMAGE_HEAD_LEN_MAX, IMAGE_OK_LEN_MAX, SEQ_STEP, STRAYS_MAX,
};
use crate::message::{Index, Message};
use crate::method::Method;
use crate::transaction::ResponseClass;

/// What a later process needs of an INVITE without a final response: the fields that responses
/// repeat, those that make the dialog, and Expires.
const HEAD: [Header; 9] = [
    Header::Via,
    Header::From,
    Header::To,
    Header::SipCallId,
    Header::CSeq,
    Header::Contact,
    Header::RecordRoute,
    Header::Timestamp,
    Header::Expires,
];

impl Leg {
    /// Appends its image; `false` when its peer is owed nothing by it any more, or when there is
    /// too much of it.
    pub(in super::super) fn freeze(&self, layer: &Layer, out: &mut Vec<u8>) -> bool {
        if self.told && !self.owes(layer) {
            return false;
        }
        let Some(shape) = self.shape(layer) else { return false };
        let refusal = layer.refusal_of(self.id);
        let refusal = refusal.as_ref().and_then(|(_, bytes, reply)| kept(bytes, *reply));
        let mut image = Image {
            nated: self.nated,
            path: self.path,
            holder: self.holder.as_deref().map(Cow::Borrowed),
            told: self.told.then_some(self.farewell),
            refusal,
            asked: self.asked,
            strays: self.strays_left(layer),
            terms: self.terms.image(),
            shape,
        };
        if image.encode(&self.token, out) {
            return true;
        }
        // Without our description the session is refreshed by UPDATE, or not at all.
        image.terms = image.terms.map(Kept::without_told);
        image.encode(&self.token, out)
    }

    fn shape(&self, layer: &Layer) -> Option<Shape<'_>> {
        Some(match &self.state {
            State::Offered(offered) => Shape::Offered { head: Cow::Borrowed(offered.head()?) },
            State::Calling(calling) => Shape::Calling {
                standing: self.standing(self.dialog.remote_seq, true),
                invite: calling.image(),
            },
            State::Up(session) => self.freeze_session(session, layer),
            State::Over => {
                let ack = self.acks.back().and_then(Acked::image);
                let standing = self.standing(self.dialog.remote_seq, ack.is_some());
                Shape::Over { standing, ack, bye: self.is_leaving(layer) }
            }
        })
    }

    /// The other forks whose BYEs have no answer.
    fn strays_left(&self, layer: &Layer) -> Strays {
        let left = self.strays.iter().filter(|stray| stray.owes(layer));
        let image = |Stray { acked, dialog, bye: _ }: &Stray| image::Stray {
            tag: dialog.remote.tag.clone(),
            cseq: acked.cseq,
            local_seq: dialog.local_seq,
            target: dialog.target.clone(),
            route_set: dialog.route_set.clone(),
        };
        Strays(left.map(image).collect())
    }

    fn freeze_session<'a>(&'a self, session: &'a Session, layer: &Layer) -> Shape<'a> {
        let seq = self.dialog.remote_seq;
        match &session.phase {
            Phase::HoldAck { cseq, first: true } => {
                Shape::Held { standing: self.standing(seq, true), cseq: *cseq }
            }
            Phase::AwaitAck(wait) if wait.of == AckOf::First => {
                Shape::Answered { standing: self.standing(seq, false), answer: wait.image() }
            }
            Phase::AwaitAck(wait) => self.confirmed(wait.cseq, wait.image().map(Pending::Answered)),
            // It comes again by itself, and is taken anew then.
            Phase::OfferIn { cseq, by: By::Update, .. } => self.confirmed(*cseq, None),
            Phase::OfferIn { tx, cseq, .. } => {
                let head = layer.request_of(*tx).and_then(|request| head_of(&request));
                let head = head.map(Cow::Owned);
                let both = head.zip(layer.path_of_request(*tx));
                self.confirmed(*cseq, both.map(|(head, path)| Pending::Offer { head, path }))
            }
            Phase::Stable if session.unconfirmed => {
                Shape::Answered { standing: self.standing(seq, false), answer: None }
            }
            Phase::Stable | Phase::OfferOut(_) | Phase::HoldAck { first: false, .. } => {
                let ack = self.acks.back().and_then(Acked::image);
                Shape::Confirmed { standing: self.standing(seq, ack.is_some()), ack, pending: None }
            }
        }
    }

    /// A leg with an INVITE of the peer in progress. One that is too long to be kept is not seen
    /// yet: the peer may send it again, and then it must be taken anew.
    fn confirmed<'a>(&'a self, cseq: u32, pending: Option<Pending<'a>>) -> Shape<'a> {
        let seen = match &pending {
            Some(_) => self.dialog.remote_seq,
            None => cseq.checked_sub(1),
        };
        let ack = self.acks.back().and_then(Acked::image);
        let standing = self.standing(seen, ack.is_some());
        Shape::Confirmed { standing, ack, pending }
    }

    fn standing(&self, remote_seq: Option<u32>, ack_to_come: bool) -> Standing<'_> {
        let dialog = if remote_seq == self.dialog.remote_seq {
            Cow::Borrowed(&self.dialog)
        } else {
            Cow::Owned(Dialog { remote_seq, ..self.dialog.clone() })
        };
        Standing {
            caller: self.caller,
            dialog,
            wallet: Cow::Borrowed(&self.wallet),
            lines: Cow::Borrowed(if ack_to_come { &self.invite_lines } else { &[] }),
        }
    }

    /// Takes a leg back; what its transactions send at once is among the outputs.
    pub(in super::super) fn thaw(
        id: LegId,
        token: Token,
        image: Image<'_>,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<(Leg, Thawed), ThawError> {
        let Image { nated, path, holder, told, asked, strays, terms, shape, refusal: _ } = image;
        let (standing, rest) = match shape {
            Shape::Offered { head } => {
                let mut leg = thaw_offered(id, token, (path, nated), &head, layer, now)?;
                leg.holder = holder.map(|holder| Box::new(holder.into_owned()));
                return Ok(leg.take_leave(Thawed::Early, told, layer, now));
            }
            Shape::Refused => return Err(ThawError::Malformed),
            Shape::Over { .. } if told.is_none() => return Err(ThawError::Malformed),
            Shape::Over { standing, ack, bye } => (standing, Rest::Over(ack, bye)),
            Shape::Calling { standing, invite } => (standing, Rest::Calling(invite)),
            Shape::Held { standing, cseq } => (standing, Rest::Held(cseq)),
            Shape::Answered { standing, answer } => (standing, Rest::Answered(answer)),
            Shape::Confirmed { standing, ack, pending } => {
                (standing, Rest::Confirmed(ack, pending))
            }
        };
        let mut leg = Leg::standing_up(id, token, standing, path, nated);
        leg.terms = Terms::thaw(terms, now);
        if leg.caller {
            // Whether other forks had PRACKs is not kept: their numbers go on behind all.
            leg.terms.early_seq = leg.dialog.local_seq;
        }
        if !leg.can_speak(layer) {
            return Err(ThawError::Malformed);
        }
        leg.asked = asked;
        leg.holder = holder.map(|holder| Box::new(holder.into_owned()));
        // What was answered just before the crash may want its ACK again.
        leg.lingers = Some(now.plus_ms(layer.config.timers.linger_ms().into()));
        let thawed = match rest {
            Rest::Calling(invite) => leg.thaw_calling(&invite, layer)?,
            Rest::Held(cseq) => leg.thaw_held(cseq),
            Rest::Answered(answer) => leg.thaw_answered(answer, layer, now)?,
            Rest::Confirmed(ack, pending) => leg.thaw_confirmed(ack, pending, layer, now)?,
            Rest::Over(ack, bye) => {
                leg.thaw_ack(ack, layer)?;
                if bye {
                    leg.state = State::Up(Box::new(Session::stable()));
                } else {
                    leg.linger(layer, now);
                }
                Thawed::Leaving
            }
        };
        strays.0.into_iter().for_each(|stray| leg.thaw_stray(stray, layer, now));
        leg.look(layer);
        Ok(leg.take_leave(thawed, told, layer, now))
    }

    /// Ends another fork as the life before had begun to. One that no request can be written of is
    /// no reason to lose the leg.
    fn thaw_stray(&mut self, stray: image::Stray, layer: &mut Layer, now: Tick) {
        let image::Stray { tag, cseq, local_seq, target, route_set } = stray;
        let mut dialog = self.dialog.clone();
        dialog.remote.tag = tag;
        dialog.local_seq = local_seq.saturating_add(SEQ_STEP);
        (dialog.target, dialog.route_set) = (target, route_set);
        let Some(acked) = self.write_ack(&dialog, cseq, None, layer) else { return };
        let bye = self.send_stray_bye(&mut dialog, layer, now);
        self.strays.push(Stray { acked, dialog, bye });
    }

    /// Says what its call had said, if that has heard the last of the leg.
    fn take_leave(
        mut self,
        thawed: Thawed,
        told: Option<Cause>,
        layer: &mut Layer,
        now: Tick,
    ) -> (Leg, Thawed) {
        let Some(cause) = told else { return (self, thawed) };
        (self.told, self.farewell) = (true, cause);
        self.hangup(cause, "", 0, layer, now);
        (self, Thawed::Leaving)
    }

    //= rfc3261#section-12.2.2
    //# It is possible for the
    //# CSeq sequence number to be higher than the remote sequence number by
    //# more than one.  This is not an error condition
    /// A leg of a dialog, still without its state.
    ///
    /// Its CSeq goes on behind all numbers that may have been used since the image was taken: one
    /// used twice would be refused as out of order. Contiguous numbers, as 12.2.1.1 wants them from
    /// us, would cost an image for each request; the gap is one that requests lost on the way (or
    /// challenged by a proxy) leave as well, and every peer has to take it.
    fn standing_up(
        id: LegId,
        token: Token,
        standing: Standing<'_>,
        path: Path,
        nated: bool,
    ) -> Leg {
        let Standing { caller, dialog, wallet, lines } = standing;
        let (mut dialog, mut wallet) = (dialog.into_owned(), wallet.into_owned());
        let former = dialog.local_seq.saturating_add(SEQ_STEP);
        dialog.local_seq = former;
        wallet.skip(SEQ_STEP);
        Leg {
            id,
            token,
            path,
            nated,
            caller,
            // Credentials that were shown before are nobody's any more.
            passes: false,
            dialog,
            lead: None,
            holder: None,
            proving: None,
            refer: None,
            // The life before may have had one: every later REFER's number is told.
            refers: 1,
            state: State::Over,
            wallet,
            terms: Terms::default(),
            invite_lines: lines.into_owned(),
            acks: VecDeque::new(),
            strays: Vec::new(),
            clients: Vec::new(),
            told: false,
            farewell: Cause::default(),
            asked: None,
            lingers: None,
            armed: None,
            former: Some(former),
            touched: true,
        }
    }

    /// Whether a request of this dialog can be written and says what the dialog is.
    fn can_speak(&self, layer: &Layer) -> bool {
        let head = Head {
            cseq: self.dialog.local_seq,
            branch: b"z9hG4bK",
            path: &self.path,
            contact: b"",
            lines: &self.invite_lines,
        };
        let outgoing = Outgoing::new(Role::Bye(0));
        let Some(bytes) = super::write(&self.dialog, &outgoing, &head, layer) else { return false };
        let mut index = Index::new();
        let Ok(bye) = Message::parse(&bytes, &mut index) else { return false };
        let Dialog { local, remote, call_id, .. } = &self.dialog;
        bye.cseq().is_ok_and(|cseq| cseq.number == self.dialog.local_seq)
            && bye.call_id().is_ok_and(|value| *value == **call_id)
            && bye.from().is_ok_and(|from| from.tag() == local.tag.as_deref())
            && bye.to().is_ok_and(|to| to.tag() == remote.tag.as_deref())
    }

    fn thaw_confirmed(
        &mut self,
        ack: Option<Ack<'_>>,
        pending: Option<Pending<'_>>,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<Thawed, ThawError> {
        self.thaw_ack(ack, layer)?;
        let session = match pending {
            Some(Pending::Answered(answer)) => {
                self.thaw_answer(answer, AckOf::Reoffer, layer, now)?
            }
            Some(Pending::Offer { head, path }) => {
                self.thaw_offer(&head, path, layer, now)?;
                Session::stable()
            }
            None => Session::stable(),
        };
        self.state = State::Up(Box::new(session));
        Ok(Thawed::Confirmed)
    }

    fn thaw_ack(&mut self, ack: Option<Ack<'_>>, layer: &mut Layer) -> Result<(), ThawError> {
        let Some(Ack { cseq, body }) = ack else { return Ok(()) };
        let acked = self.write_ack(&self.dialog, cseq, body.as_deref(), layer);
        self.acks.push_back(acked.ok_or(ThawError::Malformed)?);
        Ok(())
    }

    /// The peer's INVITE is refused, as one that came at the wrong time is: the call has forgotten
    /// it, and the peer may wait for an answer without sending it again.
    fn thaw_offer(
        &mut self,
        head: &[u8],
        path: Path,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<(), ThawError> {
        let mut index = Index::new();
        let request = Message::parse(head, &mut index).map_err(|_| ThawError::Malformed)?;
        request.validate().map_err(|_| ThawError::Malformed)?;
        if request.method() != Some(Method::Invite) || !self.owns_request(request) {
            return Err(ThawError::Malformed);
        }
        let known = layer.unserved(request)?;
        let tx = layer.serve(known, request, &path, Owner::Leg(self.id), now);
        self.postpone(tx.ok_or(ThawError::Full)?, layer, now);
        Ok(())
    }

    fn thaw_held(&mut self, cseq: u32) -> Thawed {
        self.state = State::Up(Box::new(Session::holding(cseq)));
        Thawed::Unconfirmed
    }

    fn thaw_answered(
        &mut self,
        answer: Option<Answer<'_>>,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<Thawed, ThawError> {
        let session = match answer {
            Some(answer) => self.thaw_answer(answer, AckOf::First, layer, now)?,
            // Without it nothing can be asked of the peer but to end the call.
            None => Session::unconfirmed(),
        };
        self.state = State::Up(Box::new(session));
        Ok(Thawed::Unconfirmed)
    }

    /// A 2xx goes out again at once: its ACK may have come while nobody listened.
    fn thaw_answer(
        &self,
        answer: Answer<'_>,
        of: AckOf,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<Session, ThawError> {
        let Answer { bytes: ok, reply } = answer;
        let cseq = self.cseq_of_ok(&ok).ok_or(ThawError::Malformed)?;
        let ok = (*ok).into();
        let class = ResponseClass::Success;
        layer.resume_answered((&ok, class), (&self.path, reply), self.id, now)?;
        let timers = layer.config.timers;
        Ok(Session::awaiting(AwaitAck::new(cseq, ok, reply, of, timers, now)))
    }

    /// The CSeq number of our 2xx to an INVITE of this dialog.
    fn cseq_of_ok(&self, ok: &[u8]) -> Option<u32> {
        let mut index = Index::new();
        let ok = Message::parse(ok, &mut index).ok()?;
        ok.validate().ok()?;
        let Dialog { local, remote, call_id, .. } = &self.dialog;
        let ours = ok.status()?.is_success()
            && *ok.call_id().ok()? == **call_id
            && ok.to().ok()?.tag() == local.tag.as_deref()
            && ok.from().ok()?.tag() == remote.tag.as_deref();
        let cseq = ok.cseq().ok().filter(|cseq| cseq.name == Method::Invite.name().as_bytes());
        cseq.filter(|_| ours).map(|cseq| cseq.number)
    }

    fn thaw_calling(
        &mut self,
        invite: &Invite<'_>,
        layer: &mut Layer,
    ) -> Result<Thawed, ThawError> {
        let request = self.write_head(invite).ok_or(ThawError::Malformed)?;
        let way = Way {
            path: self.path,
            branch: &invite.branch,
            whose: Whose::Leg(self.id, Role::Invite),
        };
        let tx = layer.resume_proceeding(way, request.clone())?;
        self.clients.push(tx);
        self.state = State::Calling(Box::new(Calling::resumed(tx, request, invite)));
        Ok(Thawed::Early)
    }

    /// Our INVITE without its body, as it was sent: what its ACK and its CANCEL are made of.
    fn write_head(&self, invite: &Invite<'_>) -> Option<super::Bytes> {
        let mut out = Vec::with_capacity(512);
        let transport = self.path.via_name();
        let Invite { branch, cseq, sent_by, .. } = invite;
        let via = crate::build::OwnVia { transport, sent_by: *sent_by, branch };
        let dialog = &self.dialog;
        let mut writer = dialog.request(&mut out, Method::Invite, *cseq, MAX_FORWARDS, via);
        for (header, value) in &self.invite_lines {
            writer.field(*header, value);
        }
        writer.finish(None).ok()?;
        let mut index = Index::new();
        let message = Message::parse(&out, &mut index).ok()?;
        let branched = message.top_via().ok()?.branch() == Some(&**branch);
        // What cannot be cancelled would never end.
        let cancelled = layer::cancel(&out, &[]).is_some();
        (branched && cancelled).then(|| out.into())
    }

    /// A final response to an INVITE that no transaction of this life knows; whether it was ours.
    ///
    /// The peer sends it until it gets an ACK, and ends the call when none comes to a 2xx.
    pub(in super::super) fn handle_former(
        &mut self,
        response: Message<'_>,
        layer: &mut Layer,
        now: Tick,
    ) -> bool {
        let Ok(cseq) = response.cseq() else { return false };
        let ours = self.former.is_some_and(|former| cseq.number <= former)
            && response.call_id().is_ok_and(|call_id| *call_id == *self.dialog.call_id)
            && response.from().is_ok_and(|from| from.tag() == self.dialog.local.tag.as_deref());
        if !ours {
            return false;
        }
        if !response.status().is_some_and(|status| status.is_success()) {
            return self.asked == Some(cseq.number) && self.acknowledge_failure(response, layer);
        }
        if self.acknowledge_again(response, layer) {
            return true;
        }
        if !self.dialog.owns_response(response) {
            let room = self.caller && self.strays.len() < STRAYS_MAX;
            if room {
                self.end_stray(response, layer, now);
            }
            return room;
        }
        let held = self.session().is_some_and(|session| {
            matches!(session.phase, Phase::HoldAck { cseq: held, .. } if held == cseq.number)
        });
        if !held {
            // A re-INVITE that was in flight. If the peer makes an offer here, it gets no answer;
            // but the call has forgotten that it asked, and the peer would hang up without ACK.
            self.keep_ack(self.acknowledge(&self.dialog, cseq.number, None, layer));
        }
        true
    }

    //= rfc3261#section-17.1.1.3
    //# The ACK MUST contain a single Via header field, and
    //# this MUST be equal to the top Via header field of the original
    //# request.
    /// Acknowledges the failure of an INVITE inside the dialog that a former life sent: its branch
    /// stands in the response, and all else in the dialog. Whether it could.
    fn acknowledge_failure(&self, response: Message<'_>, layer: &mut Layer) -> bool {
        let branch = response.top_via().ok().and_then(|via| via.branch());
        let (Some(branch), Ok(cseq)) = (branch, response.cseq()) else { return false };
        let path = self.request_path(&self.dialog);
        let mut out = Vec::with_capacity(512);
        let via = layer.via(&path, branch);
        let ack = self.dialog.request(&mut out, Method::Ack, cseq.number, MAX_FORWARDS, via);
        let written = self.dialog.owns_response(response) && ack.finish(None).is_ok();
        if written {
            layer.transmit(path, out.into());
        }
        written
    }
}

/// What a leg's image has beside the standing.
enum Rest<'a> {
    Calling(Invite<'a>),
    Held(u32),
    Answered(Option<Answer<'a>>),
    Confirmed(Option<Ack<'a>>, Option<Pending<'a>>),
    Over(Option<Ack<'a>>, bool),
}

/// A final response of ours; `None` when it is too long to be kept.
pub(in super::super) fn kept(bytes: &[u8], reply: Path) -> Option<Answer<'_>> {
    let fits = bytes.len() <= IMAGE_OK_LEN_MAX;
    fits.then_some(Answer { bytes: Cow::Borrowed(bytes), reply })
}

impl AwaitAck {
    fn image(&self) -> Option<Answer<'_>> {
        kept(&self.ok, self.path)
    }
}

impl Acked {
    /// What it is written from; `None` for a body that is too long to be kept.
    fn image(&self) -> Option<Ack<'_>> {
        let body = self.body.as_ref();
        let fits = body.is_none_or(|body| body.data.len() <= IMAGE_BODY_LEN_MAX);
        fits.then_some(Ack { cseq: self.cseq, body: body.map(Cow::Borrowed) })
    }
}

/// The head of an INVITE as far as it is needed; `None` when that is too long.
fn head_of(invite: &[u8]) -> Option<Vec<u8>> {
    let mut index = Index::new();
    head(Message::parse(invite, &mut index).ok()?)
}

/// As [`head_of`], of an INVITE that is read already.
pub(super) fn head(invite: Message<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    let mut writer = Writer::request(&mut out, Method::Invite.name(), invite.request_uri()?);
    for header in HEAD {
        writer.copy(invite, header);
    }
    writer.finish(None).ok()?;
    (out.len() <= IMAGE_HEAD_LEN_MAX).then_some(out)
}

fn thaw_offered(
    id: LegId,
    token: Token,
    (path, nated): (Path, bool),
    head: &[u8],
    layer: &mut Layer,
    now: Tick,
) -> Result<Leg, ThawError> {
    let mut index = Index::new();
    let request = Message::parse(head, &mut index).map_err(|_| ThawError::Malformed)?;
    request.validate().map_err(|_| ThawError::Malformed)?;
    let initial = request.method() == Some(Method::Invite)
        && request.to().is_ok_and(|to| to.tag().is_none())
        && head.len() <= IMAGE_HEAD_LEN_MAX;
    let tag = token.as_str().as_bytes();
    if !initial || Dialog::of_request(request, tag, path.is_tls()).is_err() {
        return Err(ThawError::Malformed);
    }
    let known = layer.unserved(request)?;
    let tx = layer.serve(known, request, &path, Owner::Leg(id), now).ok_or(ThawError::Full)?;
    let offering = Offering { id, token, path, request, tx, nated, holder: None };
    let mut leg = Leg::offered(&offering, layer, now).map_err(|_| {
        layer.respond_plain(tx, 400, tag, now);
        ThawError::Malformed
    })?;
    // It may have sent an UPDATE before.
    leg.dialog.local_seq = SEQ_STEP;
    Ok(leg)
}
