//! Who diverted a call before it came here: Diversion (RFC 5806) and History-Info (RFC 7044), read
//! as one list by the table of RFC 7544.
//!
//! Both are a peer's word; whether it is believed is the control plane's to say.

use strowger_link::{DIVERTED_MAX, DivertReason, Diverted};

use super::offer::user_of;
use crate::field::NameAddr;
use crate::header::Header;
use crate::lex;
use crate::limits::ROUTES_MAX;
use crate::message::Message;
use crate::uri::{SipUri, Uri};

/// The diversions that a request tells of, the last one first: those of the field that tells of
/// more, of Diversion when both tell of as many.
pub(super) fn diverted(request: Message<'_>) -> Vec<Diverted> {
    let diversion = by_diversion(request);
    let history = by_history(request);
    if history.len() > diversion.len() { history } else { diversion }
}

/// RFC 5806 9.1: the topmost is the last.
fn by_diversion(request: Message<'_>) -> Vec<Diverted> {
    let one = |value| {
        let address = NameAddr::parse(value)?;
        let word = |name: &[u8]| address.params.value(name).map(unquoted);
        let count = word(b"counter").and_then(|text| lex::number(text, u8::MAX.into()));
        Some(Diverted {
            user: user_of(address.uri),
            reason: by_word(word(b"reason").unwrap_or_default()),
            count: count.and_then(|count| u8::try_from(count).ok()).unwrap_or(1).max(1),
            hidden: word(b"privacy").is_some_and(|word| !word.eq_ignore_ascii_case(b"off")),
        })
    };
    request.elements(Header::Diversion).take(DIVERTED_MAX).filter_map(one).collect()
}

fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// The reasons of RFC 5806 10. Those that RFC 7544 maps to cause 404 are not told apart.
fn by_word(word: &[u8]) -> DivertReason {
    let words: [(&[u8], DivertReason); 6] = [
        (b"unconditional", DivertReason::Unconditional),
        (b"user-busy", DivertReason::Busy),
        (b"no-answer", DivertReason::NoAnswer),
        (b"deflection", DivertReason::Deflection),
        (b"unavailable", DivertReason::Unavailable),
        (b"follow-me", DivertReason::FollowMe),
    ];
    let known = words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map_or(DivertReason::Unknown, |(_, reason)| *reason)
}

/// The causes of RFC 4458; `None` for what is no diversion.
fn by_cause(cause: u64) -> Option<DivertReason> {
    match cause {
        302 => Some(DivertReason::Unconditional),
        404 => Some(DivertReason::Unknown),
        408 => Some(DivertReason::NoAnswer),
        480 | 487 => Some(DivertReason::Deflection),
        486 => Some(DivertReason::Busy),
        503 => Some(DivertReason::Unavailable),
        0..=301 | 303..=403 | 405..=407 | 409..=479 | 481..=485 | 488..=502 | 504.. => None,
    }
}

/// One entry of History-Info.
struct Entry<'a> {
    uri: &'a [u8],
    index: &'a [u8],
    /// The entry that it was mapped from.
    from: Option<&'a [u8]>,
    reason: Option<DivertReason>,
    hidden: bool,
}

/// A cause stands at the target that the call was diverted to; who diverted is the entry that this
/// one names in `mp`, or else the one before it in the tree.
fn by_history(request: Message<'_>) -> Vec<Diverted> {
    let elements = request.elements(Header::HistoryInfo).take(ROUTES_MAX);
    let entries: Vec<Entry<'_>> = elements.filter_map(entry).collect();
    let all_hidden = asks_for(request, b"history") || asks_for(request, b"header");
    let diverted = |entry: &Entry<'_>| {
        let (reason, wanted) = (entry.reason?, entry.from.or_else(|| parent(entry.index))?);
        let by = entries.iter().find(|other| other.index == wanted)?;
        let hidden = by.hidden || all_hidden;
        Some(Diverted { user: user_of(by.uri), reason, count: 1, hidden })
    };
    let mut found: Vec<Diverted> = entries.iter().rev().filter_map(diverted).collect();
    found.truncate(DIVERTED_MAX);
    found
}

fn entry(value: &[u8]) -> Option<Entry<'_>> {
    let address = NameAddr::parse(value)?;
    let uri: Option<SipUri<'_>> = Uri::parse(address.uri).and_then(Uri::sip);
    let cause = uri.and_then(|uri| uri.param(b"cause")).flatten();
    let cause = cause.and_then(|text| lex::number(text, u16::MAX.into()));
    let is_private = |(name, value): (&[u8], Option<&[u8]>)| {
        let hides = value.is_some_and(|value| !value.eq_ignore_ascii_case(b"none"));
        name.eq_ignore_ascii_case(b"Privacy") && hides
    };
    Some(Entry {
        uri: address.uri,
        index: address.params.value(b"index")?,
        from: address.params.value(b"mp"),
        reason: cause.and_then(by_cause),
        hidden: uri.is_some_and(|uri| uri.headers().any(is_private)),
    })
}

/// Whether Privacy (RFC 3323) has a word.
fn asks_for(request: Message<'_>, word: &[u8]) -> bool {
    let words = request.values(Header::Privacy);
    let mut words = words.flat_map(|value| value.split(|byte| matches!(byte, b';' | b',')));
    words.any(|said| lex::trim(said).eq_ignore_ascii_case(word))
}

/// `1.1` of `1.1.2`.
fn parent(index: &[u8]) -> Option<&[u8]> {
    let point = index.iter().rposition(|byte| *byte == b'.')?;
    index.get(..point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Index;

    /// `user reason[ xN][ hidden]` of each, the last first.
    fn check(fields: &str, expect: &str) {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\
             \r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{fields}\r\n"
        );
        let mut index = Index::new();
        let request = Message::parse(text.as_bytes(), &mut index).unwrap();
        let one = |d: &Diverted| {
            let count = if d.count == 1 { String::new() } else { format!(" x{}", d.count) };
            let hidden = if d.hidden { " hidden" } else { "" };
            format!("{} {:?}{count}{hidden}", d.user, d.reason)
        };
        let got: Vec<String> = diverted(request).iter().map(one).collect();
        assert_eq!(got.join(", "), expect, "{fields}");
    }

    #[test]
    fn diversions_are_read() {
        check("", "");
        check(
            "Diversion: <sip:+4930@h>;reason=user-busy;counter=3;privacy=full\r\n",
            "+4930 Busy x3 hidden",
        );
        check(
            "Diversion: \"C, D\" <sip:c@h>;reason=no-answer, \
             <tel:+49-30>;reason=unconditional;privacy=off\r\n\
             Diversion: <sip:e@h>;reason=\"deflection\";counter=0\r\n",
            "c NoAnswer, +4930 Unconditional, e Deflection",
        );
        check("Diversion: <sip:c@h>;reason=time-of-day;counter=999\r\n", "c Unknown");
        check("Diversion: <sip:c@h\r\n", "");
        let many = "Diversion: <sip:c@h>;reason=unavailable\r\n".repeat(20);
        check(&many, &["c Unavailable"; DIVERTED_MAX].join(", "));
    }

    #[test]
    fn histories_are_read_as_diversions() {
        // Who diverted is named by `mp`, or stands one step up in the tree.
        check(
            "History-Info: <sip:bob@h>;index=1,<sip:carol@h;cause=486>;index=1.1;mp=1\r\n\
             History-Info: <sip:dave@h;cause=408>;index=1.1.1\r\n",
            "carol NoAnswer, bob Busy",
        );
        check(
            "History-Info: <sip:bob@h?Privacy=history>;index=1\r\n\
             History-Info: <sip:carol@h;cause=302>;index=1.1;mp=1\r\n",
            "bob Unconditional hidden",
        );
        check(
            "Privacy: history\r\nHistory-Info: <sip:bob@h>;index=1\r\n\
             History-Info: <sip:carol@h;cause=503>;index=1.1;mp=1\r\n",
            "bob Unavailable hidden",
        );
        // A contact of the same user is no diversion, nor is an entry whose origin is missing.
        check("History-Info: <sip:b@h>;index=1,<sip:b@192.0.2.1>;index=1.1;rc=1\r\n", "");
        check("History-Info: <sip:c@h;cause=486>;index=1.1;mp=1\r\n", "");
        check("History-Info: <sip:c@h;cause=486>;index=1\r\n", "");
        check("History-Info: <sip:b@h>;index=1,<sip:c@h;cause=200>;index=1.1;mp=1\r\n", "");
    }

    #[test]
    fn the_field_that_tells_of_more_counts() {
        check(
            "Diversion: <sip:x@h>;reason=user-busy\r\n\
             History-Info: <sip:b@h>;index=1,<sip:c@h;cause=486>;index=1.1;mp=1\r\n",
            "x Busy",
        );
        check(
            "Diversion: <sip:x@h>;reason=user-busy\r\nHistory-Info: <sip:b@h>;index=1,\
             <sip:c@h;cause=486>;index=1.1;mp=1,<sip:d@h;cause=302>;index=1.1.1;mp=1.1\r\n",
            "c Unconditional, b Busy",
        );
    }
}
