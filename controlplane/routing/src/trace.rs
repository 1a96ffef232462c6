//! Why a decision is what it is, in at most 512 bytes (design of control, 15).
//!
//! A trace is a list of codes with numbers behind them, written on every call without allocating
//! and rendered to words only when somebody asks: [`Trace::told`], with names looked up through
//! [`RowNames`]. What the dataplane did then stands in the record: [`aftermath`].
//!
//! The form: the version, then for each step its code, the length of its payload, and the payload.
//! Codes never change their meaning, for stored traces outlive releases; a reader skips what it
//! does not know, and reads a payload that a later release made longer.

mod aftermath;
mod words;

pub use aftermath::aftermath;
pub use words::Cap;
pub use words::{Audience, RowNames, Said, Thing};
pub(crate) use words::{
    FOR_ALL, FOR_CALLED, FOR_CALLER, FOR_ORGANIZATION, TO_DOMAIN, TO_SUBSTITUTE,
};

use crate::limits::TRACE_MAX;
use core::fmt;
use strowger_model::Digits;
use words::{Shown, kebab};

/// Version of the form, the first byte.
pub const TRACE_VERSION: u8 = 1;
/// Longest payload of a step, bytes.
const PAYLOAD_MAX: usize = 60;
/// Longest number in a payload, bytes.
const NUMBER_BYTES_MAX: usize = 10;

/// The steps of one decision, encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Trace {
    bytes: [u8; TRACE_MAX],
    len: usize,
    is_cut: bool,
}

/// Code of a trace that was cut at its bound; it has no payload.
const CUT: u8 = 0;
/// Code of [`Step::Number`], whose payload is text.
const NUMBER: u8 = 1;
/// Bytes of a step without its payload.
const STEP_HEAD: usize = 2;

/// A payload being written.
struct Payload {
    bytes: [u8; PAYLOAD_MAX],
    len: usize,
}

macro_rules! steps {
    ($($(#[$meta:meta])* $code:literal $name:ident($($arg:ident),*) $words:literal;)*) => {
        /// One step of a decision. Numbers are ids unless the words say otherwise.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Step {
            /// The trace was longer than its bound; what follows is missing.
            Cut,
            /// The canonical called number.
            Number(Digits),
            /// A code that this release does not know, or a payload that it cannot read.
            Newer(u8),
            /// The whole trace has another form, by this version.
            OtherForm(u8),
            $($(#[$meta])* $name { $(
                #[expect(missing_docs, reason = "the words of the step name it")]
                $arg: i64
            ),* },)*
        }

        // Every step's numbers fit, whatever they are.
        const _: () = { $(
            let numbers: &[&str] = &[$(stringify!($arg)),*];
            assert!(numbers.len() * NUMBER_BYTES_MAX <= PAYLOAD_MAX);
        )* };

        impl Step {
            /// Writes the payload; the code comes back.
            fn put(&self, out: &mut Payload) -> u8 {
                match self {
                    Step::Cut => CUT,
                    Step::Number(number) => {
                        number.as_bytes().iter().for_each(|byte| out.push(*byte));
                        NUMBER
                    }
                    // Nobody decides so; what cannot be read is not written again.
                    Step::Newer(code) | Step::OtherForm(code) => *code,
                    $(Step::$name { $($arg),* } => {
                        $(out.put_number(*$arg);)*
                        $code
                    })*
                }
            }

            fn read(code: u8, payload: &[u8]) -> Option<Step> {
                let numbers = &mut &*payload;
                match code {
                    CUT => Some(Step::Cut),
                    NUMBER => read_digits(payload).map(Step::Number),
                    $($code => Some(Step::$name { $($arg: take_number(numbers)?),* }),)*
                    _ => None,
                }
            }

            /// Its name in one word: `sender-trunk`.
            #[must_use]
            pub fn name(&self) -> String {
                match self {
                    Step::Cut => "cut".to_owned(),
                    Step::Number(_) => "number".to_owned(),
                    Step::Newer(_) => "newer".to_owned(),
                    Step::OtherForm(_) => "other-form".to_owned(),
                    $(Step::$name { .. } => kebab(stringify!($name)),)*
                }
            }

            /// Its numbers with their names.
            #[must_use]
            pub fn parameters(&self) -> Vec<(&'static str, String)> {
                match self {
                    Step::Cut => Vec::new(),
                    Step::Number(number) => vec![("number", number.to_string())],
                    Step::Newer(code) => vec![("code", code.to_string())],
                    Step::OtherForm(version) => vec![("version", version.to_string())],
                    $(Step::$name { $($arg),* } => {
                        vec![$((stringify!($arg), $arg.to_string())),*]
                    })*
                }
            }

            /// Says it in words.
            fn tell(&self, names: &dyn RowNames, f: &mut dyn fmt::Write) -> fmt::Result {
                match self {
                    Step::Cut => f.write_str("(the trace is full, further steps are not kept)"),
                    Step::Number(number) => write!(f, "called number is {number}"),
                    Step::Newer(code) => write!(f, "step {code} of a newer release"),
                    Step::OtherForm(version) => {
                        write!(f, "the trace has form {version}, of a newer release")
                    }
                    $(Step::$name { $($arg),* } => {
                        $(let $arg = Shown::of(stringify!($arg), *$arg, names);)*
                        write!(f, $words)
                    })*
                }
            }

            /// One of each.
            #[cfg(test)]
            fn all() -> Vec<Step> {
                let sample = |argument: &str| argument.len() as i64 % 8 + 1;
                vec![
                    Step::Cut,
                    Step::Number(Digits::parse("4420").unwrap()),
                    Step::Newer(255),
                    Step::OtherForm(2),
                    $(Step::$name { $($arg: sample(stringify!($arg))),* },)*
                ]
            }
        }
    };
}

steps! {
    /// The sender is known by its address.
    2 SenderTrunk(trunk) "sender is trunk {trunk}";
    /// The sender showed right credentials.
    3 SenderSubscriber(subscriber) "sender is subscriber {subscriber}";
    /// No credentials, and no known address.
    4 Stranger() "sender is unknown and shows no credentials";
    /// The edge named a trunk that does not send from there.
    5 NotItsSource(trunk) "the source is not one of trunk {trunk}";
    /// Credentials of a realm that is none of ours.
    6 UnknownRealm() "the realm of the credentials is unknown";
    /// Credentials of nobody.
    7 UnknownUser() "the user name of the credentials is unknown";
    /// Credentials that do not fit.
    8 WrongPassword(subscriber) "wrong password for subscriber {subscriber}";
    /// Credentials by an algorithm that the policy forbids.
    9 WeakAlgorithm(subscriber) "subscriber {subscriber} must use a better algorithm";
    /// Credentials shown before.
    10 Replay(subscriber) "nonce count of subscriber {subscriber} was used before";
    /// Switched off.
    11 SubscriberDisabled(subscriber) "subscriber {subscriber} is disabled";
    /// Switched off.
    12 AccountDisabled(account) "account {account} is disabled";
    /// Switched off.
    13 TrunkDisabled(trunk) "trunk {trunk} is disabled";
    /// Too short or too long before any other look.
    14 BadLength(characters) "called text of {characters} characters is out of bounds";
    /// Not a number and no user name.
    15 NotANumber() "called text is no number";
    /// The prefix that a trunk must send is missing.
    16 NoTechPrefix(trunk) "called number lacks the tech prefix of trunk {trunk}";
    /// Calls itself.
    17 SelfCall(subscriber) "subscriber {subscriber} calls itself";
    /// Callee by user name.
    18 CalleeByName(subscriber) "called user name is subscriber {subscriber}";
    /// Callee by number.
    19 CalleeByNumber(subscriber) "called number is subscriber {subscriber}";
    /// Callee by short number.
    20 CalleeByShort(subscriber) "called short number is subscriber {subscriber}";
    /// Nowhere registered.
    21 Offline(subscriber) "subscriber {subscriber} is not registered";
    /// Rings there.
    22 Contacts(count) "rings {count} contacts";
    /// A route fits.
    23 Route(route, prefix_digits) "route {route} fits with {prefix_digits} digits";
    /// No route fits.
    24 NoRoute() "no route fits";
    /// The routes that fit have no usable target.
    25 NoTarget() "no usable target";
    /// A hop of the plan.
    26 Hop(trunk, address) "hop to trunk {trunk}, address {address}";
    /// Not a hop: switched off or without egress.
    27 HopClosed(trunk) "trunk {trunk} takes no calls";
    /// Not a hop: the call came from there.
    28 HopSender(trunk) "trunk {trunk} is the sender";
    /// Not a hop: the plan is full.
    29 HopBeyond(trunk) "trunk {trunk} is beyond the most hops";
    /// The caller's price.
    30 Price(account, rate) "account {account} pays by rate {rate}";
    /// The internal price.
    31 InternalPrice(account) "account {account} pays the internal price";
    /// No price, no call.
    32 NoPrice(account) "account {account} has no price for the number";
    /// A supplier's price.
    33 SupplierPrice(trunk, rate) "trunk {trunk} charges by rate {rate}";
    /// A supplier without a price for this number, which is not used then.
    34 NoSupplierPrice(trunk) "trunk {trunk} has no price for the number";
    /// An emergency call.
    35 Emergency() "emergency call: no credit, no limit";
    /// The answer.
    36 Refused(sip, q850) "refused with {sip}, cause {q850}";
    /// The answer.
    37 Challenged() "asked for credentials";
    /// The answer.
    38 Planned(stages) "planned in {stages} stages";
    /// A registration.
    39 Registered(contacts) "registered, {contacts} contacts now";
    /// A registration for another user.
    40 NotItsOwn(subscriber) "subscriber {subscriber} may not register that address of record";
    /// A question that is not answered here.
    41 NotSupported() "this request is not supported";
    /// Not a hop: we have no way to send there.
    42 HopUnreachable(trunk, address) "trunk {trunk}, address {address}: no listener fits";
    /// A contact that rings not: we have no way to send there.
    43 ContactUnreachable(subscriber) "a contact of subscriber {subscriber}: no listener fits";
    /// Credentials by an algorithm for which nothing is stored.
    44 OtherAlgorithm(subscriber) "subscriber {subscriber} must use another algorithm";
    /// A registration for another user.
    60 NotTrunksOwn(trunk) "trunk {trunk} may not register that address of record";
    /// Credentials that do not fit, are too weak, or were used before.
    61 WrongTrunkCredentials(trunk) "wrong or used credentials for trunk {trunk}";
    /// Callee by name, number or short number.
    62 CalleeGroup(group) "called is ring group {group}";
    /// Callee by number.
    63 CalleeDid(did) "called number is DID {did}";
    /// Where a DID leads.
    64 DidTrunk(trunk) "the DID leads to trunk {trunk}";
    /// The sender may not call that.
    65 Barred() "the called number is barred for the sender";
    /// Not a hop: it may not be sent that.
    66 HopBarred(trunk) "the number is barred for trunk {trunk}";
    /// A forward in the plan.
    67 ForwardAlways(subscriber) "subscriber {subscriber} forwards always";
    /// A forward in the plan.
    68 ForwardBusy(subscriber) "when busy, subscriber {subscriber} forwards";
    /// A forward in the plan.
    69 ForwardNoAnswer(subscriber) "when nobody answers, subscriber {subscriber} forwards";
    /// A forward in the plan.
    70 ForwardOffline(subscriber) "when it cannot be reached, subscriber {subscriber} forwards";
    /// Not followed: it would come back to somebody in the chain.
    71 ForwardLoop(subscriber) "not followed: the chain has subscriber {subscriber} already";
    /// Not followed: a ring group in the chain already.
    72 ForwardLoopGroup(group) "not followed: the chain has ring group {group} already";
    /// Not followed.
    73 ForwardBeyond() "not followed: too many forwards or stages";
    /// Not followed.
    74 ForwardBarred() "not followed: that number is barred for who forwards";
    /// Not followed.
    75 ForwardNowhere() "not followed: the forward leads nowhere";
    /// Not followed.
    76 ForwarderUnable(account) "not followed: account {account} cannot pay for forwards";
    /// A group's members.
    77 GroupRings(group, members) "ring group {group} rings {members} members";
    /// A member outside.
    78 GroupOutside(group) "ring group {group} calls a member outside";
    /// When nobody answered.
    79 GroupOverflow(group) "when nobody answers, ring group {group} overflows";
    /// The caller is not shown.
    80 CallerHidden() "the caller's number is hidden";
    /// The caller is not shown, but who forwards.
    46 ForwarderShown(trunk) "trunk {trunk} is shown who forwards as the caller";
    /// Nowhere registered.
    81 TrunkOffline(trunk) "trunk {trunk} is not registered";

    /// Rules of a trunk about what it sends.
    110 HeadersReceived(trunk, rules) "{rules} header rules of trunk {trunk} worked on the request";
    /// Rules of a trunk about what it is sent, and what goes there.
    111 HeadersSent(trunk, rules, fields)
        "{rules} header rules of trunk {trunk} worked, {fields} header fields go to it";
    /// Fields that found no room.
    112 HeadersBeyond(trunk) "header fields were left out for trunk {trunk}: too many or too long";
    /// A call from a trunk by a listener that it may not use.
    113 NotItsListener(trunk, listener) "trunk {trunk} may not send calls by listener {listener}";
    /// Who diverted the call before.
    114 DivertedBefore(diversions) "the call was diverted {diversions} times before";
    /// A called party said that the call is to go elsewhere.
    120 Redirected(subscriber, status)
        "subscriber {subscriber} answered {status}: the call is to go elsewhere";
    /// The same of a trunk.
    121 RedirectedByTrunk(trunk, status)
        "trunk {trunk} answered {status}: the call is to go elsewhere";
    /// Another number has another price.
    122 RedirectInstead(account) "account {account} pays for the new number, not for the old one";
    /// Not followed: it changes what it may not.
    123 RedirectUnfit(contact) "contact {contact} is not followed: it changes more than it may";
    /// Not followed: nobody of ours, or an address that nothing is sent to.
    124 RedirectNowhere(contact) "contact {contact} is not followed: nothing is sent there";

    /// Rules of the tenant about calls.
    161 RuleHolds(call_rule) "rule {call_rule} is about this call";
    /// The same.
    162 RuleRefuses(call_rule, sip) "rule {call_rule} refuses the call with {sip}";
    /// The same.
    163 RuleCalled(call_rule) "rule {call_rule} changes the called number";
    /// The same.
    164 RuleDialled(call_rule, trunk)
        "rule {call_rule} changes the number that trunk {trunk} is sent";
    /// The same.
    165 RuleCaller(call_rule) "rule {call_rule} changes the caller's number";
    /// The same.
    166 RuleSkips(call_rule, trunk) "rule {call_rule} leaves trunk {trunk} out";
    /// Its values do not allow to say what it wants.
    167 RuleUnable(call_rule) "rule {call_rule} cannot be carried out on this call";
    /// The called number moved to another operator.
    168 Ported() "the called number was ported and is routed by another";
    /// The same, and what it is routed by would be too long.
    169 PortedTooLong() "the called number was ported, and what it is routed by is too long";
    /// The outside says how the number is routed.
    182 DipPorted() "the portability service says another number to route by";
    /// It says that the number is where it was.
    183 DipNothing() "the portability service says that the number was not ported";
    /// Somebody outside did not say what he was asked.
    184 FactUnknown(outsider, lack) "{outsider} says nothing: {lack}";
    /// The policy for that.
    185 WithoutFact() "the call goes on without that answer";
    /// The same.
    186 NotWithoutFact() "the call does not go on without that answer";
    /// Where ENUM leads; no address where it has nothing.
    187 EnumSays(addresses, trunk) "ENUM leads to {addresses} addresses, called by trunk {trunk}";
    /// The operator's own program refuses.
    188 HookRefuses(sip) "the hook refuses the call with {sip}";
    /// It changes numbers.
    189 HookChanges() "the hook changes who is called or who calls";
    /// It limits the talk.
    230 HookLimits(seconds) "the hook limits the talk to {seconds} seconds";
    /// A RADIUS server lets the call through.
    226 RadiusAccepts() "RADIUS accepts the call";
    /// The same, for so long.
    227 RadiusAcceptsFor(seconds) "RADIUS accepts the call for {seconds} seconds at most";
    /// It does not.
    228 RadiusRejects(sip) "RADIUS rejects the call, which is refused with {sip}";
    /// What those allow who were asked is no time left.
    229 TalkTooShort() "what may be talked is less than the shortest call";
    /// A number that nobody has taken.
    170 DidInPool(did) "DID {did} is in the pool and leads nowhere";
    /// The caller asked for a session too short.
    116 SessionShort(asked_s, least_s)
        "a session of {asked_s} seconds was asked for, the least is {least_s}";
    /// The caller is told where to call instead.
    117 RedirectedCaller(contacts) "the caller is told {contacts} addresses to call instead";
    /// Media of these branches goes past us.
    118 MediaDirect(branches) "media goes between the parties on {branches} branches, not by us";
    /// The same, with addresses of private networks replaced.
    222 MediaFixed(branches)
        "media goes between the parties on {branches} branches, at addresses that are reached";
    /// It might have gone past us, and something asks for our hand.
    223 MediaRelayed(branches)
        "media goes through us on {branches} branches: a NAT, another family or a wish for it";
    /// Parties are offered SRTP, as is set for them.
    248 KeysOffered(branches) "SRTP is offered on {branches} branches";
    /// Of these, whose signalling is not by TLS.
    249 KeysInClear(branches)
        "on {branches} of them its keys go in the clear: the party is not called by TLS";
    /// Parties are offered SRTP by DTLS, as is set for them or as they are called by WebSocket.
    250 KeysByDtls(branches) "SRTP with keys by DTLS is offered on {branches} branches";
    /// The caller answers a trunk's challenges.
    119 DigestPasses(trunk) "the caller's credentials go to trunk {trunk}, challenges come back";
    /// How the targets of a route follow each other.
    130 ByPrice(targets) "{targets} targets, the cheapest for the call first";
    /// The same.
    131 ByQuality(targets) "{targets} targets by price and quality";
    /// The same.
    132 ByRotation(targets) "{targets} targets, the one called longest ago first";
    /// The same.
    253 ByLines(targets) "{targets} targets, the one with the most free lines first";
    /// Before the others.
    252 HopFirst(trunk, precedence) "trunk {trunk} comes first for {precedence}";
    /// Not a hop: the call was there.
    125 HopTried(trunk) "trunk {trunk} had the call and is gone";
    /// A call that was answered is decided again.
    126 Rerouted(trunk) "trunk {trunk} is gone after its answer, the call goes elsewhere";
    /// Not a hop: it would cost more than it brings.
    133 HopLoss(trunk) "trunk {trunk} takes more for the call than the caller pays";
    /// Behind the others.
    134 HopFailed(trunk) "trunk {trunk} failed lately and stands behind the others";
    /// The same.
    135 HopFailedHere(trunk)
        "trunk {trunk} failed lately for such numbers and stands behind the others";
    /// A route that fits the number but not who calls.
    136 RouteOfOthers(route) "route {route} is not for this caller";
    /// A route that fits the number but not the time.
    208 RouteClosed(route, day, minute)
        "route {route} is not for calls on day {day} of the week, {minute} minutes after midnight";
    /// Targets share calls, and this one is due.
    209 ShareTurn(trunk, weight, total, taken, calls)
        "it is the turn of trunk {trunk}: {taken} of {calls} calls so far, {weight} of {total} due";
    /// Before the others.
    210 HopOwed(trunk, minutes)
        "trunk {trunk} talked {minutes} minutes, less than is agreed on, and stands before others";
    /// Behind the others.
    211 HopSated(trunk, minutes)
        "trunk {trunk} talked {minutes} minutes, all that is desired, and stands behind others";
    /// Not a hop: it talked enough.
    212 HopSpent(trunk, minutes, of_month)
        "trunk {trunk} talked {minutes} minutes today, {of_month} this month: the most agreed on";
    /// Lines that the call may not take.
    213 HopReserved(trunk, lines) "trunk {trunk} keeps {lines} of its lines for other calls";
    /// Users of two groups do not call each other.
    238 OtherGroup(subscriber) "subscriber {subscriber} is of another user group";
    /// A trunk's call is that of who has the number it shows.
    239 BehalfOf(trunk, subscriber)
        "trunk {trunk} shows a number of subscriber {subscriber}, whose call it is";
    /// Another is called.
    240 Beyond(beyond) "the call goes to {beyond}";
    /// Behind the others.
    241 SecondTry(trunk)
        "trunk {trunk} had the caller's last call to the number and stands behind the others";
    /// Behind the others.
    45 HopRests(trunk) "trunk {trunk} had a call a moment ago and stands behind the others";
    /// A trunk is tried by hand.
    214 TestCall(trunk) "the number names trunk {trunk}, which is tried alone";
    /// Not a hop: it is tried by hand only.
    215 HopTestOnly(trunk) "trunk {trunk} takes calls by its test prefix alone";

    // Codes from 90 to 99 are the till's.
    /// The till granted talk time.
    90 Granted(seconds) "{seconds} seconds of talk were granted";
    /// No lease is needed.
    91 Unlimited() "talk time needs no grant";
    /// The till refused: no money.
    92 NoCredit(account) "account {account} has not enough credit for the shortest call";
    /// The till refused: a limit.
    93 LimitReached(account) "a limit of calls or of spending of account {account} is reached";
    /// Free time pays first.
    94 FreeTime(allowance, seconds) "allowance {allowance} pays the first {seconds} seconds";
    /// The till refused for another reason.
    95 NotAdmitted(account) "account {account} could not be charged";
    /// The till refused: a limit of the caller.
    96 SubscriberLimit(subscriber) "subscriber {subscriber} has all its calls";
    /// The till refused: a limit of the trunk that sent the call.
    97 TrunkLimit(trunk) "trunk {trunk} has all its calls";
    /// The till refused: a limit of the tenant.
    98 TenantLimit(tenant) "tenant {tenant} has all its calls";
    /// The till refused: what all accounts of a tenant may spend together.
    171 TenantSpent(tenant) "tenant {tenant} has spent what its day or month allows";
    /// The till refused: the talk of an account, or what came from an address.
    254 CapReached(account, cap) "{cap}, so account {account} makes no call for now";
    /// A price above what is allowed.
    172 PriceAbove(account) "a minute costs account {account} more than is allowed";
    /// The till refused: a limit of all calls.
    173 SwitchLimit() "the switch has all its calls";
    /// A rule about callers closes the call.
    127 CallerDenied(rule) "caller rule {rule} turns the caller away";
    /// A rule about callers lets the call through.
    128 CallerAllowed(rule) "caller rule {rule} lets the caller through";
    /// Only those may call whom a rule lets through.
    129 CallerUnlisted() "no caller rule lets the caller through";
    /// An address that nothing is sent to.
    115 HopOffLimits(trunk, address) "trunk {trunk}, address {address}: nothing is sent there";
    /// A price in a currency that is worth nothing now, which is none.
    150 NoExchangeRate(account, tariff)
        "account {account}: the currency of tariff {tariff} has no exchange rate";
    /// A reseller above the caller may not call.
    151 ResellerDisabled(account) "account {account}, which resells, is switched off";
    /// A pick-up.
    153 PickUp(subscriber) "takes the place of subscriber {subscriber}";
    /// The same.
    154 PickUpDenied() "may not take that place";
    /// A reseller above the caller has paid already.
    202 PaidEarly(account) "account {account}, which resells, has paid for the credit below it";
    /// Who brought the account earns of the call.
    203 Commission(account, share_bp)
        "{share_bp} hundredths of a percent of what account {account} pays go to its agent";
    /// A cost in a currency that is worth nothing now, or one too many.
    204 ProfitUnknown() "no commission where what the call costs has no exchange rate";
    /// More resellers than a call can have.
    152 TooManyResellers(account) "account {account} is one reseller too many";
    /// A list denies the number.
    198 ListDenied(number_list, digits)
        "list {number_list} denies the number by its first {digits} digits";
    /// Only what stands on lists is let through.
    199 ListLacks(number_list) "the number is not on list {number_list}, and only such may pass";
    /// A list lets the number through.
    200 ListAllowed(number_list, digits)
        "list {number_list} lets the number through by its first {digits} digits";
    /// A kind of number that is not called.
    201 KindDenied(number_kind) "numbers of kind {number_kind} are not called";
    /// A short or free number.
    181 LengthPrice(account) "account {account} pays by the length of the number, not by a tariff";
    /// A shared DID: the first look-up.
    190 SharedOwn(did, entry)
        "shared DID {did}, look-up 1: the caller gave it to the contact of phonebook entry {entry}";
    /// The same: the others.
    191 Shared(did, look_up, subscriber)
        "shared DID {did}, look-up {look_up}: the call is for subscriber {subscriber}";
    /// The same: none of them.
    192 SharedNobody(did) "shared DID {did}: no look-up says whose call it is";
    /// No credentials, and a listener that takes guests.
    193 Guest(trunk, listener) "nobody we know: a guest of trunk {trunk} by listener {listener}";
    /// A guest who calls what guests may not.
    194 GuestBeyond(listener) "guests of listener {listener} may call DIDs only";
    /// Right credentials from another address.
    195 NotItsAddress(trunk) "trunk {trunk} shows its credentials from an address that is not its";
    /// Not a hop: not for this caller.
    196 NotPartner(trunk) "trunk {trunk} and the caller are no partners";
    /// From names nobody of the trunk.
    197 NotItsUser(trunk) "From names no user of trunk {trunk}";
    /// A number whose owner pays for calls to it.
    137 OwnerPays(did, account) "account {account} pays for calls to DID {did}, who calls does not";
    /// The program is none of those that trunks without credentials call by.
    251 NotItsProgram(trunk) "trunk {trunk} calls by a program that is not on the list";
    /// A rule gives an account its tariff.
    232 PriceRule(account, price_rule) "account {account} pays as price rule {price_rule} says";
    /// A packet of money pays before the balance.
    234 Packet(allowance) "packet {allowance} pays before the balance";
    /// A rule gives it none.
    233 PriceRuleRefuses(account, price_rule)
        "account {account} has no price: price rule {price_rule} says so";
}

/// Steps that anybody may read whom the call concerns: nothing of routes, suppliers and what they
/// charge. What does not stand here is for operators.
const OPEN: &[u8] = &[
    CUT, NUMBER, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24,
    25, 30, 31, 32, 35, 36, 37, 62, 63, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 79, 80, 90,
    91, 92, 93, 94, 95, 96, 97, 98, 113, 114, 116, 117, 118, 120, 122, 123, 124, 127, 129, 162,
    163, 165, 168, 169, 170, 171, 172, 173, 181, 182, 183, 184, 185, 186, 188, 189, 190, 191, 192,
    193, 194, 195, 197, 201, 222, 223, 226, 227, 228, 229, 230, 234, 238, 240, 254,
];

impl Default for Trace {
    fn default() -> Trace {
        let mut bytes = [0; TRACE_MAX];
        if let Some(version) = bytes.first_mut() {
            *version = TRACE_VERSION;
        }
        Trace { bytes, len: 1, is_cut: false }
    }
}

impl Trace {
    /// Adds a step; beyond [`TRACE_MAX`] bytes one [`Step::Cut`] stands for all that follow.
    pub fn note(&mut self, step: Step) {
        if self.is_cut {
            return;
        }
        let mut payload = Payload { bytes: [0; PAYLOAD_MAX], len: 0 };
        let code = step.put(&mut payload);
        let room = TRACE_MAX - self.len;
        // The mark of the cut keeps its place.
        if payload.len + STEP_HEAD + STEP_HEAD > room {
            self.is_cut = true;
            self.push(CUT, &[]);
        } else {
            self.push(code, payload.as_bytes());
        }
    }

    /// The room was looked at.
    fn push(&mut self, code: u8, payload: &[u8]) {
        let room = self.bytes.get_mut(self.len..);
        let Some((head, rest)) = room.and_then(<[u8]>::split_first_chunk_mut) else { return };
        let Some(place) = rest.get_mut(..payload.len()) else { return };
        // A payload is shorter than 256 bytes.
        *head = [code, payload.len() as u8];
        place.copy_from_slice(payload);
        self.len += STEP_HEAD + payload.len();
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Reads stored bytes; a step that is cut off ends the steps.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Trace {
        let mut trace = Trace { len: bytes.len().min(TRACE_MAX), ..Trace::default() };
        for (to, from) in trace.bytes.iter_mut().zip(bytes) {
            *to = *from;
        }
        trace.is_cut = trace.steps().last() == Some(Step::Cut);
        trace
    }

    /// The steps in order.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let (version, mut input) = self.as_bytes().split_first().unwrap_or((&TRACE_VERSION, &[]));
        let other = (*version != TRACE_VERSION).then_some(Step::OtherForm(*version));
        if other.is_some() {
            input = &[];
        }
        other.into_iter().chain(core::iter::from_fn(move || {
            let (&[code, len], rest) = input.split_first_chunk()?;
            let (payload, rest) = rest.split_at_checked(usize::from(len))?;
            input = rest;
            Some(Step::read(code, payload).unwrap_or(Step::Newer(code)))
        }))
    }

    /// The steps in words, as far as they are for these eyes.
    #[must_use]
    pub fn told(&self, names: &dyn RowNames, audience: Audience) -> Vec<Said> {
        let seen = |step: &Step| match audience {
            Audience::Operator => true,
            Audience::Party => step.is_open(),
        };
        self.steps().filter(seen).map(|step| step.said(names)).collect()
    }
}

impl Step {
    fn is_open(&self) -> bool {
        let mut payload = Payload { bytes: [0; PAYLOAD_MAX], len: 0 };
        let unknown = matches!(self, Step::Newer(_) | Step::OtherForm(_));
        !unknown && OPEN.contains(&self.put(&mut payload))
    }

    fn said(&self, names: &dyn RowNames) -> Said {
        let mut sentence = String::new();
        // Writing to a String cannot fail.
        let _ok = self.tell(names, &mut sentence);
        Said { code: self.name(), parameters: self.parameters(), sentence }
    }
}

impl fmt::Display for Step {
    /// Without names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(&words::Nameless, f)
    }
}

impl fmt::Display for Trace {
    /// One step a line, without names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps()).finish()
    }
}

impl Payload {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// LEB128 of the bits: small ids take a byte or two.
    fn put_number(&mut self, value: i64) {
        let mut rest = value.cast_unsigned();
        while rest >= 0x80 {
            self.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.push(rest as u8);
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn take_number(input: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for place in 0..NUMBER_BYTES_MAX {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value.cast_signed());
        }
    }
    None
}

fn read_digits(payload: &[u8]) -> Option<Digits> {
    Digits::parse(core::str::from_utf8(payload).ok()?).ok()
}

const _: () = assert!(strowger_model::NUMBER_MAX <= PAYLOAD_MAX);
// A trace holds its version, a step and the mark of the cut at least.
const _: () = assert!(1 + STEP_HEAD + PAYLOAD_MAX + STEP_HEAD <= TRACE_MAX);

#[cfg(test)]
mod tests;
