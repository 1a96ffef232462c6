//! `strowger books check`: the audit of the books, read from the database itself, so that it needs
//! no running control plane and believes none. `strowger backup`: a copy, audited the same way, and
//! the files that belong to it.

use crate::{Failure, beside, say};
use std::path::Path;
use strowger_store::{BooksReport, FINDINGS_MAX, Place, Reader, StoreError};
use strowger_tuning::{Config, Words};

/// Audits; each finding is one line of standard output, the last line counts.
pub(crate) fn check(words: &Words) -> Result<(), Failure> {
    let config = words.load().map_err(Failure::Usage)?;
    print(&drive(audit(&config)).map_err(|e| unchecked("books check", &e))?)
}

/// Copies the database into `file`, audits the copy, and copies the files beside it.
pub(crate) fn back_up(file: &Path, words: &Words) -> Result<(), Failure> {
    let config = words.load().map_err(Failure::Usage)?;
    let folder = beside::folder_of(file);
    if folder.exists() {
        let is_there = format!("backup: {}: is there already", folder.display());
        return Err(Failure::Unchecked(is_there));
    }
    let report = drive(copy(&config, file)).map_err(|e| unchecked("backup", &e))?;
    let copied = beside::copy(&config.node.data, &folder);
    let count = copied.map_err(|e| Failure::Unchecked(format!("backup: {e}")))?;
    let audited = print(&report);
    say(&format!("{}: {count} files beside the database", folder.display()))?;
    audited
}

fn drive<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| StoreError::Place(format!("runtime: {e}")))?;
    runtime.block_on(work)
}

async fn copy(config: &Config, file: &Path) -> Result<BooksReport, StoreError> {
    let database = &config.database;
    let place = Place::parse(&database.url, &config.node.data, &database.password_file)?;
    Reader::open_at(&place).await?.back_up(file).await
}

fn print(report: &BooksReport) -> Result<(), Failure> {
    for line in lines(report) {
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
fn unchecked(command: &str, e: &dyn std::error::Error) -> Failure {
    let mut text = format!("{command}: {e}");
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    Failure::Unchecked(text)
}
