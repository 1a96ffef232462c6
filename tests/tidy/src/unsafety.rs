//! Unsafe code lives in `dataplane/port`, and each block argues its case.

use crate::rust::has_word;
use crate::{Finding, Tree};

/// Where unsafe code may be.
const HOME: &str = "dataplane/port/";
/// Lines above an unsafe block or implementation within which its argument must stand.
const REACH_LINES: usize = 12;

/// Findings in every Rust file.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in rust.code_lines().filter(|(_, line)| has_word(line, "unsafe")) {
            if !file.path.starts_with(HOME) {
                found.push(Finding::new(&file.path, number, format!("unsafe outside of {HOME}")));
            } else if (line.contains("unsafe {") || line.contains("unsafe impl"))
                && !is_argued(&lines, number)
            {
                found.push(Finding::new(&file.path, number, "unsafe without `SAFETY:` above it"));
            }
        }
    }
    found
}

fn is_argued(lines: &[&str], number: usize) -> bool {
    let from = number.saturating_sub(REACH_LINES + 1);
    lines.get(from..number).is_some_and(|near| near.iter().any(|line| line.contains("SAFETY:")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    #[test]
    fn unsafe_has_a_home() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nfn a() { unsafe { b() } }\n";
        let found = check(&Tree::of(&[("dataplane/sip/src/lib.rs", text)]));
        assert_eq!(said(&found), ["dataplane/sip/src/lib.rs:3: unsafe outside of dataplane/port/"]);
    }

    #[test]
    fn unsafe_is_argued() {
        let text = "// SAFETY: `b` needs nothing.\nlet x = unsafe { b() };\n\
            \n\n\n\n\n\n\n\n\n\n\n\n\nlet y = unsafe { b() };\n";
        let found = check(&Tree::of(&[("dataplane/port/src/lib.rs", text)]));
        let says = "dataplane/port/src/lib.rs:16: unsafe without `SAFETY:` above it";
        assert_eq!(said(&found), [says]);
    }
}
