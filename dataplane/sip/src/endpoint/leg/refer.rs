//! REFER inside the dialog, and the subscription that it makes (RFC 3515, RFC 4488, RFC 6665).
//!
//! The call is told what is wanted and says yes or no: 202 or a refusal. Then it says how that goes
//! on, and the party hears it by NOTIFY with a `message/sipfrag` of one status line (RFC 3420), one
//! at a time: while one is without its answer, only the newest word waits. The final one ends the
//! subscription. A party that wants none (`Refer-Sub: false`) is told nothing.
//!
//! The subscription is a usage of its own in the dialog (RFC 5057): a BYE ends the call and not
//! the subscription, and a NOTIFY that is refused ends the subscription and not the call. It has
//! an end of its own, and it does not outlive the process.

use strowger_leg::{Body, Event, LegId, TransferWish};
use strowger_link::{Cause, HeaderField, Tick};

use super::super::gate::Bar;
use super::super::layer::{Layer, Response, Role};
use super::super::output::Counted;
use super::super::slab::Id;
use super::{Leg, Outgoing, State};
use crate::dialog::Dialog;
use crate::field::NameAddr;
use crate::header::Header;
use crate::lex;
use crate::message::Message;
use crate::status::Status;
use crate::uri::{Uri, unescaped};

/// How long a REFER waits for the call's word, milliseconds: no longer than its client (timer F).
const ANSWER_MS: u64 = 30_000;
/// How long a subscription lasts, seconds: above the longest ring time of a target.
const EXPIRES_S: u32 = 660;
/// What a subscription is about.
const EVENT: &[u8] = b"refer";
/// A header field that has no name of its own here (RFC 4488).
const REFER_SUB: &str = "Refer-Sub";

/// A REFER of the peer, until its last NOTIFY has an answer.
pub(super) struct Refer {
    /// The number of its CSeq, which tells its events from those of another.
    cseq: u32,
    /// The party wants no NOTIFY.
    quiet: bool,
    stage: Stage,
    /// When it is given up.
    until: Tick,
}

enum Stage {
    /// The call has not said yes or no.
    Asked { tx: Id },
    /// The party is told how it goes on.
    Told {
        /// The last word said.
        status: u16,
        /// The NOTIFY without an answer.
        notify: Option<Id>,
        /// What to say when that has one.
        next: Option<u16>,
    },
}

/// Which other dialog a REFER wants replaced (RFC 3891).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum Replaced {
    /// None.
    None,
    /// One of the same party.
    Leg(LegId),
    /// One of another shard, and what that one must be told to know whose it is.
    Abroad(LegId, Vec<HeaderField>),
    /// One that is not there, or somebody else's.
    Unknown,
}

/// The value of Replaces as it stands in a Refer-To.
pub(in super::super) struct Replaces {
    pub(in super::super) call_id: Vec<u8>,
    pub(in super::super) to_tag: Vec<u8>,
    pub(in super::super) from_tag: Vec<u8>,
    /// Only a dialog that nobody has answered is meant.
    pub(in super::super) early_only: bool,
}

impl Replaces {
    /// What a REFER wants replaced; `None` when nothing, `Some(Err)` when that cannot be read.
    pub(in super::super) fn of(request: Message<'_>) -> Option<Result<Replaces, ()>> {
        let target = request.name_addr(Header::ReferTo).ok().and_then(NameAddr::parsed_uri)?;
        let mut headers = target.sip()?.headers();
        let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case(b"Replaces"))?;
        let value = unescaped(value.unwrap_or_default());
        Some(Replaces::parse(&value).ok_or(()))
    }

    /// As it stands in a header field.
    pub(in super::super) fn value(&self) -> Vec<u8> {
        let Replaces { call_id, to_tag, from_tag, early_only } = self;
        let early: &[u8] = if *early_only { b";early-only" } else { b"" };
        [call_id, b";to-tag=".as_slice(), to_tag, b";from-tag=", from_tag, early].concat()
    }

    /// `callid *(SEMI replaces-param)`, with exactly one of each tag.
    pub(in super::super) fn parse(value: &[u8]) -> Option<Replaces> {
        let mut parts = value.split(|byte| *byte == b';').map(lex::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_vec();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let end = memchr::memchr(b'=', part).unwrap_or(part.len());
            let (name, value) = part.split_at_checked(end)?;
            let place = match name {
                name if name.eq_ignore_ascii_case(b"to-tag") => &mut to_tag,
                name if name.eq_ignore_ascii_case(b"from-tag") => &mut from_tag,
                name if name.eq_ignore_ascii_case(b"early-only") => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if place.replace(value.get(1..)?.to_vec()).is_some() {
                return None;
            }
        }
        Some(Replaces { call_id, to_tag: to_tag?, from_tag: from_tag?, early_only })
    }
}

impl Leg {
    /// Whether `replaces` names this dialog, as its peer sees it (RFC 3891 3).
    pub(in super::super) fn is_meant(&self, replaces: &Replaces) -> bool {
        let ours = self.dialog.local.tag.as_deref().unwrap_or_default();
        let theirs = self.dialog.remote.tag.as_deref().unwrap_or_default();
        let tags = (replaces.to_tag.as_slice(), replaces.from_tag.as_slice());
        *self.dialog.call_id == *replaces.call_id
            && (tags == (ours, theirs) || tags == (theirs, ours))
            && matches!(self.state, State::Up(_))
            && !self.told
    }

    /// What becomes of an INVITE that wants to take the place of this leg's peer (RFC 3891 3): who
    /// is to go, or the status that refuses it; `None` when another dialog is meant.
    pub(in super::super) fn place(&self, replaces: &Replaces) -> Option<Result<bool, u16>> {
        // In the words of our end of the dialog: `to-tag` is ours.
        let names = |dialog: &Dialog| {
            dialog.local.tag.as_deref() == Some(replaces.to_tag.as_slice())
                && dialog.remote.tag.as_deref() == Some(replaces.from_tag.as_slice())
        };
        if *self.dialog.call_id != *replaces.call_id {
            return None;
        }
        match &self.state {
            State::Calling(calling) => {
                let mut dialogs = calling.forks.iter().map(|early| &early.dialog);
                dialogs.any(names).then_some(if self.told { Err(603) } else { Ok(true) })
            }
            // Whose early dialog began with its own INVITE has nobody to be replaced by.
            State::Offered(_) => names(&self.dialog).then_some(Err(481)),
            State::Up(_) if self.told => names(&self.dialog).then_some(Err(603)),
            State::Up(_) if replaces.early_only => names(&self.dialog).then_some(Err(486)),
            State::Up(_) => names(&self.dialog).then_some(Ok(false)),
            State::Over => names(&self.dialog).then_some(Err(603)),
        }
    }

    /// The party wants to be put through, or somebody else (RFC 3515 2.4.2).
    pub(super) fn handle_refer(
        &mut self,
        request: Message<'_>,
        tx: Id,
        replaced: Replaced,
        layer: &mut Layer,
        now: Tick,
    ) {
        // Who has shown no credentials is a trunk: it puts nobody through at somebody's cost.
        if !matches!(self.state, State::Up(_)) || self.holder.is_none() {
            return self.bar(tx, &Bar::new(403), layer, now);
        }
        if self.refer.is_some() {
            return self.bar(tx, &Bar::new(491), layer, now);
        }
        let (wish, cseq) = match (wish_of(request), request.cseq()) {
            (Ok(wish), Ok(cseq)) => (wish, cseq.number),
            (Err(bar), _) => return self.bar(tx, &bar, layer, now),
            (Ok(_), Err(_)) => return self.bar(tx, &Bar::new(400), layer, now),
        };
        let stage = Stage::Asked { tx };
        let until = now.plus_ms(ANSWER_MS);
        self.refer = Some(Box::new(Refer { cseq, quiet: is_quiet(request), stage, until }));
        let (replaces, abroad) = match replaced {
            Replaced::None => (None, Vec::new()),
            Replaced::Leg(leg) => (Some(leg), Vec::new()),
            Replaced::Abroad(leg, fields) => (Some(leg), fields),
            // Not a 481 to the REFER itself, which would end this dialog instead of that one.
            Replaced::Unknown => {
                self.transfer_accept(layer, now);
                return self.transfer_progress(481, layer, now);
            }
        };
        self.tell(Event::Transfer(Box::new(TransferWish { replaces, abroad, ..wish })), layer);
    }

    /// The call tries it.
    pub(super) fn transfer_accept(&mut self, layer: &mut Layer, now: Tick) {
        let asked = self.refer.as_deref().map(|refer| (&refer.stage, refer.quiet));
        let Some((Stage::Asked { tx }, quiet)) = asked else {
            return layer.count(Counted::Misuse);
        };
        let tx = *tx;
        let contact = self.contact(layer);
        let mut fields: Vec<(&str, &[u8])> = vec![(Header::Contact.name(), &contact)];
        if quiet {
            fields.push((REFER_SUB, b"false"));
        }
        let response =
            Response { tag: Some(self.tag()), fields: &fields, dialog: true, ..Response::new(202) };
        layer.respond(tx, response, now);
        if let Some(refer) = &mut self.refer {
            refer.stage = Stage::Told { status: 100, notify: None, next: Some(100) };
            refer.until = now.plus_ms(u64::from(EXPIRES_S) * 1_000);
        }
        self.notify_next(layer, now);
    }

    /// The call does not.
    pub(super) fn transfer_refuse(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        let asked = self.refer.as_deref().map(|refer| &refer.stage);
        let Some(Stage::Asked { tx }) = asked else { return layer.count(Counted::Misuse) };
        let tx = *tx;
        let status = match cause.sip {
            300..=699 => cause.sip,
            _ => 403,
        };
        self.refer = None;
        layer.respond_plain(tx, status, self.tag(), now);
    }

    /// How it goes on; a final status is the last word.
    pub(super) fn transfer_progress(&mut self, status: u16, layer: &mut Layer, now: Tick) {
        let Some(Refer { stage: Stage::Told { next, .. }, .. }) = self.refer.as_deref_mut() else {
            return;
        };
        *next = Some(status);
        self.notify_next(layer, now);
    }

    /// Sends the NOTIFY that waits, unless one is without its answer.
    fn notify_next(&mut self, layer: &mut Layer, now: Tick) {
        let Some(refer) = self.refer.as_deref_mut() else { return };
        let quiet = refer.quiet;
        let Stage::Told { status, notify: None, next } = &mut refer.stage else { return };
        let Some(word) = next.take() else {
            if *status >= 200 {
                self.refer = None;
            }
            return;
        };
        *status = word;
        if quiet {
            if word >= 200 {
                self.refer = None;
            }
            return;
        }
        let sent = self.notify(word, layer, now);
        match self.refer.as_deref_mut().map(|refer| &mut refer.stage) {
            Some(Stage::Told { notify, .. }) if sent.is_some() => *notify = sent,
            // It cannot be written or sent: the party stays without.
            Some(_) | None => self.refer = None,
        }
    }

    fn notify(&mut self, status: u16, layer: &mut Layer, now: Tick) -> Option<Id> {
        let refer = self.refer.as_deref()?;
        let left_s = refer.until.ms_since(now) / 1_000;
        let state = match status {
            0..=199 => format!("active;expires={left_s}"),
            200..=u16::MAX => "terminated;reason=noresource".to_owned(),
        };
        // RFC 3515 2.4.6: of the first REFER in a dialog the number may be left out, of others not.
        let event = match self.refers {
            0 => EVENT.to_vec(),
            _ => [EVENT, format!(";id={}", refer.cseq).as_bytes()].concat(),
        };
        if status >= 200 {
            self.refers = self.refers.saturating_add(1);
        }
        let line = format!("SIP/2.0 {status} {}\r\n", Status::of(status).phrase());
        let body = Body {
            content_type: "message/sipfrag;version=2.0".into(),
            data: line.into_bytes().into(),
        };
        let contact = self.contact(layer);
        let fields: [(&str, &[u8]); 3] = [
            (Header::Contact.name(), &contact),
            (Header::Event.name(), &event),
            (Header::SubscriptionState.name(), state.as_bytes()),
        ];
        let outgoing =
            Outgoing { fields: &fields, body: Some(&body), ..Outgoing::new(Role::Notify(0)) };
        self.send(outgoing, layer, now).map(|sent| sent.id)
    }

    /// A NOTIFY was sent again, with credentials.
    pub(super) fn notify_again(&mut self, before: Id, again: Option<Id>) {
        if let Some(Refer { stage: Stage::Told { notify, .. }, .. }) = self.refer.as_deref_mut()
            && *notify == Some(before)
        {
            *notify = again;
        }
    }

    /// A NOTIFY has its final answer, or gets none.
    pub(super) fn notified(&mut self, of: Id, accepted: bool, layer: &mut Layer, now: Tick) {
        let Some(Refer { stage: Stage::Told { notify, .. }, .. }) = self.refer.as_deref_mut()
        else {
            return;
        };
        if *notify != Some(of) {
            return;
        }
        *notify = None;
        if accepted {
            self.notify_next(layer, now);
        } else {
            // RFC 5057 5.1: the subscription is gone and nothing else.
            self.refer = None;
        }
    }

    /// The party asks for the subscription again, or wants it no more (RFC 6665 4.2.1).
    pub(super) fn handle_subscribe(
        &mut self,
        request: Message<'_>,
        tx: Id,
        layer: &mut Layer,
        now: Tick,
    ) {
        let event = request.value(Header::Event).unwrap_or_default();
        let package = event.split(|byte| *byte == b';').next().map(lex::trim);
        if package != Some(EVENT) {
            return self.bar(tx, &Bar::with(489, Header::AllowEvents, EVENT), layer, now);
        }
        let told = self.refer.as_deref().filter(|refer| !refer.quiet);
        let Some(Refer { stage: Stage::Told { status, .. }, until, .. }) = told else {
            return layer.respond_plain(tx, 481, self.tag(), now);
        };
        let (status, left_s) = (*status, until.ms_since(now) / 1_000);
        let ends = request.number(Header::Expires) == Ok(Some(0));
        let expires = if ends { 0 } else { left_s }.to_string();
        let contact = self.contact(layer);
        let fields: [(&str, &[u8]); 2] =
            [(Header::Contact.name(), &contact), (Header::Expires.name(), expires.as_bytes())];
        let response = Response { tag: Some(self.tag()), fields: &fields, ..Response::new(200) };
        layer.respond(tx, response, now);
        if ends {
            self.refer = None;
        } else {
            self.transfer_progress(status, layer, now);
        }
    }

    /// When the REFER or its subscription is given up.
    pub(super) fn refer_until(&self) -> Option<Tick> {
        self.refer.as_deref().map(|refer| refer.until)
    }

    pub(super) fn refer_timeout(&mut self, layer: &mut Layer, now: Tick) {
        let Some(refer) = self.refer.take_if(|refer| refer.until <= now) else { return };
        match refer.stage {
            Stage::Asked { tx } => layer.respond_plain(tx, 500, self.tag(), now),
            Stage::Told { .. } => {}
        }
    }
}

/// Whether the party wants no NOTIFY (RFC 4488 4).
fn is_quiet(request: Message<'_>) -> bool {
    let wanted = |name: &[u8]| name.eq_ignore_ascii_case(REFER_SUB.as_bytes());
    let mut fields = request.fields().filter(|field| wanted(field.name));
    fields.any(|field| lex::trim(field.value).eq_ignore_ascii_case(b"false"))
}

/// Where it leads to; no URI but that of a number or name is followed (RFC 3515 2.4.2, 5.1).
fn wish_of(request: Message<'_>) -> Result<TransferWish, Bar> {
    let mut targets = request.values(Header::ReferTo);
    let (Some(_), None) = (targets.next(), targets.next()) else { return Err(Bar::new(400)) };
    let target = request.name_addr(Header::ReferTo).map_err(|_| Bar::new(400))?;
    let (uri, host) = match target.parsed_uri().ok_or(Bar::new(400))? {
        uri @ Uri::Sip(sip) => {
            let method = sip.param(b"method").flatten();
            if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
                return Err(Bar::new(403));
            }
            let mut host = Vec::new();
            sip.host.write(&mut host);
            (uri, host)
        }
        uri @ Uri::Tel(_) => (uri, Vec::new()),
        Uri::Other { .. } => return Err(Bar::new(416)),
    };
    let user = match uri {
        Uri::Tel(tel) => tel.digits().collect(),
        Uri::Sip(_) | Uri::Other { .. } => uri.user().unwrap_or_default().into_owned(),
    };
    if user.is_empty() {
        return Err(Bar::new(400));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(TransferWish {
        target: text(target.uri),
        user: text(&user),
        host: text(&host),
        referred_by: request.value(Header::ReferredBy).map(|value| text(&lex::unfolded(value))),
        replaces: None,
        abroad: Vec::new(),
    })
}
