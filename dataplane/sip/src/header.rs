//! Names of header fields: one identifier per known name, compact forms included.
//!
//! A name is known by its letters, eight in a word, and a perfect hash of them that the compiler
//! looks for: one multiplication, one look into a table, and one comparison of words.

use crate::lex::{self, Class};
use crate::word;

macro_rules! headers {
    ($($id:ident = $name:literal $(/ $compact:literal)?;)*) => {
        /// A header field by its name. `Other` keeps its name in the message only.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the variants are the header fields' names")]
        pub enum Header {
            $($id,)*
            /// A name that this crate does not know.
            Other,
        }

        impl Header {
            /// The long form, as this crate writes it; empty for `Other`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Header::$id => $name,)*
                    Header::Other => "",
                }
            }

            /// The long form with what stands between it and a value: `Via: `.
            #[must_use]
            pub(crate) const fn label(self) -> &'static str {
                match self {
                    $(Header::$id => concat!($name, ": "),)*
                    Header::Other => "",
                }
            }
        }

        /// Each written form with what it means.
        const FORMS: &[(&str, Header)] =
            &[$(($name, Header::$id), $(($compact, Header::$id),)?)*];
    };
}

// RFC 3261 20, then the extensions in use, with the compact forms of IANA's registry.
headers! {
    Via = "Via" / "v";
    From = "From" / "f";
    To = "To" / "t";
    SipCallId = "Call-ID" / "i";
    CSeq = "CSeq";
    MaxForwards = "Max-Forwards";
    Contact = "Contact" / "m";
    Route = "Route";
    RecordRoute = "Record-Route";
    ContentType = "Content-Type" / "c";
    ContentLength = "Content-Length" / "l";
    ContentEncoding = "Content-Encoding" / "e";
    ContentDisposition = "Content-Disposition";
    ContentLanguage = "Content-Language";
    MimeVersion = "MIME-Version";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Allow = "Allow";
    Supported = "Supported" / "k";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Unsupported = "Unsupported";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AcceptContact = "Accept-Contact" / "a";
    RejectContact = "Reject-Contact" / "j";
    RequestDisposition = "Request-Disposition" / "d";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    Date = "Date";
    InReplyTo = "In-Reply-To";
    Organization = "Organization";
    Priority = "Priority";
    ReplyTo = "Reply-To";
    RetryAfter = "Retry-After";
    Server = "Server";
    Subject = "Subject" / "s";
    Timestamp = "Timestamp";
    UserAgent = "User-Agent";
    Warning = "Warning";
    Reason = "Reason";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    PAccessNetworkInfo = "P-Access-Network-Info";
    PCalledPartyId = "P-Called-Party-ID";
    PChargingVector = "P-Charging-Vector";
    PEarlyMedia = "P-Early-Media";
    Privacy = "Privacy";
    RemotePartyId = "Remote-Party-ID";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    ReferTo = "Refer-To" / "r";
    ReferredBy = "Referred-By" / "b";
    Replaces = "Replaces";
    Join = "Join";
    TargetDialog = "Target-Dialog";
    Event = "Event" / "o";
    AllowEvents = "Allow-Events" / "u";
    SubscriptionState = "Subscription-State";
    SessionExpires = "Session-Expires" / "x";
    MinSe = "Min-SE";
    Path = "Path";
    ServiceRoute = "Service-Route";
    RSeq = "RSeq";
    RAck = "RAck";
    SipETag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    Identity = "Identity" / "y";
    IdentityInfo = "Identity-Info" / "n";
    UserToUser = "User-to-User";
    RecvInfo = "Recv-Info";
    InfoPackage = "Info-Package";
    SessionId = "Session-ID";
}

/// Known header fields and `Other`: one more than the largest identifier.
pub(crate) const COUNT: usize = Header::Other as usize + 1;

/// The letters of a name in lower case, eight a word in the order of the text, then zeros.
type Letters = [u64; WORDS];

const WORDS: usize = 3;
/// Bytes of the longest known name, at most.
const LETTERS_MAX: usize = 8 * WORDS;
/// Makes capitals small. Of what no line holds it makes a hyphen: of CR.
const SMALL: u64 = word::of(0x20);
const COLONS: u64 = word::of(b':');

/// The letters of each of [`FORMS`].
const LETTERS: [Letters; FORMS.len()] = all_letters();

const fn all_letters() -> [Letters; FORMS.len()] {
    let mut all = [[0; WORDS]; FORMS.len()];
    let mut form = 0;
    while form < FORMS.len() {
        let name = FORMS[form].0.as_bytes();
        assert!(!name.is_empty() && name.len() <= LETTERS_MAX, "a name of another length");
        let mut at = 0;
        while at < name.len() {
            // With other bytes `SMALL` would make names of what is none.
            assert!(name[at].is_ascii_alphabetic() || name[at] == b'-', "no letter");
            all[form][at / 8] |= ((name[at] | 0x20) as u64) << (8 * (at % 8));
            at += 1;
        }
        form += 1;
    }
    all
}

const SLOTS: usize = 2_048;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();
const EMPTY: u8 = u8::MAX;
/// Multipliers that are tried; one in a dozen fits.
const TRIES_MAX: u64 = 10_000;
const _: () = assert!(SLOTS.is_power_of_two() && FORMS.len() < EMPTY as usize);

/// Where the letters of a name stand in [`TABLE`], if it is known.
const fn slot(letters: Letters, multiplier: u64) -> usize {
    let [first, second, third] = letters;
    let word = first ^ second.rotate_left(21) ^ third.rotate_left(42);
    (word.wrapping_mul(multiplier) >> (u64::BITS - SLOT_BITS)) as usize
}

/// The first odd multiplier that gives each form a slot of its own.
const MULTIPLIER: u64 = multiplier();

const fn multiplier() -> u64 {
    let mut tried = 0;
    loop {
        assert!(tried < TRIES_MAX, "no multiplier: more slots are needed");
        // The golden ratio again and again: odd numbers all over the range.
        let candidate = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * tried + 1);
        if is_perfect(candidate) {
            return candidate;
        }
        tried += 1;
    }
}

const fn is_perfect(multiplier: u64) -> bool {
    let mut taken = [0_u64; SLOTS / 64];
    let mut form = 0;
    while form < FORMS.len() {
        let slot = slot(LETTERS[form], multiplier);
        if taken[slot / 64] >> (slot % 64) & 1 == 1 {
            return false;
        }
        taken[slot / 64] |= 1 << (slot % 64);
        form += 1;
    }
    true
}

/// From a slot to a place in [`FORMS`].
static TABLE: [u8; SLOTS] = table();

const fn table() -> [u8; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    let mut form = 0;
    while form < FORMS.len() {
        table[slot(LETTERS[form], MULTIPLIER)] = form as u8;
        form += 1;
    }
    table
}

/// What is known by these letters.
static KNOWN: [(Letters, Header); FORMS.len()] = known_forms();

const fn known_forms() -> [(Letters, Header); FORMS.len()] {
    let mut known = [([0; WORDS], Header::Other); FORMS.len()];
    let mut form = 0;
    while form < FORMS.len() {
        known[form] = (LETTERS[form], FORMS[form].1);
        form += 1;
    }
    known
}

#[inline]
fn look_up(letters: Letters) -> Option<Header> {
    let form = TABLE.get(slot(letters, MULTIPLIER)).copied().unwrap_or(EMPTY);
    let ([one, two, three], header) = KNOWN.get(usize::from(form))?;
    let [first, second, third] = letters;
    // As words: compared as arrays they would go through memory first.
    ((one ^ first) | (two ^ second) | (three ^ third) == 0).then_some(*header)
}

/// The first bytes of `text`, eight a word; zeros behind its end.
fn words(text: &[u8]) -> [u64; WORDS] {
    let mut padded = [0; LETTERS_MAX];
    padded.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    whole_words(&padded)
}

#[inline]
fn whole_words(head: &[u8; LETTERS_MAX]) -> [u64; WORDS] {
    let (words, _) = head.as_chunks::<8>();
    std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word)))
}

/// What stands in `word` before the first of `hits`, as letters.
const fn letters_before(word: u64, hits: u64) -> u64 {
    (word | SMALL) & !(u64::MAX << (hits.trailing_zeros() & !7))
}

/// The known name that `text` begins with up to its first colon, and that colon's offset.
///
/// `None` says nothing: the name may be unknown, longer, followed by white space, or not there.
/// `text` may go on behind the line; whether the colon is the line's is for the caller to see to.
#[inline]
pub(crate) fn known(text: &[u8]) -> Option<(Header, usize)> {
    let [one, two, three] = match text.first_chunk::<LETTERS_MAX>() {
        Some(head) => whole_words(head),
        // The last line of a message without a body.
        None => words(text),
    };
    let hits = word::zeros(one ^ COLONS);
    if hits != 0 {
        return Some((look_up([letters_before(one, hits), 0, 0])?, word::place(hits)));
    }
    let hits = word::zeros(two ^ COLONS);
    if hits != 0 {
        let letters = [one | SMALL, letters_before(two, hits), 0];
        return Some((look_up(letters)?, 8 + word::place(hits)));
    }
    let hits = word::zeros(three ^ COLONS);
    if hits == 0 {
        return None;
    }
    let letters = [one | SMALL, two | SMALL, letters_before(three, hits)];
    Some((look_up(letters)?, 16 + word::place(hits)))
}

impl Header {
    /// The header field called `name`, in long or compact form, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Header {
        // A CR would be taken for a hyphen.
        if name.len() > LETTERS_MAX || !Class::TOKEN.has_all(name) {
            return Header::Other;
        }
        let padding = |at: usize| match name.len().saturating_sub(8 * at) {
            len @ 0..8 => !(u64::MAX << (8 * len)),
            _ => u64::MAX,
        };
        let words = words(name);
        let letters =
            std::array::from_fn(|at| words.get(at).map_or(0, |word| (word | SMALL) & padding(at)));
        look_up(letters).unwrap_or(Header::Other)
    }

    /// Whether RFC 3261 20 and the extensions allow it at most once in a message.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Header::From
                | Header::To
                | Header::SipCallId
                | Header::CSeq
                | Header::MaxForwards
                | Header::ContentType
                | Header::ContentLength
                | Header::ContentDisposition
                | Header::Expires
                | Header::MinExpires
                | Header::Date
                | Header::RetryAfter
                | Header::Timestamp
                | Header::Event
                | Header::SubscriptionState
                | Header::SessionExpires
                | Header::MinSe
                | Header::RSeq
                | Header::RAck
                | Header::ReferTo
                | Header::ReferredBy
                | Header::Replaces
        )
    }
}

/// Whether `name` can be written as a header field's name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    lex::all_token(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_in_any_case() {
        for (form, header) in FORMS {
            assert_eq!(Header::parse(form.as_bytes()), *header, "{form}");
            assert_eq!(Header::parse(form.to_uppercase().as_bytes()), *header, "{form}");
            assert_eq!(Header::parse(form.to_lowercase().as_bytes()), *header, "{form}");
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for name in ["", "z", "Vi", "Viaa", "Call_ID", "X-Call-ID", "C%6Fntact"] {
            assert_eq!(Header::parse(name.as_bytes()), Header::Other, "{name}");
        }
    }

    #[test]
    fn a_known_name_is_read_off_the_beginning_of_its_line() {
        for (form, header) in FORMS {
            for tail in [": value of some length\r\nVia: x", ":", ":\r\n\r\n", "::"] {
                for name in [(*form).to_string(), form.to_uppercase(), form.to_lowercase()] {
                    let line = name.clone() + tail;
                    assert_eq!(known(line.as_bytes()), Some((*header, form.len())), "{line}");
                }
            }
        }
        for line in ["", ":", "Via", "Via : x", " Via: x", "Vi\r\na: x", "Xia: x"] {
            assert!(known(line.as_bytes()).is_none_or(|(_, at)| at > line.len()), "{line:?}");
        }
        // What is not looked at here: the line ended before that colon.
        assert_eq!(known(b"Call\rID: x"), Some((Header::SipCallId, 7)));
        assert_eq!(Header::parse(b"Call\rID"), Header::Other);
    }

    #[test]
    fn one_changed_byte_makes_another_name() {
        for (form, header) in FORMS.iter().filter(|(form, _)| form.len() > 1) {
            for at in 0..form.len() {
                for byte in 0..=255 {
                    let mut name = form.as_bytes().to_vec();
                    name[at] = byte;
                    let same = byte.eq_ignore_ascii_case(&form.as_bytes()[at]);
                    let read = Header::parse(&name);
                    assert!(same == (read == *header), "{form} {}", name.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn labels_are_names_with_a_colon() {
        for (form, header) in FORMS.iter().filter(|(form, header)| *form == header.name()) {
            assert_eq!(header.label(), format!("{form}: "));
        }
    }
}
