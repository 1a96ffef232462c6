//! Messages made once, with holes: what changes from one to the next is patched in.

/// What goes into a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hole {
    /// The call's or user's name on the wire: 20 hexadecimal digits.
    Id,
    /// Sequence number, decimal.
    Cseq,
    /// Number that is dialled.
    Number,
    /// Request-URI inside of a dialog.
    Target,
    /// Route lines, each with its end.
    Routes,
    /// Value of To inside of a dialog.
    To,
    /// User name.
    User,
    /// Line of credentials with its end, or nothing.
    Credentials,
}

impl Hole {
    fn named(name: &str) -> Option<Hole> {
        Some(match name {
            "id" => Hole::Id,
            "cseq" => Hole::Cseq,
            "number" => Hole::Number,
            "target" => Hole::Target,
            "routes" => Hole::Routes,
            "to" => Hole::To,
            "user" => Hole::User,
            "credentials" => Hole::Credentials,
            _ => return None,
        })
    }
}

/// A message with holes.
#[derive(Debug)]
pub(crate) struct Template {
    /// Text before each hole, then the hole.
    parts: Vec<(Vec<u8>, Hole)>,
    tail: Vec<u8>,
}

impl Template {
    /// Reads `{name}` as a hole; lines get their CRLF here. A name in braces that is none stays.
    pub(crate) fn new(text: &str) -> Template {
        let text = text.replace('\n', "\r\n");
        let (mut parts, mut before) = (Vec::new(), String::new());
        let mut rest = text.as_str();
        while let Some((head, tail)) = rest.split_once('{') {
            before.push_str(head);
            let hole = tail
                .split_once('}')
                .and_then(|(name, after)| Hole::named(name).map(|hole| (hole, after)));
            match hole {
                Some((hole, after)) => {
                    parts.push((std::mem::take(&mut before).into_bytes(), hole));
                    rest = after;
                }
                None => {
                    before.push('{');
                    rest = tail;
                }
            }
        }
        before.push_str(rest);
        Template { parts, tail: before.into_bytes() }
    }

    /// Writes the message; `fill` writes what goes into each hole.
    pub(crate) fn write(&self, out: &mut Vec<u8>, mut fill: impl FnMut(Hole, &mut Vec<u8>)) {
        for (text, hole) in &self.parts {
            out.extend_from_slice(text);
            fill(*hole, out);
        }
        out.extend_from_slice(&self.tail);
    }
}

/// Writes `value` in decimal, with zeros to `width` digits.
pub(crate) fn decimal(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let from = at.min(digits.len() - width.clamp(1, digits.len()));
    out.extend_from_slice(&digits[from..]);
}

/// Writes `value` as `width` hexadecimal digits.
pub(crate) fn hex(out: &mut Vec<u8>, value: u64, width: u32) {
    for at in (0..width).rev() {
        let digit = (value >> (4 * at)) & 15;
        out.push(b"0123456789abcdef"[digit as usize]);
    }
}

/// Reads hexadecimal digits.
pub(crate) fn read_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

/// Reads decimal digits.
pub(crate) fn read_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_in_order() {
        let template = Template::new("INVITE sip:{number}@x {odd}\nCSeq: {cseq} I\n\n");
        let mut out = Vec::new();
        let mut holes = Vec::new();
        template.write(&mut out, |hole, out| {
            holes.push(hole);
            decimal(out, if hole == Hole::Number { 42 } else { 0 }, 1);
        });
        assert_eq!(holes, [Hole::Number, Hole::Cseq]);
        assert_eq!(out, b"INVITE sip:42@x {odd}\r\nCSeq: 0 I\r\n\r\n");
    }

    #[test]
    fn numbers_come_back() {
        for value in [0, 7, 10, 0xabc_def, u64::from(u32::MAX)] {
            let (mut ten, mut sixteen) = (Vec::new(), Vec::new());
            decimal(&mut ten, value, 1);
            hex(&mut sixteen, value, 12);
            assert_eq!(ten, value.to_string().into_bytes());
            assert_eq!((read_decimal(&ten), read_hex(&sixteen)), (Some(value), Some(value)));
        }
        assert_eq!((read_decimal(b"1x"), read_hex(b"g")), (None, None));
    }
}
