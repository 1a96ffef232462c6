//! Questions of the dataplane (design of calls, section 2).

use crate::codec::{Octets, wire_code, wire_enum, wire_struct};
use crate::{AskId, LegId, PartyRef, Tick};
use std::net::SocketAddr;

wire_struct! {
    /// One question. The same `id` is asked again after a control-plane crash; the answer to an
    /// expired ask is dropped unprocessed. Every ask has a default when no answer comes.
    pub struct Ask {
        /// Identity, balanced by exactly one of Started..Ended or Abandoned when it grants.
        pub id: AskId,
        /// The ask this one follows from (redirect, transfer, forward).
        pub parent: Option<AskId>,
        /// The leg it is about; all zero for requests outside calls.
        pub leg: LegId,
        /// Where it came in, for finding tenant and sender.
        pub hints: Hints,
        /// When the dataplane stops waiting.
        pub deadline: Tick,
        /// Wall clock when asked, microseconds since 1970 UTC.
        pub wall_us: i64,
        /// The question.
        pub body: AskBody,
    }
}

wire_struct! {
    /// Where a request came in.
    pub struct Hints {
        /// Index of the listener in the process configuration.
        pub listener: u8,
        /// Local address it was received on.
        pub local: SocketAddr,
        /// Its source address.
        pub source: SocketAddr,
        /// Transport.
        pub transport: Transport,
        /// Host part of the Request-URI.
        pub host: String,
        /// TLS server name, if any.
        pub sni: Option<String>,
        /// The trunk whose source this is, by the edge snapshot.
        pub trunk: Option<i64>,
    }
}

wire_code! {
    /// Transport protocols.
    pub enum Transport {
        /// Datagrams.
        Udp = 0,
        /// Stream.
        Tcp = 1,
        /// Stream under TLS.
        Tls = 2,
        /// WebSocket (RFC 7118).
        Ws = 3,
        /// WebSocket under TLS.
        Wss = 4,
    }
}

wire_enum! {
    /// Kinds of question.
    pub enum AskBody {
        /// A caller's attempt.
        0 => Call(Box<CallAsk>),
        /// A branch answered 3xx.
        1 => Redirected(RedirectedAsk),
        /// A party wants to transfer (REFER, DTMF code).
        2 => Transfer(TransferAsk),
        /// A party wants to pick up or replace another call.
        3 => Pickup(Box<PickupAsk>),
        /// The granted talk time is half used.
        4 => Extend(ExtendAsk),
        /// REGISTER with credentials whose nonce is fresh.
        5 => Register(Box<RegisterAsk>),
        /// MESSAGE, SUBSCRIBE, PUBLISH, or OPTIONS and INFO outside a dialog.
        6 => Request(Box<RequestAsk>),
        /// A name to resolve (RFC 3263).
        7 => Resolve(ResolveAsk),
        /// An application's own question.
        8 => App(AppAsk),
        /// A trunk that had answered is gone from the call, and the caller is not.
        9 => Reroute(Box<RerouteAsk>),
    }
}

wire_struct! {
    /// What the caller sent, as received.
    pub struct CallAsk {
        /// Whole Request-URI.
        pub request_uri: String,
        /// User part of the Request-URI, unescaped: the received number.
        pub called: String,
        /// User part of To.
        pub to_user: String,
        /// Identity headers.
        pub caller: CallerIdentity,
        /// Credentials, when sent and fresh.
        pub credentials: Option<Credentials>,
        /// SIP Call-ID.
        pub sip_call_id: String,
        /// User-Agent.
        pub user_agent: String,
        /// The request brought a session description.
        pub has_offer: bool,
        /// Called number is in the emergency table.
        pub emergency: bool,
        /// Header fields that may go on or be looked at, in order, folds undone, else the bytes as
        /// they came; at most [`FIELDS_UP_MAX`] and [`FIELDS_UP_LEN_MAX`], those beyond are left
        /// out whole.
        pub headers: Vec<HeaderField>,
        /// Who diverted the call before it came here, the last one first, by Diversion (RFC 5806)
        /// or History-Info (RFC 7044); at most [`DIVERTED_MAX`].
        pub diverted: Vec<Diverted>,
        /// The session interval that the caller asks for and can be told is too short, seconds; 0 =
        /// none (RFC 4028).
        pub session_s: u32,
    }
}

/// Most header fields of an INVITE that are handed up.
pub const FIELDS_UP_MAX: usize = 32;
/// Most bytes of names and values of them together.
pub const FIELDS_UP_LEN_MAX: usize = 4 * 1024;
/// Most diversions of a call that are told of.
pub const DIVERTED_MAX: usize = 8;

wire_struct! {
    /// One diversion of a call.
    pub struct Diverted {
        /// User part of who diverted, unescaped.
        pub user: String,
        /// Why.
        pub reason: DivertReason,
        /// How often; 1 when nobody says.
        pub count: u8,
        /// Who diverted is to be shown to nobody.
        pub hidden: bool,
    }
}

wire_code! {
    /// Why a call was diverted: the reasons of RFC 5806 that RFC 7544 maps to a cause of RFC 4458.
    pub enum DivertReason {
        /// Nobody says, or nothing that has a cause of its own.
        Unknown = 0,
        /// Always.
        Unconditional = 1,
        /// The user was busy.
        Busy = 2,
        /// Nobody answered.
        NoAnswer = 3,
        /// The user sent it on, of his own accord.
        Deflection = 4,
        /// The user could not be reached.
        Unavailable = 5,
        /// It follows the user to where he is.
        FollowMe = 6,
    }
}

wire_struct! {
    /// Who the caller says to be, header by header, user parts unescaped.
    pub struct CallerIdentity {
        /// From: user.
        pub from_user: String,
        /// From: host.
        pub from_host: String,
        /// From: display name.
        pub display: String,
        /// P-Asserted-Identity users, at most two are read (RFC 3325).
        pub asserted: Vec<String>,
        /// P-Preferred-Identity user.
        pub preferred: Option<String>,
        /// Remote-Party-ID user.
        pub remote_party: Option<String>,
        /// Privacy header value.
        pub privacy: String,
    }
}

wire_code! {
    /// Digest algorithms (RFC 8760).
    pub enum Algorithm {
        /// MD5.
        Md5 = 0,
        /// SHA-256.
        Sha256 = 1,
        /// MD5 with a session key: `MD5-sess`.
        Md5Session = 2,
        /// SHA-256 with a session key: `SHA-256-sess`.
        Sha256Session = 3,
    }
}

impl Algorithm {
    /// The hash alone: what a secret is stored for.
    #[must_use]
    pub const fn hash(self) -> Algorithm {
        match self {
            Algorithm::Md5 | Algorithm::Md5Session => Algorithm::Md5,
            Algorithm::Sha256 | Algorithm::Sha256Session => Algorithm::Sha256,
        }
    }

    /// Whether the secret is made into a session key first (RFC 7616 3.4.2).
    #[must_use]
    pub const fn has_session(self) -> bool {
        match self {
            Algorithm::Md5 | Algorithm::Sha256 => false,
            Algorithm::Md5Session | Algorithm::Sha256Session => true,
        }
    }
}

wire_struct! {
    /// Digest credentials (RFC 7616); the dataplane has checked that the nonce is its own and
    /// fresh, the control plane checks `response` against its stored HA1.
    pub struct Credentials {
        /// Algorithm.
        pub algorithm: Algorithm,
        /// User name.
        pub username: String,
        /// Realm.
        pub realm: String,
        /// Nonce.
        pub nonce: String,
        /// digest-uri.
        pub uri: String,
        /// Request method.
        pub method: String,
        /// qop, when sent.
        pub qop: Option<String>,
        /// cnonce.
        pub cnonce: String,
        /// nc as sent, eight hex digits.
        pub nonce_count: String,
        /// The response, hex.
        pub response: String,
    }
}

wire_struct! {
    /// More talk time wanted.
    pub struct ExtendAsk {
        /// The ask whose answer granted the talk time so far.
        pub call: AskId,
        /// Talk time used, milliseconds.
        pub used_ms: u64,
        /// Talk time granted so far, milliseconds from answer.
        pub granted_ms: u64,
        /// So much of it an allowance pays.
        pub free_ms: u64,
        /// Settlement of the answer, echoed.
        pub settlement: Octets,
    }
}

wire_struct! {
    /// One contact of a REGISTER.
    pub struct ContactAsk {
        /// Contact URI; `*` for all.
        pub uri: String,
        /// Wanted lifetime, seconds; 0 removes.
        pub expires_s: u32,
        /// Quality, thousandths.
        pub q: u16,
        /// Parameters as sent (instance, reg-id, push).
        pub params: String,
    }
}

wire_struct! {
    /// A REGISTER with credentials.
    pub struct RegisterAsk {
        /// User part of the address of record (To).
        pub user: String,
        /// Host part of the address of record.
        pub host: String,
        /// Credentials.
        pub credentials: Credentials,
        /// Contacts; empty to ask for the bindings.
        pub contacts: Vec<ContactAsk>,
        /// Call-ID, for ordering (RFC 3261 10.3 step 7).
        pub sip_call_id: String,
        /// CSeq number.
        pub cseq: u32,
        /// User-Agent.
        pub user_agent: String,
        /// Path headers (RFC 3327).
        pub path: Vec<String>,
        /// Flow token of the connection it came by ([`FlowToken`](crate::FlowToken)), 0 for UDP.
        pub flow: u64,
        /// Extensions that the client says it supports (Supported), as written.
        pub supported: Vec<String>,
        /// It came from the client itself, not through a proxy: it has one Via.
        pub direct: bool,
        /// Its one Via names another address than it came from.
        pub nated: bool,
    }
}

/// Most contacts of a redirect that are told of.
pub const REDIRECT_CONTACTS_MAX: usize = 8;

wire_struct! {
    /// A branch said that the call is to go elsewhere (3xx). [`Ask::parent`] is the ask that the
    /// call runs under, whose hold pays for what follows. Answered by `Go`: its stages are tried in
    /// the branch's place, its grant and settlement are those of the whole call from then on.
    pub struct RedirectedAsk {
        /// Status.
        pub status: u16,
        /// Contacts in order, none of them tried in this call before; at most
        /// [`REDIRECT_CONTACTS_MAX`].
        pub contacts: Vec<String>,
        /// Settlement of the running attempt.
        pub settlement: Octets,
        /// Who says so.
        pub party: PartyRef,
        /// Price of its branch, as [`Branch::hop`](crate::Branch::hop).
        pub hop: u8,
        /// The number that it was sent.
        pub dialed: String,
        /// What the caller asked for.
        pub call: Box<CallAsk>,
    }
}

wire_struct! {
    /// A transfer.
    pub struct TransferAsk {
        /// Refer-To, whole.
        pub refer_to: String,
        /// Its user part or number, unescaped.
        pub called: String,
        /// Referred-By, if any.
        pub referred_by: Option<String>,
        /// Who asks, of those whom we called; unknown = the caller.
        pub party: PartyRef,
        /// Settlement of the running call.
        pub settlement: Octets,
    }
}

/// Most trunks that one call leaves after their answer.
pub const REROUTES_MAX: usize = 3;

wire_struct! {
    /// Somebody else is to be called in the place of a trunk that had answered.
    pub struct RerouteAsk {
        /// What the caller asked for.
        pub call: Box<CallAsk>,
        /// Trunks that had the call, the last one last; at most [`REROUTES_MAX`].
        pub tried: Vec<i64>,
        /// Settlement of the call that was left: it names the caller.
        pub settlement: Octets,
    }
}

wire_struct! {
    /// Replaces, Join or a pickup code.
    pub struct PickupAsk {
        /// Header or code as received.
        pub target: String,
        /// Credentials.
        pub credentials: Option<Credentials>,
        /// User part of the Request-URI, unescaped.
        pub called: String,
        /// Who wants to take the place.
        pub caller: CallerIdentity,
        /// Whose place it is, of those whom we called; unknown = the caller's.
        pub party: PartyRef,
        /// Settlement of the running call.
        pub settlement: Octets,
        /// It only rings there: nobody has answered the call.
        pub ringing: bool,
    }
}

wire_struct! {
    /// A request outside calls, or, with [`Ask::leg`], one of a dialog from an address that is none
    /// of its party's: is the sender the party?
    pub struct RequestAsk {
        /// Method.
        pub method: String,
        /// Request-URI.
        pub request_uri: String,
        /// Identity.
        pub caller: CallerIdentity,
        /// Credentials.
        pub credentials: Option<Credentials>,
        /// Event, Expires, Content-Type and such: name and value.
        pub headers: Vec<HeaderField>,
        /// Body.
        pub body: Octets,
        /// In a dialog with somebody whom we called: whose the credentials must be. Of somebody who
        /// called, the dataplane has compared the user name with that of the INVITE.
        pub party: PartyRef,
    }
}

wire_struct! {
    /// One header field.
    pub struct HeaderField {
        /// Name.
        pub name: String,
        /// Value, bytes as they are.
        pub value: Octets,
    }
}

wire_struct! {
    /// A name to resolve.
    pub struct ResolveAsk {
        /// Host name.
        pub host: String,
        /// Port, 0 when not given.
        pub port: u16,
        /// Transport, when given.
        pub transport: Option<Transport>,
    }
}

wire_struct! {
    /// An application's question.
    pub struct AppAsk {
        /// Application.
        pub app: String,
        /// Its data.
        pub data: Octets,
    }
}
