//! What nobody is shown: each such byte becomes an `x`, so that lengths stay true.
//!
//! | where | what |
//! |---|---|
//! | Authorization, Proxy-Authorization | `response`, `cnonce`: enough to try passwords at home |
//! | SDP | the keys of `a=crypto` (RFC 4568) and `k=`, the password of ICE (`a=ice-pwd`) |
//! | INFO | digits: a PIN is dialled like any other |
//! | MESSAGE | what is said |

use crate::text::{body_at, field};

const MASK: u8 = b'x';

/// Masks the secrets of a message in place.
pub fn mask(message: &mut [u8]) {
    let body_at = body_at(message);
    let (head, body) = message.split_at_mut(body_at.min(message.len()));
    let mut kind = Kind::Other;
    for line in head.split_mut(|byte| *byte == b'\n') {
        let Some((name, value)) = field(line) else { continue };
        if name.eq_ignore_ascii_case(b"cseq") {
            kind = Kind::of(value);
        }
        let credentials = [b"authorization".as_slice(), b"proxy-authorization"];
        if credentials.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            for parameter in [b"response".as_slice(), b"cnonce"] {
                mask_parameter(line, parameter);
            }
        }
    }
    match kind {
        Kind::Message => body.fill(MASK),
        Kind::Info => mask_digits(body),
        Kind::Other => mask_keys(body),
    }
}

/// What the body may hold, by the method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Info,
    Other,
}

impl Kind {
    fn of(cseq: &[u8]) -> Kind {
        let method = cseq.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        match method {
            b"MESSAGE" => Kind::Message,
            b"INFO" => Kind::Info,
            _ => Kind::Other,
        }
    }
}

/// Masks the value of each `name=VALUE` or `name="VALUE"` of a line.
fn mask_parameter(line: &mut [u8], name: &[u8]) {
    let mut from = 0;
    while let Some(at) = find(line, from, name) {
        from = at + name.len();
        let before = at.checked_sub(1).and_then(|at| line.get(at)).copied();
        let is_name = before.is_none_or(|byte| b" ,\t".contains(&byte));
        let rest = line.get(from..).unwrap_or_default();
        let equals = rest.iter().position(|byte| !byte.is_ascii_whitespace());
        let Some(equals) = equals.filter(|at| is_name && rest.get(*at) == Some(&b'=')) else {
            continue;
        };
        let mut quoted = false;
        for byte in line.iter_mut().skip(from + equals + 1) {
            match *byte {
                b'"' if quoted => break,
                b'"' => quoted = true,
                b',' | b'\r' | b'\n' if !quoted => break,
                b' ' | b'\t' if !quoted => {}
                _ => *byte = MASK,
            }
        }
    }
}

fn find(line: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = line.get(from..)?;
    rest.windows(what.len()).position(|w| w.eq_ignore_ascii_case(what)).map(|at| from + at)
}

/// DTMF by INFO: `Signal=5` of `application/dtmf-relay`, or the digit alone (`application/dtmf`).
fn mask_digits(body: &mut [u8]) {
    for line in body.split_mut(|byte| *byte == b'\n') {
        let start = match line.iter().position(|byte| *byte == b'=') {
            Some(at) if line.trim_ascii_start().to_ascii_lowercase().starts_with(b"signal") => {
                at + 1
            }
            Some(_) => continue,
            None => 0,
        };
        let digits = line.iter_mut().skip(start);
        digits.filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = MASK);
    }
}

/// Keys of media in a description.
fn mask_keys(body: &mut [u8]) {
    const PWD: &[u8] = b"a=ice-pwd:";
    for line in body.split_mut(|byte| *byte == b'\n') {
        if line.starts_with(b"k=") {
            line.iter_mut().skip(2).filter(|b| !b.is_ascii_whitespace()).for_each(|b| *b = MASK);
        } else if line.starts_with(PWD) {
            let pwd = line.iter_mut().skip(PWD.len());
            pwd.filter(|b| !b.is_ascii_whitespace()).for_each(|b| *b = MASK);
        } else if line.starts_with(b"a=crypto:") {
            let mut from = 0;
            while let Some(at) = find(line, from, b"inline:") {
                from = at + b"inline:".len();
                let key = line.iter_mut().skip(from);
                key.take_while(|b| !b" |;\r\t".contains(b)).for_each(|b| *b = MASK);
            }
        }
    }
}
