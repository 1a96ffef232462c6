//! The name in a client's first words: RFC 8446 4.1.2, RFC 6066 3.
//!
//! The session library reads it too and does not tell. What is read here is used once the handshake
//! is done, whose hash covers it.

use crate::limits::{RECORD_HEAD_LEN, SERVER_NAME_LEN_MAX};

/// Handshake type and length, version, random.
const BEFORE_SESSION_LEN: usize = 4 + 2 + 32;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: [u8; 2] = [0, 0];
const HOST_NAME: u8 = 0;

/// A reader that gives nothing beyond the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    /// A field behind its length of one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.bytes(usize::from(len))
    }

    /// A field behind its length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(*self.bytes(2)?.first_chunk()?);
        self.bytes(usize::from(len))
    }
}

/// The host that is asked for, in lower case, if the first record holds all of the hello.
pub(super) fn server_name(records: &[u8]) -> Option<Box<str>> {
    let mut record = Reader(records);
    let head = record.bytes(RECORD_HEAD_LEN - 2)?;
    let mut hello = Reader(record.long().filter(|_| head.first() == Some(&HANDSHAKE))?);
    let begin = hello.bytes(BEFORE_SESSION_LEN)?;
    if begin.first() != Some(&CLIENT_HELLO) {
        return None;
    }
    hello.short()?; // session
    hello.long()?; // ciphers
    hello.short()?; // compressions
    let mut extensions = Reader(hello.long()?);
    while let Some(kind) = extensions.bytes(2) {
        let content = extensions.long()?;
        if kind == SERVER_NAME {
            return host_name(content);
        }
    }
    None
}

fn host_name(content: &[u8]) -> Option<Box<str>> {
    let mut names = Reader(Reader(content).long()?);
    while let Some(kind) = names.u8() {
        let name = names.long()?;
        let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if kind == HOST_NAME {
            let sound = name.len() <= SERVER_NAME_LEN_MAX && name.iter().all(plain);
            let text = str::from_utf8(name).ok().filter(|_| sound && !name.is_empty())?;
            return Some(text.to_ascii_lowercase().into_boxed_str());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with these extensions.
    fn hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![CLIENT_HELLO, 0, 0, 0, 3, 3];
        body.extend([7; 32]);
        body.extend([2, 9, 9, 0, 2, 0x13, 1, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut record = vec![HANDSHAKE, 3, 1];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    const NAME: &[u8] = b"\0\x0a\0\x02ab\0\0\0\x0b\0\x09\0\0\x06SiP.ex";

    #[test]
    fn the_name_is_found_behind_other_extensions() {
        assert_eq!(server_name(&hello(NAME)).as_deref(), Some("sip.ex"));
        assert_eq!(server_name(&hello(b"\0\x0a\0\x02ab")), None);
        assert_eq!(server_name(&hello(b"\0\0\0\x08\0\x06\0\0\x03a\0b")), None, "no host");
        assert_eq!(server_name(b"INVITE sip:a SIP/2.0\r\n"), None);
    }

    #[test]
    fn a_hello_cut_anywhere_or_changed_has_no_name_or_that_one() {
        let whole = hello(NAME);
        for len in 0..whole.len() {
            assert_eq!(server_name(&whole[..len]), None, "{len}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 127, 255] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let name = server_name(&changed);
                assert!(name.is_none_or(|name| name.len() <= SERVER_NAME_LEN_MAX), "{at}");
            }
        }
    }
}
