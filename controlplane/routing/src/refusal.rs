//! What a caller is told when the answer is no: one table.

use strowger_link::{Cause, HeaderField, Octets, Reason, Refuse};
use strowger_model::BadNumber;

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Wrong credentials; who is unknown gets the same.
    AuthFailed,
    /// The sender may not call, or may not call that.
    Denied,
    /// The called text is no number.
    BadNumber(BadNumber),
    /// Nobody has the called number.
    UnknownNumber,
    /// The callee is nowhere registered.
    Offline,
    /// A route fits and leads nowhere.
    NoRoute,
    /// The caller has no price for the number.
    NoPrice,
    /// Not enough credit for the shortest call.
    NoCredit,
    /// A limit of the caller is reached.
    Limit,
    /// All targets failed, and none of them said why.
    Exhausted,
    /// All contacts of the callee failed, and none of them said why.
    NoAnswer,
    /// The session that was asked for is shorter than so many seconds (RFC 4028).
    SessionTooShort(u32),
    /// A rule refuses the call with this status, 400 to 699.
    Rule(u16),
    /// Somebody outside did not say what has to be known of the call.
    Unknown,
    /// The caller is to call elsewhere, and is told where.
    Redirected,
    /// The request is malformed.
    BadRequest,
    /// The address of record is not ours (RFC 3261 10.3 step 5).
    UnknownUser,
    /// The request is older than what is known.
    OutOfOrder,
    /// This kind of request is not answered.
    NotSupported,
    /// A row refers to one that is gone, or a plan does not fit its frame.
    Internal,
}

impl Refusal {
    /// SIP status and Q.850 value (RFC 3398; denied is 21 by the design of calls, 7).
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Refusal::AuthFailed | Refusal::Denied | Refusal::NoPrice => Cause::new(403, 21),
            Refusal::BadNumber(_) => Cause::new(484, 28),
            Refusal::UnknownNumber | Refusal::UnknownUser => Cause::new(404, 1),
            Refusal::Offline => Cause::new(480, 20),
            Refusal::NoRoute => Cause::new(404, 3),
            Refusal::NoCredit => Cause::new(402, 21),
            // Never 503: a peer would stop sending everything (design of calls, 7).
            Refusal::Limit | Refusal::Exhausted => Cause::new(480, 34),
            Refusal::NoAnswer => Cause::new(480, 19),
            Refusal::Unknown => Cause::new(480, 41),
            Refusal::SessionTooShort(_) => Cause::new(422, 127),
            Refusal::Rule(status) => Cause::from_sip(status),
            Refusal::Redirected => Cause::new(302, 23),
            Refusal::BadRequest => Cause::new(400, 127),
            Refusal::OutOfOrder | Refusal::Internal => Cause::new(500, 41),
            Refusal::NotSupported => Cause::new(501, 79),
        }
    }

    /// Our reason.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Refusal::AuthFailed => Reason::AuthFailed,
            Refusal::Denied | Refusal::Rule(_) => Reason::Denied,
            Refusal::BadNumber(_)
            | Refusal::SessionTooShort(_)
            | Refusal::BadRequest
            | Refusal::OutOfOrder
            | Refusal::NotSupported => Reason::BadRequest,
            Refusal::UnknownNumber | Refusal::UnknownUser => Reason::UnknownNumber,
            Refusal::Offline => Reason::Offline,
            Refusal::NoRoute | Refusal::Unknown => Reason::NoRoute,
            Refusal::NoPrice => Reason::NoPrice,
            Refusal::NoCredit => Reason::NoCredit,
            Refusal::Limit => Reason::Limit,
            Refusal::Exhausted => Reason::Exhausted,
            Refusal::NoAnswer => Reason::NoAnswer,
            Refusal::Redirected => Reason::Redirected,
            Refusal::Internal => Reason::Internal,
        }
    }

    /// The refusal as the dataplane carries it out.
    #[must_use]
    pub fn refuse(self, record: bool, settlement: Octets) -> Refuse {
        Refuse {
            cause: self.cause(),
            reason: self.reason(),
            phrase: String::new(),
            retry_after_s: 0,
            prompt: None,
            record,
            settlement,
            explain: true,
            headers: self.headers(),
        }
    }

    /// Fields that say more.
    fn headers(self) -> Vec<HeaderField> {
        match self {
            Refusal::SessionTooShort(least_s) => {
                let value = Octets(least_s.to_string().into_bytes());
                vec![HeaderField { name: "Min-SE".to_owned(), value }]
            }
            Refusal::AuthFailed
            | Refusal::Denied
            | Refusal::BadNumber(_)
            | Refusal::UnknownNumber
            | Refusal::Offline
            | Refusal::NoRoute
            | Refusal::NoPrice
            | Refusal::NoCredit
            | Refusal::Limit
            | Refusal::Exhausted
            | Refusal::NoAnswer
            | Refusal::Unknown
            | Refusal::Rule(_)
            | Refusal::Redirected
            | Refusal::BadRequest
            | Refusal::UnknownUser
            | Refusal::OutOfOrder
            | Refusal::NotSupported
            | Refusal::Internal => Vec::new(),
        }
    }
}
