//! Why a call to the phone did not give what a test waited for.

use std::fmt;

/// How a call ended, seen from this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// Our BYE was answered.
    LocalBye,
    /// The other side sent BYE.
    RemoteBye,
    /// Our CANCEL led to 487.
    LocalCancel,
    /// The other side sent CANCEL before we answered.
    RemoteCancel,
    /// The other side refused our INVITE with this code.
    Refused(u16),
    /// We refused the other side's INVITE with this code.
    Rejected(u16),
    /// A request of ours was never answered.
    TimedOut,
    /// Our 200 was never acknowledged.
    NoAck,
}

/// What was the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A final response that is not a success.
    Code(u16),
    /// Nothing decisive came within the limit.
    TimedOut,
    /// The call ended while waiting for something else.
    Ended(EndedBy),
    /// The other side broke a rule of its protocol.
    Protocol(&'static str),
    /// The test asked for what makes no sense in this state.
    Misuse(&'static str),
    /// The operating system refused.
    Io(String),
}

/// A failure with everything needed to see why.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was the matter.
    pub cause: Cause,
    /// What was awaited.
    pub awaited: String,
    /// State of the call or exchange at that moment.
    pub seen: String,
    /// All SIP messages of the phone so far, as text.
    pub ladder: String,
}

impl Failure {
    /// The SIP code, when a final response was the cause or ended the call.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self.cause {
            Cause::Code(code) | Cause::Ended(EndedBy::Refused(code) | EndedBy::Rejected(code)) => {
                Some(code)
            }
            Cause::TimedOut
            | Cause::Ended(_)
            | Cause::Protocol(_)
            | Cause::Misuse(_)
            | Cause::Io(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cause, awaited, seen, ladder } = self;
        write!(f, "waited for {awaited}; got {cause:?}; seen: {seen}\n{ladder}")
    }
}

/// As [`fmt::Display`], so that `unwrap` in a test shows the ladder in readable lines.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}
