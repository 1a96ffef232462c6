//! One line of a body, and the cutting of a body into lines.

use crate::error::{Error, Reason};
use crate::limits::LINES_MAX;
use crate::text::find;

/// One line: its octets as received, end of line included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    raw: &'a [u8],
}

impl<'a> Line<'a> {
    /// The letter before the `=`.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.raw.first().copied().unwrap_or(0)
    }

    /// What follows the `=`, without the end of line.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        without_end(self.raw).get(2..).unwrap_or(&[])
    }

    /// The octets as received, with the end of line if there was one.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The end of the line, empty where the body ends without one.
    pub(crate) fn end(&self) -> &'a [u8] {
        self.raw.get(without_end(self.raw).len()..).unwrap_or(&[])
    }

    fn parse(raw: &'a [u8]) -> Result<Line<'a>, Reason> {
        let text = without_end(raw);
        match text {
            [b'a'..=b'z', b'=', value @ ..] => match find(value, is_forbidden) {
                Some(_) => Err(Reason::ControlOctet),
                None => Ok(Line { raw }),
            },
            [..] => Err(Reason::Syntax),
        }
    }
}

/// The lines of `body`, and the empty lines after the last one. Lines end with CRLF, or with LF
/// alone (RFC 4566 section 5); the last may have no end.
pub(crate) fn cut(body: &[u8]) -> Result<(Vec<Line<'_>>, &[u8]), Error> {
    let mut lines = Vec::new();
    let mut rest = body;
    while !is_empty_lines(rest) {
        let number = lines.len() as u16 + 1;
        let end = find(rest, |octet| octet == b'\n').map_or(rest.len(), |at| at + 1);
        let (raw, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if lines.len() == LINES_MAX {
            return Err(Error { line: number, reason: Reason::TooManyLines });
        }
        let line = Line::parse(raw).map_err(|reason| Error { line: number, reason })?;
        lines.push(line);
        rest = after;
    }
    Ok((lines, rest))
}

/// Whether there is nothing but ends of lines. Decided by the first line of a body that has text.
fn is_empty_lines(text: &[u8]) -> bool {
    matches!(text, [] | [b'\r' | b'\n', ..]) && is_ends_of_lines(text)
}

fn is_ends_of_lines(text: &[u8]) -> bool {
    text.split_inclusive(|octet| *octet == b'\n').all(|raw| matches!(raw, b"\n" | b"\r\n"))
}

fn without_end(raw: &[u8]) -> &[u8] {
    match raw {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] | text => text,
    }
}

fn is_forbidden(octet: u8) -> bool {
    matches!(octet, 0 | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::cut;
    use crate::error::Reason;

    fn refused(body: &[u8]) -> (u16, Reason) {
        let error = cut(body).unwrap_err();
        (error.line, error.reason)
    }

    #[test]
    fn lines_end_with_crlf_or_lf_or_the_body() {
        let (lines, tail) = cut(b"v=0\r\na=x\ny=").unwrap();
        let seen: Vec<_> = lines.iter().map(|l| (l.kind(), l.value(), l.raw())).collect();
        assert_eq!(seen[0], (b'v', &b"0"[..], &b"v=0\r\n"[..]));
        assert_eq!(seen[1], (b'a', &b"x"[..], &b"a=x\n"[..]));
        assert_eq!(seen[2], (b'y', &b""[..], &b"y="[..]));
        assert_eq!((seen.len(), tail), (3, &b""[..]));
    }

    #[test]
    fn empty_lines_are_allowed_at_the_end_only() {
        let (lines, tail) = cut(b"v=0\r\n\r\n\n").unwrap();
        assert_eq!((lines.len(), tail), (1, &b"\r\n\n"[..]));
        assert_eq!(refused(b"v=0\r\n\r\na=x\r\n"), (2, Reason::Syntax));
        assert_eq!(refused(b"\r\nv=0\r\n"), (1, Reason::Syntax));
    }

    #[test]
    fn octets_that_end_a_line_elsewhere_are_refused() {
        assert_eq!(refused(b"v=0\r\na=x\rc=IN IP4 192.0.2.1\r\n"), (2, Reason::ControlOctet));
        assert_eq!(refused(b"v=0\r\na=x\0\r\n"), (2, Reason::ControlOctet));
        assert_eq!(refused(b"v=0\r\na=x\r\r\n"), (2, Reason::ControlOctet));
    }

    #[test]
    fn a_line_is_a_small_letter_and_an_equals_sign() {
        for body in ["V=0", "v", "v:0", " v=0", "=0", "vv=0"] {
            assert_eq!(refused(body.as_bytes()), (1, Reason::Syntax), "{body}");
        }
    }

    #[test]
    fn lines_are_counted() {
        assert!(cut(&b"a=\n".repeat(1024)).is_ok());
        assert_eq!(refused(&b"a=\n".repeat(1025)), (1025, Reason::TooManyLines));
    }
}
