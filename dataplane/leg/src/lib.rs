//! Legs, whatever their protocol: what a call hears from a party and what it tells it.
//!
//! A leg is one dialog with one party. It has a direction (who sent the INVITE) and nothing else;
//! roles, payers and policies belong to the bridge. Protocol crates (`sip`; later a mesh between
//! shards) turn wire messages into [`Event`]s and carry out [`Command`]s; `call` sees only these.
//! No protocol word of SIP stands here but status codes, which the field uses everywhere.
//!
//! The life of a leg, as a call may rely on it:
//! - inbound: `Offered`, then any of `Ended` (gave up), `Reoffer` (after answer); the call sends
//!   `Progress`*, then one of `Answer` | `Hangup`.
//! - outbound: the call sends `Invite`; then `Progress`*, and one of `Answered` | `Refused`.
//! - before the answer, once descriptions went both ways (early media that was told reliably):
//!   `Update` <-> `ReofferAnswer`/`ReofferRefuse` from either side.
//! - answered, both: `Confirmed` once, `Reoffer` <-> `ReofferAnswer`/`ReofferRefuse` from either
//!   side, `Digits`, and exactly one `Ended` after which nothing comes.
//! - `Hangup` is right in every state: the protocol sends BYE, CANCEL or a refusal. The leg then
//!   reports `Ended` (or `Refused` if it was never answered) exactly once.

pub use strowger_link::{Cause, Direction, LegId, Party, Transport};

use std::net::SocketAddr;
use strowger_link::{Branch, CallerIdentity, Credentials, Diverted, HeaderField, Manner};

/// Longest body carried between legs, bytes.
pub const BODY_MAX: usize = 16 * 1024;

/// Media types of digits (RFC 6086 knows packages of them; these came before).
pub const DIGITS: [&str; 2] = ["application/dtmf-relay", "application/dtmf"];

/// An opaque body, mostly a session description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    /// Media type, for example `application/sdp`.
    pub content_type: Box<str>,
    /// Bytes as received.
    pub data: Box<[u8]>,
}

impl Body {
    /// A session description.
    #[must_use]
    pub fn sdp(data: impl Into<Box<[u8]>>) -> Body {
        Body { content_type: "application/sdp".into(), data: data.into() }
    }

    /// Whether this is a session description.
    #[must_use]
    pub fn is_sdp(&self) -> bool {
        self.content_type.eq_ignore_ascii_case("application/sdp")
    }

    /// Whether this is digits.
    #[must_use]
    pub fn is_digits(&self) -> bool {
        DIGITS.iter().any(|kind| self.content_type.eq_ignore_ascii_case(kind))
    }
}

/// A body that stands beside the session description of a message, or alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The body.
    pub body: Body,
    /// What it is for, as written (Content-Disposition); empty when nothing says.
    pub disposition: Box<str>,
    /// Who does not understand it must refuse the request.
    pub required: bool,
}

/// An initial request of a party.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Listener it came to.
    pub listener: u8,
    /// Local address.
    pub local: SocketAddr,
    /// Source address.
    pub source: SocketAddr,
    /// Transport.
    pub transport: Transport,
    /// Whole Request-URI.
    pub request_uri: String,
    /// User part of the Request-URI, unescaped.
    pub called: String,
    /// Host part of the Request-URI.
    pub host: String,
    /// User part of To.
    pub to_user: String,
    /// Who the caller says to be.
    pub caller: CallerIdentity,
    /// Credentials with a fresh nonce of ours.
    pub credentials: Option<Credentials>,
    /// SIP Call-ID.
    pub sip_call_id: String,
    /// User-Agent.
    pub user_agent: String,
    /// Session description, absent for a late offer.
    pub body: Option<Body>,
    /// What stands beside it, together at most [`BODY_MAX`] bytes.
    pub parts: Vec<Part>,
    /// The signalling shows a NAT: source differs from Via or Contact.
    pub nated: bool,
    /// Hops left as received (Max-Forwards), 70 when the request names none.
    pub hops_left: u8,
    /// Header fields that may go on or be looked at, as [`strowger_link::CallAsk::headers`].
    pub headers: Vec<HeaderField>,
    /// Who diverted the call before, as [`strowger_link::CallAsk::diverted`].
    pub diverted: Vec<Diverted>,
    /// The session interval asked for, as [`strowger_link::CallAsk::session_s`].
    pub session_s: u32,
    /// Credentials for somebody beyond us (Authorization, Proxy-Authorization), as they came.
    pub shown: Vec<HeaderField>,
    /// Whose place the caller wants to take (RFC 3891).
    pub replaces: Option<Box<Replaces>>,
    /// The name that it asked for in its TLS handshake; the shard knows it.
    pub server_name: Option<String>,
}

/// A party whose place another one wants to take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// Its leg.
    pub leg: LegId,
    /// It has not answered: it only rings.
    pub ringing: bool,
    /// The dialog, in the words of who asks.
    pub named: String,
}

/// What a party did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// An inbound leg begins.
    Offered(Box<Offer>),
    /// The far end works on it: status 180 to 199.
    Progress {
        /// Status.
        status: u16,
        /// Early media, if any.
        body: Option<Body>,
        /// Early dialog it belongs to: forked branches beyond us count up from 0.
        fork: u8,
    },
    /// The far end answered; the protocol has confirmed it already or will.
    Answered {
        /// Answer, or an offer after a late one.
        body: Option<Body>,
    },
    /// An answered leg is confirmed (ACK); the body answers a late offer.
    Confirmed {
        /// Answer to an offer of ours.
        body: Option<Body>,
    },
    /// Fields of what the far end says from now on, in place of those before: what rules about its
    /// responses wrote (`Branch::replies`), and a challenge that is the caller's to answer
    /// (`BranchAuth::Pass`). Of an answered leg: a challenge of what comes next, a refusal, or
    /// credentials for what comes next, a re-offer.
    Fields(Vec<HeaderField>),
    /// What stands beside the description of what the party says next (`Progress`, `Answered`,
    /// `Refused`, `Reoffer`, `Update`, `ReofferAnswered` or `Ended`, which comes right behind), as
    /// far as its own side takes it. Never empty.
    Parts(Vec<Part>),
    /// An outbound leg came to nothing.
    Refused {
        /// Cause.
        cause: Cause,
        /// Contacts of a redirect.
        contacts: Vec<String>,
        /// Nothing at all was heard (time-out or transport error), so another target is worth
        /// trying.
        silent: bool,
    },
    /// The party asks for a new session description (hold, codec, refresh).
    Reoffer {
        /// Offer, absent for a late one.
        body: Option<Body>,
    },
    /// As `Reoffer`, but the party wants its answer at once (nobody is to be asked), and it may
    /// come before the leg is answered.
    Update {
        /// Offer.
        body: Body,
    },
    /// The party answered an offer that only repeated our last one, to see whether it lives.
    Refreshed {
        /// Answer, mostly the one before.
        body: Option<Body>,
    },
    /// The party accepted ours.
    ReofferAnswered {
        /// Answer.
        body: Option<Body>,
    },
    /// The party refused ours; the old session stands.
    ReofferRefused {
        /// Cause.
        cause: Cause,
    },
    /// Digits by signalling.
    Digits {
        /// `0-9 * # A-D`.
        digits: Box<str>,
        /// Duration, milliseconds.
        duration_ms: u16,
    },
    /// A body for the other party that is no session description (INFO and such).
    Info {
        /// The body.
        body: Body,
    },
    /// A word for the other party (MESSAGE).
    Message {
        /// The body.
        body: Body,
    },
    /// The party wants the other one to be put through: `TransferAccept` or `TransferRefuse`.
    Transfer(Box<TransferWish>),
    /// The leg ended; nothing comes after.
    Ended {
        /// Cause.
        cause: Cause,
        /// `true` when the party ended it, `false` when we or an error did.
        by_party: bool,
    },
}

/// What a call tells a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Begin an outbound leg.
    Invite(Box<Invite>),
    /// Tell an inbound leg that work goes on: 180 to 199.
    Progress {
        /// Status.
        status: u16,
        /// Early media.
        body: Option<Body>,
    },
    /// Answer an inbound leg.
    Answer {
        /// Answer, or an offer when the party made none.
        body: Option<Body>,
    },
    /// Answer the offer that an outbound leg's `Answered` or `ReofferAnswered` brought because our
    /// request had none: the protocol withholds its confirmation (ACK) until this comes.
    Confirm {
        /// Answer.
        body: Option<Body>,
    },
    /// End it, whatever its state.
    Hangup {
        /// Cause; for an unanswered inbound leg its SIP status is the answer.
        cause: Cause,
        /// Reason phrase, empty for the standard one.
        phrase: Box<str>,
        /// Retry-After, seconds, 0 for none.
        retry_after_s: u16,
    },
    /// Fields of what an unanswered inbound leg is told from now on, in place of those said
    /// before; those that keep the protocol right are left out. Of an answered leg: what the other
    /// one said of digests (`Event::Fields`).
    Fields(Vec<HeaderField>),
    /// What stands beside the description of the next word (`Progress`, `Answer`, `Hangup`,
    /// `Reoffer`, `Update`, `ReofferAnswer`), which comes right behind. What the party does not
    /// take is left out.
    Parts(Vec<Part>),
    /// Refuse an unanswered inbound leg with a challenge.
    Challenge(strowger_link::Challenge),
    /// Refuse an unanswered inbound leg by telling it where else to call.
    Redirect {
        /// 300 to 399.
        status: u16,
        /// Where; URIs as another party said them.
        contacts: Vec<String>,
    },
    /// Ask for a new session description.
    Reoffer {
        /// Offer, absent for a late one.
        body: Option<Body>,
    },
    /// Ask for a new session description that can be had at once; before the answer as well. A
    /// party that does not know the difference is asked as by `Reoffer`.
    Update {
        /// Offer.
        body: Body,
    },
    /// How an inbound leg is spoken to; said before anything else is.
    Speak(Box<Manner>),
    /// Accept the party's.
    ReofferAnswer {
        /// Answer.
        body: Option<Body>,
    },
    /// Refuse the party's; the old session stands.
    ReofferRefuse {
        /// Cause.
        cause: Cause,
    },
    /// Send a body that is no session description.
    Info {
        /// The body.
        body: Body,
    },
    /// Send a word of the other party.
    Message {
        /// The body.
        body: Body,
    },
    /// The transfer that the party asked for is tried.
    TransferAccept,
    /// It is not.
    TransferRefuse {
        /// Cause.
        cause: Cause,
    },
    /// How it goes on; a final status is the last word. Right after the leg has ended as well.
    TransferProgress {
        /// Status of the target's answer.
        status: u16,
    },
}

/// Where a party wants the other one to be put through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferWish {
    /// The whole URI.
    pub target: String,
    /// Its user part or number, unescaped; never empty.
    pub user: String,
    /// Its host; empty when it has none.
    pub host: String,
    /// Who says to have asked for it (RFC 3892).
    pub referred_by: Option<String>,
    /// Another leg of the same party, whose other side it wants the two of them joined with.
    pub replaces: Option<LegId>,
    /// That leg is another shard's: what its INVITE there has to say.
    pub abroad: Vec<HeaderField>,
}

/// The beginning of an outbound leg: a branch of the answer, and a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invite {
    /// Where and as whom.
    pub branch: Branch,
    /// Hops left (Max-Forwards), already decremented.
    pub hops_left: u8,
    /// Session description, absent for a late offer.
    pub body: Option<Body>,
    /// What stands beside it.
    pub parts: Vec<Part>,
    /// The caller's credentials, for a branch that lets them pass; to another shard, whose place is
    /// wanted.
    pub shown: Vec<HeaderField>,
    /// What the Call-ID begins with, so that it is found beside the caller's; nearly always none.
    pub related: Option<Box<str>>,
}
