//! Requests outside calls: handed up, and answered when the answer comes.

use strowger_link::{BoundContact, Challenge, HeaderField, Refuse, Registered, Respond, Tick};

use super::layer::{Known, Owner, Response};
use super::output::{Counted, Output, Outside, OutsideBody, RequestId};
use super::{Endpoint, Incoming, gate, offer};
use crate::digest::Credentials;
use crate::digits;
use crate::header::Header;
use crate::message::Refusal;
use crate::method::Method;

/// How long a request waits for its answer: as long as its client does (timer F).
const ANSWER_MS: u64 = 32_000;
/// Extensions that a REGISTER may require: Path (RFC 3327), Outbound (5626), GRUU (5627).
const OF_REGISTER: &[&str] = &["path", "outbound", "gruu"];

impl Endpoint {
    pub(super) fn handle_outside(
        &mut self,
        incoming: Incoming<'_>,
        known: Known,
        credentials: Option<Credentials<'_>>,
    ) {
        let Incoming { request, method, path, now } = incoming;
        let spoken = if method == Method::Register { OF_REGISTER } else { &[] };
        if let Err(bar) = gate::check_require_but(request, spoken) {
            return self.bar(incoming, &bar);
        }
        if method == Method::Message
            && let Err(bar) = gate::check_message(request, &path)
        {
            return self.bar(incoming, &bar);
        }
        let body = if method == Method::Register {
            // Nobody registers without credentials, wherever it comes from.
            let Some(credentials) = credentials else {
                return self.bar(incoming, &gate::Bar::new(403));
            };
            let Some(ask) = offer::register(request, &path, credentials) else {
                let refusal = Refusal::Field(Header::Contact);
                return self.refuse_malformed(request, &path, refusal);
            };
            OutsideBody::Register(Box::new(ask))
        } else {
            OutsideBody::Other(Box::new(offer::request(request, credentials)))
        };
        let owner = Owner::Outside(now.plus_ms(ANSWER_MS));
        let Some(tx) = self.layer.serve(known, request, &path, owner, now) else {
            return self.refuse_full(incoming);
        };
        let host = offer::request_host(request);
        self.layer.push(Output::Request(Outside { id: RequestId(tx), path, host, body }));
    }

    /// Answers a request outside calls.
    pub fn respond(&mut self, id: RequestId, respond: &Respond, now: Tick) {
        if let Some(leg) = self.layer.proof_of(id.0).filter(|_| respond.status == 200) {
            return self.carry_out(id, leg, now);
        }
        let fields: Vec<(&str, &[u8])> = free_fields(&respond.headers).collect();
        let kind = respond.headers.iter().find(|f| f.name.eq_ignore_ascii_case("Content-Type"));
        let body = kind.map(|kind| strowger_leg::Body {
            content_type: String::from_utf8_lossy(&kind.value.0).into(),
            data: respond.body.0.as_slice().into(),
        });
        let phrase = [respond.phrase.as_str()];
        let response = Response {
            phrase: if respond.phrase.is_empty() { &[] } else { &phrase },
            fields: &fields,
            body: body.as_ref(),
            ..Response::new(respond.status)
        };
        self.answer(id, response, now);
    }

    //= rfc3261#section-10.3
    //# The response MUST contain Contact header field values enumerating
    //# all current bindings.
    /// Answers a REGISTER by the bindings that now are.
    pub fn registered(&mut self, id: RequestId, registered: &Registered, now: Tick) {
        let contact = |contact: &BoundContact| {
            let BoundContact { uri, expires_s, params } = contact;
            format!("<{uri}>;expires={expires_s}{params}").into_bytes()
        };
        let contacts: Vec<Vec<u8>> = registered.contacts.iter().map(contact).collect();
        let name = Header::Contact.name();
        let contacts = contacts.iter().map(|contact| (name, contact.as_slice()));
        let fields: Vec<(&str, &[u8])> = contacts.chain(free_fields(&registered.headers)).collect();
        self.answer(id, Response { fields: &fields, ..Response::new(200) }, now);
    }

    /// Answers a request outside calls by a challenge.
    pub fn challenge_request(&mut self, id: RequestId, challenge: &Challenge, now: Tick) {
        let Some(path) = self.layer.path_of_request(id.0) else {
            return self.layer.count(Counted::Misuse);
        };
        let values = gate::challenges(challenge, challenge.stale, &path, &self.layer.config, now);
        let name = Header::WwwAuthenticate.name();
        let fields: Vec<(&str, &[u8])> = values.iter().map(|v| (name, v.as_slice())).collect();
        self.answer(id, Response { fields: &fields, ..Response::new(401) }, now);
    }

    /// Refuses a request outside calls.
    pub fn refuse_request(&mut self, id: RequestId, refuse: &Refuse, now: Tick) {
        let status = match refuse.cause.sip {
            300..=699 => refuse.cause.sip,
            _ => 403,
        };
        let seconds = refuse.retry_after_s.to_string();
        let retry_after = [(Header::RetryAfter.name(), seconds.as_bytes())];
        let phrase = [refuse.phrase.as_str()];
        let response = Response {
            phrase: if refuse.phrase.is_empty() { &[] } else { &phrase },
            fields: if refuse.retry_after_s == 0 { &[] } else { &retry_after },
            ..Response::new(status)
        };
        self.answer(id, response, now);
    }

    fn answer(&mut self, id: RequestId, response: Response<'_>, now: Tick) {
        let mut tag = Vec::with_capacity(16);
        digits::hexadecimal(&mut tag, self.layer.chance.next());
        let response = Response { tag: Some(&tag), ..response };
        if self.layer.respond(id.0, response, now).is_none() {
            // Too late, or it cannot be written.
            self.layer.count(Counted::Misuse);
        }
    }
}

/// Fields that an answer brings, but for those that are ours.
fn free_fields(headers: &[HeaderField]) -> impl Iterator<Item = (&str, &[u8])> {
    let fields = headers.iter().map(|field| (field.name.as_str(), field.value.0.as_slice()));
    fields.filter(|(name, _)| !is_ours(name))
}

/// Fields of a response that are written from the request or by the writer.
fn is_ours(name: &str) -> bool {
    matches!(
        Header::parse(name.as_bytes()),
        Header::Via
            | Header::From
            | Header::To
            | Header::SipCallId
            | Header::CSeq
            | Header::ContentType
            | Header::ContentLength
    )
}
