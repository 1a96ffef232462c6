//! Parameters behind a header field's value: `;name=value;flag;name="quoted"`.

use crate::lex::{Class, Cursor};

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    /// The name as written; compared without case.
    pub name: &'a [u8],
    /// The value, without quotes but with its backslashes; `None` when there is no `=`.
    pub value: Option<&'a [u8]>,
    /// Whether the value stands in quotes.
    pub quoted: bool,
    /// All of it as written, from its semicolon on; may hold folds.
    pub text: &'a [u8],
}

/// Well-formed parameters, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Params<'a> {
    text: &'a [u8],
}

impl<'a> Params<'a> {
    /// All of `text`: empty, or `*(SEMI generic-param)`.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Params<'a>> {
        Params::parse_each(text, |_| {})
    }

    /// The same, and each is shown on the way.
    pub(crate) fn parse_each(
        text: &'a [u8],
        mut look: impl FnMut(Param<'a>),
    ) -> Option<Params<'a>> {
        let mut cursor = Cursor::new(text);
        while !cursor.at_end() {
            look(next(&mut cursor)?);
        }
        Some(Params { text })
    }

    /// `text` as it is: what is malformed ends the list.
    pub(crate) const fn loose(text: &'a [u8]) -> Params<'a> {
        Params { text }
    }

    /// The parameters one by one.
    pub fn iter(self) -> impl Iterator<Item = Param<'a>> {
        let mut cursor = Cursor::new(self.text);
        std::iter::from_fn(move || next(&mut cursor))
    }

    /// The first parameter called `name`.
    #[must_use]
    pub fn find(self, name: &[u8]) -> Option<Param<'a>> {
        if self.text.is_empty() {
            return None;
        }
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first parameter called `name`.
    #[must_use]
    pub fn value(self, name: &[u8]) -> Option<&'a [u8]> {
        self.find(name)?.value
    }

    /// The parameters as written, from the first semicolon.
    #[must_use]
    pub const fn text(self) -> &'a [u8] {
        self.text
    }
}

fn next<'a>(cursor: &mut Cursor<'a>) -> Option<Param<'a>> {
    let begin = cursor.skip_lws().rest();
    if !cursor.eat_separator(b';') {
        return None;
    }
    let name = cursor.token()?;
    let until = |cursor: &Cursor<'a>| begin.get(..begin.len() - cursor.rest().len());
    // Nearly always the name ends there or goes on with its value.
    let ends = matches!(cursor.peek(), None | Some(b';'));
    if ends || !cursor.eat_separator(b'=') {
        return Some(Param { name, value: None, quoted: false, text: until(cursor)? });
    }
    let quoted = cursor.peek() == Some(b'"');
    let value = if quoted {
        cursor.quoted()
    } else {
        Some(cursor.take(Class::VALUE)).filter(|v| !v.is_empty())
    };
    Some(Param { name, value: Some(value?), quoted, text: until(cursor)? })
}
