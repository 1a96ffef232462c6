//! `strowger books check`: the audit of the books, read from the database itself, so that it needs
//! no running control plane and believes none.

use crate::{Failure, say};
use strowger_store::{BooksReport, FINDINGS_MAX, Place, Reader, StoreError};
use strowger_tuning::{Config, Words};

/// Audits; each finding is one line of standard output, the last line counts.
pub(crate) fn check(words: &Words) -> Result<(), Failure> {
    let config = words.load().map_err(Failure::Usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Unchecked(format!("runtime: {e}")))?;
    let report = runtime.block_on(audit(&config)).map_err(|e| Failure::Unchecked(chain(&e)))?;
    for line in lines(&report) {
        say(&line)?;
    }
    if report.findings.is_empty() { Ok(()) } else { Err(Failure::Findings) }
}

async fn audit(config: &Config) -> Result<BooksReport, StoreError> {
    let database = &config.database;
    let place = Place::parse(&database.url, &config.node.data, &database.password_file)?;
    Reader::open_at(&place).await?.books_check().await
}

fn lines(report: &BooksReport) -> Vec<String> {
    let mut lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    if report.more {
        lines.push(format!("there is more behind the first {FINDINGS_MAX}"));
    }
    let BooksReport { batches, transfers, accounts, .. } = report;
    let verdict = match report.findings.len() {
        0 => "the books are sound".to_owned(),
        1 => "1 finding".to_owned(),
        more => format!("{more} findings"),
    };
    let looked = format!("{batches} batches, {transfers} transfers, {accounts} ledger accounts");
    lines.push(format!("{verdict}: {looked}"));
    lines
}

/// An error with all its sources, in one line.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = format!("books check: {e}");
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}
