//! Quotes of RFCs are letter by letter what the RFC says, in the section that is named.
//!
//! A quote is a line `//= rfc3261#section-8.1.1.2` and the lines `//# text` under it; `[...]`
//! stands for what was left out. White space does not count. The texts are no part of the
//! repository: they are looked for as `rfcNNNN.txt` in a folder beside it, and quotes of a text
//! that is not at hand are counted, not judged.

use crate::{Finding, Tree};
use std::collections::BTreeMap;

/// Folder with the texts, beside the repository or above it.
pub const TEXTS: &str = "shared/rfc";
/// Stands for words that were left out.
const GAP: &str = "[...]";

/// What was judged.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Quotes that are wrong.
    pub findings: Vec<Finding>,
    /// Quotes that were compared with their text.
    pub compared: usize,
    /// Quotes whose text is not at hand, for each RFC.
    pub skipped: BTreeMap<String, usize>,
}

/// An RFC, ready to compare with.
#[derive(Debug)]
pub struct Rfc {
    sections: Vec<(String, String)>,
}

struct Quote<'t> {
    line: usize,
    rfc: &'t str,
    section: &'t str,
    text: String,
}

/// Judges all quotes by the texts beside the repository.
#[must_use]
pub fn check(tree: &Tree) -> Verdict {
    let folder = tree.beside(TEXTS);
    check_with(tree, |name| {
        let path = folder.as_ref()?.join(format!("{name}.txt"));
        std::fs::read_to_string(path).ok().map(|text| Rfc::read(&text))
    })
}

/// Judges all quotes by the texts that `find` gives.
#[must_use]
pub fn check_with(tree: &Tree, find: impl Fn(&str) -> Option<Rfc>) -> Verdict {
    let mut verdict = Verdict::default();
    let mut texts: BTreeMap<String, Option<Rfc>> = BTreeMap::new();
    for (file, _) in tree.rust() {
        let (quotes, mut findings) = quotes(&file.path, &file.text);
        verdict.findings.append(&mut findings);
        for quote in quotes {
            let text = texts.entry(quote.rfc.to_owned()).or_insert_with(|| find(quote.rfc));
            let Some(text) = text else {
                *verdict.skipped.entry(quote.rfc.to_owned()).or_default() += 1;
                continue;
            };
            verdict.compared += 1;
            if let Err(what) = text.compare(quote.section, &quote.text) {
                verdict.findings.push(Finding::new(&file.path, quote.line, what));
            }
        }
    }
    verdict
}

/// The quotes of a file, and lines that have the look of a quote but not its form.
fn quotes<'t>(path: &str, text: &'t str) -> (Vec<Quote<'t>>, Vec<Finding>) {
    let (mut quotes, mut findings): (Vec<Quote<'t>>, Vec<Finding>) = (Vec::new(), Vec::new());
    let mut open = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim_start)) {
        if let Some(source) = line.strip_prefix("//= ") {
            match source.trim().split_once('#').filter(|(rfc, _)| rfc.starts_with("rfc")) {
                Some((rfc, section)) => {
                    quotes.push(Quote { line: number, rfc, section, text: String::new() });
                    open = true;
                }
                None => findings.push(Finding::new(path, number, "wanted: rfcNNNN#section-N")),
            }
        } else if let Some(words) = line.strip_prefix("//#") {
            match quotes.last_mut().filter(|_| open) {
                Some(quote) => quote.text += words,
                None => findings.push(Finding::new(path, number, "a quote without its source")),
            }
        } else {
            open = false;
        }
    }
    let bare = quotes.iter().filter(|quote| quote.text.trim().is_empty());
    findings.extend(bare.map(|quote| Finding::new(path, quote.line, "a source without its quote")));
    (quotes, findings)
}

impl Rfc {
    /// Reads the text as published: page ends are taken out, headings stand at the margin.
    #[must_use]
    pub fn read(text: &str) -> Rfc {
        let mut sections = vec![(String::new(), String::new())];
        let mut after_page = false;
        for line in text.lines() {
            let is_foot = line.trim_end().ends_with(']') && line.contains("[Page ");
            let is_head = after_page && line.starts_with("RFC ");
            after_page = (after_page && !is_head && line.trim().is_empty())
                || is_foot
                || line.contains('\u{c}');
            if is_foot || is_head {
                continue;
            }
            if let Some(number) = heading(line) {
                sections.push((format!("section-{number}"), String::new()));
            }
            if let Some((_, body)) = sections.last_mut() {
                body.extend(line.chars().filter(|c| !c.is_whitespace()));
            }
        }
        Rfc { sections }
    }

    /// Looks for the parts of a quote, in order, in a section and those below it.
    ///
    /// # Errors
    /// What is wrong with the quote.
    pub fn compare(&self, section: &str, quote: &str) -> Result<(), String> {
        let below = format!("{section}.");
        let is_in = |name: &str| name == section || name.starts_with(&below);
        let mut inside = self.sections.iter().filter(|(name, _)| is_in(name)).peekable();
        if inside.peek().is_none() {
            return Err(format!("there is no {section}"));
        }
        let body: String = inside.map(|(_, body)| body.as_str()).collect();
        let mut rest = body.as_str();
        for part in quote.split(GAP) {
            let wanted: String = part.chars().filter(|c| !c.is_whitespace()).collect();
            match rest.find(&wanted).and_then(|at| rest.get(at + wanted.len()..)) {
                Some(after) => rest = after,
                None => return Err(format!("{section} does not say: {}", part.trim())),
            }
        }
        Ok(())
    }
}

/// The number of a heading: at the margin, a number, then words without the dots of a contents
/// list.
fn heading(line: &str) -> Option<&str> {
    let (number, title) = line.split_once(' ')?;
    let number = number.trim_end_matches('.');
    let is_number = !number.is_empty()
        && number
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (is_number && !title.contains("....") && !title.contains(". .")).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said;

    const TEXT: &str = "   8.1 Contents ........ 3\n8.1 One\n\n   The first MUST be\n\
        Nobody        Standards Track        [Page 7]\n\u{c}\nRFC 3261   SIP   June 2002\n\n\n\
        \x20  sent. Then it waits.\n\n8.1.1 Below\n\n   It ends.\n\n8.2 Two\n\n   Other words.\n";

    fn check_text(quote: &str) -> Vec<String> {
        let tree = Tree::of(&[("a.rs", quote)]);
        said(&check_with(&tree, |name| (name == "rfc3261").then(|| Rfc::read(TEXT))).findings)
    }

    #[test]
    fn right_quotes_are_silent() {
        for quote in [
            "//= rfc3261#section-8.1\n//# The first MUST be sent.\n",
            "    //= rfc3261#section-8.1\n    //# The first MUST\n    //# be sent. [...] waits.\n",
            "//= rfc3261#section-8.1\n//# waits. [...] It ends.\n",
        ] {
            assert!(check_text(quote).is_empty(), "{quote}: {:?}", check_text(quote));
        }
    }

    #[test]
    fn wrong_quotes_are_told() {
        for (quote, says) in [
            (
                "//= rfc3261#section-8.1\n//# The first SHOULD be\n",
                "a.rs:1: section-8.1 does not say",
            ),
            (
                "//= rfc3261#section-8.2\n//# The first MUST be\n",
                "a.rs:1: section-8.2 does not say",
            ),
            (
                "//= rfc3261#section-8.1\n//# waits. [...] The first\n",
                "a.rs:1: section-8.1 does not",
            ),
            ("//= rfc3261#section-8.3\n//# It ends.\n", "a.rs:1: there is no section-8.3"),
            ("//= 3261\n", "a.rs:1: wanted: rfcNNNN#section-N"),
            ("//= rfc3261#section-8.1\nfn a() {}\n", "a.rs:1: a source without its quote"),
            ("fn a() {}\n//# words\n", "a.rs:2: a quote without its source"),
        ] {
            let found = check_text(quote);
            assert!(found.first().is_some_and(|f| f.starts_with(says)), "{quote}: {found:?}");
        }
    }

    #[test]
    fn texts_not_at_hand_are_counted() {
        let tree = Tree::of(&[("a.rs", "//= rfc9#section-1\n//# words\n")]);
        let verdict = check_with(&tree, |_| None);
        assert_eq!((verdict.findings.len(), verdict.compared), (0, 0));
        assert_eq!(verdict.skipped.get("rfc9"), Some(&1));
    }
}
