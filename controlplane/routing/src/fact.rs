//! What only somebody outside knows of a call: questions, and what came of them (design of control,
//! 13).
//!
//! A decision that wants to know such a thing says [`Verdict::Need`](crate::Verdict::Need); who
//! decides finds it out, or not, and decides again with one [`Fact`] more. That nobody answered is
//! a fact, too. So the same facts give the same decision, and a decision waits for nobody.

use std::net::{IpAddr, SocketAddr};
use strowger_link::Transport;
use strowger_locate::{Place, Wanted};
use strowger_model::{AccountId, Digits, OrganizationId, SubscriberId, TenantId, TrunkId};
use strowger_numbering::Target;

/// Most questions that one decision puts to the outside, one after the other; whatever it wants to
/// know beyond them is unknown.
pub const FACTS_MAX: usize = 8;

/// A question that only the outside can answer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Query {
    /// Where a number was ported to (spec NP-02).
    Ported(Digits),
    /// Where a number is reached over the network (spec ENUM-01).
    Reached(Digits),
    /// What the operator's own program wants done with a call (spec NUM-DIAL-01).
    Hook(Box<AskedCall>),
    /// Whether a call may be made, by RADIUS (spec RAD-01).
    Radius(Box<AskedCall>),
    /// Where requests to a host go (RFC 3263).
    Place(Box<Wanted>),
}

/// A call before it is routed, as those see it who are asked about it. It has no time in it: the
/// same call is the same question.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AskedCall {
    /// Its Call-ID: two calls are two questions, however alike.
    pub sip_call_id: String,
    /// Whose call.
    pub tenant: TenantId,
    /// Who pays.
    pub account: AccountId,
    /// Whose the caller is.
    pub organization: OrganizationId,
    /// The caller, if a subscriber.
    pub subscriber: Option<SubscriberId>,
    /// The trunk that it came by, else.
    pub trunk: Option<TrunkId>,
    /// The called number, canonical if it is one.
    pub called: String,
    /// As it was received.
    pub received: String,
    /// The caller's number, which the record shows.
    pub caller: String,
    /// The user of From.
    pub from: String,
    /// Where it came from.
    pub source: IpAddr,
    /// Who is called is ours.
    pub local: bool,
}

/// What the operator's program wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HookSays {
    /// It goes on, with these numbers in place of its own.
    Continue {
        /// Who is called.
        called: Option<String>,
        /// Who calls.
        caller: Option<String>,
        /// The longest talk, milliseconds.
        talk_ms: Option<u64>,
    },
    /// It is refused with this status, 400 to 699.
    Refuse(u16),
}

/// What a RADIUS server says of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RadiusSays {
    /// It may be made.
    Accept {
        /// And last so long, seconds.
        talk_s: Option<u32>,
        /// What servers want to hear again when they are told of it, as
        /// [`strowger_billing::classes`] has it.
        class: Vec<u8>,
    },
    /// It is refused with this status, 400 to 699.
    Reject(u16),
}

/// What came of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// How a number is routed; `None` = it was not ported.
    Ported(Option<Target>),
    /// The URI that a number is reached at; `None` = the domain name system has none.
    Reached(Option<Box<Reached>>),
    /// What is to be done with a call.
    Hook(HookSays),
    /// Whether a call may be made.
    Radius(RadiusSays),
    /// Where requests to a host go, better places first; none = it leads nowhere.
    Placed(Vec<Place>),
    /// Nobody said.
    Unknown(Lack),
}

/// Where a number is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached {
    /// A SIP URI.
    pub uri: String,
    /// Where requests to it go, in the order to try.
    pub addresses: Vec<(Transport, SocketAddr)>,
}

/// Why nobody said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// No answer in time.
    Late,
    /// Who was asked is not there, or said what cannot be understood.
    Failed,
    /// Too much is asked already.
    Full,
}

/// A question with what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// The question.
    pub query: Query,
    /// What came of it.
    pub finding: Finding,
}

impl Finding {
    /// Why it answers none of the questions below: nobody said, or what was said answers another.
    fn lack(&self) -> Lack {
        match self {
            Finding::Unknown(lack) => *lack,
            Finding::Ported(_)
            | Finding::Reached(_)
            | Finding::Hook(_)
            | Finding::Radius(_)
            | Finding::Placed(_) => Lack::Failed,
        }
    }

    /// The answer to [`Query::Ported`], or why there is none.
    pub(crate) fn ported(self) -> Result<Option<Target>, Lack> {
        let Finding::Ported(target) = self else { return Err(self.lack()) };
        Ok(target)
    }

    /// The answer to [`Query::Reached`].
    pub(crate) fn reached(self) -> Result<Option<Reached>, Lack> {
        let Finding::Reached(reached) = self else { return Err(self.lack()) };
        Ok(reached.map(|reached| *reached))
    }

    /// The answer to [`Query::Hook`].
    pub(crate) fn hook(self) -> Result<HookSays, Lack> {
        let Finding::Hook(says) = self else { return Err(self.lack()) };
        Ok(says)
    }

    /// The answer to [`Query::Radius`].
    pub(crate) fn radius(self) -> Result<RadiusSays, Lack> {
        let Finding::Radius(says) = self else { return Err(self.lack()) };
        Ok(says)
    }

    /// The answer to [`Query::Place`].
    pub(crate) fn placed(&self) -> Result<&[Place], Lack> {
        let Finding::Placed(places) = self else { return Err(self.lack()) };
        Ok(places)
    }
}

impl Lack {
    /// Its number in traces.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Lack::Late => 1,
            Lack::Failed => 2,
            Lack::Full => 3,
        }
    }
}

/// The words of [`Lack::number`].
pub(crate) const fn lack_word(number: i64) -> Option<&'static str> {
    match number {
        1 => Some("no answer in time"),
        2 => Some("it failed"),
        3 => Some("too much is asked already"),
        _ => None,
    }
}

/// Who is asked, as traces name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outsider {
    /// The service for ported numbers.
    Portability,
    /// The domain name system.
    Enum,
    /// The operator's own program.
    Hook,
    /// Name servers.
    Names,
    /// The RADIUS servers.
    Radius,
}

impl Outsider {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Outsider::Portability => 1,
            Outsider::Enum => 2,
            Outsider::Hook => 3,
            Outsider::Names => 4,
            Outsider::Radius => 5,
        }
    }
}

/// The words of [`Outsider::number`].
pub(crate) const fn outsider_word(number: i64) -> Option<&'static str> {
    match number {
        1 => Some("the portability service"),
        2 => Some("ENUM"),
        3 => Some("the hook"),
        4 => Some("the name server"),
        5 => Some("RADIUS"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_another_question_is_none() {
        let none = || Finding::Ported(None);
        assert_eq!(none().ported(), Ok(None));
        assert_eq!(none().reached(), Err(Lack::Failed));
        assert_eq!(none().hook(), Err(Lack::Failed));
        assert_eq!(none().radius(), Err(Lack::Failed));
        assert_eq!(none().placed(), Err(Lack::Failed));
        assert_eq!(Finding::Reached(None).ported(), Err(Lack::Failed));
        assert_eq!(Finding::Unknown(Lack::Late).hook(), Err(Lack::Late));
        assert_eq!(Finding::Placed(Vec::new()).placed(), Ok(&[][..]));
    }
}
