//! Lengths: functions of at most 70 lines, lines of at most 100 columns.
//!
//! Functions that were longer when the rule came stand in `long_functions.txt` with their lines.
//! The list may only shrink: a function that grew, and one that became shorter than listed, are
//! findings.

use crate::{Finding, Tree};
use std::collections::BTreeMap;

/// Most lines of a function, from its `fn` to its closing brace.
pub const LINES_MAX: usize = 70;
/// Most characters of a line of Rust.
pub const COLUMNS_MAX: usize = 100;
/// The list of longer functions: `PATH::NAME LINES`.
pub const RATCHET: &str = "tests/tidy/long_functions.txt";

/// Findings in every Rust file and in the list.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let (listed, mut found) = ratchet(tree);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (file, rust) in tree.rust() {
        for function in &rust.functions {
            let name = format!("{}::{}", file.path, function.name);
            let allowed = listed.get(&name).map_or(LINES_MAX, |(lines, _)| *lines);
            if function.lines > allowed {
                let what = format!(
                    "`{}` has {} lines, {allowed} are allowed",
                    function.name, function.lines
                );
                found.push(Finding::new(&file.path, function.line, what));
            }
            let longest = seen.entry(name).or_default();
            *longest = function.lines.max(*longest);
        }
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                let what = format!("{columns} columns, {COLUMNS_MAX} are allowed");
                found.push(Finding::new(&file.path, number, what));
            }
        }
    }
    for (name, (lines, at)) in listed {
        let now = seen.get(&name).copied().unwrap_or_default();
        if now < lines {
            let what = match now > LINES_MAX {
                true => format!("`{name}` has only {now} lines now: lower its figure"),
                false => format!("`{name}` is short now, or gone: remove its line"),
            };
            found.push(Finding::new(RATCHET, at, what));
        }
    }
    found
}

type Listed = BTreeMap<String, (usize, usize)>;

fn ratchet(tree: &Tree) -> (Listed, Vec<Finding>) {
    let (mut listed, mut found) = (Listed::new(), Vec::new());
    let Some(file) = tree.file(RATCHET) else { return (listed, found) };
    for (number, line) in file.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line.rsplit_once(' ');
        match entry.and_then(|(name, lines)| Some((name, lines.parse().ok()?))) {
            Some((name, lines)) if lines > LINES_MAX => {
                listed.insert(name.to_owned(), (lines, number));
            }
            Some(_) | None => {
                let what = format!("wanted: PATH::NAME LINES, with more than {LINES_MAX} lines");
                found.push(Finding::new(RATCHET, number, what));
            }
        }
    }
    (listed, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    f();\n".repeat(lines - 2))
    }

    fn check_with(lines: usize, list: &str) -> Vec<String> {
        said(&check(&Tree::of(&[("a.rs", &function(lines)), (RATCHET, list)])))
    }

    #[test]
    fn long_functions_are_told() {
        assert!(check_with(70, "").is_empty());
        assert_eq!(check_with(71, ""), ["a.rs:1: `long` has 71 lines, 70 are allowed"]);
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert!(check_with(80, "# why\na.rs::long 80\n").is_empty());
        assert_eq!(
            check_with(81, "a.rs::long 80"),
            ["a.rs:1: `long` has 81 lines, 80 are allowed"]
        );
        let lower = format!("{RATCHET}:1: `a.rs::long` has only 79 lines now: lower its figure");
        assert_eq!(check_with(79, "a.rs::long 80"), [lower]);
        let gone = format!("{RATCHET}:1: `a.rs::long` is short now, or gone: remove its line");
        assert_eq!(check_with(60, "a.rs::long 80"), [gone]);
        let form = format!("{RATCHET}:1: wanted: PATH::NAME LINES, with more than 70 lines");
        assert_eq!(check_with(60, "a.rs::long 60"), [form]);
    }

    #[test]
    fn long_lines_are_told() {
        let text = format!("// {}\n// {}\n", "é".repeat(97), "x".repeat(98));
        assert_eq!(
            said(&check(&Tree::of(&[("a.rs", &text)]))),
            ["a.rs:2: 101 columns, 100 are allowed"]
        );
    }
}
