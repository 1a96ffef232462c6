//! As much of XML as workbooks use: tags, attributes, text. No document types, so no entities but
//! the five and numbers: nothing grows by being read.

use std::borrow::Cow;

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Event<'a> {
    /// A tag; the name is without its namespace.
    Open { name: &'a str, attributes: &'a str, is_empty: bool },
    /// The end of an element.
    Close(&'a str),
    /// Text.
    Text(Cow<'a, str>),
}

/// The text is not well-formed, or has a document type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BadXml;

pub(super) struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { rest: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// The next event; `None` = the end. Not an iterator: an error ends it.
    pub(super) fn event(&mut self) -> Result<Option<Event<'a>>, BadXml> {
        loop {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let Some(tag) = self.rest.strip_prefix('<') else { return self.text().map(Some) };
            if let Some(rest) = tag.strip_prefix("!--") {
                self.behind(rest, "-->")?;
            } else if let Some(rest) = tag.strip_prefix('?') {
                self.behind(rest, "?>")?;
            } else if let Some(rest) = tag.strip_prefix("![CDATA[") {
                let text = self.behind(rest, "]]>")?;
                return Ok(Some(Event::Text(Cow::Borrowed(text))));
            } else if tag.starts_with('!') {
                return Err(BadXml);
            } else if let Some(rest) = tag.strip_prefix('/') {
                let name = self.behind(rest, ">")?;
                return Ok(Some(Event::Close(local(name.trim_end()))));
            } else {
                return self.open(tag).map(Some);
            }
        }
    }

    /// What stands before an end, going on behind it.
    fn behind(&mut self, text: &'a str, end: &str) -> Result<&'a str, BadXml> {
        let (before, rest) = text.split_once(end).ok_or(BadXml)?;
        self.rest = rest;
        Ok(before)
    }

    fn text(&mut self) -> Result<Event<'a>, BadXml> {
        let at = self.rest.find('<').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(at);
        self.rest = rest;
        unescape(text).map(Event::Text)
    }

    fn open(&mut self, tag: &'a str) -> Result<Event<'a>, BadXml> {
        let mut quote = None;
        let end = tag.bytes().position(|byte| match (quote, byte) {
            (None, b'>') => true,
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                false
            }
            (Some(open), _) if open == byte => {
                quote = None;
                false
            }
            (None | Some(_), _) => false,
        });
        let end = end.ok_or(BadXml)?;
        let inner = tag.get(..end).ok_or(BadXml)?;
        self.rest = tag.get(end.saturating_add(1)..).ok_or(BadXml)?;
        let (inner, is_empty) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let at = inner.find(|char: char| char.is_ascii_whitespace()).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(at);
        let name = local(name);
        if name.is_empty() { Err(BadXml) } else { Ok(Event::Open { name, attributes, is_empty }) }
    }
}

/// A name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, name)| name)
}

/// The value of an attribute, by its name with or without a namespace; the first of them.
pub(super) fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|char| matches!(char, '"' | '\''))?;
        let (value, next) = behind.get(1..)?.split_once(quote)?;
        let name = name.trim();
        if name == wanted || local(name) == wanted {
            return unescape(value).ok();
        }
        rest = next.trim_start();
    }
    None
}

fn unescape(text: &str) -> Result<Cow<'_, str>, BadXml> {
    if !text.contains('&') {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        plain.push_str(before);
        let (name, behind) = entity.split_once(';').ok_or(BadXml)?;
        plain.push(named(name).ok_or(BadXml)?);
        rest = behind;
    }
    plain.push_str(rest);
    Ok(Cow::Owned(plain))
}

fn named(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|char| *char != '\0')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<String>, BadXml> {
        let mut scanner = Scanner::new(text);
        let mut found = Vec::new();
        while let Some(event) = scanner.event()? {
            found.push(match event {
                Event::Open { name, attributes, is_empty } => {
                    format!("<{name}{attributes}{}", if is_empty { "/" } else { "" })
                }
                Event::Close(name) => format!("/{name}"),
                Event::Text(text) => text.into_owned(),
            });
        }
        Ok(found)
    }

    #[test]
    fn tags_texts_and_entities() {
        let text = "<?xml?><!-- < --><x:a b='>'>1 &lt;&#x41;&#66;<![CDATA[<&]]></x:a><c/>";
        let wanted = ["<a b='>'", "1 <AB", "<&", "/a", "<c/"];
        assert_eq!(all(text).unwrap(), wanted);
        assert_eq!(attribute(" a='1' r:id = \"x&amp;y\"", "id").unwrap(), "x&y");
        assert_eq!(attribute(" a=1", "a"), None);
    }

    #[test]
    fn what_grows_or_does_not_end_is_refused() {
        for text in ["<!DOCTYPE a>", "&lol;", "&#0;", "&lt", "<a", "<a b='>", "<!-- ", "</a", "<>"]
        {
            assert_eq!(all(text), Err(BadXml), "{text}");
        }
    }
}
