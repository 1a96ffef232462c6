//! The little of a message that is read here. The dataplane has judged the message already.

/// What is in front of the token in a branch of ours (RFC 3261 8.1.1.7).
const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// The lines of the header, without their ends.
pub(crate) fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = message.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| !line.is_empty())
}

/// A line's name and value.
pub(crate) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    Some((name.trim_ascii(), value.trim_ascii()))
}

/// Where the body begins.
pub(crate) fn body_at(message: &[u8]) -> usize {
    let ends = [b"\r\n\r\n".as_slice(), b"\n\n"];
    let find =
        |end: &[u8]| message.windows(end.len()).position(|w| w == end).map(|at| at + end.len());
    ends.into_iter().filter_map(find).min().unwrap_or(message.len())
}

fn is(name: &[u8], long: &str, compact: &str) -> bool {
    name.eq_ignore_ascii_case(long.as_bytes()) || name.eq_ignore_ascii_case(compact.as_bytes())
}

/// The value of the Call-ID.
pub(crate) fn call_id(message: &[u8]) -> Option<&[u8]> {
    lines(message).filter_map(field).find(|(name, _)| is(name, "call-id", "i")).map(|(_, id)| id)
}

/// What may be a token of ours: the tags of From and To, and the branch of the first Via.
pub(crate) fn marks(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut via = false;
    lines(message).filter_map(field).filter_map(move |(name, value)| {
        if is(name, "from", "f") || is(name, "to", "t") {
            parameter(value, b";tag=")
        } else if is(name, "via", "v") && !core::mem::replace(&mut via, true) {
            parameter(value, b";branch=")?.strip_prefix(MAGIC_COOKIE)
        } else {
            None
        }
    })
}

/// What follows the last `start` up to the next end of a parameter.
fn parameter<'v>(value: &'v [u8], start: &[u8]) -> Option<&'v [u8]> {
    let at = value.windows(start.len()).rposition(|w| w.eq_ignore_ascii_case(start))?;
    let rest = value.get(at + start.len()..)?;
    let end = rest.iter().position(|byte| b";, \t>".contains(byte)).unwrap_or(rest.len());
    rest.get(..end)
}
