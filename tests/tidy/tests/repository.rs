//! Every rule on this repository.

use std::io::Write as _;
use std::sync::OnceLock;
use strowger_tidy::{
    Finding, Tree, coverage, dependency, hot, length, module, name, promise, quote, unsafety, word,
};

fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(|| match Tree::of_repository() {
        Ok(tree) => tree,
        Err(e) => unreadable(&e),
    })
}

#[expect(clippy::panic, reason = "without files there is nothing to judge")]
fn unreadable(e: &std::io::Error) -> ! {
    panic!("the repository cannot be read: {e}")
}

fn check(findings: &[Finding]) {
    let said: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), said.join("\n"));
}

/// Tells a person that something was not judged: past the capture of test output.
fn say(line: &str) {
    let _nobody_listens = writeln!(std::io::stderr(), "tidy: {line}");
}

#[test]
fn crates_keep_to_their_borders() {
    check(&dependency::check(tree()));
}

#[test]
fn unsafe_code_is_at_home() {
    check(&unsafety::check(tree()));
}

#[test]
fn functions_and_lines_are_short() {
    check(&length::check(tree()));
}

#[test]
fn the_packet_path_is_clean() {
    let marked = |file: &strowger_tidy::File| file.text.starts_with(hot::MARK);
    assert!(tree().files().any(marked), "no file is marked `{}`", hot::MARK);
    check(&hot::check(tree()));
}

#[test]
fn nothing_is_left_open_or_tied_to_a_machine() {
    check(&word::check(tree()));
}

#[test]
fn every_file_is_part_of_a_crate() {
    check(&module::check(tree()));
}

#[test]
fn names_in_documents_exist() {
    check(&name::check(tree()));
}

#[test]
fn quotes_are_letter_by_letter() {
    let verdict = quote::check(tree());
    for (rfc, count) in &verdict.skipped {
        say(&format!("SKIPPED {count} quotes of {rfc}: no {}/{rfc}.txt at hand", quote::TEXTS));
    }
    check(&verdict.findings);
    let quoted = verdict.compared + verdict.skipped.values().sum::<usize>();
    assert!(quoted > 0, "no quotes were found at all");
}

#[test]
fn coverage_has_its_form() {
    check(&coverage::check(tree()));
    let [works, partly, planned, refused] = coverage::count(tree());
    assert!(works + partly + planned + refused > 0);
}

#[test]
fn coverage_is_complete() {
    match coverage::check_complete(tree()) {
        Some(findings) => check(&findings),
        None => say(&format!("SKIPPED completeness of coverage: no {} at hand", coverage::TEXTS)),
    }
}

#[test]
fn promises_have_tests() {
    check(&promise::check(tree()));
}
