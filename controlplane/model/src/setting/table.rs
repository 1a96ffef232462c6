//! The table of settings.
//!
//! A new setting is one row here and its reader's line that acts by it; the tests of that reader
//! fail until one of them shows that it changes something.

use super::SettingKind as Kind;
use super::{
    ANSWERED_WORDS, Answered, CALLED_SHOWN_WORDS, CLASS_RULE_WORDS, CLI_WORDS, CalledShown,
    ClassRule, ContactsFull, Depth, FAILOVER_WORDS, FOREIGN_WORDS, FORK_WORDS, FULL_WORDS,
    FailoverMode, Foreign, Fork, G711_WORDS, KEEP_ALIVE_WORDS, KeepAlive, MEDIA_PATH_WORDS,
    NAT_WORDS, NUMBER_KINDS, Nat, NumberKinds, OPERATION_WORDS, ORDER_WORDS, PATH_WORDS,
    PICKUP_WORDS, PathPolicy, Pickup, REDIRECT_WORDS, RELIABLE_WORDS, Redirect, SEND_TO_WORDS,
    SRTP_WORDS, SendTo, Setting, SettingReader, Sum, TIMER_WORDS, Typed, UNKNOWN_WORDS, Unknown,
};
use crate::{
    Cli, Digits, G711, MediaPath, Operation, Price, ReliableMode, RouteOrder, SESSION_S_MAX,
    SESSION_S_MIN, SrtpUse, TimerMode, VoiceCodec,
};

/// The longest time of a setting: 30 days.
const LONG: i64 = 30 * 86_400_000;
/// The longest time that something rings; the dataplane knows none that is longer.
const RING: i64 = 600_000;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
/// Records that a restart learns from: the longest window of a limit, and a day for the clocks.
const RECORD_DAYS_MIN: i64 = 32;
const LIMIT: Kind = Kind::Whole(0, u32::MAX as i64);
const TALK: Kind = Kind::Millis(0, 10_000 * LONG, 1_000);
/// Sessions (RFC 4028): never under 90 seconds.
const SESSION: Kind =
    Kind::Millis(SESSION_S_MIN as i64 * 1_000, SESSION_S_MAX as i64 * 1_000, 1_000);

/// Rows: `name: type = default, kind, depth, reader, [names of the source];`.
macro_rules! settings {
    ($(
        $(#[doc = $group_doc:literal])+
        $group:ident: $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $type:ty = $default:expr, $kind:expr, $depth:ident, $reader:ident,
                    [$($source:literal),*];
            )+
        }
    )+) => {
        /// Every setting with a value: what counts at one place.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Profile {
            $(
                $(#[doc = $group_doc])+
                pub $group: $struct,
            )+
        }

        $(
            $(#[doc = $group_doc])+
            #[derive(Clone, PartialEq, Eq, Debug)]
            pub struct $struct {
                $(
                    $(#[doc = $doc])+
                    pub $name: $type,
                )+
            }

            impl Default for $struct {
                fn default() -> $struct {
                    $struct { $($name: $default,)+ }
                }
            }
        )+

        /// Every setting there is, in order of categories.
        pub static SETTINGS: &[Setting] = &[$($(Setting {
            category: stringify!($group),
            name: stringify!($name),
            doc: concat!($($doc),+),
            kind: $kind,
            auto: <$type as Typed>::AUTO,
            depth: Depth::$depth,
            reader: SettingReader::$reader,
            source: &[$($source),*],
            default: || {
                let value: $type = $default;
                Typed::value(&value)
            },
            put: |profile, value| match Typed::of(value) {
                Some(value) => {
                    profile.$group.$name = value;
                    true
                }
                None => false,
            },
            get: |profile| Typed::value(&profile.$group.$name),
        },)+)+];
    };
}

settings! {
    /// Calls.
    call: CallSettings {
        /// Least talk time worth a call: whoever can pay for less is refused.
        talk_ms_min: u64 = 1_000, Kind::Millis(0, RING, 1), Account, Routing,
            ["MINSPEACHLENONROUTE"];
        /// Longest call from answer. The tenant's own `talk_ms_max` counts when it is shorter;
        /// `auto` is that alone.
        talk_ms_max: Option<u64> = None, Kind::Millis(1_000, LONG, 1_000), Subscriber, Routing,
            ["maxsessionspeechlen"];
        /// How long a subscriber rings whose row names no time; `auto` is the tenant's
        /// `ring_timeout_ms`.
        ring_ms: Option<u32> = None, Kind::Millis(1_000, RING, 1_000), Account, Routing, [];
        /// Most forwards that one call follows.
        forwards_max: u8 = 5, Kind::Whole(0, 5), Account, Routing, [];
        /// What a called party's 3xx means: `fail` a failure like any other, `pass` the caller is
        /// told it with its contacts, `number` another number there is called, `domain` the same
        /// number at another address is called, `reroute` the call is routed anew, `forward` it is
        /// a forward, paid for by who was called. For trunks that of the account that is paid for
        /// them; `auto` is `fail` for trunks and `forward` for subscribers.
        redirect: Option<Redirect> = None, Kind::Word(REDIRECT_WORDS), Subscriber, Routing,
            ["canmove"];
        /// Most addresses of carriers that are tried for one call; 1 is no second try.
        hops_max: u8 = 8, Kind::Whole(1, 8), Account, Routing, ["maxreroute", "allowreroute"];
        /// Who is refused because of a limit is asked to wait so long (`Retry-After`); 0 is not.
        retry_after_ms: u32 = 0, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// Programs that trunks without credentials call by, as they call themselves in User-Agent,
        /// in either case: the whole name below five characters, else a part of it. Calls by others
        /// are refused; `none` takes any.
        trunk_programs: Vec<String> = Vec::new(), Kind::Programs, Account, Routing, [];
        /// A called number is looked for among our own before routes are.
        local_numbers: bool = true, Kind::Flag, Account, Routing, ["checklocalnumbers"];
        /// A call may go out by the trunk that it came in by.
        send_back: bool = false, Kind::Flag, Account, Routing, ["allownumbersendback"];
        /// A subscriber may call itself; otherwise such a call is refused.
        self_call: bool = false, Kind::Flag, Subscriber, Routing, [];
        /// A subscriber that calls itself calls this number instead, its voicemail for example;
        /// `auto` is none: such a call is refused, or allowed by `self_call`.
        self_forward: Option<Digits> = None, Kind::Number, Subscriber, Routing, [];
        /// A call that leaves us at a higher price per minute is refused, and no forward follows
        /// one; by the price of the tariff, in the currency of who pays; `auto` is no limit. Set
        /// for one account or subscriber it lets those call what others may not.
        price_max: Option<Price> = None, Kind::Price, Subscriber, Routing, [];
        /// Kinds of numbers that are not called and to which no forward leads, by the ranges that
        /// are shipped: for example `premium,satellite`. Set for one account or subscriber it says
        /// all of them for those.
        kinds_denied: NumberKinds = NumberKinds::default(), Kind::Words(NUMBER_KINDS), Subscriber,
            Routing, ["blocksatellitecalls", "blockpremiumnumbers"];
        /// A subscriber who is not registered may call.
        unregistered: bool = true, Kind::Flag, Subscriber, Routing, ["allowcallunregistered"];
        /// Who is not let through by a row of `caller-rules` may not call; emergency numbers
        /// apart.
        callers_default_deny: bool = false, Kind::Flag, Account, Routing, [];
        /// Our final answers to a subscriber carry a Reason header.
        reasons: bool = true, Kind::Flag, Subscriber, Routing, [];
        /// What becomes of a subscriber's or a trunk's calls that have somewhere to go: `connect`,
        /// or `redirect`, which tells the caller where to call instead (302) and costs nothing.
        operation: Operation = Operation::Connect, Kind::Word(OPERATION_WORDS), Subscriber,
            Routing, [];
        /// Subscribers call each other only within one group, whose number this is: who has none
        /// is of group 0. Who forwards counts, not who called him; calls of trunks are of no group.
        group: u32 = 0, LIMIT, Subscriber, Routing, [];
        /// The number of somebody of ours who is called in place of a number that nobody has and
        /// that no route takes; `auto` is nobody: such a call is refused.
        unknown_to: Option<Digits> = None, Kind::Number, Account, Routing, ["didhandleruser"];
        /// Calls to a number of a subscriber that is registered nowhere, and forwards nothing for
        /// that, go out by the routes, as if the number were none of ours.
        offline_outside: bool = false, Kind::Flag, Subscriber, Routing, ["configallowusertopstn"];
        /// What becomes of a call whose request names a domain that is none of ours, and no
        /// address: `ignore` its user is looked for here; `unknown` the same, and who is nobody
        /// here is called there; `always` it goes there; `redirect` the caller is told to call
        /// there himself (302), which costs nothing.
        foreign: Foreign = Foreign::Ignore, Kind::Word(FOREIGN_WORDS), Subscriber, Routing,
            ["fwdtootherdomains"];
        /// The trunk, by its id, that calls other domains for us, at the tenant's internal price;
        /// one of the tenant's own. `auto` is none: such calls are refused.
        foreign_trunk: Option<u64> = None, Kind::Whole(1, i64::MAX), Account, Routing, [];
        /// Who may take a subscriber's place in a call that runs or rings, by INVITE with
        /// Replaces: `never` nobody, `group` who is of one account or one ring group with it,
        /// `tenant` every subscriber of its tenant.
        pickup: Pickup = Pickup::Group, Kind::Word(PICKUP_WORDS), Subscriber, Routing, [];
        /// What stands in To of a call to this subscriber's phones: the user of their `contact`,
        /// what was `received`, its `username`, its first `number`, or the one of its numbers that
        /// was called, else the first (`best`). Without a number it is the user name.
        called_shown: CalledShown = CalledShown::Contact, Kind::Word(CALLED_SHOWN_WORDS),
            Subscriber, Routing, ["rewriteinternalcalled"];
        /// Header fields of INVITEs whose values are kept beside the record, with the reasons of
        /// the decision and as long as those; `none` keeps none. Credentials never are.
        headers_kept: Vec<String> = Vec::new(), Kind::Programs, System, Control,
            ["logsipmsgexchange"];
    }

    /// When the next hop is tried.
    failover: FailoverSettings {
        /// After which failures the next hop is tried where no list says: `usual` after what may
        /// be the trunk's own trouble; `silence` when it says nothing, or that somebody behind it
        /// says nothing (504); `fault` after that and every 5xx; `all` after each. A list of
        /// statuses, the trunk's or `continue_on`, stands in its place; `call.hops_max` 1 is never.
        mode: FailoverMode = FailoverMode::Usual, Kind::Word(FAILOVER_WORDS), Account, Routing,
            ["rerouteon"];
        /// Statuses after which the next hop is tried, for trunks that name none.
        continue_on: Vec<u16> = Vec::new(), Kind::Statuses, Account, Routing,
            ["reroutedisccodes"];
        /// Statuses that end the hunt, for trunks that name none.
        stop_on: Vec<u16> = Vec::new(), Kind::Statuses, Account, Routing, ["noreroutedisccodes"];
        /// When a caller who talks with a trunk is put through to another one: `never`; after a
        /// `fault`, when the trunk is lost, sends nothing, answered falsely, or hangs up with a
        /// cause after which the next hop would be tried; or after `any` end that is not the
        /// caller's. It is a call of its own with its own record, decided again without the trunks
        /// that had it, three times at most; the caller hears nothing meanwhile.
        answered: Answered = Answered::Never, Kind::Word(ANSWERED_WORDS), Account, Routing,
            ["rerouteconnected"];
        /// Talk from which on a call is not put through any more.
        answered_ms: u32 = 20_000, Kind::Millis(1_000, HOUR, 1_000), Account, Routing, [];
        /// Longest wait for a first answer of a trunk that names no time; 0 is the transaction's.
        first_ms: u32 = 0, Kind::Millis(0, MINUTE, 1_000), Account, Routing, [];
    }

    /// Which of several trunks takes a call.
    route: RouteSettings {
        /// How targets of one priority follow each other in routes that do not say: `weight` by
        /// the trunks' preference, then by weight; `price` the cheapest for the call first;
        /// `quality` by price and quality together; `rotation` the one called longest ago first;
        /// `share` each as often as its weight says, counted call by call; `lines` the one with
        /// the most free lines first.
        order: RouteOrder = RouteOrder::Weight, Kind::Word(ORDER_WORDS), Account, Routing,
            ["brs_lcr"];
        /// The call that prices are compared for lasts so long.
        price_ms: u64 = 135_000, Kind::Millis(1_000, HOUR, 1_000), Account, Routing, [];
        /// The share of quality beside price in the order `quality`; 0 is price alone.
        quality_percent: u8 = 50, Kind::Whole(0, 100), Account, Routing, [];
        /// How finely the order `quality` tells targets apart: the smaller the rougher.
        accuracy_percent: u8 = 30, Kind::Whole(1, 100), Account, Routing, [];
        /// A share of answered calls up to which quality is none.
        quality_asr_percent_min: u8 = 20, Kind::Whole(0, 100), Account, Routing, [];
        /// A share of answered calls from which on it cannot be better.
        quality_asr_percent_max: u8 = 70, Kind::Whole(0, 100), Account, Routing, [];
        /// An average talk up to which quality is none.
        quality_acd_ms_min: u32 = 35_000, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// An average talk from which on it cannot be better.
        quality_acd_ms_max: u32 = 240_000, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// A price per minute, in the tenant's currency, down to which a price cannot be better;
        /// `auto` is nothing at all.
        quality_price_min: Option<Price> = None, Kind::Price, Account, Routing, [];
        /// A price per minute from which on it is worth nothing; `auto` is that of the dearest
        /// target.
        quality_price_max: Option<Price> = None, Kind::Price, Account, Routing, [];
        /// Trunks are used that take more for the call than its caller pays.
        loss: bool = false, Kind::Flag, Account, Routing, ["blocknotprofitablecalls"];
        /// Trunks are used only where so many percent of what the caller pays are left over; 0 is
        /// where nothing is lost. Nothing where `route.loss` is set.
        profit_percent_min: u8 = 0, Kind::Whole(0, 100), Account, Routing, ["minprofitpercent"];
        /// Calls may take the lines that trunks keep reserved (`calls_reserved`).
        reserved: bool = false, Kind::Flag, Subscriber, Routing, [];
        /// A number behind the `test_prefix` of a trunk goes to that trunk and no other.
        test_calls: bool = false, Kind::Flag, Subscriber, Routing, [];
        /// Trunks that failed lately are tried behind all others of their tier.
        failover: bool = true, Kind::Flag, Account, Routing, [];
        /// Who talked shorter than this, and calls the same number again within two minutes, goes
        /// by other trunks of the route before the one that had him; 0 is not.
        second_try_ms: u32 = 0, Kind::Millis(0, HOUR, 1), Account, Routing, [];
        /// A trunk whose last call ended less than so long ago stands behind others of its
        /// priority; 0 is not.
        rest_ms: u32 = 0, Kind::Millis(0, HOUR, 1), Account, Routing, [];
        /// So many calls one after the other that a trunk fails make it one that failed lately,
        /// and as many to numbers of one beginning make it one for them; 0 never.
        failures_max: u16 = 5, Kind::Whole(0, 1_000), System, Control, [];
        /// Less than this share of its calls answered makes a trunk one that failed lately; 0 is
        /// no measure.
        asr_percent_min: u8 = 0, Kind::Whole(0, 100), System, Control, [];
        /// Shorter calls on average make a trunk one that failed lately; 0 is no measure.
        acd_ms_min: u32 = 0, Kind::Millis(0, HOUR, 1_000), System, Control, [];
        /// Shares and averages count from so many calls on.
        calls_min: u32 = 50, Kind::Whole(1, 1_000_000), System, Control, [];
        /// A trunk that failed is tried again so long after; each further failure doubles it.
        retry_ms: u64 = 60_000, Kind::Millis(1_000, DAY, 1_000), System, Control, [];
        /// The longest that it waits.
        retry_ms_max: u64 = 86_400_000, Kind::Millis(1_000, LONG, 1_000), System, Control, [];
    }

    /// How many calls at once and per second, and what they may cost.
    limit: LimitSettings {
        /// Most calls at once of the whole switch; 0 is no limit. Calls that began before it was
        /// set are not counted.
        calls_max: u32 = 0, LIMIT, System, Routing, [];
        /// Most calls per second of the whole switch; 0 is no limit.
        cps_max: u32 = 0, LIMIT, System, Routing, [];
        /// From so many calls at once of the whole switch on, the log warns; 0 never.
        calls_warn: u32 = 0, LIMIT, System, Routing, ["maxccalls"];
        /// From so many calls at once of a tenant on, the log warns; 0 never.
        tenant_calls_warn: u32 = 0, LIMIT, Tenant, Routing, [];
        /// Most that the calls of one day may cost all accounts of a tenant together, but for those
        /// that resell; for accounts in the tenant's currency; `auto` is no limit.
        tenant_day_max: Option<Sum> = None, Kind::Sum, Tenant, Control, [];
        /// The same of one month; `auto` is no limit.
        tenant_month_max: Option<Sum> = None, Kind::Sum, Tenant, Control, [];
        /// The calls of one day may cost an account so many times what those of its dearest day
        /// cost within the last 30; 0 is no such limit. A day that came within a tenth of its limit
        /// raises no other's.
        learnt_day_times: u32 = 0, Kind::Whole(0, 1_000), Account, Control, [];
        /// What that leaves an account at least, in its currency.
        learnt_day_min: Sum = Sum(10_000_000_000), Kind::Sum, Account, Control, [];
        /// How long the calls of one day that an account makes may talk together; 0 is no limit.
        /// When they have, it makes no new call; one that runs is not cut.
        day_talk_ms_max: u64 = 0, TALK, Account, Control, ["maxslperdayreached"];
        /// The same of one month; 0 is no limit.
        month_talk_ms_max: u64 = 0, TALK, Account, Control, [];
        /// While an account's balance leaves calls less than this above its floor, in its currency,
        /// it makes none that costs anything; `auto` is however little that is. Running calls go
        /// on.
        balance_min: Option<Sum> = None, Kind::Sum, Account, Routing, ["mincreditonroute"];
        /// Most calls from one address within a window, of accounts that this is set for; 0 is no
        /// limit. An address is one of IPv4 or a /64 of IPv6. It and the next two count calls from
        /// when they were set, and behind a restart all of the window.
        address_calls_max: u32 = 0, LIMIT, Account, Routing, ["maxcallperip"];
        /// How long such calls may talk together; 0 is no limit. One that runs is not cut.
        address_talk_ms_max: u64 = 0, TALK, Account, Routing, ["maxdurationperip"];
        /// Most that such calls may cost, of accounts in the tenant's currency; `auto` is no limit.
        address_spend_max: Option<Sum> = None, Kind::Sum, Account, Routing, ["maxcostperip"];
        /// How long such a window is. Windows follow each other from 1 January 1970 UTC on.
        address_window_ms: u64 = 86_400_000, Kind::Millis(60_000, LONG, 60_000), Tenant, Routing,
            ["maxcallperperiod"];
        /// Most calls at once of a tenant; 0 is no limit. Calls that began before it was set are
        /// not counted.
        tenant_calls_max: u32 = 0, LIMIT, Tenant, Routing, ["maxccallsblock"];
        /// Most calls per second of a tenant; 0 is no limit.
        tenant_cps_max: u32 = 0, LIMIT, Tenant, Routing, ["maxcallspermin", "maxroutereqpermin"];
        /// Most calls at once of a subscriber whose row says 0, made and taken; 0 is no limit.
        subscriber_calls_max: u32 = 0, LIMIT, Account, Routing, [];
    }

    /// Media of calls.
    media: MediaSettings {
        /// Which way media goes: `relay` through us; `direct` between the parties, who are told
        /// each other's words; `fixed` the same, with addresses of private networks replaced by
        /// where the party is seen; `both-nated`, `caller-nated`, `called-nated` and
        /// `either-nated` through us when these are behind NATs, else as `fixed`; `peer` as the
        /// other side. Of two sides `relay` wins, then `direct`, then the stricter. Past us nothing
        /// but a session timer tells of a party that is gone.
        path: MediaPath = MediaPath::Relay, Kind::Word(MEDIA_PATH_WORDS), Subscriber, Routing, [];
        /// Voice codecs that may be spoken with a party, the best first, like `G729,PCMA`: others
        /// are taken out of descriptions; `auto` is whatever the parties want. A call that is left
        /// without a voice is refused with 488.
        codecs: Option<Vec<VoiceCodec>> = None, Kind::Codecs, Subscriber, Routing, [];
        /// Only the first voice codec stays in descriptions, for peers that answer with several.
        one_codec: bool = false, Kind::Flag, Subscriber, Routing, [];
        /// What becomes of G.711 in descriptions: `keep`, `spare` takes it out where there is
        /// another voice codec, `bar` always, which keeps fax out.
        g711: G711 = G711::Keep, Kind::Word(G711_WORDS), Subscriber, Routing, ["cfg_block711"];
        /// Whether media with a party is encrypted: `off` never; `pass` as it is where the other
        /// side is set so too; `accept` where it or the other side speaks SRTP; `offer` is always
        /// offered beside RTP; `require` refuses RTP with 488; `end-to-end` passes as it is and
        /// refuses RTP. Keys travel in SIP: give such parties TLS. `dtls` offers keys by DTLS with
        /// ICE, as browsers want it, and refuses RTP; whoever is called by WebSocket is offered
        /// that by `accept`, `offer` and `require` too. What a party offers itself by DTLS is taken
        /// by all but `off`.
        srtp: SrtpUse = SrtpUse::Accept, Kind::Word(SRTP_WORDS), Subscriber, Routing, [];
        /// Whether a phone's media is taken to come through a NAT.
        nat: Nat = Nat::Auto, Kind::Word(NAT_WORDS), Subscriber, Routing, [];
        /// Whether a party is sent a packet of ours when its call is answered, before anybody
        /// speaks: one that nobody plays, and that opens ways for who sends only where it has heard
        /// from. Media that is encrypted has none.
        first_packet: bool = false, Kind::Flag, Subscriber, Routing, ["rtpwritefirst"];
        /// A call ends when no media came so long after answer, 0 never; `auto` is the tenant's
        /// `media_start_timeout_ms`.
        start_timeout_ms: Option<u32> = None, Kind::Millis(0, DAY, 1_000), Subscriber, Routing, [];
        /// A call ends when media is gone for so long, 0 never; `auto` is the tenant's
        /// `media_timeout_ms`.
        timeout_ms: Option<u32> = None, Kind::Millis(0, DAY, 1_000), Subscriber, Routing,
            ["checknomedia"];
    }

    /// Dialogs of calls: session timers (RFC 4028) and reliable provisional responses (RFC 3262).
    /// What a trunk says of its own stands before them.
    session: SessionSettings {
        /// Whether sessions are refreshed: `never`, whoever asks; `answer` for a peer that asks;
        /// `ask` for each peer that knows timers; `force` for all, and where the peer knows none
        /// we see by ourselves whether it is there.
        timer: TimerMode = TimerMode::Answer, Kind::Word(TIMER_WORDS), Subscriber, Routing,
            ["sessiontimer", "sesskeepalive"];
        /// The interval that we ask for.
        expires_ms: u32 = 1_800_000, SESSION, Subscriber, Routing, ["def_mid_sessiontimer"];
        /// The shortest interval that a peer may ask for; who asks for less is answered 422.
        expires_ms_min: u32 = 90_000, SESSION, Subscriber, Routing, ["def_min_sessiontimer"];
        /// The longest interval that a peer gets, unless it takes none as short.
        expires_ms_max: u32 = 86_400_000, SESSION, Subscriber, Routing, ["def_max_sessiontimer"];
        /// Which provisional responses are acknowledged: `never` any, but for a peer that requires
        /// it; those with early `media` when the peer supports it; `always` all when it does;
        /// `require` as that, and our INVITEs require it.
        reliable: ReliableMode = ReliableMode::Media, Kind::Word(RELIABLE_WORDS), Subscriber,
            Routing, [];
    }

    /// What called parties see of a caller.
    identity: IdentitySettings {
        /// How numbers of all subscribers are shown, whatever their rows say; `auto` is as they
        /// say.
        cli: Option<Cli> = None, Kind::Word(CLI_WORDS), Account, Routing,
            ["forcedcallernidentity"];
        /// The number that carriers are shown for subscribers whose row has none; `auto` is their
        /// own.
        number: Option<Digits> = None, Kind::Number, Account, Routing, ["globaldidout"];
        /// Carriers are shown one of the subscriber's own numbers, drawn for each call, where it
        /// chooses none itself and its row has none.
        drawn: bool = false, Kind::Flag, Subscriber, Routing, [];
        /// Called parties see the caller's display name.
        display: bool = true, Kind::Flag, Subscriber, Routing, [];
        /// A trunk with `by_number` that shows the subscriber's number sends calls of his, at the
        /// cost of his account; set it for whom that may be said of.
        by_number: bool = false, Kind::Flag, Subscriber, Routing, ["anumberhandling"];
        /// Carriers are told who diverted a call (`Diversion`).
        diversion: bool = true, Kind::Flag, Account, Routing, [];
        /// Carriers are shown the subscriber as the caller of calls that it forwards to them, and
        /// nothing of who called, for those that take calls of our own numbers alone.
        forwarder: bool = false, Kind::Flag, Subscriber, Routing, ["replacecalleronforward"];
    }

    /// How numbers of one country are dialled inside of it.
    number: NumberSettings {
        /// Country code of who dials, like 44: it is put before numbers that are not dialled with
        /// an international prefix; `auto` is as the tenant's normalisation says.
        country: Option<Digits> = None, Kind::Number, Subscriber, Routing, ["country"];
        /// What stands before numbers of that country and is taken off, like 0; others are none of
        /// the country. `auto` is nothing: all that are long enough are.
        national_prefix: Option<Digits> = None, Kind::Number, Subscriber, Routing, [];
        /// Numbers of fewer digits are none of the country.
        national_digits_min: u8 = 7, Kind::Whole(1, 15), Subscriber, Routing, [];
    }

    /// Registrations with us.
    registration: RegistrationSettings {
        /// Shortest registration of subscribers whose row asks for less.
        expires_ms_min: u32 = 0, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// Longest registration of subscribers whose row grants more.
        expires_ms_max: u32 = 86_400_000, Kind::Millis(MINUTE, DAY, 1_000), Account, Routing,
            ["upperexpire"];
        /// Most contacts of subscribers whose row allows more.
        contacts_max: u8 = 16, Kind::Whole(1, 16), Account, Routing, [];
        /// Shortest registration of a trunk with us.
        trunk_expires_ms_min: u32 = 60_000, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// Longest registration of a trunk with us.
        trunk_expires_ms_max: u32 = 3_600_000, Kind::Millis(MINUTE, DAY, 1_000), Account, Routing,
            [];
        /// Most contacts of a trunk that registers with us.
        trunk_contacts_max: u8 = 8, Kind::Whole(1, 16), Account, Routing, [];
        /// What a contact more than allowed does: `replace` takes the place of the one refreshed
        /// longest ago, `refuse` is refused.
        contacts_full: ContactsFull = ContactsFull::Replace, Kind::Word(FULL_WORDS), Account,
            Routing, [];
        /// Lifetimes of more than ten minutes are granted shorter by up to so many percent, each
        /// contact by its own share, so that phones that registered together come back apart.
        spread_percent: u8 = 10, Kind::Whole(0, 50), Account, Routing, [];
        /// How the contacts of a subscriber ring: `parallel` all together, `by-q` those of the
        /// highest preference first, then the next.
        fork: Fork = Fork::Parallel, Kind::Word(FORK_WORDS), Account, Routing, [];
        /// Registrations through proxies that want to stay on the way (`Path`): `accept` takes
        /// them, `require` only from phones that know of it, `refuse` none.
        path: PathPolicy = PathPolicy::Accept, Kind::Word(PATH_WORDS), Account, Routing, [];
        /// Who registers is told to send requests here (`Service-Route`).
        service_route: bool = false, Kind::Flag, Account, Routing, [];
        /// Devices that ask for it get addresses of their own (GRUU).
        gruu: bool = true, Kind::Flag, Account, Routing, [];
        /// Devices that keep a connection are told how often they must send something over it; 0
        /// is not.
        flow_timer_ms: u32 = 0, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
    }

    /// Phones behind NATs.
    nat: NatSettings {
        /// Where requests to a contact are sent: `by-contact` to the address in it if its
        /// registration came from there, else to where that came from; `source` always to where
        /// that came from; `contact` always to the address in it, if there is one; `both` as
        /// `by-contact`, and to the other one of both when nobody answers there within 3 s.
        send_to: SendTo = SendTo::ByContact, Kind::Word(SEND_TO_WORDS), Subscriber, Routing, [];
        /// A device that says nothing within 3 s is tried at the standard port of its transport as
        /// well (5060, 5061 by TLS), where its contact or its source names another.
        standard_port: bool = false, Kind::Flag, Subscriber, Routing, ["sipsendtodefport"];
        /// What is sent to contacts behind a NAT so that it stays open.
        keep_alive: KeepAlive = KeepAlive::Crlf, Kind::Word(KEEP_ALIVE_WORDS), Subscriber,
            Routing, ["udpkeepalive"];
        /// How often that is sent.
        keep_alive_ms: u32 = 25_000, Kind::Millis(5_000, HOUR, 1_000), Subscriber, Routing, [];
    }

    /// Credentials that others show us.
    digest: DigestSettings {
        /// How long a nonce is good.
        nonce_ms: u32 = 300_000, Kind::Millis(30_000, HOUR, 1_000), System, Routing, [];
        /// SHA-256 only, whatever rows say.
        strong: bool = false, Kind::Flag, Subscriber, Routing, ["enforcestrongauth"];
        /// Credentials without `qop` are asked for again: they could be shown twice.
        qop: bool = false, Kind::Flag, Subscriber, Routing, [];
    }

    /// Ring groups.
    ring_group: RingGroupSettings {
        /// How long a member rings that names no time; `auto` is as when it is called itself.
        member_ms: Option<u32> = None, Kind::Millis(1_000, RING, 1_000), Account, Routing, [];
    }

    /// Prices where there is none.
    price: PriceSettings {
        /// What an account pays for a number that its tariff has no price for; `auto` refuses the
        /// call.
        customer_default: Option<Price> = None, Kind::Price, Account, Routing,
            ["defaultenduserprice", "blocknotbilledcalls"];
        /// What we pay a supplier for a number that its tariff has no price for; `auto` passes its
        /// trunk over.
        supplier_default: Option<Price> = None, Kind::Price, Account, Routing,
            ["defaultproviderprice"];
        /// Called numbers of at most so many digits cost the tenant's internal price; 0 is none.
        short_digits: u32 = 0, Kind::Whole(0, 32), Account, Routing, ["billshortnumlength"];
        /// Called numbers of exactly so many digits cost nothing; 0 is none. A supplier who takes
        /// money for them is passed over as a loss, unless `route.loss` says otherwise.
        free_digits: u32 = 0, Kind::Whole(0, 32), Account, Routing, ["freenumlen"];
        /// Value added tax of what an account pays by its tariff, millionths, for one that owes
        /// another tax than its tariff says, or none. Prices that contain tax stay what they are.
        /// `auto` is the tariff's.
        vat_ppm: Option<u32> = None, Kind::Whole(0, 10_000_000), Account, Routing, [];
        /// Trunks without a tariff are used.
        unpriced_trunks: bool = true, Kind::Flag, Account, Routing, [];
    }

    /// Which times of the day and the week prices tell apart, by the tenant's time zone.
    calendar: CalendarSettings {
        /// Peak hours begin so long after midnight; the night ends.
        peak_from_ms: u32 = 32_400_000, Kind::Millis(0, DAY, MINUTE), Tenant, Routing,
            ["peaktimebegin"];
        /// Peak hours end; not behind their beginning is a day without any.
        peak_until_ms: u32 = 68_400_000, Kind::Millis(0, DAY, MINUTE), Tenant, Routing,
            ["peaktimeend"];
        /// The evening begins; it ends where the night begins.
        evening_from_ms: u32 = 68_400_000, Kind::Millis(0, DAY, MINUTE), Tenant, Routing,
            ["eveningbegin"];
        /// The night begins; it ends where peak hours begin.
        night_from_ms: u32 = 79_200_000, Kind::Millis(0, DAY, MINUTE), Tenant, Routing,
            ["nightbegin"];
        /// Saturdays and Sundays have peak hours too.
        weekend_is_peak: bool = false, Kind::Flag, Tenant, Routing, ["weekendispeak"];
        /// A holiday is as a Sunday; otherwise it counts for prices of holidays alone.
        holiday_is_weekend: bool = false, Kind::Flag, Tenant, Routing, ["autoholiday"];
        /// A call over whose talk another class of times begins: `split` gives each stretch its own
        /// price, `middle` all of it the price of the middle of the talk.
        class_rule: ClassRule = ClassRule::Split, Kind::Word(CLASS_RULE_WORDS), Tenant, Routing,
            [];
    }

    /// What only somebody outside knows of a call, asked while the call waits.
    fact: FactSettings {
        /// The longest that a call waits for all answers together; what comes later is for the
        /// calls after it. Longer than `overload.ask_ms` of the configuration file, silence of who
        /// is asked counts as overload.
        wait_ms: u32 = 300, Kind::Millis(20, 5_000, 1), System, Control, [];
        /// Numbers that leave us and are not in the table of ported numbers are asked about at
        /// the service of `facts.dip` in the configuration file.
        portability: bool = false, Kind::Flag, Account, Routing, ["checknumport"];
        /// Only numbers that begin so are asked about there; `auto` is all.
        portability_prefix: Option<Digits> = None, Kind::Number, Account, Routing,
            ["checknumportpx"];
        /// What becomes of a call when the service does not say: `continue` it is routed as it was
        /// dialled, `refuse` it is refused.
        portability_unknown: Unknown = Unknown::Continue, Kind::Word(UNKNOWN_WORDS), Account,
            Routing, [];
        /// The trunk, by its id, that calls what ENUM has for a number that leaves us (RFC 6116,
        /// below `facts.enum_suffix` of the configuration file), before the routes are tried; one
        /// of the tenant's own. `auto` is that nothing is looked up.
        enum_trunk: Option<u64> = None, Kind::Whole(1, i64::MAX), Account, Routing, [];
        /// The operator's own program, at `facts.hook.url` of the configuration file, is asked
        /// what is to be done with a call before it is routed; emergency calls apart.
        hook: bool = false, Kind::Flag, Account, Routing, [];
        /// What becomes of a call when the program does not say: `continue` or `refuse`.
        hook_unknown: Unknown = Unknown::Continue, Kind::Word(UNKNOWN_WORDS), Account, Routing,
            [];
        /// RADIUS servers for `access` are asked whether a call may be made, and for how long;
        /// emergency calls apart.
        radius: bool = false, Kind::Flag, Account, Routing, [];
        /// What becomes of a call when no server says: `continue` or `refuse`.
        radius_unknown: Unknown = Unknown::Refuse, Kind::Word(UNKNOWN_WORDS), Account, Routing,
            [];
    }

    /// Logins of people and programs.
    login: LoginSettings {
        /// Fewest characters of a password.
        password_chars_min: u32 = 10, Kind::Whole(8, 128), System, Rest, [];
        /// Failures of one login before it must wait.
        failures_free: u32 = 5, Kind::Whole(1, 100), System, Rest, [];
        /// Failures from one source before it must wait.
        source_failures_free: u32 = 20, Kind::Whole(1, 10_000), System, Rest, [];
        /// First wait; each failure doubles it.
        wait_ms: u64 = 1_000, Kind::Millis(100, MINUTE, 1), System, Rest, [];
        /// Longest wait.
        wait_ms_max: u64 = 300_000, Kind::Millis(1_000, DAY, 1), System, Rest, [];
        /// Failures are forgotten so long after the last.
        memory_ms: u64 = 3_600_000, Kind::Millis(MINUTE, DAY, 1), System, Rest, [];
        /// A login ends when it is not used for so long.
        session_idle_ms: u64 = 1_800_000, Kind::Millis(MINUTE, DAY, 1_000), System, Rest, [];
        /// A login ends so long after it began.
        session_ms_max: u64 = 43_200_000, Kind::Millis(5 * MINUTE, LONG, 1_000), System, Rest, [];
        /// Longest time to act for another.
        impersonation_ms_max: u64 = 3_600_000, Kind::Millis(MINUTE, DAY, MINUTE), System, Rest, [];
        /// Wrong tokens from one source in a minute before it is refused.
        token_failures_max: u32 = 20, Kind::Whole(1, 10_000), System, Rest, [];
    }

    /// What new subscribers are held to.
    subscriber: SubscriberSettings {
        /// Fewest characters of a password.
        password_chars_min: u32 = 8, Kind::Whole(8, 64), Tenant, Rest, [];
        /// Characters of a password that we make.
        password_chars_made: u32 = 20, Kind::Whole(16, 64), Tenant, Rest, [];
        /// Fewest characters of a user name.
        username_chars_min: u32 = 1, Kind::Whole(1, 32), Tenant, Rest, ["MINUSERNAMELEN"];
        /// Passwords that are guessed first may be set, for devices that come with one: such as
        /// are hardly more than the user name, runs, pieces that come again, and worn words.
        weak_passwords: bool = false, Kind::Flag, Tenant, Rest, [];
    }

    /// Look-ups of host names.
    resolver: ResolverSettings {
        /// The longest that addresses are believed without asking again, however long their
        /// records are good.
        refresh_ms: u64 = 60_000, Kind::Millis(5_000, DAY, 1), System, Control,
            ["RELOADPROXYLISTIVAL"];
        /// The shortest that they are believed, however short their records are good.
        refresh_ms_min: u64 = 5_000, Kind::Millis(1_000, HOUR, 1), System, Control, [];
        /// How long a name without any address waits for the next look-up.
        retry_ms: u64 = 5_000, Kind::Millis(1_000, HOUR, 1), System, Control, [];
        /// The longest a look-up may take.
        timeout_ms: u64 = 5_000, Kind::Millis(100, MINUTE, 1), System, Control, [];
    }

    /// Bans that are made by themselves. What counts is the source; trusted trunks and where
    /// somebody is registered are never banned.
    guard: GuardSettings {
        /// Who is no trunk, and in no network that a row of `bans` lets through, is not answered.
        default_deny: bool = false, Kind::Flag, System, Control, ["enablefirewall"];
        /// Offences are counted within so long.
        window_ms: u64 = 3_600_000, Kind::Millis(MINUTE, DAY, 1_000), System, Control,
            ["MAXSUBMSGPERIOD"];
        /// How long a ban lasts.
        ban_ms: u64 = 21_600_000, Kind::Millis(1_000, LONG, 1_000), System, Control, [];
        /// So many wrong credentials of one source make a ban; 0 never.
        wrong_credentials_max: u32 = 100, LIMIT, System, Control, [];
        /// So many requests that were asked for credentials and brought none, from a source that
        /// never brought right ones; 0 never.
        unproven_max: u32 = 3_000, LIMIT, System, Control, [];
        /// So many messages that cannot be read; 0 never.
        malformed_max: u32 = 4_000, LIMIT, System, Control, ["MAXWRONGMSGALLOWED"];
        /// So many requests of a program on the list of scanners; 0 never.
        scanner_max: u32 = 1, LIMIT, System, Control, [];
        /// So many calls to a number that nobody is called at; 0 never.
        lured_max: u32 = 1, LIMIT, System, Control, [];
        /// So many wrong credentials of one port of an address make a ban of that port alone, as
        /// of one phone behind a NAT; 0 never.
        wrong_credentials_port_max: u32 = 50, LIMIT, System, Control, [];
        /// So many messages beyond the rates at which strangers are taken (`overload`); 0 never.
        flood_max: u32 = 39_000, LIMIT, System, Control, ["MAXSUBMSGCOUNT"];
        /// So many banned hosts of one network (IPv4 /24, IPv6 /48) make a ban of the network; 0
        /// never.
        range_bans_max: u32 = 0, LIMIT, System, Control, [];
        /// How long a caller may not call who is blocked by itself (`caller-rules`). Trusted trunks
        /// never are.
        caller_ban_ms: u64 = 86_400_000, Kind::Millis(MINUTE, LONG, 1_000), System, Control,
            ["smartblacklist_blockperiod"];
        /// A call that nobody answered, or that talked shorter than this, came to nothing.
        fruitless_ms: u64 = 5_000, Kind::Millis(0, HOUR, 1), System, Control,
            ["smartblacklist_callduration"];
        /// So many calls of one caller that came to nothing within `window_ms`, each to a
        /// neighbour of a number called shortly before (less than 30 apart, or one digit changed),
        /// block him: he seeks numbers. The very next number counts three times; 0 never.
        scan_max: u32 = 45, LIMIT, System, Control, ["blockscanning_treshold"];
        /// So many calls of one caller to different numbers one after the other that came to
        /// nothing block him; 0 never.
        fruitless_max: u32 = 0, LIMIT, System, Control, ["smartblacklist_blockafter"];
        /// A caller is judged by his last so many calls that left us; 0 never.
        judged_calls: u32 = 0, Kind::Whole(0, 10_000), System, Control, [];
        /// Fewer answered of them block him.
        judged_asr_percent_min: u8 = 10, Kind::Whole(0, 100), System, Control, [];
        /// Shorter calls on average block him.
        judged_acd_ms_min: u32 = 15_000, Kind::Millis(0, HOUR, 1), System, Control, [];
        /// So many calls of a day to one number that came to nothing deny the number for a while
        /// (`caller-rules`), if as good as none was answered; half as many of an hour do, and twice
        /// as many of a week or five times of 30 days; 0 never.
        target_failures_max: u32 = 0, LIMIT, System, Control, ["builddynamicblacklist"];
        /// If fewer of them were answered.
        target_asr_percent_min: u8 = 5, Kind::Whole(0, 100), System, Control,
            ["blacklist_minasr"];
        /// Or if they were shorter on average.
        target_acd_ms_min: u32 = 10_000, Kind::Millis(0, HOUR, 1), System, Control,
            ["blacklist_minacd"];
        /// So many calls of a day to one number of which its operator says that there is none (404,
        /// 410, 484, 604), and none that was answered, deny the number as long; 0 never.
        wrong_max: u32 = 0, LIMIT, System, Control, ["usewrongnumfilter", "wrongnumdropcount"];
        /// How long a number is denied then.
        target_ban_ms: u64 = 86_400_000, Kind::Millis(MINUTE, LONG, 1_000), System, Control, [];
    }

    /// The books.
    books: BooksSettings {
        /// Hour of the day (UTC) from which on the nightly audit is due.
        audit_hour: u8 = 2, Kind::Whole(0, 23), System, Control, ["dailymainttaskhour"];
        /// Days that records are kept in the database, from their end on; `auto` is for ever. Older
        /// ones leave behind each nightly audit that finds nothing. What statistics and the books
        /// say of them stays.
        record_days: Option<u32> = None, Kind::Whole(RECORD_DAYS_MIN, 36_500), Tenant, Control,
            ["dbmaint_removecdrs"];
        /// Records that leave the database are written into files first, below the directory of
        /// data; otherwise they are gone.
        record_files: bool = true, Kind::Flag, System, Control, ["dbmaint_backuptables"];
    }
}
