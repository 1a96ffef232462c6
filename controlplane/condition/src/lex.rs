//! Characters to words of an expression.

use crate::parse::{BadExpression, Wrong};

/// A word, and the byte where it begins.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Token {
    pub(crate) word: Word,
    pub(crate) at: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Word {
    Name(String),
    Int(u64),
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Operators and brackets, longer ones before those that they begin with.
const SIGNS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "-", "+", "*", "/", "%", "?", ":", "(", ")",
    "[", "]", ",", ".", "=",
];

pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, BadExpression> {
    let mut all = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (word, len) =
            word(rest).map_err(|(wrong, behind)| BadExpression::new(text, at + behind, wrong))?;
        let is_end = word == Word::End;
        all.push(Token { word, at });
        if is_end {
            return Ok(all);
        }
        at += len;
    }
}

type Lexed = Result<(Word, usize), (Wrong, usize)>;

fn word(rest: &str) -> Lexed {
    let Some(first) = rest.chars().next() else { return Ok((Word::End, 0)) };
    if first.is_ascii_digit() {
        return number(rest);
    }
    for raw in ["r\"", "r'", "R\"", "R'"] {
        if rest.starts_with(raw) {
            return quoted(rest, 1);
        }
    }
    if first == '"' || first == '\'' {
        return quoted(rest, 0);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        return Ok((Word::Name(name.to_owned()), name.len()));
    }
    let sign = SIGNS.into_iter().find(|sign| rest.starts_with(*sign));
    sign.map(|sign| (Word::Sign(sign), sign.len())).ok_or((Wrong::Character(first), 0))
}

fn number(rest: &str) -> Lexed {
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let digits = rest.get(..len).unwrap_or_default();
    let is_fraction = rest.get(len..).is_some_and(|rest| rest.starts_with('.'));
    match digits.parse() {
        Ok(int) if !is_fraction => Ok((Word::Int(int), len)),
        Ok(_) | Err(_) => Err((Wrong::Number, 0)),
    }
}

/// A text in quotes; `raw` = 1 takes backslashes as they are.
fn quoted(rest: &str, raw: usize) -> Lexed {
    let mut chars = rest.char_indices().skip(raw);
    let Some((_, quote)) = chars.next() else { return Err((Wrong::Open, 0)) };
    let mut text = String::new();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((Word::Text(text), at + c.len_utf8()));
        }
        if c == '\n' {
            return Err((Wrong::Open, 0));
        }
        if c != '\\' || raw == 1 {
            text.push(c);
            continue;
        }
        let escaped = chars.next().map(|(_, c)| c);
        text.push(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some(c @ ('\\' | '"' | '\'' | '`' | '?')) => c,
            Some(_) | None => return Err((Wrong::Escape, at)),
        });
    }
    Err((Wrong::Open, 0))
}
