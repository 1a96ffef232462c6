//! Files of the packet path: no allocation, lock, hash, float, panic or log.
//!
//! Such a file says `//! HOT PATH` in its first lines. Words are looked for in code, not in
//! comments or literals, and not in the tests at the end of the file.

use crate::rust::has_word;
use crate::{Finding, Tree};

/// The line that marks a file.
pub const MARK: &str = "//! HOT PATH";
/// Lines at the head of a file in which the mark may stand.
const HEAD_LINES: usize = 3;

/// Words that are banned wherever they stand.
const WORDS: [&str; 34] = [
    "Vec::new",
    "Vec::with_capacity",
    "vec!",
    "format!",
    "Box::new",
    "Box::from",
    "Rc::new",
    "Arc::new",
    "String::new",
    "String::from",
    "String::with_capacity",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
    "Mutex",
    "RwLock",
    "f32",
    "f64",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "panic!",
    "unreachable!",
    "log",
    "tracing",
    "trace!",
    "debug!",
    "info!",
    "warn!",
    "error!",
    "async",
];
/// Methods that are banned: they allocate, copy containers or panic.
const METHODS: [&str; 9] = [
    ".to_vec(",
    ".to_owned(",
    ".to_string(",
    ".into_boxed_slice(",
    ".collect(",
    ".collect::<",
    ".clone(",
    ".unwrap(",
    ".expect(",
];

/// Findings in marked files, and when no file is marked.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, rust) in tree.rust() {
        if !file.lines().take(HEAD_LINES).any(|(_, line)| line == MARK) {
            continue;
        }
        let end = rust.tests_from();
        for (number, line) in rust.code_lines().take_while(|(number, _)| *number < end) {
            let words = WORDS.iter().filter(|word| has_word(line, word));
            let methods = METHODS.iter().filter(|method| line.contains(*method));
            for word in words.chain(methods) {
                let what = format!("`{word}` in a file of the packet path");
                found.push(Finding::new(&file.path, number, what));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    #[test]
    fn banned_words_are_found() {
        for line in [
            "let a = vec![1];",
            "let a: HashMap<u8, u8> = x;",
            "let m = std::sync::Mutex::new(1);",
            "let s = String::from(x);",
            "let x = y as f64;",
            "let x = y.unwrap();",
            "a.to_vec();",
            "let x = list.clone();",
            "warn!(x)",
            "tracing::info!(x)",
            "panic!()",
        ] {
            let text = format!("{MARK}\n{line}\n");
            let found = check(&Tree::of(&[("a.rs", &text)]));
            assert!(found.iter().any(|f| f.line == 2), "{line}: {found:?}");
        }
    }

    #[test]
    fn comments_tests_and_other_files_are_not_looked_at() {
        let text = format!(
            "{MARK}\n// no vec! here\nfn a() {{ b(\"vec!\"); c.unwrap_or(1); }}\n\
             #[expect(x)]\nfn b() {{}}\n#[cfg(test)]\nmod tests {{\n    fn c() {{ vec![1]; }}\n}}\n"
        );
        assert!(check(&Tree::of(&[("a.rs", &text)])).is_empty());
        assert!(
            check(&Tree::of(&[("a.rs", "//! Says HOT PATH in prose.\nfn a() { vec![1]; }")]))
                .is_empty()
        );
        let marked = format!("{MARK}\nfn a() {{ vec![1]; }}\n");
        let says = ["a.rs:2: `vec!` in a file of the packet path"];
        assert_eq!(said(&check(&Tree::of(&[("a.rs", &marked)]))), says);
    }
}
