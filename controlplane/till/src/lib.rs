//! The till: the one machine that owns every number that changes. Balances, holds, counts of calls.
//!
//! Sans-IO: [`Till::handle`] takes one [`Event`] and the time, [`Till::poll_output`] is drained
//! after each, [`Till::handle_timeout`] is called when [`Till::poll_timeout`] is due. One thread
//! owns it, so a call takes all its levels and limits or none, in one step, without a lock. It
//! never reads a clock, never rounds money (the [`strowger_model::CostBound`] of each payer does,
//! upwards), never decides who pays, and never forgets a charge.
//!
//! **Where the truth is.** `available = posted(database) + uncommitted - held - floor`:
//!
//! - `posted` is what the database says at the cursor of ingestion;
//! - `uncommitted` are charges and asked adjustments that the store has not committed yet;
//! - `held` is what running calls can still cost: the bound of each at the time granted to it.
//!
//! At boot: `Load` every account, `Replay` the records after the cursor, `Adopt` the calls of the
//! call table, then admit (design of control, 2).
//!
//! **Holds are leases in slices** (design of control, 3): the first slice is an eighth of what can
//! be afforded, between [`SLICE_MS_MIN`] and [`SLICE_MS_MAX`]; each `Extend` adds another; the one
//! that takes the rest is the last. So ten calls on a balance for ten minutes all start and
//! together never spend more than the balance.
//!
//! **Free time goes first.** A pool ([`Allow`]) is another thing that calls share: its time is
//! reserved in slices of the same measure, used by records, the rest given back at the end. It pays
//! the beginning of a call ([`Granted::free_ms`]): `used + reserved <= granted` after every step.
//! Money is held only for what comes behind, once the pool gives less than [`SLICE_MS_MIN`] more.
//! A call that has been granted time in money stays in money: its answer may be lost, and then time
//! that was turned into free time afterwards would be charged without a hold.
//!
//! **A packet goes before the balance.** Money of an account for some of its calls ([`Packet`]) is
//! shared without being parted: only what its calls can cost together beyond what is left of it is
//! held of the balance, and records are paid by it in their order (`packet.rs`). Days and months
//! count all of a charge, whoever pays it.
//!
//! **A recharge lengthens.** The dataplane asks for nothing behind its last slice. So whenever
//! money comes in (a payment, a hold that was not used up, a floor that was lowered), the calls of
//! that account which had their last slice get the next one unasked: [`Output::Lengthened`]. It is
//! held for before it is said, so a word that is lost costs nobody anything.
//!
//! **Days and months.** What calls of one day or month may cost is limited beside the balance, also
//! for accounts without a floor: used + held <= most, for every period. A call counts in the period
//! in which it began ([`Admit::at_us`]), hold and charge alike, so a period that ends during a call
//! neither cuts nor frees it. The till knows no calendar: [`Event::Calendar`] says where periods
//! begin.
//!
//! **Talk.** How long the calls of an account talked is counted in the same periods, when their
//! records are settled. Whose day or month has talked as long as it may is admitted no more; a call
//! that runs is not cut.
//!
//! **Addresses.** Calls from one address, their talk and their cost may be capped within a window
//! of time ([`WindowAsk`]): see `window.rs`.
//!
//! **A tenant's whole.** What all accounts of a tenant spend together may be limited in the same
//! way ([`Event::Tenant`]). Where several payers of one call count in it, each may take its share
//! of what is left, so that together they never take more.
//!
//! **When a hold ends.** With `Settle` (a record) or `Void` (the dataplane abandoned the attempt,
//! or began a new life that does not know it). An answer that the dataplane never took cannot be
//! told from one that rings: `Started` means *answered* and ringing may take minutes, so an
//! unanswered hold stands for [`UNSTARTED_MS`], longer than any ringing, and then expires. Should
//! its call be answered later after all, `Started` finds no hold, says `Unknown`, and the call is
//! adopted from its settlement; a record without a hold is charged with an alarm. Too short a bound
//! would lend the same money twice, too long a bound only locks a little of it.
//!
//! **Idempotence.** An ask that is repeated gets the same grant. A hold settles once; a second
//! `Settle` within the last [`SETTLED_MEMORY`] settlements changes nothing. A hold that was given
//! back within the last [`VOIDED_MEMORY`] is not adopted for a call that rings: a question may be
//! heard after the record of its call. Ids of asks must not
//! repeat while their calls live: a dataplane counts on from where its shard's last life ended.
//!
//! Where to start: [`Till::handle`].

#![deny(clippy::float_arithmetic)]

mod account;
mod event;
mod key;
mod limit;
mod memory;
mod packet;
mod period;
mod pool;
mod slice;
mod till;
mod window;

pub use account::{AccountHold, Balance};
pub use event::*;
pub use key::{AccountKey, HoldId, LimitKey, Ms};
pub use packet::PacketLeft;
pub use period::{Bounds, Calendar, DAY, Growth, Learning, MONTH, PERIODS, Spent};
pub use pool::Pool;
pub use slice::{SLICE_MS_MAX, SLICE_MS_MIN};
pub use till::{
    ACCOUNTS_MAX, ADJUST_MEMORY, EXPIRED_PER_STEP, HOLDS_MAX, LENGTHEN_MS_MIN, LENGTHENED_PER_STEP,
    SETTLED_MEMORY, Till, UNSTARTED_MS, VOIDED_MEMORY,
};
pub use window::WINDOWS_MAX;
