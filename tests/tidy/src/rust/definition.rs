//! What a file defines: names, and what belongs to which type, trait or enum.

use super::lexer::Token;
use std::collections::BTreeSet;

/// Names that a file defines.
#[derive(Debug, Default)]
pub struct Definitions {
    names: BTreeSet<String>,
    members: BTreeSet<(String, String)>,
}

/// Words before a name that they define.
const KEYWORDS: [&str; 10] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "macro_rules"];

/// A block whose members belong to somebody.
struct Block {
    owner: String,
    /// Whether plain names in it are members (variants and fields), at this depth.
    plain_at: Option<usize>,
    depth: usize,
}

impl Definitions {
    /// Whether a name is defined.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether `owner` has a function, constant, variant or field of this name.
    #[must_use]
    pub fn has_member(&self, owner: &str, name: &str) -> bool {
        self.members.contains(&(owner.to_owned(), name.to_owned()))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn read(tokens: &[Token<'_>]) -> Definitions {
        let mut found = Definitions::default();
        let mut blocks: Vec<Block> = Vec::new();
        let mut opening: Option<Block> = None;
        let mut depth = 0_usize;
        for (at, token) in tokens.iter().enumerate() {
            let next = tokens.get(at + 1);
            match token.text {
                "{" | "(" | "[" => {
                    depth += 1;
                    if token.is("{")
                        && let Some(block) = opening.take()
                    {
                        let plain_at = block.plain_at.map(|_| depth);
                        blocks.push(Block { plain_at, depth, ..block });
                    }
                }
                "}" | ")" | "]" => {
                    if blocks.last().is_some_and(|block| block.depth == depth) {
                        blocks.pop();
                    }
                    depth = depth.saturating_sub(1);
                }
                ";" => opening = None,
                "impl" if opening.is_none() && begins_item(tokens, at) => {
                    let owner = owner_of_impl(tokens.get(at + 1..).unwrap_or_default());
                    opening = owner.map(|owner| Block { owner, plain_at: None, depth });
                }
                word if KEYWORDS.contains(&word) => {
                    let name = next.filter(|name| name.is_name()).or_else(|| {
                        let bang = next.is_some_and(|next| next.is("!"));
                        tokens.get(at + 2).filter(|name| bang && name.is_name())
                    });
                    if let Some(name) = name {
                        found.define(name.text, blocks.last());
                        opening = block_of(word, name.text, depth).or(opening);
                    }
                }
                _ => found.plain(tokens, at, depth, blocks.last()),
            }
        }
        found
    }

    fn define(&mut self, name: &str, block: Option<&Block>) {
        self.names.insert(name.to_owned());
        if let Some(block) = block {
            self.members.insert((block.owner.clone(), name.to_owned()));
        }
    }

    /// A variant or field: a name right in its block, after a `{`, `,`, `]`, `)` or `pub`.
    fn plain(&mut self, tokens: &[Token<'_>], at: usize, depth: usize, block: Option<&Block>) {
        let Some(token) = tokens.get(at).filter(|token| token.is_name()) else { return };
        let Some(block) = block.filter(|block| block.plain_at == Some(depth)) else { return };
        let before = at.checked_sub(1).and_then(|at| tokens.get(at)).map_or("", |t| t.text);
        if matches!(before, "{" | "," | "]" | ")" | "pub") && !token.is("pub") {
            self.names.insert(token.text.to_owned());
            self.members.insert((block.owner.clone(), token.text.to_owned()));
        }
    }
}

/// Whether an `impl` begins an item and is no type (`-> impl Iterator`).
fn begins_item(tokens: &[Token<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at)).map_or("}", |t| t.text);
    matches!(before, "}" | ";" | "]" | "{" | "unsafe")
}

fn block_of(keyword: &str, name: &str, depth: usize) -> Option<Block> {
    let owner = name.to_owned();
    match keyword {
        "enum" | "struct" | "union" => Some(Block { owner, plain_at: Some(0), depth }),
        "trait" | "mod" => Some(Block { owner, plain_at: None, depth }),
        _ => None,
    }
}

/// The type of `impl<..> Trait for Type<..>`: the last path word before `<`, `where` or `{`.
fn owner_of_impl(tokens: &[Token<'_>]) -> Option<String> {
    let (mut depth, mut owner) = (0_usize, None);
    for (at, token) in tokens.iter().enumerate() {
        let arrow = at.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(|t| t.is("-"));
        match token.text {
            "<" => depth += 1,
            ">" if !arrow => depth = depth.saturating_sub(1),
            "{" | "where" | ";" if depth == 0 => break,
            "for" if depth == 0 => owner = None,
            _ if depth == 0 && token.is_name() => owner = Some(token.text.to_owned()),
            _ => {}
        }
    }
    owner
}

#[cfg(test)]
mod tests {
    use crate::rust::Rust;

    #[test]
    fn members_have_owners() {
        let text = "pub struct Call<T> { pub state: State, pub(crate) legs: [Leg; 3] }\n\
            enum State { Asked { since: Tick }, Talking(Exchange), Closed = 3 }\n\
            impl<T: Fn(u8) -> u8> Call<T> where T: X {\n\
            pub const MAX: usize = 1; fn end(&self) {} }\n\
            impl fmt::Display for State { fn fmt(&self) {} }\n\
            trait Desk { fn ask(&mut self); }\n\
            fn free() -> impl Iterator<Item = u8> { let x = 1; }\n\
            macro_rules! ids { () => {} }\n";
        let definitions = Rust::read(text).definitions;
        for (owner, member) in [
            ("Call", "state"),
            ("Call", "legs"),
            ("Call", "MAX"),
            ("Call", "end"),
            ("State", "Asked"),
            ("State", "Talking"),
            ("State", "Closed"),
            ("State", "fmt"),
            ("Desk", "ask"),
        ] {
            assert!(definitions.has_member(owner, member), "{owner}::{member}");
        }
        for (owner, member) in
            [("State", "since"), ("State", "Exchange"), ("Call", "Leg"), ("Call", "free")]
        {
            assert!(!definitions.has_member(owner, member), "{owner}::{member}");
        }
        for name in ["Call", "free", "ids", "MAX", "ask"] {
            assert!(definitions.has(name), "{name}");
        }
    }
}
