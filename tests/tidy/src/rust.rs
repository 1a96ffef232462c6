//! Rust as text: what is code, what is a literal, what is a comment; functions and definitions.
//!
//! Not a compiler: it knows tokens and braces, which is enough for rules about words and lengths.

mod definition;
mod lexer;

pub use definition::Definitions;

/// A Rust file, read.
#[derive(Debug)]
pub struct Rust {
    /// The text with comments and the contents of literals blank; lines stay lines.
    pub code: String,
    /// The text with comments blank, literals as they are.
    pub spoken: String,
    /// What the file defines.
    pub definitions: Definitions,
    /// Its functions in order.
    pub functions: Vec<Function>,
}

/// A function with a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its name without its type.
    pub name: String,
    /// Line of the `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
    /// Whether an attribute with `test` in its path stands before it.
    pub is_test: bool,
}

impl Rust {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &str) -> Rust {
        let (code, spoken) = lexer::split(text);
        let tokens = lexer::tokens(&code);
        let definitions = Definitions::read(&tokens);
        let functions = functions(&tokens);
        Rust { code, spoken, definitions, functions }
    }

    /// Lines of code with their numbers, from 1.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }

    /// Line at which the `#[cfg(test)]` module at the end of the file begins, or one past the end.
    #[must_use]
    pub fn tests_from(&self) -> usize {
        let lines: Vec<&str> = self.code.lines().map(str::trim).collect();
        let starts = |pair: &[&str]| match pair {
            [first, second] => *first == "#[cfg(test)]" && second.starts_with("mod "),
            _ => false,
        };
        lines.windows(2).position(starts).map_or(lines.len() + 1, |at| at + 1)
    }
}

/// Whether `word` stands in `line` as a whole word.
#[must_use]
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn functions(tokens: &[lexer::Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    let listed = listed_tests(tokens);
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = tokens.get(at + 1).filter(|next| token.is("fn") && next.is_name()) else {
            continue;
        };
        let Some(end) = end_of_body(tokens.get(at..).unwrap_or_default()) else { continue };
        found.push(Function {
            name: name.text.to_owned(),
            line: token.line,
            lines: end - token.line + 1,
            is_test: listed.contains(&name.text)
                || has_test_attribute(tokens.get(..at).unwrap_or_default()),
        });
    }
    found
}

/// Names in `on_both! { .. }`, which makes each a test on either database.
fn listed_tests<'t>(tokens: &[lexer::Token<'t>]) -> Vec<&'t str> {
    let begins = |at: &usize| {
        let mark = ["on_both", "!", "{"];
        tokens.get(*at..at + mark.len()).is_some_and(|t| t.iter().map(|t| t.text).eq(mark))
    };
    let lists = (0..tokens.len()).filter(begins);
    let names = lists.flat_map(|at| tokens.iter().skip(at + 3).take_while(|token| token.is_name()));
    names.map(|token| token.text).collect()
}

/// Line of the brace that closes the first body; `None` for a declaration.
fn end_of_body(tokens: &[lexer::Token<'_>]) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for token in tokens {
        match token.text {
            "{" => braces += 1,
            "}" => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(token.line);
                }
            }
            "(" | "[" => others += 1,
            ")" | "]" => others = others.checked_sub(1)?,
            ";" if braces == 0 && others == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Whether the attributes right before a function name a test. `before` ends at its `fn`.
fn has_test_attribute(before: &[lexer::Token<'_>]) -> bool {
    let modifiers = ["pub", "async", "const", "extern", "crate", "super", "(", ")", "in"];
    let mut rest = before;
    while let [head @ .., last] = rest {
        if modifiers.contains(&last.text) {
            rest = head;
        } else if last.is("]") {
            let Some(open) = opening(rest) else { return false };
            let inside = rest.get(open..).unwrap_or_default();
            let names = |word: &str| inside.iter().any(|token| token.is(word));
            if names("test") && !names("cfg") {
                return true;
            }
            // Over the bracket and its `#`.
            rest = rest.get(..open.saturating_sub(1)).unwrap_or_default();
        } else {
            return false;
        }
    }
    false
}

/// Index of the `[` that the last token closes.
fn opening(tokens: &[lexer::Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().rev() {
        match token.text {
            "]" => depth += 1,
            "[" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "trait T { fn declared(a: [u8; 3]); }\n\
            #[test]\n#[should_panic(expected = \"}\")]\nfn tested() {\n    // }\n    f(\"{\");\n}\n\
            #[cfg(test)]\npub(crate) const fn one() -> [u8; 2] { [0; 2] }\n";
        let said: Vec<_> = Rust::read(text)
            .functions
            .into_iter()
            .map(|f| (f.name, f.line, f.lines, f.is_test))
            .collect();
        assert_eq!(said, [("tested".into(), 4, 4, true), ("one".into(), 9, 1, false)]);
    }

    #[test]
    fn tests_at_the_end_are_told_apart() {
        assert_eq!(Rust::read("fn a() {}\n#[cfg(test)]\nmod tests {\n}\n").tests_from(), 2);
        assert_eq!(Rust::read("#[cfg(test)]\nfn a() {}\n").tests_from(), 3);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("a vec![1]", "vec!"));
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("my_vec![1]", "vec!"));
    }
}
