//! References to tests: `PATH::NAME`, the path from the root of the repository.

use crate::Tree;
use crate::rust::has_word;

/// Looks for a test.
///
/// In a Rust file the name must be a test function; in a script or scenario, a word of it.
///
/// # Errors
/// What is missing.
pub fn find(tree: &Tree, reference: &str) -> Result<(), String> {
    let Some((path, name)) = reference.split_once("::").filter(|(path, _)| path.contains('/'))
    else {
        return Err(format!("`{reference}` is not of the form PATH::NAME"));
    };
    let Some(file) = tree.file(path) else { return Err(format!("there is no file `{path}`")) };
    // A path inside of the file ends with the function.
    let function = name.rsplit("::").next().unwrap_or(name);
    let there = match &file.rust {
        Some(rust) => rust.functions.iter().any(|f| f.is_test && f.name == function),
        None => file.text.lines().any(|line| has_word(line, function)),
    };
    there.then_some(()).ok_or_else(|| format!("{path} has no test `{function}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found() {
        let text = "on_both! { both }\nfn help() {}\n#[test]\nfn rings() {}\n\
                    async fn both(_: &Db) {}\n";
        let tree =
            Tree::of(&[("a/tests/b.rs", text), ("tests/sipp/run.sh", "names=\"busy cancel\"")]);
        assert_eq!(find(&tree, "a/tests/b.rs::rings"), Ok(()));
        assert_eq!(find(&tree, "a/tests/b.rs::both"), Ok(()));
        assert_eq!(find(&tree, "tests/sipp/run.sh::cancel"), Ok(()));
        for (reference, says) in [
            ("a/tests/b.rs::help", "a/tests/b.rs has no test `help`"),
            ("a/tests/c.rs::rings", "there is no file `a/tests/c.rs`"),
            ("tests/sipp/run.sh::hold", "tests/sipp/run.sh has no test `hold`"),
            ("rings", "`rings` is not of the form PATH::NAME"),
        ] {
            assert_eq!(find(&tree, reference), Err(says.to_owned()));
        }
    }
}
