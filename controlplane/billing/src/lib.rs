//! What a call cost and who owes it: rating, call detail records, the rules of the ledger. Pure
//! functions on values: no clock, no database, no float, no state.
//!
//! The way of a call's money:
//!
//! 1. A decision writes a [`Settlement`] into its answer: every payer and every supplier with their
//!    [`Terms`] by value. The dataplane carries it unread and gives it back with the facts.
//! 2. [`compose`] turns the facts of a call into drafts of records: times, parties, outcome, media.
//! 3. [`price`] adds the money to a draft, by [`rate`], from its settlement and nothing else.
//!    [`records`] is both steps.
//! 4. [`Postings`] adds up the charges of a batch of records to ledger transfers; [`corrections`]
//!    adds up what changes where records are rated again.
//!
//! All of them give the same result for the same input, always: a journal read again after a crash
//! makes the same records and the same transfers.
//!
//! Where to start: [`rate`], the one place where the order of rounding is written.

#![deny(clippy::float_arithmetic)]

mod commission;
mod compact;
mod compose;
mod ledger;
mod packet;
mod price;
mod rate;
mod revision;
mod settlement;
mod terms;
#[cfg(test)]
mod testing;

pub use commission::{Commission, in_currency};
pub use compose::{CUT_GRACE_MS, CdrDraft, Mode, close_at, compose, sides_heard};
pub use ledger::{
    BadTransfer, Cause, Correction, LedgerAccount, LedgerKind, Owner, Postings, Transfer,
    TransferKind, Unit, bought, corrections, postings, sides,
};
pub use packet::{packets_of, pay_by_packets};
pub use price::{price, records};
pub use rate::{Overflow, Rated, rate};
pub use revision::{RevisedRate, in_force};
pub use settlement::{
    BadSettlement, CALLER_NUMBER_MAX, CLASS_MAX, Caller, EXCHANGES_MAX, FORWARDS_MAX, Forwarder,
    Hop, LEVELS_MAX, Level, Part, PriceRef, SETTLEMENT_VERSION, Settlement, Wait, add_class,
    classes,
};
pub use terms::{BadTerms, Terms, VAT_PPM_MAX};
