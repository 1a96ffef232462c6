//! Typed views of header field values, made on demand from the bytes of the message.
//!
//! A view that exists is well formed: `parse` gives `None` for whatever breaks the grammar of
//! RFC 3261 25.1, and the accessors then cannot fail.

mod address;
mod date;
mod param;
mod plain;
mod via;

pub use address::{Contacts, NameAddr};
pub use date::Date;
pub use param::{Param, Params};
pub use plain::{CSeq, MediaType, Reason};
pub(crate) use plain::{delta_seconds, is_call_id, is_warning, parameterized_number, retry_after};
pub(crate) use via::ViaPlace;
pub use via::{MAGIC_COOKIE, PORT_DEFAULT, PORT_DEFAULT_TLS, Via, ViaHost};

use crate::lex;
use crate::word;

/// The elements of a comma-separated value, without white space around them.
///
/// Commas in quoted strings and angle brackets do not separate. Empty elements are given as they
/// are, so that the grammar of the element refuses them; an empty value has no elements.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value).filter(|v| !v.is_empty());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = element_end(bytes);
        rest = bytes.get(end + 1..);
        Some(lex::trim(bytes.get(..end).unwrap_or(bytes)))
    })
}

/// Offset of the first comma outside quotes and angle brackets, or the length.
fn element_end(bytes: &[u8]) -> usize {
    // Most values have no comma at all, and lists of words nothing that could hide one.
    let Some(comma) = word::find(b',', bytes) else { return bytes.len() };
    let before = bytes.get(..comma).unwrap_or_default();
    if word::find2(b'"', b'<', before).is_none() {
        return comma;
    }
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return at,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
