//! Names in documents exist.
//!
//! Every code span of the documents is taken apart into words. A word that has the look of a path,
//! a crate, a `Type::member`, a key or an identifier must be found in the repository; plain
//! lower-case words, SIP methods and the like are not judged. Names of other people's software that
//! documents mention stand in `foreign_names.txt`, each of which must be used.

use crate::rust::has_word;
use crate::span::spans;
use crate::{File, Finding, Tree, evidence};
use std::collections::BTreeSet;

/// Names that are not ours: one a line.
pub const FOREIGN: &str = "tests/tidy/foreign_names.txt";
/// Endings of files that a word without `/` can name.
const ENDINGS: [&str; 7] = [".rs", ".toml", ".md", ".sh", ".sql", ".xml", ".txt"];

/// Findings in the documents and in the list of foreign names.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let known = Known::of(tree);
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for file in tree.files().filter(|file| is_document(file)) {
        for (line, span) in spans(&file.text) {
            for word in span.split_whitespace().map(trim) {
                if let Some(foreign) = known.foreign(word) {
                    used.insert(foreign);
                } else if let Some(what) = known.missing(file, word) {
                    found.push(Finding::new(&file.path, line, what));
                }
            }
        }
    }
    for (line, name) in known.foreign.iter().filter(|(_, name)| !used.contains(name)) {
        let what = format!("no document mentions `{name}`: remove it");
        found.push(Finding::new(FOREIGN, *line, what));
    }
    found
}

/// Documents whose names are promises; STYLE.md speaks of names that could be.
fn is_document(file: &File) -> bool {
    let is_adr = file.path.ends_with(".md") && file.folder().ends_with("/adr");
    let named = ["README.md", "ARCHITECTURE.md", "SPECIFICATION.md", "LIFECYCLE.md"];
    is_adr || named.contains(&file.name())
}

fn trim(word: &str) -> &str {
    let word = word.split_once('(').map_or(word, |(name, _)| name);
    word.trim_matches(|c: char| matches!(c, ',' | ';' | ':' | ')' | '.' | '"' | '\'' | '&'))
}

/// What a word claims to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    Path,
    Crate,
    Member,
    Test,
    Key,
    Name,
    Nothing,
}

impl Claim {
    fn of(word: &str) -> Claim {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let all = |more: &[char]| word.chars().all(|c| is_plain(c) || more.contains(&c));
        let has = |c: char| word.contains(c);
        if word.is_empty() || word.starts_with(['/', '-', '{', '[']) {
            Claim::Nothing
        } else if all(&['/', '.', '-', '*']) && (has('/') || is_file_name(word)) {
            Claim::Path
        } else if word.starts_with("strowger-") && all(&['-']) {
            Claim::Crate
        } else if word.contains(".rs::") || word.contains(".sh::") {
            Claim::Test
        } else if word.contains("::") && all(&[':']) {
            Claim::Member
        } else if has('.') && all(&['.']) && word.split('.').all(is_key_part) {
            Claim::Key
        } else if all(&[]) && is_identifier(word) {
            Claim::Name
        } else {
            Claim::Nothing
        }
    }
}

fn is_file_name(word: &str) -> bool {
    ENDINGS.iter().any(|ending| word.ends_with(ending))
}

fn is_key_part(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Names with `_`, and words that begin with a capital and have small letters.
fn is_identifier(word: &str) -> bool {
    let first = word.chars().next();
    let is_mixed = first.is_some_and(|c| c.is_ascii_uppercase())
        && word.chars().any(|c| c.is_ascii_lowercase());
    !first.is_some_and(|c| c.is_ascii_digit()) && (is_mixed || word.trim_matches('_').contains('_'))
}

/// Everything that a document can name.
struct Known<'t> {
    tree: &'t Tree,
    foreign: Vec<(usize, &'t str)>,
    crates: BTreeSet<String>,
    words: BTreeSet<&'t str>,
}

impl<'t> Known<'t> {
    fn of(tree: &'t Tree) -> Known<'t> {
        let foreign = tree.file(FOREIGN).into_iter().flat_map(File::lines);
        let foreign = foreign.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let mut known = Known {
            tree,
            foreign: foreign.collect(),
            crates: BTreeSet::new(),
            words: BTreeSet::new(),
        };
        for file in tree.files().filter(|file| !file.path.ends_with(".md") && file.path != FOREIGN)
        {
            let text = file.rust.as_ref().map_or(file.text.as_str(), |rust| rust.spoken.as_str());
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            known.words.extend(text.split(|c| !is_part(c)).filter(|word| !word.is_empty()));
            if file.name() == "Cargo.toml" {
                let names = file.text.lines().filter_map(|line| line.strip_prefix("name = \""));
                known.crates.extend(names.map(|name| name.trim_end_matches('"').to_owned()));
            }
        }
        known
    }

    fn foreign(&self, word: &str) -> Option<&'t str> {
        self.foreign.iter().map(|(_, name)| *name).find(|name| *name == word)
    }

    /// What is missing, if the word claims something that is not there.
    fn missing(&self, file: &File, word: &str) -> Option<String> {
        let there = match Claim::of(word) {
            Claim::Nothing => true,
            Claim::Path => self.has_path(file, word),
            Claim::Crate => self.crates.contains(word),
            Claim::Member => self.has_member(word),
            Claim::Test => evidence::find(self.tree, word).is_ok(),
            Claim::Key => word.split('.').all(|part| self.words.contains(part)),
            Claim::Name => self.words.contains(word),
        };
        (!there).then(|| match Claim::of(word) {
            Claim::Path => format!("there is no file or folder `{word}`"),
            Claim::Crate => format!("there is no crate `{word}`"),
            Claim::Test => format!("there is no test `{word}`"),
            Claim::Member | Claim::Key | Claim::Name | Claim::Nothing => {
                format!("nothing is called `{word}`")
            }
        })
    }

    fn has_path(&self, file: &File, word: &str) -> bool {
        let word = word.trim_end_matches('/').trim_start_matches("./");
        let near = format!("{}/{word}", file.folder());
        let files = self.tree.files().map(|file| file.path.as_str());
        let mut paths = files.chain(self.tree.folders().iter().map(String::as_str));
        paths.any(|path| fits(path, word) || fits(path, &near) || fits(path, &format!("*/{word}")))
    }

    /// `A::b`: some file of ours defines `b` as a member of `A`, or as a name in a module or crate
    /// that `A` names.
    fn has_member(&self, word: &str) -> bool {
        let parts: Vec<&str> = word.split("::").filter(|part| !part.is_empty()).collect();
        let [.., owner, name] = parts.as_slice() else { return true };
        let owner_crate = format!("strowger-{}", owner.trim_start_matches("strowger_"));
        self.tree.rust().any(|(file, rust)| {
            let in_module = || {
                let module = format!("/{owner}");
                let path = file.path.trim_end_matches(".rs");
                path.ends_with(&module) || path.contains(&format!("{module}/"))
            };
            let in_crate = || {
                self.crates.contains(&owner_crate)
                    && file
                        .path
                        .contains(&format!("/{}/src/", owner.trim_start_matches("strowger_")))
            };
            let definitions = &rust.definitions;
            definitions.has_member(owner, name)
                || (definitions.has(name) && (in_module() || in_crate()))
                || rust
                    .code
                    .lines()
                    .any(|line| has_word(line, "mod") && has_word(line, name) && in_module())
        })
    }
}

/// Whether a path fits a pattern in which `*` stands for any characters.
fn fits(path: &str, pattern: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return path == pattern };
    let Some(rest) = path.strip_prefix(head) else { return false };
    let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.any(|at| rest.get(at..).is_some_and(|rest| fits(rest, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    const CALLS: &str = "//! Other.\npub struct Calls { slots: u8 }\n\
        impl Calls { fn reserve() {} }\n\
        // gone_name\nconst LINGER_MS: u64 = 1;\nenum State { Asked }\n";

    fn check_document(text: &str) -> Vec<String> {
        said(&check(&Tree::of(&[
            ("dataplane/call/src/calls.rs", CALLS),
            ("dataplane/call/Cargo.toml", "[package]\nname = \"strowger-call\"\nport_min = 1\n"),
            ("dataplane/call/LIFECYCLE.md", text),
            (FOREIGN, ""),
        ])))
    }

    #[test]
    fn what_is_there_is_silent() {
        for word in [
            "Calls::reserve",
            "State::Asked",
            "Calls",
            "LINGER_MS",
            "dataplane/call",
            "dataplane/*/src",
            "src/calls.rs",
            "calls.rs",
            "strowger-call",
            "calls::LINGER_MS",
            "call::Calls",
            "reserve(1, 2)",
            "/api/v1/calls",
            "INVITE",
            "recvmmsg",
            "--demo",
            "package.port_min",
            "sqlite:strowger.db",
            "2xx",
            "a -> b",
        ] {
            let found = check_document(&format!("See `{word}`.\n"));
            assert!(found.is_empty(), "{word}: {found:?}");
        }
    }

    #[test]
    fn what_is_gone_is_told() {
        for word in [
            "Calls::release",
            "State::reserve",
            "Gone",
            "gone_name",
            "GONE_MS",
            "dataplane/gone",
            "src/gone.rs",
            "gone.rs",
            "strowger-gone",
            "gone::LINGER_MS",
            "call::gone",
            "gone_it(1)",
            "sip.gone",
            "scripts/gone --demo",
        ] {
            let found = check_document(&format!("\nSee `{word}`.\n"));
            assert_eq!(found.len(), 1, "{word}: {found:?}");
            assert!(found.iter().all(|f| f.starts_with("dataplane/call/LIFECYCLE.md:2: ")));
        }
    }

    #[test]
    fn foreign_names_are_used() {
        let tree = Tree::of(&[
            ("README.md", "Unlike `Latency::Matters`."),
            (FOREIGN, "# theirs\nLatency::Matters\nnever_said\n"),
        ]);
        let says = format!("{FOREIGN}:3: no document mentions `never_said`: remove it");
        assert_eq!(said(&check(&tree)), [says]);
    }
}
