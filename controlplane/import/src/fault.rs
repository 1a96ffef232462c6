//! What is wrong with a row, and where.

use crate::limits::{CODES_MAX, SAID_LEN_MAX};
use crate::{BadCode, BadDate, BadInterval, BadNumber};
use std::fmt;
use strowger_model::Digits;

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// A code.
    #[error("{0}")]
    Code(BadCode),
    /// A price or fee.
    #[error("{0}")]
    Number(BadNumber),
    /// A date.
    #[error("{0}")]
    Date(BadDate),
    /// Increments.
    #[error("{0}")]
    Interval(BadInterval),
    /// No price, and nothing that says why.
    #[error("is missing")]
    NoPrice,
    /// A price beside one for peak hours, or but one of the two.
    #[error(
        "is missing, is not alone, or has another price beside it: either one for all times, \
             or one for peak hours and one for all others"
    )]
    Prices,
    /// A word that means no change that is known.
    #[error("is no change that is known")]
    Change,
    /// Another currency than the tariff's.
    #[error("is not the currency of the tariff")]
    Currency,
    /// The price ends before it begins.
    #[error("is not behind the effective date")]
    Order,
    /// The same code from the same day, with other terms.
    #[error("the code {code} stands in line {other} too, with other terms")]
    Conflict {
        /// Which code.
        code: Digits,
        /// The other line.
        other: u32,
    },
    /// Too many codes.
    #[error("the deck has more than {CODES_MAX} codes")]
    TooMany,
}

/// A problem at its place. Printed: `line 12, column C (Prefix): "4.9E+11" was cut by ...`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Line of the file, or row of the sheet.
    pub line: u32,
    /// Letters of the column and its name; empty = the row as a whole.
    pub column: String,
    /// What stands there, shortened.
    pub said: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Fault {
    pub(crate) fn new(line: u32, column: String, said: &str, problem: Problem) -> Fault {
        Fault { line, column, said: said.chars().take(SAID_LEN_MAX).collect(), problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.column.is_empty() {
            write!(f, ", column {}", self.column)?;
        }
        f.write_str(": ")?;
        if !self.said.is_empty() {
            write!(f, "{:?} ", self.said)?;
        }
        write!(f, "{}", self.problem)
    }
}
