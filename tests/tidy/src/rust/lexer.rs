//! Comments, literals, tokens.

/// A word or a sign of code with its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub(super) text: &'t str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text
    }

    pub(super) fn is_name(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// What a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Literal,
    Comment,
}

/// The text with comments and literals blank, and with comments blank only.
pub(super) fn split(text: &str) -> (String, String) {
    let mut code = String::with_capacity(text.len());
    let mut spoken = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = piece(rest, code.chars().next_back());
        let length = if length == 0 { first.len_utf8() } else { length };
        let (now, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match kind {
            Kind::Code => code.push_str(now),
            Kind::Literal | Kind::Comment => code.push_str(&blank(now)),
        }
        match kind {
            Kind::Code | Kind::Literal => spoken.push_str(now),
            Kind::Comment => spoken.push_str(&blank(now)),
        }
        rest = after;
    }
    (code, spoken)
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { c } else { ' ' }).collect()
}

/// Kind and bytes of what a text begins with; `before` is the character ahead of it.
fn piece(text: &str, before: Option<char>) -> (Kind, usize) {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let bytes = text.as_bytes();
    match bytes {
        [b'/', b'/', ..] => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        [b'/', b'*', ..] => (Kind::Comment, block_comment(bytes)),
        [b'"', ..] => (Kind::Literal, quoted(bytes, 0, b'"')),
        [b'\'', ..] => character(text),
        [b'r' | b'b' | b'c', ..] if !in_word => prefixed(bytes),
        _ => (Kind::Code, 0),
    }
}

fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < bytes.len() {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'/'), Some(b'*')) => (depth, at) = (depth + 1, at + 2),
            (Some(b'*'), Some(b'/')) => {
                (depth, at) = (depth.saturating_sub(1), at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// End of a literal with escapes whose opening quote stands at `open`.
fn quoted(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A character literal, or the `'` of a lifetime.
fn character(text: &str) -> (Kind, usize) {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => (Kind::Literal, quoted(text.as_bytes(), 0, b'\'')),
        (Some(c), Some('\'')) => (Kind::Literal, c.len_utf8() + 2),
        _ => (Kind::Code, 1),
    }
}

/// `r"..."`, `r#"..."#`, `b"..."`, `b'.'`, `br"..."`, `c"..."`, or a plain word.
fn prefixed(bytes: &[u8]) -> (Kind, usize) {
    let letters = bytes.iter().take_while(|b| matches!(b, b'r' | b'b' | b'c')).count();
    let raw = bytes.get(..letters).is_some_and(|prefix| prefix.contains(&b'r'));
    let hashes = bytes.iter().skip(letters).take_while(|b| **b == b'#').count();
    match bytes.get(letters + hashes) {
        Some(b'"') if letters <= 2 && raw => (Kind::Literal, raw_end(bytes, letters, hashes)),
        Some(b'"') if letters == 1 && hashes == 0 => (Kind::Literal, quoted(bytes, 1, b'"')),
        Some(b'\'') if bytes.starts_with(b"b'") => (Kind::Literal, quoted(bytes, 1, b'\'')),
        _ => (Kind::Code, letters),
    }
}

fn raw_end(bytes: &[u8], letters: usize, hashes: usize) -> usize {
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = letters + hashes + 1;
    let found = bytes.get(body..).and_then(|rest| rest.windows(end.len()).position(|w| w == end));
    found.map_or(bytes.len(), |at| body + at + end.len())
}

/// Words and signs of a text without comments and literals.
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let length = match is_part(first) {
                true => rest.find(|c| !is_part(c)).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            let (text, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            found.push(Token { text, line });
            rest = after.trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank() {
        for (text, code, spoken) in [
            ("a // b\nc", "a     \nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e", "a                   e"),
            ("f(\"x // y\")", "f(        )", "f(\"x // y\")"),
            (
                "'\\'' 'a' '\"' <'a> b'\\\\'",
                "             <'a>      ",
                "'\\'' 'a' '\"' <'a> b'\\\\'",
            ),
            ("r#\"a\"b\"# x", "         x", "r#\"a\"b\"# x"),
            ("\"\\\"\" + br\"\\\" + bar", "     +       + bar", "\"\\\"\" + br\"\\\" + bar"),
            ("for x in crab {}", "for x in crab {}", "for x in crab {}"),
        ] {
            let (said_code, said_spoken) = split(text);
            assert_eq!(said_code, code, "{text}");
            assert_eq!(said_spoken, spoken, "{text}");
        }
    }

    #[test]
    fn tokens_have_lines() {
        let said: Vec<_> = tokens("fn a_1(\n) {}").iter().map(|t| (t.text, t.line)).collect();
        assert_eq!(said, [("fn", 1), ("a_1", 1), ("(", 1), (")", 2), ("{", 2), ("}", 2)]);
    }
}
