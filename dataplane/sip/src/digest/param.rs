//! `Digest name=value, name="value" ...`, of challenges and credentials alike.

use crate::lex::{self, Cursor};
use crate::limits::{DIGEST_PARAMS_MAX, DIGEST_VALUE_MAX};

/// Reads `Digest` and then each parameter; `false` when it is another scheme, malformed, or beyond
/// the limits. Values come without quotes, their backslashes left as they are.
pub(super) fn each<'a>(value: &'a [u8], take: impl FnMut(&'a [u8], &'a [u8]) -> bool) -> bool {
    let mut cursor = Cursor::new(value);
    let scheme = cursor.skip_lws().token();
    if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Digest")) {
        return false;
    }
    list(cursor, take)
}

/// Reads each parameter of a list without a scheme (Authentication-Info), as [`each`] does.
pub(super) fn list<'a>(
    mut cursor: Cursor<'a>,
    mut take: impl FnMut(&'a [u8], &'a [u8]) -> bool,
) -> bool {
    for count in 0..DIGEST_PARAMS_MAX {
        if count > 0 && !cursor.eat_separator(b',') {
            return cursor.at_end();
        }
        let Some((name, value)) = param(&mut cursor) else { return false };
        if value.len() > DIGEST_VALUE_MAX || !take(name, value) {
            return false;
        }
    }
    cursor.at_end()
}

fn param<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let name = cursor.skip_lws().token()?;
    cursor.eat_separator(b'=').then_some(())?;
    if cursor.peek() == Some(b'"') {
        return Some((name, cursor.quoted()?));
    }
    let value = cursor.take_while(|b| b != b',' && !lex::is_lws(b) && b != b'"');
    (!value.is_empty()).then_some((name, value))
}

/// Puts `value` where it belongs unless it is there already: a repeated parameter is refused.
pub(super) fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> bool {
    place.replace(value).is_none()
}

/// Writes `text` as a quoted string.
pub(super) fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    // Nearly always nothing in it means anything.
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (plain, marked) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let (mark, tail) = marked.split_at_checked(1).unwrap_or_default();
        out.extend_from_slice(plain);
        out.push(b'\\');
        out.extend_from_slice(mark);
        rest = tail;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
