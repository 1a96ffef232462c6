//! How a trunk sends us calls and takes them from us.

use crate::{
    AccountId, BanId, Barring, CalledFrom, CallerRuleId, DialogTerms, DigestPolicy, Digits,
    ForwardHeaders, Ha1, HeaderRule, Operation, OrganizationId, PrefixEdit, SentTo, SubscriberId,
    TariffId, TenantId, Transport, TrunkId, TrunkLoginId, UserPhone,
};
use core::fmt;
use std::net::{IpAddr, SocketAddr};

/// How a trunk sends us calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ingress {
    /// Where its requests come from.
    pub sources: Vec<SourceMatch>,
    /// Host names whose addresses are sources too.
    pub hosts: Vec<HostPort>,
    /// It registers with us, or shows these credentials with each call.
    pub credentials: Option<TrunkCredentials>,
    /// What of it its calls must show (source: `NeedAuth`).
    pub auth: IngressAuth,
    /// Users that From must name, numbers in any form; empty = any. No proof by itself (source:
    /// `NeedAuth` 5 and 7).
    pub users: Vec<String>,
    /// A call that shows a number of a subscriber who has the setting `identity.by_number` is that
    /// subscriber's: its account pays, and what it may counts (source: `anumberhandling`).
    pub by_number: bool,
    /// Who pays for them.
    pub account: AccountId,
    /// Prefix that its called numbers carry and that is taken off; a call without it is refused.
    pub tech_prefix: Option<Digits>,
    /// How its called numbers are changed before they are normalised (spec NUM-PX-01).
    pub called: PrefixEdit,
    /// Most calls at once from it, 0 = no limit.
    pub calls_max: u32,
    /// Most attempts per second from it, 0 = no limit.
    pub cps_max: u32,
    /// Its P-Asserted-Identity and Privacy are believed (RFC 3325, a trust domain).
    pub trusted: bool,
    /// What it may call.
    pub barring: Barring,
    /// What it is told instead, by what it would be told.
    pub causes: Vec<CauseMap>,
    /// Our final answers to it carry a Reason header (RFC 3326, RFC 6432).
    pub reason: bool,
    /// Listeners that its calls may come by, by their places in `sip.listen`; empty = any.
    pub listeners: Vec<u8>,
    /// Where its called number stands.
    pub called_from: CalledFrom,
    /// What is done to the header fields of its INVITEs, in order, before anything looks at them.
    pub header_rules: Vec<HeaderRule>,
    /// How the dialogs of its calls are kept.
    pub dialog: DialogTerms,
    /// What becomes of its calls; `None` = as is set for the account.
    pub operation: Option<Operation>,
}

impl Ingress {
    /// Calls from nowhere, paid by `account`, with nothing else set.
    #[must_use]
    pub fn new(account: AccountId) -> Ingress {
        Ingress {
            sources: Vec::new(),
            hosts: Vec::new(),
            credentials: None,
            auth: IngressAuth::Either,
            users: Vec::new(),
            by_number: false,
            account,
            tech_prefix: None,
            called: PrefixEdit::default(),
            calls_max: 0,
            cps_max: 0,
            trusted: true,
            barring: Barring::default(),
            causes: Vec::new(),
            reason: false,
            listeners: Vec::new(),
            called_from: CalledFrom::Auto,
            header_rules: Vec::new(),
            dialog: DialogTerms::default(),
            operation: None,
        }
    }
}

/// What calls of a trunk must show (spec AUTH-MODE-01). With `tech_prefix`, `users` and what
/// `sources` say (an address, one with its port, a network) these are the eleven modes of the
/// source: `controlplane/adr/0131-eleven-modes-are-three-words-and-four-fields.md`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum IngressAuth {
    /// One of its addresses, or its credentials.
    #[default]
    Either,
    /// Its credentials, and from one of its addresses.
    Both,
    /// Nothing: it is everybody who comes by a listener that takes guests. It has neither addresses
    /// nor credentials.
    Nobody,
}

/// What becomes of calls of strangers without credentials at a listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Guests {
    /// They are asked for credentials.
    #[default]
    Challenge,
    /// They are refused, and so is whoever else has no address of a trunk.
    Refuse,
    /// They may call numbers of `dids`, as a trunk for guests.
    Dids,
    /// They may call what a trunk for guests may.
    Account,
}

/// Credentials that a trunk shows us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkCredentials {
    /// Digest user name and address of record, unique per tenant among subscribers and trunks.
    pub username: String,
    /// `MD5(username:realm:password)`.
    pub ha1_md5: Option<Ha1<16>>,
    /// `SHA-256(username:realm:password)`.
    pub ha1_sha256: Option<Ha1<32>>,
    /// Algorithms accepted from it.
    pub digest: DigestPolicy,
}

/// Source addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SourceMatch {
    /// Network.
    pub network: IpAddr,
    /// Bits of it that count.
    pub prefix_len: u8,
    /// Source port, 0 = any.
    pub port: u16,
}

impl SourceMatch {
    /// Whether a request from `source` is meant.
    #[must_use]
    pub fn matches(&self, source: SocketAddr) -> bool {
        (self.port == 0 || self.port == source.port()) && self.contains(source.ip().to_canonical())
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.network.to_canonical(), ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (u128::from(a.to_bits()), u128::from(b.to_bits()), 32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let host_bits = width - u32::from(self.prefix_len).min(width);
        let mask = |bits: u128| bits.checked_shr(host_bits).unwrap_or(0);
        mask(ours) == mask(theirs)
    }
}

/// A host by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostPort {
    /// DNS name, lower case.
    pub name: String,
    /// Port, 0 = any as a source, 5060 as a target.
    pub port: u16,
}

/// How a trunk takes calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Egress {
    /// Tried in order, each address as one hop.
    pub targets: Vec<EgressTarget>,
    /// Transport to all of them.
    pub transport: Transport,
    /// Listener to leave by, by its place in `sip.listen`; `None` = one of the right family.
    pub listener: Option<u8>,
    /// Its targets may lie in private networks.
    pub allow_private: bool,
    /// The supplier's account, which we owe.
    pub account: AccountId,
    /// What it charges us; without one its hops cost nothing.
    pub tariff: Option<TariffId>,
    /// What the called number looks like to it.
    pub called: PrefixEdit,
    /// What the calling number looks like to it.
    pub caller: PrefixEdit,
    /// Most concurrent calls, 0 = no limit.
    pub calls_max: u32,
    /// Lines of `calls_max` that only calls may take to which they are open: by their route or by
    /// the setting `route.reserved` (spec CHRES-01).
    pub calls_reserved: u32,
    /// Most attempts per second, 0 = no limit.
    pub cps_max: u32,
    /// Minutes that are agreed on with the supplier.
    pub commitment: Commitment,
    /// Calls for which it comes before other trunks; `None` = for none.
    pub precedence: Option<Precedence>,
    /// A number that begins so, dialled by who may (`route.test_calls`), goes to this trunk and no
    /// other, without the prefix (spec C-RTE-02).
    pub test_prefix: Option<Digits>,
    /// It takes such calls alone.
    pub test_only: bool,
    /// How often its addresses are sent OPTIONS, seconds; 0 = never. Without any answer it counts
    /// as failed until there is one.
    pub probe_s: u32,
    /// Time to a final answer, seconds; 0 = the tenant's ring time.
    pub ring_timeout_s: u32,
    /// Time to the first provisional answer, seconds; 0 = the transaction's own time-out.
    pub first_timeout_s: u32,
    /// Preference among equal route targets, thousandths, larger first.
    pub q: u16,
    /// Which header tells it the caller's identity.
    pub identity: IdentityHeader,
    /// It is in our trust domain: it is told the identity of callers who hide (RFC 3325 7).
    pub trusted: bool,
    /// Shown as the caller in place of everybody.
    pub caller_number: Option<Digits>,
    /// Host in From and the identity header; `None` = ours.
    pub from_host: Option<String>,
    /// What it may be sent.
    pub barring: Barring,
    /// Whose calls it takes: those of these organizations and below; empty = everybody's (source:
    /// `AllowedPartners` of a gateway).
    pub partners: Vec<OrganizationId>,
    /// Statuses after which the next hop is tried; empty = the default set (source:
    /// `reroutedisccodes`).
    pub continue_on: Vec<u16>,
    /// Statuses that end the hunt (source: `noreroutedisccodes`).
    pub stop_on: Vec<u16>,
    /// What its answers mean, by status: looked at before anything else.
    pub causes: Vec<CauseMap>,
    /// Our CANCEL and BYE to it carry a Reason header (RFC 3326).
    pub reason: bool,
    /// How the calling number looks in the identity header; `None` = as `caller` says.
    pub identity_number: Option<PrefixEdit>,
    /// How it is told who forwarded a call.
    pub forward_headers: ForwardHeaders,
    /// Which number it gets in To.
    pub sent_to: SentTo,
    /// Which number stands in the Request-URI.
    pub sent_request: SentTo,
    /// Where numbers say that they are numbers (`user=phone`).
    pub user_phone: UserPhone,
    /// Header fields of the caller that we do not know go on to it; else they stay here.
    pub pass_headers: bool,
    /// What is done to the header fields of INVITEs to it, in order, after all else.
    pub header_rules: Vec<HeaderRule>,
    /// How the dialogs of calls to it are kept.
    pub dialog: DialogTerms,
    /// The caller answers its challenges: Request-URI and credentials go there as they came.
    pub pass_digest: bool,
}

impl Egress {
    /// Calls to nowhere, owed to `account`, over UDP, with nothing else set.
    #[must_use]
    pub fn new(account: AccountId) -> Egress {
        Egress {
            targets: Vec::new(),
            transport: Transport::Udp,
            listener: None,
            allow_private: false,
            account,
            tariff: None,
            called: PrefixEdit::default(),
            caller: PrefixEdit::default(),
            calls_max: 0,
            calls_reserved: 0,
            cps_max: 0,
            commitment: Commitment::default(),
            precedence: None,
            test_prefix: None,
            test_only: false,
            probe_s: 0,
            ring_timeout_s: 0,
            first_timeout_s: 0,
            q: 500,
            identity: IdentityHeader::Asserted,
            trusted: true,
            caller_number: None,
            from_host: None,
            barring: Barring::default(),
            partners: Vec::new(),
            continue_on: Vec::new(),
            stop_on: Vec::new(),
            causes: Vec::new(),
            reason: false,
            identity_number: None,
            forward_headers: ForwardHeaders::AsSet,
            sent_to: SentTo::Routed,
            sent_request: SentTo::Routed,
            user_phone: UserPhone::Never,
            pass_headers: false,
            header_rules: Vec::new(),
            dialog: DialogTerms::default(),
            pass_digest: false,
        }
    }
}

/// Calls for which a trunk comes before the other targets of a route; it takes all others as well
/// (spec 19.3, keys 4, 9, 10, 20 and 21).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Precedence {
    /// The larger comes first, whatever the priorities of targets and however it did lately
    /// (source: `absolutepriority`).
    pub absolute: u8,
    /// Beginnings of called numbers for which it comes before others, whatever the priorities
    /// (source: `calledpriority`).
    pub called: Vec<Digits>,
    /// Beginnings of callers' numbers for which it comes before others of its priority (source:
    /// `callerpriority`).
    pub callers: Vec<Digits>,
    /// Organizations for whose calls, and those of organizations below them, it comes before others
    /// of its priority (source: `prioritypartner`).
    pub organizations: Vec<OrganizationId>,
}

/// Minutes of talk that are agreed on with a supplier, by the days and months of the tenant (spec
/// 19.3, keys 27 to 30).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Commitment {
    /// Of each day.
    pub day: Minutes,
    /// Of each month.
    pub month: Minutes,
}

impl Commitment {
    /// Nothing is agreed on.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Commitment::default()
    }
}

/// Minutes of one period; what is 0 is not agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Minutes {
    /// Up to these the trunk stands before others of its priority.
    pub minutes_min: u32,
    /// From these on it stands behind them.
    pub minutes_desired: u32,
    /// From these on it is not called.
    pub minutes_max: u32,
}

impl Minutes {
    /// Each is at least what stands before it.
    #[must_use]
    pub fn is_rising(&self) -> bool {
        let Minutes { minutes_min, minutes_desired, minutes_max } = *self;
        let said = [minutes_min, minutes_desired, minutes_max].into_iter().filter(|one| *one > 0);
        said.is_sorted()
    }
}

/// Where calls of a trunk go.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum EgressTarget {
    /// An address.
    Address(SocketAddr),
    /// All addresses of a name, in the order of the name server.
    Host(HostPort),
    /// The contacts that it registered with us.
    Registered,
}

impl From<SocketAddr> for EgressTarget {
    fn from(address: SocketAddr) -> EgressTarget {
        EgressTarget::Address(address)
    }
}

impl fmt::Display for EgressTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EgressTarget::Address(address) => address.fmt(f),
            EgressTarget::Host(HostPort { name, port: 0 }) => f.write_str(name),
            EgressTarget::Host(HostPort { name, port }) => write!(f, "{name}:{port}"),
            EgressTarget::Registered => f.write_str("registered"),
        }
    }
}

/// Headers that carry the caller's identity to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IdentityHeader {
    /// None beside From.
    None,
    /// P-Asserted-Identity (RFC 3325).
    Asserted,
    /// P-Preferred-Identity (RFC 3325): the peer decides.
    Preferred,
    /// Remote-Party-ID, for peers that know nothing newer.
    RemoteParty,
}

/// One status read as another (source: `changediscreasonN`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CauseMap {
    /// SIP status, 400 to 699.
    pub status: u16,
    /// SIP status instead, 400 to 699.
    pub to_status: u16,
    /// Q.850 value instead, 0 = that of the new status (RFC 3398).
    pub to_q850: u8,
}

/// Credentials that we show to a carrier (spec USER-PROXYACC-01).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrunkLogin {
    /// Identity.
    pub id: TrunkLoginId,
    /// Tenant.
    pub tenant: TenantId,
    /// The carrier's trunk.
    pub trunk: TrunkId,
    /// Larger is used first; equals take turns.
    pub priority: i32,
    /// User part of our address of record.
    pub username: String,
    /// User name in credentials; `None` = `username`.
    pub auth_username: Option<String>,
    /// Realm that we answer; `None` = whichever asks.
    pub realm: Option<String>,
    /// Password, sealed under this host's key.
    pub password: Sealed,
    /// We register, so that it can reach us.
    pub register: bool,
    /// Where we register; `None` = the trunk's first target.
    pub registrar: Option<HostPort>,
    /// User part of our Contact; `None` = `username`.
    pub contact_user: Option<String>,
    /// Expiry that we ask for, seconds.
    pub expires_s: u32,
    /// Shown as the caller of calls with this login; `None` = the real caller.
    pub caller_number: Option<Digits>,
    /// It stands for this subscriber alone (spec C-REG-06): registered while he is registered
    /// here, shown for his calls, and who calls it calls him; `None` = for all who call by the
    /// trunk.
    pub subscriber: Option<SubscriberId>,
    /// In use.
    pub enabled: bool,
}

/// A secret under the host's key: it can be stored and backed up, and never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// A network that we do not talk to, or one that we talk to whatever wider one we do not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ban {
    /// Identity.
    pub id: BanId,
    /// Network.
    pub network: IpAddr,
    /// Bits of it that count.
    pub prefix_len: u8,
    /// Only this port of the one address that the network is; 0 = all ports.
    pub port: u16,
    /// Why, for people.
    pub reason: String,
    /// When it was made.
    pub from_us: i64,
    /// When it ends; `None` = never.
    pub until_us: Option<i64>,
    /// The switch made it by itself.
    pub automatic: bool,
    /// It is let through: an exception of wider bans, and of `guard.default_deny`.
    pub allow: bool,
}

/// Callers that may not call, or that may whatever others may not. It says whose calls it is about:
/// of one account, of numbers that begin so, or both; and which of them: all, those to one
/// subscriber (source: `Allowedusers`), or those that leave us to some numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallerRule {
    /// Identity.
    pub id: CallerRuleId,
    /// Tenant.
    pub tenant: TenantId,
    /// Only calls that this account pays for; `None` = of all accounts.
    pub account: Option<AccountId>,
    /// Only callers whose number begins so, canonical; empty = all, those without a number too.
    pub prefix: Digits,
    /// Only their calls to this subscriber.
    pub subscriber: Option<SubscriberId>,
    /// Only their calls that leave us to numbers that begin so, canonical; empty = not about
    /// called numbers. Never with `subscriber`.
    pub called: Digits,
    /// They may call; else they may not.
    pub allow: bool,
    /// Why, for people.
    pub reason: String,
    /// When it was made.
    pub from_us: i64,
    /// When it ends; `None` = never.
    pub until_us: Option<i64>,
    /// The switch made it by itself.
    pub automatic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, prefix_len: u8, port: u16, source: &str, expect: bool) {
        let m = SourceMatch { network: network.parse().unwrap(), prefix_len, port };
        assert_eq!(m.matches(source.parse().unwrap()), expect, "{network}/{prefix_len} {source}");
    }

    #[test]
    fn sources() {
        check("127.0.0.1", 32, 5090, "127.0.0.1:5090", true);
        check("127.0.0.1", 32, 5090, "127.0.0.1:5091", false);
        check("127.0.0.1", 32, 0, "127.0.0.1:5091", true);
        check("10.1.0.0", 16, 0, "10.1.255.3:1", true);
        check("10.1.0.0", 16, 0, "10.2.0.0:1", false);
        check("10.1.0.0", 0, 0, "99.2.0.0:1", true);
        check("10.1.0.0", 99, 0, "10.1.0.0:1", true);
        check("10.1.0.0", 32, 0, "[::ffff:10.1.0.0]:1", true);
        check("2001:db8::", 32, 0, "[2001:db8:1::2]:5060", true);
        check("2001:db8::", 32, 0, "[2001:db9:1::2]:5060", false);
        check("::", 0, 0, "10.1.0.0:1", false);
    }

    #[test]
    fn sealed_secrets_do_not_print() {
        assert_eq!(format!("{:?}", Sealed(b"secret".to_vec())), "Sealed(..)");
    }
}
