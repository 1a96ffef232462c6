//! Every bound of this crate, by name.

use strowger_link::{FACTS_MAX, LEGS_MAX};

/// Most slots of one segment: a slot's index has 16 bits in a token.
pub const SLOTS_MAX: u32 = 1 << 16;
/// Legs of a call that we may send: one index is the caller's.
pub const ATTEMPTS_MAX: u8 = LEGS_MAX - 1;
/// How long an emergency call waits for an answer before its own table is used, milliseconds.
pub const EMERGENCY_ASK_MS: u64 = 1_000;
/// Ring time of a branch that names none, milliseconds: above the three minutes that RFC 3261 16.6
/// step 11 asks of timer C.
pub const RING_MS_DEFAULT: u32 = 185_000;
/// Longest ring time, milliseconds.
pub const RING_MS_MAX: u32 = 600_000;
/// How long a leg that was hung up may owe its last word before it counts as lost, milliseconds:
/// twice timer B, for a CANCEL whose INVITE never ends.
pub const LINGER_MS: u64 = 64_000;
/// Least time between two Extend asks of one call, milliseconds.
pub const EXTEND_MS_MIN: u64 = 1_000;
/// Calls of one chain: each transfer of a transferred call adds one, each of two chains of one
/// party makes them one.
pub const CHAIN_MAX: usize = 8;
/// Most that calls want of each other in one event: each call of a chain has at most two mesh legs
/// and one that waits, and says two or three things at a time by each.
pub const ERRANDS_MAX: usize = 12 * CHAIN_MAX;
/// How long a newcomer waits for the other party of the call it takes over, milliseconds: above
/// timer B of the re-INVITE and a second try after glare.
pub const PICK_MS: u64 = 40_000;
/// How long another shard may take to answer for a call of its own, milliseconds: no longer than
/// its words may be lost and sent again.
pub const TIE_MS: u32 = 10_000;
/// Most redirects that one call follows: as many as a call has payers beside the caller.
pub const REDIRECTS_MAX: usize = 5;
/// Longest text of a fact, bytes; a caller writes some of them.
pub const TEXT_MAX: usize = 256;
/// Digits passed on from one event.
pub const DIGITS_MAX: usize = 32;
/// Answered asks that are remembered, so that no answer is taken or given back twice.
pub const ANSWERED_MAX: usize = 16_384;
/// Longest Retry-After that we choose, seconds (design of calls, section 7).
pub const RETRY_AFTER_S_MAX: u16 = 3;
/// Facts every call must have room for: its first and last, opened, answered and ended of each leg,
/// and the joints.
pub const FACTS_RESERVED: usize = 2 + 3 * LEGS_MAX as usize + 8;
/// Facts after which mere details (progress, grants) are counted instead of kept.
pub const DETAIL_MAX: usize = FACTS_MAX - FACTS_RESERVED;

const _: () = assert!(FACTS_RESERVED < FACTS_MAX);
