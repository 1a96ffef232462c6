//! What must be true of the repository as text: borders between crates, names in documents,
//! lengths.
//!
//! *What it is:* a walk over the files of the repository ([`Tree`]) and one function for each rule,
//! which gives [`Finding`]s with file and line. `tests/repository.rs` runs every rule on this
//! repository; each rule's own tests run it on made-up files, so that it is known to turn red.
//!
//! *What it never does:* build, run or change anything, or use the network. It reads Rust by a
//! small lexer ([`rust::Rust`]), not by the compiler: rules that need types belong to clippy.
//!
//! - [`dependency`]: which crate may use which, and what only some may use.
//! - [`unsafety`]: `unsafe` only in `dataplane/port`.
//! - [`length`]: functions over 70 lines (`data/long_functions.txt`, may only shrink), 100 columns.
//! - [`hot`]: no allocation, lock, hash, float, panic or log in files marked `//! HOT PATH`.
//! - [`word`]: nothing unfinished, no test ignored without a reason, no machine paths or hosts.
//! - [`quote`]: quotes of RFCs, letter by letter, where the texts are at hand.
//! - [`name`]: names in code spans of documents exist.
//! - [`module`]: every Rust file is part of a crate.
//! - [`coverage`]: `tests/spec/coverage.toml`; [`promise`]: the tables of SPECIFICATION.md.
//!
//! *How to drive it:* `cargo test -p strowger-tidy`. *Where to start:* [`Tree`], then [`hot`], the
//! shortest rule.

pub mod coverage;
pub mod dependency;
pub mod evidence;
pub mod hot;
pub mod length;
pub mod module;
pub mod name;
pub mod promise;
pub mod quote;
pub mod rust;
pub mod span;
pub mod tree;
pub mod unsafety;
pub mod word;

pub use tree::{File, Tree};

use std::fmt::{Display, Formatter};

/// A place that breaks a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Finding {
    /// File, relative to the root of the repository.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what to do where that is not plain.
    pub what: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: path.to_owned(), line, what: what.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Findings as `line: what`, for tests on made-up files.
#[cfg(test)]
fn said(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{}:{}: {}", f.path, f.line, f.what)).collect()
}
