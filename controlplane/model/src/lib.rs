//! The words of the control plane: typed ids, money, numbers, and the rows an operator sees.
//!
//! Values only: no SQL, no clock, no decision.

mod access;
mod cost;
mod id;
mod money;
mod number;
mod quality;
mod record;
mod row;
mod setting;
mod time;

pub use access::{Audience, Role};
pub use cost::*;
pub use id::*;
pub use money::{
    Amount, BadDecimal, Currency, LEDGER_EXTRA_DIGITS, PRICE_DIGITS, Price, parse_decimal,
    print_decimal,
};
pub use number::{
    BadNumber, Digits, EDIT_PREFIXES_MAX, Home, NUMBER_MAX, Normalisation, PrefixEdit,
};
pub use quality::{
    Audio, FalseAnswer, MOS_FAIR_MIN, MOS_GOOD_MIN, MOS_MAX, MOS_MIN, PACKETS_MIN, RANG_MS_MIN,
    SILENT_MS_MIN, Speech, TALK_MS_MIN, audio, audio_so_far, false_answer, mos, worst_score,
};
pub use record::*;
pub use row::*;
pub use setting::*;
pub use time::*;
