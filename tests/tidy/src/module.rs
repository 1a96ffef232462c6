//! Every Rust file is part of a crate: somebody says `mod` for it.

use crate::rust::{Rust, has_word};
use crate::{File, Finding, Tree};

/// Files that cargo finds by itself.
const ROOTS: [&str; 3] = ["lib.rs", "main.rs", "build.rs"];

/// Findings for files that nobody names.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let dead = tree.rust().filter(|(file, _)| !is_root(file) && !is_named(tree, file));
    let say = |(file, _): (&File, _)| Finding::new(&file.path, 1, "no `mod` names this file");
    dead.map(say).collect()
}

fn is_root(file: &File) -> bool {
    let folder = file.folder().rsplit('/').next().unwrap_or_default();
    let by_place = matches!(folder, "tests" | "benches" | "examples" | "bin")
        && !file.folder().contains("/src/");
    ROOTS.contains(&file.name()) || by_place
}

/// Whether the file above says `mod NAME;` or names the path in a `#[path]`.
fn is_named(tree: &Tree, file: &File) -> bool {
    let (folder, name) = match file.name() {
        "mod.rs" => file.folder().rsplit_once('/').unwrap_or(("", file.folder())),
        name => (file.folder(), name.trim_end_matches(".rs")),
    };
    tree.rust().any(|(other, rust)| {
        other.path != file.path && is_above(other, folder) && says_mod(rust, name)
    })
}

fn is_above(other: &File, folder: &str) -> bool {
    other.folder() == folder || other.path == format!("{folder}.rs")
}

fn says_mod(rust: &Rust, name: &str) -> bool {
    let declares = |line: &str| {
        has_word(line, "mod") && has_word(line, name) && line.trim_end().ends_with(';')
    };
    rust.code.lines().any(declares)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    #[test]
    fn dead_files_are_told() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "mod one;\n#[path = \"main/args.rs\"]\nmod args;\n// mod three;\n"),
            ("a/src/one.rs", "mod two;\n"),
            ("a/src/one/two.rs", ""),
            ("a/src/one/four/mod.rs", ""),
            ("a/src/three.rs", ""),
            ("a/tests/alone.rs", "mod scene;\n"),
            ("a/tests/scene/mod.rs", ""),
        ]);
        let want = ["a/src/one/four/mod.rs:1", "a/src/three.rs:1"];
        let found = said(&check(&tree));
        assert_eq!(found, want.map(|place| format!("{place}: no `mod` names this file")));
    }
}
