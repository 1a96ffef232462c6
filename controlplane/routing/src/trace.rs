//! Why a decision is what it is, in at most 512 bytes (design of control, 15).
//!
//! A trace is a list of codes with numbers behind them, written on every call and rendered to words
//! only when somebody asks. Codes never change their meaning: stored traces outlive releases.

use crate::limits::TRACE_MAX;
use core::fmt;
use strowger_model::Digits;

/// The steps of one decision, encoded.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Trace(Vec<u8>);

/// Code of a trace that was cut at its bound.
const CUT: u8 = 0;
/// Code of [`Step::Number`], whose text follows its length.
const NUMBER: u8 = 1;

macro_rules! steps {
    ($($(#[$meta:meta])* $code:literal $name:ident($($arg:ident),*) $words:literal;)*) => {
        /// One step of a decision. Numbers are ids unless the words say otherwise.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Step {
            /// The trace was longer than its bound; what follows is missing.
            Cut,
            /// The canonical called number.
            Number(Digits),
            $($(#[$meta])* $name { $(
                #[expect(missing_docs, reason = "the words of the step name it")]
                $arg: i64
            ),* },)*
        }

        impl Step {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    Step::Cut => out.push(CUT),
                    Step::Number(number) => {
                        out.push(NUMBER);
                        out.push(number.len() as u8);
                        out.extend_from_slice(number.as_bytes());
                    }
                    $(Step::$name { $($arg),* } => {
                        out.push($code);
                        $(put_number(*$arg, out);)*
                    })*
                }
            }

            fn take(input: &mut &[u8]) -> Option<Step> {
                let (code, rest) = input.split_first()?;
                *input = rest;
                match *code {
                    CUT => Some(Step::Cut),
                    NUMBER => take_digits(input).map(Step::Number),
                    $($code => Some(Step::$name { $($arg: take_number(input)?),* }),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for Step {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Step::Cut => f.write_str("(the rest was cut)"),
                    Step::Number(number) => write!(f, "called number is {number}"),
                    $(Step::$name { $($arg),* } => write!(f, $words),)*
                }
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
}

impl Trace {
    /// Adds a step; beyond [`TRACE_MAX`] bytes one [`Step::Cut`] stands for all that follow.
    pub fn note(&mut self, step: Step) {
        if self.is_cut() {
            return;
        }
        let before = self.0.len();
        step.put(&mut self.0);
        // One byte is kept for the mark of the cut.
        if self.0.len() >= TRACE_MAX {
            self.0.truncate(before);
            self.0.push(CUT);
        }
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads stored bytes; what cannot be read ends the steps.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Trace {
        Trace(bytes.get(..TRACE_MAX).unwrap_or(bytes).to_vec())
    }

    /// The steps in order.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let mut input = self.0.as_slice();
        core::iter::from_fn(move || Step::take(&mut input))
    }

    fn is_cut(&self) -> bool {
        // A code of 0 may also be the last byte of a number, so length decides first.
        self.0.len() + LONGEST_STEP > TRACE_MAX && self.steps().last() == Some(Step::Cut)
    }
}

/// Most bytes of one step: a code and two numbers of ten bytes, or a number's text.
const LONGEST_STEP: usize = 2 + strowger_model::NUMBER_MAX;

impl fmt::Display for Trace {
    /// One step a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// LEB128 of the bits: small ids take a byte or two.
fn put_number(value: i64, out: &mut Vec<u8>) {
    let mut rest = value.cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn take_number(input: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for place in 0..10 {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value.cast_signed());
        }
    }
    None
}

fn take_digits(input: &mut &[u8]) -> Option<Digits> {
    let (len, rest) = input.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*len))?;
    *input = rest;
    Digits::parse(core::str::from_utf8(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes_and_words() {
        let mut trace = Trace::default();
        trace.note(Step::SenderSubscriber { subscriber: 300 });
        trace.note(Step::Number(Digits::parse("44*").unwrap()));
        trace.note(Step::Hop { trunk: 7, address: 1 });
        trace.note(Step::Refused { sip: 404, q850: 1 });
        assert_eq!(trace.as_bytes(), b"\x03\xac\x02\x01\x0344*\x1a\x07\x01\x24\x94\x03\x01");
        assert_eq!(
            trace.to_string(),
            "sender is subscriber 300\ncalled number is 44*\nhop to trunk 7, address 1\n\
             refused with 404, cause 1\n"
        );
    }

    #[test]
    fn is_bounded_and_says_so() {
        let mut trace = Trace::default();
        for _ in 0..200 {
            trace.note(Step::Hop { trunk: i64::MAX, address: 0 });
        }
        assert!(trace.as_bytes().len() <= TRACE_MAX);
        assert!(trace.as_bytes().len() > TRACE_MAX - LONGEST_STEP);
        assert_eq!(trace.steps().last(), Some(Step::Cut));
        assert_eq!(trace.steps().filter(|s| *s == Step::Cut).count(), 1);
        trace.note(Step::Stranger {});
        assert_eq!(trace.steps().last(), Some(Step::Cut));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn numbers_survive(values in prop::collection::vec(any::<i64>(), 1..20)) {
            let mut trace = Trace::default();
            let steps: Vec<Step> =
                values.iter().map(|v| Step::Route { route: *v, prefix_digits: -*v / 2 }).collect();
            steps.iter().for_each(|step| trace.note(*step));
            let back: Vec<Step> = Trace::from_bytes(trace.as_bytes()).steps().collect();
            prop_assert_eq!(back, steps);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let trace = Trace::from_bytes(&bytes);
            prop_assert!(trace.steps().count() <= TRACE_MAX);
            prop_assert!(trace.to_string().len() < 64 * TRACE_MAX);
        }
    }
}
