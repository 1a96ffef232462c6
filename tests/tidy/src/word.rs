//! Words that must not stand in the repository: work left open, and places of one machine.

use crate::rust::has_word;
use crate::{Finding, Tree};

/// Marks of unfinished work, in any text.
const OPEN: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
/// Macros of unfinished work, in code.
const OPEN_MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];
/// Places of one machine and hosts of registries. Split, so that this file does not break its rule.
const PLACES: [&str; 10] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("crates", ".io"),
    concat!("docs", ".rs"),
    concat!("lib", ".rs/"),
    concat!("pypi", ".org"),
    concat!("npmjs", ".org"),
    concat!("static.rust", "-lang.org"),
    concat!("proxy.golang", ".org"),
];
/// What stands beside the repository on the machine where it is made; tests may look for it.
const BESIDE: &str = concat!("sha", "red/");
/// Written by cargo, with the names of registries.
const LOCK: &str = "Cargo.lock";

/// Findings in every text file.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files().filter(|file| file.name() != LOCK) {
        let mut say = |line, what| found.push(Finding::new(&file.path, line, what));
        let is_test = file.path.starts_with("tests/") || file.path.contains("/tests/");
        for (number, line) in file.lines() {
            for word in OPEN.iter().filter(|word| has_word(line, word)) {
                say(number, format!("`{word}`: finish it, or say in prose what is missing"));
            }
            for place in PLACES.iter().filter(|place| line.contains(*place)) {
                say(number, format!("`{place}` means one machine or one host"));
            }
            if line.contains(BESIDE) && !is_test {
                say(number, format!("`{BESIDE}` stands beside the repository, not in it"));
            }
        }
        for (number, line) in file.rust.iter().flat_map(|rust| rust.code_lines()) {
            for word in OPEN_MACROS.iter().filter(|word| has_word(line, word)) {
                say(number, format!("`{word}` in code"));
            }
            if line.replace(' ', "").contains("#[ignore]") {
                say(number, "a test ignored without a reason".to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn open_work_is_found() {
        let text = format!("fine\n{}: later\n# {}\n", OPEN.join(""), OPEN[1]);
        assert_eq!(lines("README.md", &text), [3]);
        assert_eq!(lines("a.rs", "fn a() { todo!() }\nfn b() { f(\"todo!\") }\n"), [1]);
        assert_eq!(lines("a.rs", "#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n"), [1]);
    }

    #[test]
    fn places_are_found() {
        for place in PLACES {
            assert_eq!(lines("scripts/x", &format!("cd {place}x\n")), [1], "{place}");
        }
        assert!(lines("Cargo.lock", PLACES[3]).is_empty());
        let text = format!("see ../{BESIDE}rfc");
        assert_eq!(lines("README.md", &text), [1]);
        assert!(lines("dataplane/sip/tests/rfc4475.rs", &text).is_empty());
    }
}
