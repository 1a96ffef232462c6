//! Images: a leg in bytes, so that a later process takes it back after a crash.
//!
//! An image is read by a process that did not write it, from memory that outlived a crash. So each
//! begins with a version, no length in it is trusted, and [`thaw`](super::Endpoint::thaw) tries
//! what it got before it takes it in. It is written at the dialog's last stable point: of requests
//! of ours that are in flight it has only what their answers will want, and an INVITE of the peer
//! only as far as it takes to end it in order. What goes on until the next image shows in two
//! numbers only, which `thaw` steps over: our CSeq and the counts of nonces.
//!
//! A leg of which its call has heard the last has an image for as long as its peer is owed a last
//! word: a CANCEL or BYE without its answer, an answer of ours without its ACK. It comes back to
//! say that word and nothing else.
//!
//! An image holds secrets: name and password that the leg answers a carrier's challenges with, and
//! the challenges themselves. They are needed, since a BYE may be challenged anew and would leave
//! the call running on the carrier's side without them. Legs that have none keep none. Whoever
//! stores images must keep them from others as it keeps passwords.
//!
//! ```text
//! version:u8 token:17 nated:bool path
//! any of these, in this order:
//! 7 told       cause that its call ended it with
//! 8 refusal    our failure of the peer's INVITE, without its ACK
//! 9 asked      number of an INVITE of ours inside the dialog, without its final answer
//! 10 strays    dialogs of other forks that answered, whose BYEs have no answer
//! 11 terms     what the peer takes, the session's timer, our description for its refresh
//! 14 holder    whose leg it is, for requests from elsewhere
//! and then one of
//! 0 Offered    head of the INVITE
//! 1 Calling    standing, branch, number, address in Via, whether the offer is late
//! 2 Held       standing, number of the INVITE whose 2xx has no ACK yet
//! 3 Answered   standing, our 2xx
//! 4 Confirmed  standing, number and body of the newest ACK, INVITE in progress
//! 5 Over       standing, number and body of the newest ACK, whether a BYE of ours has no answer
//! 6 Refused    nothing but the refusal in front
//! standing = caller, dialog, wallet, credentials of the last INVITE
//! ```

use std::borrow::Cow;
use std::net::SocketAddr;

use strowger_leg::Body;
use strowger_link::Cause;
use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::token::{TOKEN_LEN, Token};

use super::config::Path;
use super::leg::Kept;
use super::proof::Holder;
use super::wallet::{Line, Wallet};
use crate::dialog::{Dialog, End};
use crate::header::Header;
use crate::limits::{IMAGE_LEN_MAX, ROUTES_MAX, SHOWN_MAX, STRAYS_MAX};

/// The form that this release writes.
pub(super) const VERSION: u8 = 4;
/// The forms of releases before, which had no strays (2) or no terms (3); they are read as well.
const VERSION_BEFORE: u8 = 2;

/// What may stand in front of the shape, by the code in front of it.
const FRONT_TOLD: u8 = 7;
const FRONT_REFUSAL: u8 = 8;
const FRONT_ASKED: u8 = 9;
const FRONT_STRAYS: u8 = 10;
const FRONT_TERMS: u8 = 11;
const FRONT_HOLDER: u8 = 14;

/// Why an image was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ThawError {
    /// Written in a form that this release does not read.
    Version,
    /// No image, a torn one, or one that no request could be made of.
    Malformed,
    /// The endpoint has this leg or its INVITE already.
    Known,
    /// The image is another leg's, or was made under another token key.
    Token,
    /// No room for another leg or transaction.
    Full,
}

impl From<Malformed> for ThawError {
    fn from(_: Malformed) -> ThawError {
        ThawError::Malformed
    }
}

/// How a leg came back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Thawed {
    /// The dialog is confirmed, and it goes on. What was in flight is forgotten: of an INVITE that
    /// was, the peer may hold another description than the call, which should offer its own anew.
    Confirmed,
    /// Answered by 2xx, but not confirmed: it can only be hung up. Ours is sent again until its ACK
    /// comes, and the BYE follows that (RFC 3261 15); the peer's gets its ACK with the BYE.
    Unconfirmed,
    /// Without a final response: it can only be hung up, which refuses an inbound leg, and cancels
    /// an outbound one.
    Early,
    /// Its call has heard the last of it and need not be told of it. What its peer is owed goes out
    /// by itself; no event comes.
    Leaving,
}

/// A leg in values: those of the leg itself when it is written, its own when it was read.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Image<'a> {
    pub(super) nated: bool,
    pub(super) path: Path,
    /// Whose leg it is.
    pub(super) holder: Option<Cow<'a, Holder>>,
    /// Why its call let go of it, if it has.
    pub(super) told: Option<Cause>,
    /// Our failure of the peer's newest INVITE, until its ACK.
    pub(super) refusal: Option<Answer<'a>>,
    /// The number of an INVITE of ours inside the dialog that may still be answered.
    pub(super) asked: Option<u32>,
    /// Other forks that answered and have not heard the end; none of a leg without a dialog.
    pub(super) strays: Strays,
    /// None of a leg that has agreed on nothing.
    pub(super) terms: Option<Kept<'a>>,
    pub(super) shape: Shape<'a>,
}

/// Other forks of one INVITE, at most [`STRAYS_MAX`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Strays(pub(super) Vec<Stray>);

/// What the dialog of another fork has that differs from the leg's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stray {
    /// The fork's tag.
    pub(super) tag: Option<Box<[u8]>>,
    /// The number of the INVITE that it answered.
    pub(super) cseq: u32,
    /// The number of the BYE.
    pub(super) local_seq: u32,
    pub(super) target: Box<[u8]>,
    pub(super) route_set: Vec<Box<[u8]>>,
}

/// How far it came.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Shape<'a> {
    /// Inbound, without a final response.
    Offered {
        /// The INVITE up to its body, as far as our responses need it.
        head: Cow<'a, [u8]>,
    },
    /// Outbound, without a final response.
    Calling { standing: Standing<'a>, invite: Invite<'a> },
    /// Outbound, answered; the ACK waits for a description of ours.
    Held { standing: Standing<'a>, cseq: u32 },
    /// Inbound, answered; the ACK has not come.
    Answered {
        standing: Standing<'a>,
        /// `None` when it was too long to be kept.
        answer: Option<Answer<'a>>,
    },
    /// Confirmed.
    Confirmed { standing: Standing<'a>, ack: Option<Ack<'a>>, pending: Option<Pending<'a>> },
    /// Ended.
    Over {
        standing: Standing<'a>,
        ack: Option<Ack<'a>>,
        /// Our BYE has no answer.
        bye: bool,
    },
    /// Refused, without a dialog.
    Refused,
}

/// An INVITE of the peer inside the dialog that is not over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pending<'a> {
    /// It waits for the call's answer: its head, and the way it came.
    Offer { head: Cow<'a, [u8]>, path: Path },
    /// It is answered and waits for the ACK.
    Answered(Answer<'a>),
}

/// A final response of ours to an INVITE, without its ACK.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// The way it went.
    pub(super) reply: Path,
}

/// What all legs have that have a dialog of their own making.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Standing<'a> {
    pub(super) caller: bool,
    pub(super) dialog: Cow<'a, Dialog>,
    pub(super) wallet: Cow<'a, Wallet>,
    /// The credentials of our last INVITE; none when no ACK may need them any more.
    pub(super) lines: Cow<'a, [Line]>,
}

/// Our INVITE, to be written again as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Invite<'a> {
    pub(super) branch: Cow<'a, [u8]>,
    pub(super) cseq: u32,
    /// What its Via names as sender: another one would make its CANCEL a stranger.
    pub(super) sent_by: SocketAddr,
    /// Whether it had no offer.
    pub(super) late: bool,
}

/// An ACK of ours, to be written again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ack<'a> {
    pub(super) cseq: u32,
    pub(super) body: Option<Cow<'a, Body>>,
}

impl<'a> Image<'a> {
    /// Appends the bytes; `false`, and nothing appended, when there would be more than an image may
    /// have.
    pub(super) fn encode(&self, token: &Token, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        out.push(VERSION);
        out.extend_from_slice(token.as_str().as_bytes());
        self.nated.put(out);
        self.path.put(out);
        put_front(FRONT_TOLD, self.told.as_ref(), out);
        put_front(FRONT_REFUSAL, self.refusal.as_ref(), out);
        put_front(FRONT_ASKED, self.asked.as_ref(), out);
        let strays = Some(&self.strays).filter(|strays| !strays.0.is_empty());
        put_front(FRONT_STRAYS, strays, out);
        put_front(FRONT_TERMS, self.terms.as_ref(), out);
        put_front(FRONT_HOLDER, self.holder.as_deref(), out);
        self.shape.put(out);
        let fits = out.len() - begin <= IMAGE_LEN_MAX;
        if !fits {
            out.truncate(begin);
        }
        fits
    }

    /// Reads the bytes of the leg that has `token`.
    pub(super) fn decode(bytes: &[u8], token: &Token) -> Result<Image<'a>, ThawError> {
        if bytes.len() > IMAGE_LEN_MAX {
            return Err(ThawError::Malformed);
        }
        let mut input = Reader::new(bytes);
        if !(VERSION_BEFORE..=VERSION).contains(&u8::take(&mut input)?) {
            return Err(ThawError::Version);
        }
        if input.bytes(TOKEN_LEN)? != token.as_str().as_bytes() {
            return Err(ThawError::Token);
        }
        let nated = bool::take(&mut input)?;
        let path = Path::take(&mut input)?;
        let mut code = u8::take(&mut input)?;
        let told = take_front(FRONT_TOLD, &mut code, &mut input)?;
        let refusal = take_front(FRONT_REFUSAL, &mut code, &mut input)?;
        let asked = take_front(FRONT_ASKED, &mut code, &mut input)?;
        let strays = take_front(FRONT_STRAYS, &mut code, &mut input)?.unwrap_or_default();
        let terms = take_front(FRONT_TERMS, &mut code, &mut input)?;
        let holder = take_front(FRONT_HOLDER, &mut code, &mut input)?.map(Cow::Owned);
        let shape = Shape::take(code, &mut input, token)?;
        match input.left() {
            0 => Ok(Image { nated, path, holder, told, refusal, asked, strays, terms, shape }),
            _ => Err(ThawError::Malformed),
        }
    }
}

fn put_front(code: u8, value: Option<&impl Wire>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.push(code);
        value.put(out);
    }
}

/// Takes what stands behind `code` if that is the one read last, and the next code.
fn take_front<T: Wire>(
    front: u8,
    code: &mut u8,
    input: &mut Reader<'_>,
) -> Result<Option<T>, Malformed> {
    if *code != front {
        return Ok(None);
    }
    let value = T::take(input)?;
    *code = u8::take(input)?;
    Ok(Some(value))
}

impl<'a> Shape<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Shape::Offered { head } => {
                out.push(0);
                put_bytes(head, out);
            }
            Shape::Calling { standing, invite } => {
                out.push(1);
                standing.put(out);
                put_bytes(&invite.branch, out);
                invite.cseq.put(out);
                invite.sent_by.put(out);
                invite.late.put(out);
            }
            Shape::Held { standing, cseq } => {
                out.push(2);
                standing.put(out);
                cseq.put(out);
            }
            Shape::Answered { standing, answer } => {
                out.push(3);
                standing.put(out);
                answer.put(out);
            }
            Shape::Confirmed { standing, ack, pending } => {
                out.push(4);
                standing.put(out);
                ack.put(out);
                pending.put(out);
            }
            Shape::Over { standing, ack, bye } => {
                out.push(5);
                standing.put(out);
                ack.put(out);
                bye.put(out);
            }
            Shape::Refused => out.push(6),
        }
    }

    fn take(code: u8, input: &mut Reader<'_>, token: &Token) -> Result<Shape<'a>, Malformed> {
        Ok(match code {
            0 => Shape::Offered { head: take_vec(input)? },
            1 => Shape::Calling {
                standing: Standing::take(input, token)?,
                invite: Invite {
                    branch: take_vec(input)?,
                    cseq: u32::take(input)?,
                    sent_by: SocketAddr::take(input)?,
                    late: bool::take(input)?,
                },
            },
            2 => Shape::Held { standing: Standing::take(input, token)?, cseq: u32::take(input)? },
            3 => Shape::Answered {
                standing: Standing::take(input, token)?,
                answer: Wire::take(input)?,
            },
            4 => Shape::Confirmed {
                standing: Standing::take(input, token)?,
                ack: Wire::take(input)?,
                pending: Wire::take(input)?,
            },
            5 => Shape::Over {
                standing: Standing::take(input, token)?,
                ack: Wire::take(input)?,
                bye: bool::take(input)?,
            },
            6 => Shape::Refused,
            7..=u8::MAX => return Err(Malformed),
        })
    }
}

#[cfg(test)]
impl<'a> Shape<'a> {
    pub(super) fn standing_mut(&mut self) -> Option<&mut Standing<'a>> {
        match self {
            Shape::Offered { .. } | Shape::Refused => None,
            Shape::Calling { standing, .. }
            | Shape::Held { standing, .. }
            | Shape::Answered { standing, .. }
            | Shape::Confirmed { standing, .. }
            | Shape::Over { standing, .. } => Some(standing),
        }
    }
}

impl<'a> Standing<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        self.caller.put(out);
        put_dialog(&self.dialog, out);
        self.wallet.put(out);
        put_lines(&self.lines, out);
    }

    fn take(input: &mut Reader<'_>, token: &Token) -> Result<Standing<'a>, Malformed> {
        Ok(Standing {
            caller: bool::take(input)?,
            dialog: Cow::Owned(take_dialog(input, token)?),
            wallet: Cow::Owned(Wallet::take(input)?),
            lines: Cow::Owned(take_lines(input)?),
        })
    }
}

impl Wire for Strays {
    fn put(&self, out: &mut Vec<u8>) {
        put_len(self.0.len(), out);
        for stray in &self.0 {
            put_tag(stray.tag.as_deref(), out);
            stray.cseq.put(out);
            stray.local_seq.put(out);
            put_bytes(&stray.target, out);
            put_routes(&stray.route_set, out);
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Strays, Malformed> {
        let stray = |input: &mut Reader<'_>| {
            Ok(Stray {
                tag: take_tag(input)?,
                cseq: u32::take(input)?,
                local_seq: u32::take(input)?,
                target: take_bytes(input)?,
                route_set: take_list(input, ROUTES_MAX, take_bytes)?,
            })
        };
        take_list(input, STRAYS_MAX, stray).map(Strays)
    }
}

impl Wire for Pending<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Pending::Offer { head, path } => {
                out.push(0);
                put_bytes(head, out);
                path.put(out);
            }
            Pending::Answered(answer) => {
                out.push(1);
                answer.put(out);
            }
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match u8::take(input)? {
            0 => Pending::Offer { head: take_vec(input)?, path: Path::take(input)? },
            1 => Pending::Answered(Answer::take(input)?),
            2..=u8::MAX => return Err(Malformed),
        })
    }
}

impl Wire for Answer<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(&self.bytes, out);
        self.reply.put(out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Answer { bytes: take_vec(input)?, reply: Path::take(input)? })
    }
}

impl Wire for Ack<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        self.cseq.put(out);
        put_body(self.body.as_deref(), out);
    }

    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Ack { cseq: u32::take(input)?, body: take_body(input)?.map(Cow::Owned) })
    }
}

pub(super) fn put_body(body: Option<&Body>, out: &mut Vec<u8>) {
    body.is_some().put(out);
    if let Some(body) = body {
        put_bytes(body.content_type.as_bytes(), out);
        put_bytes(&body.data, out);
    }
}

pub(super) fn take_body(input: &mut Reader<'_>) -> Result<Option<Body>, Malformed> {
    if !bool::take(input)? {
        return Ok(None);
    }
    let content_type = String::take(input)?.into();
    Ok(Some(Body { content_type, data: take_bytes(input)? }))
}

/// Bytes behind their length. Those that a length cannot tell are over [`IMAGE_LEN_MAX`] as well.
pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).put(out);
    out.extend_from_slice(bytes);
}

pub(super) fn take_bytes(input: &mut Reader<'_>) -> Result<Box<[u8]>, Malformed> {
    let len = usize::from(u16::take(input)?);
    Ok(input.bytes(len)?.into())
}

/// Bytes behind their length, to be lent or owned.
fn take_vec<'a>(input: &mut Reader<'_>) -> Result<Cow<'a, [u8]>, Malformed> {
    Ok(Cow::Owned(take_bytes(input)?.into_vec()))
}

/// A list of at most `len_max` things.
pub(super) fn take_list<T>(
    input: &mut Reader<'_>,
    len_max: usize,
    take: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let len = usize::from(u8::take(input)?);
    if len > len_max {
        return Err(Malformed);
    }
    (0..len).map(|_| take(input)).collect()
}

/// The length of a list that [`take_list`] reads; its bound is that of the list.
pub(super) fn put_len(len: usize, out: &mut Vec<u8>) {
    u8::try_from(len).unwrap_or(u8::MAX).put(out);
}

/// Our tag is not written: it is the token.
fn put_dialog(dialog: &Dialog, out: &mut Vec<u8>) {
    put_bytes(&dialog.call_id, out);
    put_bytes(&dialog.local.address, out);
    put_bytes(&dialog.remote.address, out);
    put_tag(dialog.remote.tag.as_deref(), out);
    dialog.local_seq.put(out);
    dialog.remote_seq.put(out);
    put_bytes(&dialog.target, out);
    put_routes(&dialog.route_set, out);
    dialog.secure.put(out);
}

fn put_tag(tag: Option<&[u8]>, out: &mut Vec<u8>) {
    tag.is_some().put(out);
    if let Some(tag) = tag {
        put_bytes(tag, out);
    }
}

fn take_tag(input: &mut Reader<'_>) -> Result<Option<Box<[u8]>>, Malformed> {
    if bool::take(input)? { take_bytes(input).map(Some) } else { Ok(None) }
}

fn put_routes(routes: &[Box<[u8]>], out: &mut Vec<u8>) {
    put_len(routes.len(), out);
    for route in routes {
        put_bytes(route, out);
    }
}

fn take_dialog(input: &mut Reader<'_>, token: &Token) -> Result<Dialog, Malformed> {
    let tag = token.as_str().as_bytes();
    Ok(Dialog {
        call_id: take_bytes(input)?,
        local: End { address: take_bytes(input)?, tag: Some(tag.into()) },
        remote: End { address: take_bytes(input)?, tag: take_tag(input)? },
        local_seq: u32::take(input)?,
        remote_seq: Wire::take(input)?,
        target: take_bytes(input)?,
        route_set: take_list(input, ROUTES_MAX, take_bytes)?,
        secure: bool::take(input)?,
    })
}

fn put_lines(lines: &[Line], out: &mut Vec<u8>) {
    put_len(lines.len(), out);
    for (header, value) in lines {
        put_shown(*header, out);
        put_bytes(value, out);
    }
}

fn take_lines(input: &mut Reader<'_>) -> Result<Vec<Line>, Malformed> {
    take_list(input, SHOWN_MAX, |input| Ok((take_shown(input)?, take_bytes(input)?.into())))
}

/// A header field that shows credentials: there are two.
pub(super) fn put_shown(header: Header, out: &mut Vec<u8>) {
    (header == Header::ProxyAuthorization).put(out);
}

pub(super) fn take_shown(input: &mut Reader<'_>) -> Result<Header, Malformed> {
    let proxy = bool::take(input)?;
    Ok(if proxy { Header::ProxyAuthorization } else { Header::Authorization })
}
