//! A leg that we begin, up to the peer's final response (RFC 3261 13.2), CANCEL included (9.1).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;

use strowger_leg::{Body, Event, Invite};
use strowger_link::token::Token;
use strowger_link::{BranchAuth, Cause, HeaderField, IdentityHeader, LegId, Octets, Tick, ruled};

use super::super::body::{self, Whole};
use super::super::config::Path;
use super::super::image;
use super::super::layer::{self, Layer, Role, Way, Whose};
use super::super::offer::headers_up;
use super::super::output::{Bytes, Counted};
use super::super::proof::Holder;
use super::super::slab::Id;
use super::super::wallet::Wallet;
use super::early::Early;
use super::session::Session;
use super::terms::Terms;
use super::{Acked, Head, Leg, Outgoing, State, Stray, cause_of, reasons};
use crate::dialog::{Dialog, End};
use crate::field::{Contacts, NameAddr};
use crate::header::Header;
use crate::lex;
use crate::limits::{CHALLENGES_MAX, CONTACTS_MAX, SESSION_TRIES_MAX, SHOWN_LEN_MAX, STRAYS_MAX};
use crate::message::Message;
use crate::uri::{Uri, UriBuilder};

/// An INVITE of ours without a final response.
pub(super) struct Calling {
    tx: Id,
    /// The INVITE as it was sent, for its CANCEL.
    request: Bytes,
    branch: Vec<u8>,
    /// The address that its Via names.
    sent_by: SocketAddr,
    /// The number of its CSeq.
    cseq: u32,
    /// Whether it had no offer: the 2xx brings one then.
    late: bool,
    /// The order, to send it again with credentials; gone with the life that began the leg.
    order: Option<Box<Invite>>,
    tries: Tries,
    /// Whether any response came.
    heard: bool,
    /// The early dialogs, by their number.
    pub(super) forks: Vec<Early>,
    cancel: Cancel,
}

/// How often an INVITE was sent again, by reason.
#[derive(Clone, Copy, Default)]
struct Tries {
    /// It was challenged.
    challenged: u8,
    /// Its session was too short.
    short: u8,
}

/// Whether the call has given up.
enum Cancel {
    No,
    //= rfc3261#section-9.1
    //# If no provisional response has been received, the CANCEL request MUST
    //# NOT be sent; rather, the client MUST wait for the arrival of a
    //# provisional response before sending the request.
    Wanted(Vec<Vec<u8>>),
    //= rfc3261#section-9.1
    //# If there is no
    //# final response for the original request in 64*T1 seconds (T1 is
    //# defined in Section 17.1.1.1), the client SHOULD then consider the
    //# original transaction cancelled and SHOULD destroy the client
    //# transaction handling the original request.
    Sent { give_up: Tick },
}

impl Calling {
    pub(super) fn deadline(&self) -> Option<Tick> {
        match self.cancel {
            Cancel::Sent { give_up } => Some(give_up),
            Cancel::No | Cancel::Wanted(_) => None,
        }
    }
}

impl Leg {
    /// Begins a leg. What cannot be sent is refused at once.
    pub(in super::super) fn calling(
        id: LegId,
        token: Token,
        order: Box<Invite>,
        layer: &mut Layer,
        now: Tick,
    ) -> Leg {
        let target = &order.branch.target;
        // A socket of one family reaches no address of the other.
        let fits = |local: &SocketAddr| local.is_ipv4() == target.address.is_ipv4();
        let listener = layer.listener(order.branch.listener);
        let local = listener.map(|listener| listener.local).filter(fits);
        let path = Path {
            listener: order.branch.listener,
            transport: target.transport,
            local: local.unwrap_or(target.address),
            peer: target.address,
            flow: target.flow,
        };
        let secret = match &order.branch.auth {
            BranchAuth::Mapped(secret) => Some(secret.clone()),
            BranchAuth::Ours | BranchAuth::Pass => None,
        };
        let mut leg = Leg {
            id,
            token,
            path,
            nated: order.branch.media.nated,
            caller: true,
            passes: order.branch.auth == BranchAuth::Pass,
            dialog: first_dialog(&order, &token, &path, layer),
            lead: None,
            holder: Holder::called(&order.branch.party),
            proving: None,
            refer: None,
            refers: 0,
            state: State::Over,
            wallet: Wallet::new(secret),
            terms: Terms::new(&order.branch.manner),
            invite_lines: Vec::new(),
            acks: VecDeque::new(),
            strays: Vec::new(),
            clients: Vec::new(),
            told: false,
            farewell: Cause::default(),
            asked: None,
            lingers: None,
            armed: None,
            former: None,
            touched: true,
        };
        if local.is_none() {
            layer.count(Counted::Misuse);
            leg.unsendable(layer);
        } else {
            leg.send_invite(order, Tries::default(), layer, now);
        }
        leg
    }

    fn send_invite(&mut self, order: Box<Invite>, tries: Tries, layer: &mut Layer, now: Tick) {
        let mut lines = identity_lines(&order, &self.path, layer);
        lines.extend(self.terms.of_first(order.body.is_none()));
        let mut fields: Vec<(&str, &[u8])> =
            lines.iter().map(|(header, value)| (header.name(), value.as_slice())).collect();
        let extra = order.branch.headers.iter().filter(|field| may_be_added(&field.name));
        let shown = order.shown.iter();
        let extra = extra.chain(shown);
        fields.extend(extra.map(|field| (field.name.as_str(), field.value.0.as_slice())));
        let whole = Whole::of(order.body.as_ref(), &order.parts, || layer.chance.next());
        fields.extend(whole.as_ref().and_then(Whole::field));
        let outgoing = Outgoing {
            role: Role::Invite,
            hops: order.hops_left.into(),
            fields: &fields,
            body: whole.as_ref().map(|whole| &whole.body).or(order.body.as_ref()),
        };
        let Some(sent) = self.send(outgoing, layer, now) else {
            return self.unsendable(layer);
        };
        drop(fields);
        self.touched = true;
        self.state = State::Calling(Box::new(Calling {
            tx: sent.id,
            request: sent.bytes,
            branch: sent.branch,
            sent_by: layer.via(&self.path, &[]).sent_by,
            cseq: self.dialog.local_seq,
            late: order.body.is_none(),
            order: Some(order),
            tries,
            heard: false,
            forks: Vec::new(),
            cancel: Cancel::No,
        }));
    }

    /// The order cannot be carried out: our fault, not the peer's.
    fn unsendable(&mut self, layer: &mut Layer) {
        self.state = State::Over;
        let cause = Cause::from_sip(500);
        self.tell_refused(Event::Refused { cause, contacts: Vec::new(), silent: false }, layer);
    }

    /// A provisional response.
    pub(super) fn progressed(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        let State::Calling(calling) = &mut self.state else { return };
        calling.heard = true;
        if let Cancel::Wanted(_) = calling.cancel {
            self.send_cancel(layer, now);
        }
        let Some(status) = response.status().filter(|status| status.code() > 100) else { return };
        self.tell_fields(response, layer);
        self.early_heard(status.code(), response, layer, now);
    }

    /// The fields of a response that rules of its branch let the caller hear. Empty ones are told
    /// as well: they take the place of those before.
    fn tell_fields(&self, response: Message<'_>, layer: &mut Layer) {
        let State::Calling(calling) = &self.state else { return };
        if !matches!(calling.cancel, Cancel::No) {
            return;
        }
        let rules = calling.order.as_ref().map(|order| order.branch.replies.as_slice());
        let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return };
        self.tell(Event::Fields(ruled(rules, headers_up(response))), layer);
    }

    /// A 2xx, the first one or another.
    pub(super) fn accepted(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        if self.acknowledge_again(response, layer) {
            return;
        }
        self.tell_fields(response, layer);
        match self.take_state() {
            State::Calling(calling) => {
                let mut forks = calling.forks.iter();
                let early = forks.find(|early| early.dialog.owns_response(response));
                let before = self.dialog.target.clone();
                if let Some(early) = early {
                    // What its provisional responses and UPDATEs said still counts.
                    self.dialog.target = early.dialog.target.clone();
                }
                if self.dialog.establish(response).is_err() {
                    self.dialog.target = before;
                    self.state = State::Calling(calling);
                    return layer.count(Counted::Unbuildable);
                }
                if let Some(early) = early {
                    self.dialog.remote_seq = early.dialog.remote_seq;
                }
                self.look(layer);
                self.leave_early(&calling, layer, now);
                match calling.cancel {
                    Cancel::No => self.answered(&calling, response, layer, now),
                    // It crossed our CANCEL: take it and end it.
                    Cancel::Wanted(_) | Cancel::Sent { .. } => {
                        self.keep_ack(self.acknowledge_response(response, None, layer));
                        self.send(Outgoing::new(Role::Bye(0)), layer, now);
                    }
                }
            }
            state @ (State::Up(_) | State::Over) => {
                self.state = state;
                // Our own dialog's: its ACK is held, or so old that a later one took its place.
                if !self.dialog.owns_response(response) {
                    self.end_stray(response, layer, now);
                }
            }
            state @ State::Offered(_) => self.state = state,
        }
    }

    fn answered(&mut self, calling: &Calling, response: Message<'_>, layer: &mut Layer, now: Tick) {
        let body = body::session(response);
        //= rfc3261#section-13.2.1
        //# The UAC MUST treat the first session description it receives as
        //# the answer, and MUST ignore any session descriptions in
        //# subsequent responses to the initial INVITE.
        // That is: the first that came reliably, or what UPDATEs made of it.
        let mut forks = calling.forks.iter();
        let early = forks.find(|early| early.dialog.owns_response(response));
        let body = early.and_then(|early| early.said.clone()).or(body);
        self.tell_beside(response, layer);
        self.tell(Event::Answered { body }, layer);
        self.terms.heed(response, now);
        self.terms.keep_told(calling.order.as_ref().and_then(|order| order.body.as_ref()));
        // Without an offer of ours the body is one, and the ACK waits for its answer.
        self.touched = true;
        if calling.late {
            let cseq = response.cseq().map_or(self.dialog.local_seq, |cseq| cseq.number);
            self.state = State::Up(Box::new(Session::holding(cseq)));
            return;
        }
        self.keep_ack(self.acknowledge_response(response, None, layer));
        self.state = State::Up(Box::new(Session::stable()));
        self.tell(Event::Confirmed { body: None }, layer);
    }

    fn acknowledge_response(
        &self,
        response: Message<'_>,
        answer: Option<&Body>,
        layer: &mut Layer,
    ) -> Option<Acked> {
        let cseq = response.cseq().ok()?.number;
        self.acknowledge(&self.dialog, cseq, answer, layer)
    }

    //= rfc3261#section-13.2.2.4
    //# If, after acknowledging any 2xx response to an INVITE, the UAC does
    //# not want to continue with that dialog, then the UAC MUST terminate
    //# the dialog by sending a BYE request as described in Section 15.
    /// Another fork answered as well: its 2xx is acknowledged, and its dialog ended.
    pub(super) fn end_stray(&mut self, response: Message<'_>, layer: &mut Layer, now: Tick) {
        let Ok(cseq) = response.cseq() else { return };
        let mut dialog = self.dialog.clone();
        if self.strays.len() >= STRAYS_MAX || dialog.establish(response).is_err() {
            return layer.count(Counted::StrayResponse);
        }
        dialog.local_seq = cseq.number.max(self.terms.early_seq);
        let Some(acked) = self.acknowledge(&dialog, cseq.number, None, layer) else { return };
        let bye = self.send_stray_bye(&mut dialog, layer, now);
        self.strays.push(Stray { acked, dialog, bye });
        self.touched = true;
    }

    /// Ends the dialog of another fork.
    pub(super) fn send_stray_bye(
        &mut self,
        dialog: &mut Dialog,
        layer: &mut Layer,
        now: Tick,
    ) -> Option<Id> {
        let path = self.request_path(dialog);
        let branch = layer.branch(&self.token);
        let outgoing = Outgoing::new(Role::StrayBye(0));
        let cseq = dialog.next_seq();
        let lines = self.lines(outgoing.role, &dialog.request_uri(), layer);
        let head = Head { cseq, branch: &branch, path: &path, contact: b"", lines: &lines };
        let Some(bye) = super::write(dialog, &outgoing, &head, layer) else {
            layer.count(Counted::Unbuildable);
            return None;
        };
        let way = Way { path, branch: &branch, whose: Whose::Leg(self.id, outgoing.role) };
        let id = layer.start(way, bye, now);
        self.clients.extend(id);
        id
    }

    /// A response of 300 to 699.
    pub(super) fn refused(&mut self, tx: Id, response: Message<'_>, layer: &mut Layer, now: Tick) {
        self.forget(tx);
        let State::Calling(calling) = &self.state else { return };
        let rules = calling.order.as_ref().map(|order| order.branch.replies.as_slice());
        let mut fields = match rules {
            None | Some([]) => Vec::new(),
            Some(rules) => ruled(rules, headers_up(response)),
        };
        let State::Calling(calling) = self.take_state() else { return };
        let Some(status) = response.status() else { return };
        self.leave_early(&calling, layer, now);
        let passes =
            calling.order.as_ref().is_some_and(|order| order.branch.auth == BranchAuth::Pass);
        if let (Cancel::No, Some(order)) = (&calling.cancel, calling.order)
            && let Some(tries) = self.next_try(response, status.code(), calling.tries)
        {
            return self.send_invite(order, tries, layer, now);
        }
        let cause = cause_of(response, Cause::from_sip(status.code()));
        let redirects = (300..400).contains(&status.code());
        let contacts = if redirects { contacts_of(response) } else { Vec::new() };
        if passes && matches!(status.code(), 401 | 407) {
            fields.extend(challenges_of(response));
        }
        if !fields.is_empty() {
            self.tell(Event::Fields(fields), layer);
        }
        self.tell_beside(response, layer);
        self.tell_refused(Event::Refused { cause, contacts, silent: false }, layer);
    }

    /// Whether the INVITE is to be sent again: with credentials, or for a longer session.
    fn next_try(&mut self, response: Message<'_>, status: u16, tries: Tries) -> Option<Tries> {
        if status == 422 {
            let asked = self.terms.own_s().is_some() && tries.short < SESSION_TRIES_MAX;
            let longer = self.lengthen(response) && asked;
            return longer.then(|| Tries { short: tries.short.saturating_add(1), ..tries });
        }
        let learned = self.wallet.learn(response, status, tries.challenged);
        learned.then(|| Tries { challenged: tries.challenged.saturating_add(1), ..tries })
    }

    /// The early dialogs end, or one of them is answered: their offers come to nothing.
    fn leave_early(&mut self, calling: &Calling, layer: &mut Layer, now: Tick) {
        for early in &calling.forks {
            self.close_pending(early.pending, layer, now);
        }
    }

    /// The early dialogs end with the leg.
    fn end_early(&self, layer: &mut Layer, now: Tick) {
        let State::Calling(calling) = &self.state else { return };
        for early in &calling.forks {
            self.end_pending_of(early.pending, layer, now);
        }
    }

    /// Nothing came, or nothing could be sent.
    pub(super) fn silent(&mut self, cause: Cause, layer: &mut Layer, now: Tick) {
        if let State::Calling(calling) = &self.state {
            let silent = !calling.heard;
            self.end_early(layer, now);
            self.state = State::Over;
            self.tell_refused(Event::Refused { cause, contacts: Vec::new(), silent }, layer);
        }
    }

    /// The call gives up: CANCEL as soon as that may be sent.
    pub(super) fn give_up(
        &mut self,
        mut calling: Box<Calling>,
        cause: Cause,
        layer: &mut Layer,
        now: Tick,
    ) {
        let heard = calling.heard;
        if let Cancel::No = calling.cancel {
            calling.cancel = Cancel::Wanted(reasons(cause, true));
            self.state = State::Calling(calling);
            if heard {
                self.send_cancel(layer, now);
            }
        } else {
            self.state = State::Calling(calling);
        }
        self.tell_refused(Event::Refused { cause, contacts: Vec::new(), silent: false }, layer);
    }

    fn send_cancel(&mut self, layer: &mut Layer, now: Tick) {
        let State::Calling(calling) = &mut self.state else { return };
        let Cancel::Wanted(reasons) = &calling.cancel else { return };
        let cancel = layer::cancel(&calling.request, reasons);
        let (Some(bytes), Some(path)) = (cancel, layer.path_of(calling.tx)) else { return };
        let whose = Whose::Leg(self.id, Role::Cancel);
        let way = Way { path, branch: &calling.branch, whose };
        layer.start(way, bytes, now);
        let give_up = now.plus_ms(layer.config.timers.give_up_ms().into());
        calling.cancel = Cancel::Sent { give_up };
    }

    pub(super) fn calling_timeout(&mut self, layer: &mut Layer, now: Tick) {
        let State::Calling(calling) = &self.state else { return };
        if calling.deadline().is_some_and(|at| at <= now) {
            let tx = calling.tx;
            layer.abandon(tx);
            self.forget(tx);
            self.end_early(layer, now);
            self.state = State::Over;
        }
    }
}

impl Calling {
    /// What a later process needs to cancel it, or to take its answer.
    pub(super) fn image(&self) -> image::Invite<'_> {
        let branch = Cow::Borrowed(self.branch.as_slice());
        image::Invite { branch, cseq: self.cseq, sent_by: self.sent_by, late: self.late }
    }

    //= rfc3261#section-9.1
    //# If no provisional response has been received, the CANCEL request MUST
    //# NOT be sent; rather, the client MUST wait for the arrival of a
    //# provisional response before sending the request.
    /// The INVITE of a former life. Nobody knows whether a response came then, and none may come
    /// any more, as it is not sent again; so it counts as heard, and its CANCEL goes out at once.
    /// The rule is there so that a CANCEL does not overtake its INVITE. This one is at least a
    /// restart behind; a peer that never got the INVITE answers 481, and nothing is lost.
    pub(super) fn resumed(tx: Id, request: Bytes, invite: &image::Invite<'_>) -> Calling {
        Calling {
            tx,
            request,
            branch: invite.branch.to_vec(),
            sent_by: invite.sent_by,
            cseq: invite.cseq,
            late: invite.late,
            order: None,
            tries: Tries::default(),
            heard: true,
            forks: Vec::new(),
            cancel: Cancel::No,
        }
    }

    /// Whether it had no offer.
    pub(super) const fn is_late(&self) -> bool {
        self.late
    }
}

/// The dialog before its first response.
fn first_dialog(order: &Invite, token: &Token, path: &Path, layer: &mut Layer) -> Dialog {
    let branch = &order.branch;
    let target = &branch.target.uri;
    // What is no URI would make an INVITE that nobody reads.
    let is_uri = |uri: &str| Uri::parse(uri.as_bytes()).is_some();
    let to = if is_uri(&branch.to_uri) { &branch.to_uri } else { target };
    let tag = token.as_str().as_bytes();
    let own = format!("{}-{:016x}", token.as_str(), layer.chance.next());
    let call_id = match &order.related {
        None => own,
        Some(related) => format!("{related}-{own}"),
    };
    let routes = branch
        .target
        .routes
        .iter()
        .map(|route| if route.contains('<') { route.clone() } else { format!("<{route}>") });
    Dialog {
        call_id: call_id.into_bytes().into(),
        local: End { address: from_of(order, path, layer).into(), tag: Some(tag.into()) },
        remote: End { address: format!("<{to}>").into_bytes().into(), tag: None },
        local_seq: 0,
        remote_seq: None,
        target: branch.target.uri.as_bytes().into(),
        route_set: routes.map(|route| route.into_bytes().into()).collect(),
        secure: path.is_tls() && branch.target.uri.to_ascii_lowercase().starts_with("sips:"),
    }
}

/// The From address: the caller's, or nobody's (RFC 3323 4.1.1.3).
fn from_of(order: &Invite, path: &Path, layer: &Layer) -> Vec<u8> {
    let branch = &order.branch;
    if branch.anonymous {
        return b"\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_vec();
    }
    let mut from = Vec::new();
    if !branch.display.is_empty() {
        from.push(b'"');
        for byte in branch.display.bytes().filter(|b| *b >= b' ' && *b != 0x7f) {
            if matches!(byte, b'"' | b'\\') {
                from.push(b'\\');
            }
            from.push(byte);
        }
        from.extend_from_slice(b"\" ");
    }
    from.push(b'<');
    from.extend_from_slice(&our_uri(
        branch.from_user.as_bytes(),
        &branch.manner.from_host,
        path,
        layer,
    ));
    from.push(b'>');
    from
}

/// `sip:user@us`, or at the host that the peer wants to see.
fn our_uri(user: &[u8], host: &str, path: &Path, layer: &Layer) -> Vec<u8> {
    let uri = UriBuilder::sip().user(user);
    let uri = match host {
        "" => {
            let address = layer.listener(path.listener).map_or(path.local, |l| l.advertised);
            uri.address(address.ip())
        }
        host => uri.host(host),
    };
    // User and address are escaped as needed; a host that is none and a user of thousands of bytes
    // fail.
    uri.finish().unwrap_or_else(|| b"sip:invalid.invalid".to_vec())
}

/// The caller's identity in the header that the peer reads, and Privacy (RFC 3323, RFC 3325).
fn identity_lines(order: &Invite, path: &Path, layer: &Layer) -> Vec<(Header, Vec<u8>)> {
    let mut lines = Vec::new();
    let branch = &order.branch;
    let manner = &branch.manner;
    if let Some(user) = &branch.asserted {
        let uri = our_uri(user.as_bytes(), &manner.from_host, path, layer);
        let mut value = [b"<", uri.as_slice(), b">"].concat();
        let header = match manner.identity {
            IdentityHeader::Asserted => Header::PAssertedIdentity,
            IdentityHeader::Preferred => Header::PPreferredIdentity,
            IdentityHeader::RemoteParty => {
                let privacy = if branch.anonymous { "full" } else { "off" };
                let rest = format!(";party=calling;screen=yes;privacy={privacy}");
                value.extend_from_slice(rest.as_bytes());
                Header::RemotePartyId
            }
        };
        lines.push((header, value));
    }
    let usual = if branch.anonymous { "id" } else { "" };
    let privacy = if manner.privacy.is_empty() { usual } else { &manner.privacy };
    if !privacy.is_empty() {
        lines.push((Header::Privacy, privacy.as_bytes().to_vec()));
    }
    lines
}

/// Whether a configured field may stand beside ours.
fn may_be_added(name: &str) -> bool {
    !matches!(
        Header::parse(name.as_bytes()),
        Header::Via
            | Header::From
            | Header::To
            | Header::SipCallId
            | Header::CSeq
            | Header::MaxForwards
            | Header::Contact
            | Header::Route
            | Header::RecordRoute
            | Header::ContentType
            | Header::ContentLength
            | Header::Require
            | Header::ProxyRequire
            | Header::Authorization
            | Header::ProxyAuthorization
    )
}

/// The challenges of a response, for somebody else to answer.
pub(super) fn challenges_of(response: Message<'_>) -> Vec<HeaderField> {
    let of = |header: Header| {
        let values = response.values(header).filter(|value| value.len() <= SHOWN_LEN_MAX);
        values.map(move |value| HeaderField {
            name: header.name().to_string(),
            value: Octets(lex::unfolded(value).into_owned()),
        })
    };
    let all = of(Header::WwwAuthenticate).chain(of(Header::ProxyAuthenticate));
    all.take(CHALLENGES_MAX).collect()
}

/// The contacts of a redirect in the order of their q.
fn contacts_of(response: Message<'_>) -> Vec<String> {
    let lists = response.values(Header::Contact).filter_map(Contacts::parse);
    let mut contacts: Vec<_> = lists.flat_map(Contacts::iter).take(CONTACTS_MAX).collect();
    let q = |contact: &NameAddr<'_>| contact.params.value(b"q").unwrap_or(b"1").to_vec();
    // "1", "1.0", "0.7", "0.35" sort as text; an exact tie keeps the peer's order.
    contacts.sort_by_key(|contact| std::cmp::Reverse(q(contact)));
    let known = |contact: &NameAddr<'_>| Uri::parse(contact.uri).is_some();
    let uris = contacts.iter().filter(|contact| known(contact));
    uris.map(|contact| String::from_utf8_lossy(contact.uri).into_owned()).collect()
}
