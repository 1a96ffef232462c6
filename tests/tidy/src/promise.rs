//! SPECIFICATION.md: a promise has a number, a number has a test, or it says *pending*.

use crate::span::spans;
use crate::{File, Finding, Tree, evidence};

/// The document.
pub const FILE: &str = "SPECIFICATION.md";
/// Heads of the tables that are judged.
pub const HEAD: &str = "| Promise | Number | Test | Last figure |";
/// What stands in place of a test or a figure that is not there yet.
const PENDING: &str = "*pending*";

/// Findings in the tables of promises and in the list of fakes.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(FILE) else {
        return vec![Finding::new(FILE, 1, "there is no such file")];
    };
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in file.lines() {
        if line == HEAD {
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|-") {
            let what = judge(tree, line).err();
            found.extend(what.map(|what| Finding::new(FILE, number, what)));
        }
    }
    found.extend(fakes(tree, file));
    found
}

fn judge(tree: &Tree, row: &str) -> Result<(), String> {
    let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
    let [promise, number, test, figure] = cells.as_slice() else {
        return Err(format!("4 cells are wanted, {} are there", cells.len()));
    };
    if [promise, number, test, figure].iter().any(|cell| cell.is_empty()) {
        return Err("a cell is empty".into());
    }
    if *test == PENDING {
        let open = *figure == PENDING;
        return open.then_some(()).ok_or_else(|| "a figure without its test".into());
    }
    let tests = spans(test);
    if tests.is_empty() {
        return Err(format!("a test as `PATH::NAME` is wanted, or {PENDING}"));
    }
    tests.iter().try_for_each(|(_, test)| evidence::find(tree, test))
}

/// Names of fakes in code that is no test: each must be listed in the document.
fn fakes(tree: &Tree, document: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust().filter(|(file, _)| !file.path.contains("tests/")) {
        for name in rust.definitions.names().filter(|name| name.starts_with("fake_")) {
            if !document.text.contains(name) {
                let what = format!("`{name}` is not in the list of fakes of {FILE}");
                found.push(Finding::new(&file.path, 1, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    fn check_row(row: &str) -> Vec<String> {
        let text = format!("{HEAD}\n|---|---|---|---|\n{row}\n\n| other | table |\n");
        said(&check(&Tree::of(&[
            (FILE, &text),
            ("a/tests/b.rs", "#[test]\nfn sends_nothing() {}\n"),
        ])))
    }

    #[test]
    fn good_rows_are_silent() {
        for row in [
            "| No allocation | 0 | `a/tests/b.rs::sends_nothing` | 0 |",
            "| No allocation | 0 | `a/tests/b.rs::sends_nothing` | *pending* |",
            "| Fast | 40 us | *pending* | *pending* |",
        ] {
            assert!(check_row(row).is_empty(), "{row}: {:?}", check_row(row));
        }
    }

    #[test]
    fn bad_rows_are_told() {
        for (row, says) in [
            ("| Fast | 40 us | *pending* | 39 us |", "a figure without its test"),
            (
                "| Fast | 40 us | by hand | 39 us |",
                "a test as `PATH::NAME` is wanted, or *pending*",
            ),
            ("| Fast | 40 us | `a/tests/b.rs::gone` | 1 |", "a/tests/b.rs has no test `gone`"),
            ("| Fast | 40 us | `a/tests/b.rs::sends_nothing` |", "4 cells are wanted, 3 are there"),
        ] {
            assert_eq!(check_row(row), [format!("{FILE}:3: {says}")], "{row}");
        }
    }

    #[test]
    fn fakes_are_listed() {
        let code = "pub fn fake_clock() {}\n";
        let tree = Tree::of(&[(FILE, "none"), ("a/src/lib.rs", code), ("a/tests/b.rs", code)]);
        let says = "a/src/lib.rs:1: `fake_clock` is not in the list of fakes of SPECIFICATION.md";
        assert_eq!(said(&check(&tree)), [says]);
        let tree = Tree::of(&[(FILE, "- `fake_clock`"), ("a/src/lib.rs", code)]);
        assert!(check(&tree).is_empty());
    }
}
