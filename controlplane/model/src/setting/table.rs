//! The table of settings.
//!
//! A new setting is one row here and its reader's line that acts by it; the tests of that reader
//! fail until one of them shows that it changes something.

use super::SettingKind as Kind;
use super::{CLI_WORDS, Depth, NAT_WORDS, Nat, Setting, SettingReader, Typed};
use crate::{Cli, Digits, Price};

/// The longest time of a setting: 30 days.
const LONG: i64 = 30 * 86_400_000;
/// The longest time that something rings; the dataplane knows none that is longer.
const RING: i64 = 600_000;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;
const LIMIT: Kind = Kind::Whole(0, u32::MAX as i64);

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
        /// Most addresses of carriers that are tried for one call; 1 is no second try.
        hops_max: u8 = 8, Kind::Whole(1, 8), Account, Routing, ["maxreroute", "allowreroute"];
        /// Who is refused because of a limit is asked to wait so long (`Retry-After`); 0 is not.
        retry_after_ms: u32 = 0, Kind::Millis(0, HOUR, 1_000), Account, Routing, [];
        /// A called number is looked for among our own before routes are.
        local_numbers: bool = true, Kind::Flag, Account, Routing, ["checklocalnumbers"];
        /// A call may go out by the trunk that it came in by.
        send_back: bool = false, Kind::Flag, Account, Routing, ["allownumbersendback"];
        /// A subscriber who is not registered may call.
        unregistered: bool = true, Kind::Flag, Subscriber, Routing, ["allowcallunregistered"];
        /// Our final answers to a subscriber carry a Reason header.
        reasons: bool = true, Kind::Flag, Subscriber, Routing, [];
    }

    /// When the next hop is tried.
    failover: FailoverSettings {
        /// Statuses after which the next hop is tried, for trunks that name none.
        continue_on: Vec<u16> = Vec::new(), Kind::Statuses, Account, Routing,
            ["reroutedisccodes"];
        /// Statuses that end the hunt, for trunks that name none.
        stop_on: Vec<u16> = Vec::new(), Kind::Statuses, Account, Routing, ["noreroutedisccodes"];
        /// Longest wait for a first answer of a trunk that names no time; 0 is the transaction's.
        first_ms: u32 = 0, Kind::Millis(0, MINUTE, 1_000), Account, Routing, [];
    }

    /// How many calls at once and per second.
    limit: LimitSettings {
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
        /// Whether a phone's media is taken to come through a NAT.
        nat: Nat = Nat::Auto, Kind::Word(NAT_WORDS), Subscriber, Routing, [];
        /// A call ends when no media came so long after answer, 0 never; `auto` is the tenant's
        /// `media_start_timeout_ms`.
        start_timeout_ms: Option<u32> = None, Kind::Millis(0, DAY, 1_000), Subscriber, Routing, [];
        /// A call ends when media is gone for so long, 0 never; `auto` is the tenant's
        /// `media_timeout_ms`.
        timeout_ms: Option<u32> = None, Kind::Millis(0, DAY, 1_000), Subscriber, Routing,
            ["checknomedia"];
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
        /// Called parties see the caller's display name.
        display: bool = true, Kind::Flag, Subscriber, Routing, [];
        /// Carriers are told who diverted a call (`Diversion`).
        diversion: bool = true, Kind::Flag, Account, Routing, [];
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
        /// Trunks without a tariff are used.
        unpriced_trunks: bool = true, Kind::Flag, Account, Routing, [];
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
    }

    /// Look-ups of host names.
    resolver: ResolverSettings {
        /// How long addresses are believed without asking again.
        refresh_ms: u64 = 60_000, Kind::Millis(5_000, DAY, 1), System, Control,
            ["RELOADPROXYLISTIVAL"];
        /// How long a name without any address waits for the next look-up.
        retry_ms: u64 = 5_000, Kind::Millis(1_000, HOUR, 1), System, Control, [];
        /// The longest a look-up may take.
        timeout_ms: u64 = 5_000, Kind::Millis(100, MINUTE, 1), System, Control, [];
    }

    /// The books.
    books: BooksSettings {
        /// Hour of the day (UTC) from which on the nightly audit is due.
        audit_hour: u8 = 2, Kind::Whole(0, 23), System, Control, ["dailymainttaskhour"];
    }
}
