//! Trunks with their facets.

use super::password::{self, Password};
use super::subscriber::{BARRING, USERNAME};
use super::tenant::{PREFIX_EDIT, RING_MAX};
use super::{Draft, Resource, check_partners};
use crate::codec::{
    AnyCause, AnyPort, Flag, Host, HostAndPort, Ident, Int, LIMIT, List, NAME, NUMBER, Network,
    Number, Opt, Seconds, Set, Target, Text, words,
};
use crate::field::{Codec, Object, Shaped, Use, Wrong, object};
use crate::problem::Problem;
use crate::query::Filter;
use crate::shape::Components;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use strowger_model::{
    AccountId, BODY_LEN_MAX, BODY_TYPE_LEN_MAX, BODY_TYPES_MAX, BodyTerms, CODECS_MAX, CalledFrom,
    CauseMap, Commitment, DialogTerms, DigestPolicy, Egress, EgressTarget, ForwardHeaders, G711,
    HEADER_CONDITIONS_MAX, HEADER_NAME_MAX, HEADER_PATTERN_MAX, HEADER_RULES_MAX, HEADER_VALUE_MAX,
    HeaderAction, HeaderCondition, HeaderOn, HeaderRule, HeaderTest, IdentityHeader, Ingress,
    IngressAuth, MediaPath, Minutes, Operation, OrganizationId, Precedence, ProgressMode,
    ReliableMode, SESSION_S_MAX, SESSION_S_MIN, SentTo, SourceMatch, SrtpUse, TenantId, TimerMode,
    Transport, Trunk, TrunkCredentials, TrunkId, UserPhone, VoiceCodec, is_body_type,
};
use strowger_routing::limits::{PARTNERS_MAX, PRECEDENCE_PREFIXES_MAX};
use strowger_routing::{Change, RowName, World};
use strowger_store::Scope;

/// Longest time between two probes of a trunk, seconds.
const PROBE_MAX: u32 = 3_600;
/// Most statuses or cause maps in one list.
const STATUSES_MAX: usize = 300;
/// Most listeners in a list; a process has no more.
const LISTENERS_MAX: usize = 16;
/// Most users in a list.
const TRUNK_USERS_MAX: usize = 256;
/// A final status that is no success.
const STATUS: Int = Int(300, 699);

object! {
    /// Source addresses.
    SOURCE: SourceMatch as "Source", no_source();
    /// Network, for example `192.0.2.0/24`.
    network: Need Network => self;
    /// Source port; null is any.
    port: Free AnyPort => port;
}

fn no_source() -> SourceMatch {
    SourceMatch { network: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_len: 32, port: 0 }
}

object! {
    /// Credentials that a trunk shows us.
    CREDENTIALS: TrunkCredentials as "TrunkCredentials", no_credentials();
    /// Digest user name and address of record.
    username: Need USERNAME => username;
    /// Kept only as digest secrets; with a new user name a new one is needed.
    password: Secret Password => self;
    /// Digest algorithms accepted from it.
    digest: Free words::<DigestPolicy>() => digest;
}

fn no_credentials() -> TrunkCredentials {
    let (ha1_md5, ha1_sha256) = (None, None);
    TrunkCredentials { username: String::new(), ha1_md5, ha1_sha256, digest: DigestPolicy::Both }
}

object! {
    /// One status read as another.
    CAUSE: CauseMap as "CauseMap", CauseMap { status: 0, to_status: 0, to_q850: 0 };
    /// SIP status.
    status: Need Int(400, 699) => status;
    /// SIP status instead.
    to_status: Need Int(400, 699) => to_status;
    /// Q.850 value instead; null is that of the new status.
    to_q850: Free AnyCause => self;
}

object! {
    /// What must hold for a rule to work.
    CONDITION: HeaderCondition as "HeaderCondition", no_condition();
    /// The field that is looked at; of several of the name one is enough.
    header: Need HeaderName => header;
    /// `present`, `absent`; `equals` and `begins` compare with `value`, byte by byte.
    test: Need words::<HeaderTest>() => test;
    /// What it is compared with.
    value: Free Text(0, HEADER_VALUE_MAX) => value;
}

fn no_condition() -> HeaderCondition {
    HeaderCondition { header: String::new(), test: HeaderTest::Present, value: String::new() }
}

object! {
    /// A rule about header fields of the INVITE or of its responses. Rules work in their order,
    /// each on what those before it left. No rule writes a field that keeps the protocol right, or
    /// one of those that say who called and who forwarded, which other members of the trunk decide.
    HEADER_RULE: HeaderRule as "HeaderRule", no_rule();
    /// All of them must hold; without any the rule always works.
    when: Free List(&CONDITION, HEADER_CONDITIONS_MAX) => when;
    /// `add` a field, `remove` all of the name, `rewrite` the value of each, or `copy` another
    /// field's value in place of all of the name.
    action: Need words::<HeaderAction>() => action;
    /// The field that is written or taken off, its name in full.
    header: Need HeaderName => header;
    /// To add: the value. To rewrite: what stands for the part that is found, `${1}` being its
    /// first group.
    value: Free Text(0, HEADER_VALUE_MAX) => value;
    /// To rewrite: the part to find, a regular expression without look-around and back-references;
    /// null is the whole value.
    pattern: Free Opt(Text(1, HEADER_PATTERN_MAX)) => pattern;
    /// To copy: the field whose value is taken.
    from: Free Opt(HeaderName) => from;
    /// What the rule works on: the `request` that goes in the direction of its list, or each
    /// `response` to it, which goes the other way. Those of responses have no pattern.
    on: Free words::<HeaderOn>() => on;
}

fn no_rule() -> HeaderRule {
    HeaderRule {
        when: Vec::new(),
        action: HeaderAction::Add,
        header: String::new(),
        value: String::new(),
        pattern: None,
        from: None,
        on: HeaderOn::Request,
    }
}

/// The name of a header field, written in full: a token of RFC 3261 25.1 of two characters or more.
struct HeaderName;

impl Shaped for HeaderName {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let pattern = format!("^[A-Za-z0-9.!%*_+`'~-]{{2,{HEADER_NAME_MAX}}}$");
        json!({"type": "string", "pattern": pattern})
    }
}

impl Codec<String> for HeaderName {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let name = crate::codec::text(json)?;
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b".!%*_+`'~-".contains(&b);
        let fits = (2..=HEADER_NAME_MAX).contains(&name.len()) && name.bytes().all(is_token);
        let wrong = || Wrong::new("is no name of a header field, written in full");
        fits.then(|| name.to_owned()).ok_or_else(wrong)
    }
}

/// Listeners of a process, by their places in `sip.listen`.
const LISTENER: Int = Int(0, 255);

/// A session interval.
const SESSION: Seconds = Seconds(SESSION_S_MIN, SESSION_S_MAX);

object! {
    /// How the dialogs of a trunk's calls are kept; what is null is as the settings of its account
    /// say (category `session`).
    DIALOG: DialogTerms as "DialogTerms", DialogTerms::default();
    /// Whether sessions are refreshed (RFC 4028): `never`, `answer` when the peer asks, `ask` each
    /// peer that knows timers, `force` in any case.
    timer: Free Opt(words::<TimerMode>()) => timer;
    /// The interval that we ask for.
    session_ms: Free Opt(SESSION) => session_s;
    /// The shortest that it may ask for.
    session_ms_min: Free Opt(SESSION) => session_s_min;
    /// The longest that it gets, unless it takes none as short.
    session_ms_max: Free Opt(SESSION) => session_s_max;
    /// Which provisional responses are acknowledged (RFC 3262): `never` any, those with early
    /// `media`, `always` all, or `require` that it does.
    reliable: Free Opt(words::<ReliableMode>()) => reliable;
    /// Which way media goes, in the words of the setting `media.path`; null goes by that.
    media: Free Opt(words::<MediaPath>()) => media;
    /// Voice codecs that may be spoken with it, the best first; null goes by `media.codecs`.
    codecs: Free Opt(Set(words::<VoiceCodec>(), 1, CODECS_MAX)) => codecs;
    /// Only the first of them stays; null goes by `media.one_codec`.
    one_codec: Free Opt(Flag) => one_codec;
    /// What becomes of G.711: `keep`, `spare`, `bar`; null goes by `media.g711`.
    g711: Free Opt(words::<G711>()) => g711;
    /// Its media is taken from the address that it describes, and from no other: nothing is
    /// learned, whatever NAT it is behind.
    strict_media: Free Flag => strict_media;
    /// A call that it answered falsely is ended: it rang on for a second behind the answer, or sent
    /// nothing for five. Where it is not set, the record says it (`false_answer`).
    end_false_answer: Free Flag => end_false_answer;
    /// Whether media with it is encrypted, in the words of `media.srtp`; null goes by that.
    srtp: Free Opt(words::<SrtpUse>()) => srtp;
    /// How progress is told, to it and from it: as it was `sent`, or a 183 as a 180 without its
    /// description (`ringing`), so that nobody hears early media; null is `sent`.
    progress: Free Opt(words::<ProgressMode>()) => progress;
    /// Which bodies beside session descriptions pass: in INVITE, its responses, UPDATE and BYE on
    /// to the trunks that take them as well, and in INFO and MESSAGE within its calls. Others are
    /// refused with 415 and what is taken, or left out where nothing can be refused. Null: those of
    /// INFO and MESSAGE pass, and nothing beside a description.
    bodies: Free Opt(&BODIES) => bodies;
}

object! {
    /// Which bodies pass.
    BODIES: BodyTerms as "BodyTerms", BodyTerms::default();
    /// Media types without parameters; `type/*` is all of a type.
    types: Need List(BodyType, BODY_TYPES_MAX) => types;
    /// Longest body, bytes.
    len_max: Free Int(1, BODY_LEN_MAX as i64) => len_max;
}

/// A media type without parameters, in lower case.
struct BodyType;

impl Shaped for BodyType {
    fn schema(&self, _: &mut Components, _: Use) -> Value {
        let token = "[a-z0-9!#$&^_.+-]+";
        let pattern = format!("^{token}/([*]|{token})$");
        json!({"type": "string", "pattern": pattern, "maxLength": BODY_TYPE_LEN_MAX})
    }
}

impl Codec<String> for BodyType {
    fn show(&self, value: &String) -> Value {
        json!(value)
    }

    fn take(&self, json: &Value, _: Option<&String>) -> Result<String, Wrong> {
        let kind = crate::codec::text(json)?;
        let wrong = || Wrong::new("is no media type without parameters, in lower case");
        is_body_type(kind).then(|| kind.to_owned()).ok_or_else(wrong)
    }
}

object! {
    /// How a trunk sends us calls.
    INGRESS: Ingress as "Ingress", Ingress::new(AccountId(0));
    /// Where its requests come from.
    sources: Free List(&SOURCE, 256) => sources;
    /// Host names whose addresses are sources too.
    hosts: Free List(HostAndPort, 64) => hosts;
    /// It registers with us, or shows these credentials with each call; null is neither.
    credentials: Free Opt(&CREDENTIALS) => credentials;
    /// What its calls must show: `either` one of its addresses or its credentials; `both` its
    /// credentials, from one of its addresses; `nobody` neither, and it has neither: it is
    /// everybody without credentials who comes by a listener that takes guests (`sip.guests`).
    auth: Free words::<IngressAuth>() => auth;
    /// Users that From must name, numbers in any form; empty is any. No proof by itself.
    users: Free List(Text(1, 64), TRUNK_USERS_MAX) => users;
    /// A call that shows a number of a subscriber who has the setting `identity.by_number` is taken
    /// for that subscriber's: its account pays, and what it may counts. The number is the one in
    /// From, or what the trunk asserts if it is trusted; it proves nothing by itself.
    by_number: Free Flag => by_number;
    /// Account that pays.
    account: Need Ident => account;
    /// Prefix that its called numbers carry and that is taken off.
    tech_prefix: Free Opt(NUMBER) => tech_prefix;
    /// How its called numbers are changed before they are normalised.
    called: Free &PREFIX_EDIT => called;
    /// Most calls at once from it; 0 is no limit.
    calls_max: Free LIMIT => calls_max;
    /// Most attempts per second from it; 0 is no limit.
    cps_max: Free LIMIT => cps_max;
    /// What it says of the caller's identity is believed.
    trusted: Free Flag => trusted;
    /// What it may call.
    barring: Free &BARRING => barring;
    /// What it is told instead, by what it would be told.
    causes: Free List(&CAUSE, STATUSES_MAX) => causes;
    /// Our final answers to it carry a Reason header.
    reason: Free Flag => reason;
    /// Listeners that its calls may come by, by their places in `sip.listen`; empty is any.
    listeners: Free Set(LISTENER, 0, LISTENERS_MAX) => listeners;
    /// Where its called number stands: `auto` is the Request-URI, or To where that has none.
    called_from: Free words::<CalledFrom>() => called_from;
    /// What is done to the header fields of its INVITEs before anything looks at them.
    header_rules: Free List(&HEADER_RULE, HEADER_RULES_MAX) => header_rules;
    /// How the dialogs of its calls are kept.
    dialog: Free &DIALOG => dialog;
    /// What becomes of its calls that have somewhere to go: `connect`, or `redirect`, which tells
    /// it where to call instead (302); null goes by the setting `call.operation`.
    operation: Free Opt(words::<Operation>()) => operation;
}

object! {
    /// Minutes of one period; what is 0 is not agreed on. Each is at least what stands before it.
    MINUTES: Minutes as "Minutes", Minutes::default();
    /// Up to these the trunk stands before others of its priority.
    minutes_min: Free LIMIT => minutes_min;
    /// From these on it stands behind them.
    minutes_desired: Free LIMIT => minutes_desired;
    /// From these on it is not called. Calls that run are counted when they have ended.
    minutes_max: Free LIMIT => minutes_max;
}

object! {
    /// Minutes of talk that are agreed on with a supplier. A call counts in the day and the month
    /// of the tenant's clock that it began in.
    COMMITMENT: Commitment as "Commitment", Commitment::default();
    /// Of each day.
    day: Free &MINUTES => day;
    /// Of each month.
    month: Free &MINUTES => month;
}

object! {
    /// Calls for which a trunk comes before other targets of a route. It takes all others as well.
    PRECEDENCE: Precedence as "Precedence", Precedence::default();
    /// The larger comes first, whatever the priorities of targets, and although it failed lately.
    absolute: Free Int(0, 255) => absolute;
    /// Beginnings of called numbers for which it comes first, whatever the priorities of targets.
    called: Free List(Number(1), PRECEDENCE_PREFIXES_MAX) => called;
    /// Beginnings of callers' numbers for which it comes first among targets of its priority.
    callers: Free List(Number(1), PRECEDENCE_PREFIXES_MAX) => callers;
    /// Organizations for whose calls, and those of organizations below them, it comes first among
    /// targets of its priority. Set by who sees the whole tenant.
    organizations: Free List(Ident, PARTNERS_MAX) => organizations;
}

object! {
    /// How a trunk takes calls.
    EGRESS: Egress as "Egress", Egress::new(AccountId(0));
    /// Tried in order: addresses with their port, host names, or `registered` for the contacts that
    /// it registered with us.
    targets: Need List(Target, 16) => targets;
    /// Transport to all of them.
    transport: Free words::<Transport>() => transport;
    /// The only listener to leave by, by its place in `sip.listen`; null is one of the right family
    /// and transport.
    listener: Free Opt(LISTENER) => listener;
    /// Its targets may lie in private networks; set by who runs the host.
    allow_private: Free Flag => allow_private;
    /// The supplier's account.
    account: Need Ident => account;
    /// What the supplier charges us.
    tariff: Free Opt(Ident) => tariff;
    /// How the called number is changed for it.
    called: Free &PREFIX_EDIT => called;
    /// How the calling number is changed for it.
    caller: Free &PREFIX_EDIT => caller;
    /// Most concurrent calls; 0 is no limit.
    calls_max: Free LIMIT => calls_max;
    /// Lines of `calls_max` that only calls may take by routes that say `reserved`, or of callers
    /// who have the setting `route.reserved`.
    calls_reserved: Free LIMIT => calls_reserved;
    /// Most attempts per second; 0 is no limit.
    cps_max: Free LIMIT => cps_max;
    /// Minutes that are agreed on with the supplier.
    commitment: Free &COMMITMENT => commitment;
    /// Calls for which it comes before other targets of a route; null is none.
    precedence: Free Opt(&PRECEDENCE) => precedence;
    /// A number that begins so goes to this trunk and no other, without the prefix, if its caller
    /// has the setting `route.test_calls`; unique in the tenant.
    test_prefix: Free Opt(NUMBER) => test_prefix;
    /// It takes such calls alone.
    test_only: Free Flag => test_only;
    /// How often each of its addresses is sent OPTIONS; 0 is never. Three without an answer, or
    /// answered by 503, at all of them, and it stands behind others as one that failed, until one
    /// is answered.
    probe_ms: Free Seconds(0, PROBE_MAX) => probe_s;
    /// Time to a final answer; 0 is the tenant's ring time.
    ring_timeout_ms: Free Seconds(0, RING_MAX) => ring_timeout_s;
    /// Time to the first provisional answer; 0 is the transaction's own.
    first_timeout_ms: Free Seconds(0, 300) => first_timeout_s;
    /// Preference among equal targets of a route, thousandths, larger first.
    q: Free Int(0, 1000) => q;
    /// Which header tells it the caller's identity.
    identity: Free words::<IdentityHeader>() => identity;
    /// It is told the identity of callers who hide.
    trusted: Free Flag => trusted;
    /// Shown as the caller in place of everybody.
    caller_number: Free Opt(NUMBER) => caller_number;
    /// Host in From and the identity header; null is ours.
    from_host: Free Opt(Host) => from_host;
    /// What it may be sent.
    barring: Free &BARRING => barring;
    /// Organizations whose calls, and those of organizations below them, it takes by routes; empty
    /// is everybody's. Set by who sees the whole tenant.
    partners: Free List(Ident, PARTNERS_MAX) => partners;
    /// Statuses after which the next hop is tried; empty is the default set.
    continue_on: Free List(STATUS, STATUSES_MAX) => continue_on;
    /// Statuses that end the hunt.
    stop_on: Free List(STATUS, STATUSES_MAX) => stop_on;
    /// What its answers mean, by status.
    causes: Free List(&CAUSE, STATUSES_MAX) => causes;
    /// Our CANCEL and BYE to it carry a Reason header.
    reason: Free Flag => reason;
    /// How the calling number is changed for the identity header; null is as `caller`.
    identity_number: Free Opt(&PREFIX_EDIT) => identity_number;
    /// How it is told who forwarded a call: `as-set` goes by the setting `identity.diversion`.
    forward_headers: Free words::<ForwardHeaders>() => forward_headers;
    /// Which number stands in To: the `routed` one, the caller's called one as `received`, or the
    /// user of his To (`received-to`).
    sent_to: Free words::<SentTo>() => sent_to;
    /// Which number stands in the Request-URI, in the same words.
    sent_request: Free words::<SentTo>() => sent_request;
    /// Where a number says that it is one, by `user=phone`: `never`, in the Request-URI
    /// (`request`), or in To as well (`to`).
    user_phone: Free words::<UserPhone>() => user_phone;
    /// Unknown header fields of the caller go on to it, those that begin with `P-` only between
    /// trusted trunks.
    pass_headers: Free Flag => pass_headers;
    /// What is done to the header fields of INVITEs to it, after all else.
    header_rules: Free List(&HEADER_RULE, HEADER_RULES_MAX) => header_rules;
    /// How the dialogs of its calls are kept.
    dialog: Free &DIALOG => dialog;
    /// The caller answers its challenges: Request-URI and credentials go there as they came, its
    /// 401 and 407 come back. `auth-int` needs media that is `direct` on both sides as well.
    pass_digest: Free Flag => pass_digest;
}

object! {
    /// A peer. Deleted or switched off, its running calls go on.
    TRUNK: Trunk as "Trunk", blank();
    /// Identity.
    id: Shown Ident => id;
    /// Tenant; that of the token where it has one.
    tenant: Fixed Ident => tenant;
    /// Organization that it belongs to.
    organization: Need Ident => organization;
    /// Shown name, unique in the tenant.
    name: Need NAME => name;
    /// Carries calls.
    enabled: Free Flag => enabled;
    /// How it sends us calls; null when it does not.
    ingress: Free Opt(&INGRESS) => ingress;
    /// How it takes calls from us; null when it does not.
    egress: Free Opt(&EGRESS) => egress;
}

fn blank() -> Trunk {
    Trunk {
        id: TrunkId(0),
        tenant: TenantId(0),
        organization: OrganizationId(0),
        name: String::new(),
        enabled: true,
        ingress: None,
        egress: None,
    }
}

/// Nothing is sent to addresses that are off limits: what is written is looked at here, what a name
/// server says when a call is decided.
fn keep_out(row: &Trunk, draft: &Draft<'_, Trunk>) -> Result<(), Problem> {
    let Some(egress) = &row.egress else { return Ok(()) };
    let had = draft.before.and_then(|before| before.egress.as_ref());
    let allowed = had.is_some_and(|before| before.allow_private);
    // Whoever runs one tenant of several has no say about the host's own networks.
    if egress.allow_private && !allowed && draft.scope != Scope::All {
        let why = "is set by who runs the host";
        return Err(Problem::refused("egress.allow_private", why));
    }
    for (place, target) in egress.targets.iter().enumerate() {
        let EgressTarget::Address(address) = target else { continue };
        if let Err(why) = draft.world.perimeter().check(*address, egress.allow_private) {
            let field = format!("egress.targets[{place}]");
            return Err(Problem::refused(&field, why.to_string()));
        }
    }
    Ok(())
}

/// Credentials keep what is made of the password that was given; without one, what they had.
fn keep_credentials(row: &mut Trunk, draft: &Draft<'_, Trunk>) -> Result<(), Problem> {
    let Some(credentials) = row.ingress.as_mut().and_then(|i| i.credentials.as_mut()) else {
        return Ok(());
    };
    let field = "ingress.credentials.password";
    let given = draft.given.get("ingress").and_then(|i| i.get("credentials"));
    let given = given.and_then(|c| c.get("password")).and_then(Value::as_str);
    let before = draft.before.and_then(|b| b.ingress.as_ref()?.credentials.as_ref());
    match (given, before) {
        (Some(password), _) => {
            let Some(tenant) = draft.world.tenant(row.tenant) else { return Ok(()) };
            let name = credentials.username.clone();
            let set = &draft.world.settings().tenant(row.tenant).subscriber;
            let hashes = password::hashes(field, &name, &tenant.realm, password, set)?;
            (credentials.ha1_md5, credentials.ha1_sha256) = hashes;
            Ok(())
        }
        (None, Some(before)) if before.username == credentials.username => Ok(()),
        (None, Some(_)) => Err(Problem::refused(field, "must be set with a new user name")),
        (None, None) => Err(Problem::refused(field, "is missing")),
    }
}

/// Listeners are those that the process has, and fit what goes by them.
fn check_listeners(row: &Trunk, draft: &Draft<'_, Trunk>) -> Result<(), Problem> {
    let all = draft.world.listeners();
    let none = |place: u8| match all.get(usize::from(place)) {
        Some(listener) => Ok(listener),
        None => Err(format!("is none of the {} of sip.listen, counted from 0", all.len())),
    };
    for (at, place) in row.ingress.iter().flat_map(|ingress| &ingress.listeners).enumerate() {
        let field = format!("ingress.listeners[{at}]");
        none(*place).map_err(|why| Problem::refused(&field, why))?;
    }
    let Some(egress) = &row.egress else { return Ok(()) };
    let Some(place) = egress.listener else { return Ok(()) };
    let listener = none(place).map_err(|why| Problem::refused("egress.listener", why))?;
    if !listener.carries(egress.transport) {
        return Err(Problem::refused("egress.listener", "has another transport"));
    }
    Ok(())
}

/// Lines are kept of those that there are, and minutes rise.
fn check_agreed(row: &Trunk) -> Result<(), Problem> {
    let Some(egress) = &row.egress else { return Ok(()) };
    if egress.calls_reserved > egress.calls_max {
        return Err(Problem::refused("egress.calls_reserved", "is above calls_max"));
    }
    let Commitment { day, month } = egress.commitment;
    for (period, minutes) in [("day", day), ("month", month)] {
        if !minutes.is_rising() {
            let why = "does not rise from minutes_min over minutes_desired to minutes_max";
            return Err(Problem::refused(&format!("egress.commitment.{period}"), why));
        }
    }
    Ok(())
}

/// Everybody is no address: who takes everybody's calls says so, and at which listeners.
fn check_auth(row: &Trunk) -> Result<(), Problem> {
    let Some(ingress) = &row.ingress else { return Ok(()) };
    for (place, source) in ingress.sources.iter().enumerate() {
        if source.prefix_len == 0 {
            let field = format!("ingress.sources[{place}].network");
            return Err(Problem::refused(&field, "is everybody: that is auth nobody"));
        }
    }
    let has_address = !ingress.sources.is_empty() || !ingress.hosts.is_empty();
    let why = match ingress.auth {
        IngressAuth::Either => return Ok(()),
        IngressAuth::Both if ingress.credentials.is_none() => "both needs credentials",
        IngressAuth::Both if !has_address => "both needs sources or hosts",
        IngressAuth::Both => return Ok(()),
        IngressAuth::Nobody if has_address => "nobody has no sources and no hosts",
        IngressAuth::Nobody if ingress.credentials.is_some() => "nobody has no credentials",
        IngressAuth::Nobody if ingress.trusted => {
            return Err(Problem::refused("ingress.trusted", "guests are not believed"));
        }
        IngressAuth::Nobody => return Ok(()),
    };
    Err(Problem::refused("ingress.auth", why))
}

impl Resource for Trunk {
    type Row = Trunk;
    const PATH: &'static str = "trunks";
    const OWN: &'static [&'static str] =
        &["name", "ingress.sources", "ingress.hosts", "ingress.credentials", "ingress.users"];
    const FILTERS: &'static [Filter] = &[
        Filter::id("tenant", "tenant_id"),
        Filter::id("organization", "organization_id"),
        Filter::text("name"),
        Filter::flag("enabled"),
    ];

    fn object() -> &'static Object<Self> {
        &TRUNK
    }

    fn of(row: Trunk) -> Self {
        row
    }

    fn row(&self) -> &Trunk {
        self
    }

    fn set_id(&mut self, id: i64) {
        self.id = TrunkId(id);
    }

    fn owner(&self) -> (Option<TenantId>, Option<OrganizationId>) {
        (Some(self.tenant), Some(self.organization))
    }

    fn name(&self) -> Option<RowName> {
        Some(RowName::Trunk(self.id))
    }

    fn prepare(&mut self, draft: &Draft<'_, Self>) -> Result<(), Problem> {
        keep_credentials(self, draft)?;
        check_auth(self)?;
        let partners = |row: &Trunk| row.egress.as_ref().map(|egress| egress.partners.clone());
        let (now, before) = (partners(self), draft.before.and_then(partners));
        let now = (self.tenant, now.as_deref().unwrap_or_default());
        check_partners(draft, now, before.as_deref(), "egress.partners")?;
        let first =
            |row: &Trunk| Some(row.egress.as_ref()?.precedence.as_ref()?.organizations.clone());
        let (now, before) = (first(self), draft.before.and_then(first));
        let now = (self.tenant, now.as_deref().unwrap_or_default());
        check_partners(draft, now, before.as_deref(), "egress.precedence.organizations")?;
        check_listeners(self, draft)?;
        keep_out(self, draft)?;
        check_agreed(self)?;
        let is_registered = self.ingress.as_ref().is_some_and(|i| i.credentials.is_some());
        let registered = |target: &EgressTarget| matches!(target, EgressTarget::Registered);
        let targets = self.egress.iter().flat_map(|egress| &egress.targets);
        match targets.enumerate().find(|(_, target)| registered(target)) {
            Some((place, _)) if !is_registered => {
                let field = format!("egress.targets[{place}]");
                Err(Problem::refused(&field, "needs ingress.credentials to register with"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Trunk(Box::new(self.clone())))
    }

    fn dependents(&self, _world: &World) -> Vec<Change> {
        Vec::new()
    }
}
