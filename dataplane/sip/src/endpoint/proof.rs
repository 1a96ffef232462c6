//! Requests of a dialog from an address that is none of its party's.
//!
//! A phone that moves from one network to another, or whose NAT forgets it, goes on with its
//! dialogs from an address that nobody knows. Call-ID and tags prove nothing, everybody on the way
//! has read them; so the sender shows credentials, as at the beginning. They are those of whoever
//! began the leg with credentials, or of the subscriber that we called. A leg of anybody else, a
//! trunk above all, has nothing to be proved by: 481, as if there were no such dialog.
//!
//! ```text
//! no credentials, or with a nonce that is not ours   401, without state
//! another user's                                     403
//! its own: the request waits, the control plane is asked
//!     good   it is carried out, and the leg has moved to that address
//!     bad    403, or what the control plane says
//!     none   no answer; the client's own timer ends it
//! ```
//!
//! One request a leg waits at a time. ACK and CANCEL cannot be challenged (RFC 3261 22.1).

use strowger_link::codec::{Malformed, Reader, Wire};
use strowger_link::{Challenge, PartyRef, Tick};

use super::gate::{Bar, Shown};
use super::layer::{Known, Owner, Response};
use super::output::{Counted, Output, Outside, OutsideBody, RequestId};
use super::{Admission, Endpoint, Incoming, LegKeys, Replaced, gate, image, offer};
use crate::digest::Credentials;
use crate::header::Header;
use crate::message::{Index, Message};
use crate::method::Method;
use strowger_link::LegId;

/// How long a request waits for the proof of its sender: as long as its client does (timer F).
const PROOF_MS: u64 = 32_000;
/// Seconds after which a second request of the same leg may come.
const RETRY_AFTER_S: &[u8] = b"1";

/// Who has to prove to be a leg's party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// Whoever began it: the user name and realm of its credentials.
    Sender { username: Box<[u8]>, realm: Box<[u8]> },
    /// The subscriber that we called, by id.
    Subscriber(i64),
}

impl Holder {
    pub(super) fn sender(credentials: &Credentials<'_>) -> Holder {
        let (username, realm) = (credentials.username.into(), credentials.realm.into());
        Holder::Sender { username, realm }
    }

    /// Whom we call; `None` for who has no credentials.
    pub(super) fn called(party: &PartyRef) -> Option<Box<Holder>> {
        match party {
            PartyRef::Subscriber(id) => Some(Box::new(Holder::Subscriber(*id))),
            PartyRef::Unknown | PartyRef::Trunk(_) => None,
        }
    }

    /// The realm that its credentials must be for; of a subscriber only the control plane knows.
    fn realm(&self) -> Option<&[u8]> {
        match self {
            Holder::Sender { realm, .. } => Some(realm),
            Holder::Subscriber(_) => None,
        }
    }

    fn may_be(&self, credentials: &Credentials<'_>) -> bool {
        match self {
            Holder::Sender { username, .. } => **username == *credentials.username,
            Holder::Subscriber(_) => true,
        }
    }

    const fn party(&self) -> PartyRef {
        match self {
            Holder::Sender { .. } => PartyRef::Unknown,
            Holder::Subscriber(id) => PartyRef::Subscriber(*id),
        }
    }
}

impl Wire for Holder {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Holder::Sender { username, realm } => {
                out.push(0);
                image::put_bytes(username, out);
                image::put_bytes(realm, out);
            }
            Holder::Subscriber(id) => {
                out.push(1);
                id.put(out);
            }
        }
    }

    fn take(input: &mut Reader<'_>) -> Result<Holder, Malformed> {
        match u8::take(input)? {
            0 => {
                let username = image::take_bytes(input)?;
                Ok(Holder::Sender { username, realm: image::take_bytes(input)? })
            }
            1 => Ok(Holder::Subscriber(i64::take(input)?)),
            2..=u8::MAX => Err(Malformed),
        }
    }
}

impl Endpoint {
    /// A request of `id`'s dialog came from elsewhere.
    pub(super) fn handle_elsewhere(
        &mut self,
        incoming: Incoming<'_>,
        known: Known,
        id: LegId,
        keys: &dyn LegKeys,
    ) {
        let Incoming { request, path, now, .. } = incoming;
        let holder = self.legs.get(&id).and_then(|leg| leg.holder.clone());
        // A trunk's address is no proof of a phone: nobody passes unchallenged here.
        let (holder, challenge, may_challenge) =
            match (holder, keys.admission(&path, Method::Register)) {
                (_, Admission::Deny) => return self.layer.count(Counted::Denied),
                (Some(holder), Admission::Challenge(challenge)) => (holder, challenge, true),
                (Some(holder), Admission::Prove(challenge)) => (holder, challenge, false),
                (Some(_) | None, _) => {
                    return self.layer.answer_stateless(request, &path, Response::new(481));
                }
            };
        let shown = gate::credentials(request, holder.realm(), &path, &self.layer.config, now);
        match shown {
            Shown::Fresh(credentials) if holder.may_be(&credentials) => {
                self.ask_proof(incoming, known, id, &holder, credentials);
            }
            Shown::Fresh(_) => self.bar(incoming, &Bar::new(403)),
            Shown::Stale | Shown::Nothing if !may_challenge => {
                self.layer.count(Counted::Unchallenged);
            }
            Shown::Stale => self.challenge_holder(incoming, &holder, challenge, true),
            Shown::Nothing => self.challenge_holder(incoming, &holder, challenge, false),
        }
    }

    fn challenge_holder(
        &mut self,
        incoming: Incoming<'_>,
        holder: &Holder,
        usual: &Challenge,
        stale: bool,
    ) {
        let realm = holder.realm().map(|realm| String::from_utf8_lossy(realm).into_owned());
        let realm = realm.unwrap_or_else(|| usual.realm.clone());
        let challenge = Challenge { realm, algorithms: usual.algorithms.clone(), stale };
        self.layer.count(if stale { Counted::Stale } else { Counted::Challenged });
        self.challenge(incoming, &challenge, stale);
    }

    fn ask_proof(
        &mut self,
        incoming: Incoming<'_>,
        known: Known,
        id: LegId,
        holder: &Holder,
        credentials: Credentials<'_>,
    ) {
        let Incoming { request, method, path, now } = incoming;
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.proving.is_some_and(|tx| self.layer.proof_of(tx).is_some()) {
            return self.bar(incoming, &Bar::with(500, Header::RetryAfter, RETRY_AFTER_S));
        }
        let owner = Owner::Proof(id, now.plus_ms(PROOF_MS));
        let Some(tx) = self.layer.serve(known, request, &path, owner, now) else {
            return self.refuse_full(incoming);
        };
        leg.proving = Some(tx);
        if method == Method::Invite {
            self.layer.respond_plain(tx, 100, leg.tag(), now);
        }
        let mut ask = offer::request(request, Some(credentials));
        // Whether it is carried out is not decided by what it says.
        (ask.headers, ask.body) = (Vec::new(), strowger_link::Octets::default());
        ask.party = holder.party();
        let body = OutsideBody::Proof(id, Box::new(ask));
        let host = offer::request_host(request);
        self.layer.push(Output::Request(Outside { id: RequestId(tx), path, host, body }));
    }

    /// The sender of a request from elsewhere is `id`'s party.
    pub(super) fn carry_out(&mut self, request: RequestId, id: LegId, now: Tick) {
        let tx = request.0;
        let (bytes, path) = (self.layer.request_of(tx), self.layer.path_of_request(tx));
        let (Some(bytes), Some(path)) = (bytes, path) else { return };
        let mut index = Index::new();
        let Ok(request) = Message::parse(&bytes, &mut index) else { return };
        let Some(method) = request.method() else { return };
        self.layer.hand_over(tx, id);
        // It may have ended meanwhile.
        let lives = |leg: &super::Leg| method == Method::Bye || !leg.is_over();
        // Its sender is the party of no other dialog yet: nothing of another is replaced.
        let replaced = if method == Method::Refer && super::Replaces::of(request).is_some() {
            Replaced::Unknown
        } else {
            Replaced::None
        };
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| lives(leg)) else {
            self.layer.respond(tx, Response::new(481), now);
            return;
        };
        leg.proving = None;
        leg.moved(path, offer::is_nated(request, path.peer.ip()));
        self.layer.push(Output::Moved(id, path.peer));
        leg.handle_request(request, method, tx, replaced, &mut self.layer, now);
        self.settle(id);
    }
}
