//! The two layers above the index: grammar of known fields, and what a message must have.

use super::{Message, Refusal, StartLine};
use crate::field::{self, CSeq, Contacts, Date, MediaType, NameAddr, Param, Via};
use crate::header::Header;
use crate::lex;
use crate::limits::URI_MAX;
use crate::method::Method;
use crate::uri::Uri;

impl<'a> Message<'a> {
    /// `check_syntax`, then `check_meaning`.
    ///
    /// # Errors
    /// The first refusal of either.
    pub fn validate(self) -> Result<(), Refusal> {
        self.check_syntax()?;
        self.check_meaning()
    }

    /// Whether every field that this crate knows obeys its grammar and range.
    ///
    /// # Errors
    /// The first one that does not: `Field`, `RequestUri` or `MethodMismatch`.
    pub fn check_syntax(self) -> Result<(), Refusal> {
        for field in self.fields() {
            if !obeys_grammar(field.header, field.value) {
                return Err(Refusal::Field(field.header));
            }
        }
        let Some(StartLine::Request { name, uri, .. }) = self.start() else { return Ok(()) };
        check_request_uri(uri)?;
        //= rfc3261#section-8.1.1.5
        //# The method MUST match that of the request.
        match self.value(Header::CSeq).and_then(CSeq::parse) {
            Some(cseq) if cseq.name != name => Err(Refusal::MethodMismatch),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the message has what it must have, nothing twice, and a scheme that we speak.
    ///
    /// Max-Forwards, a branch and a From tag may be missing: RFC 2543 did not have them. Of URIs
    /// only the scheme is looked at: their grammar was `check_syntax`'s to see to.
    ///
    /// # Errors
    /// `Repeated`, `Missing` or `UriScheme`.
    pub fn check_meaning(self) -> Result<(), Refusal> {
        self.check_repeated()?;
        //= rfc3261#section-8.1.1
        //# A valid SIP request formulated by a UAC MUST, at a minimum, contain
        //# the following header fields: To, From, CSeq, Call-ID, Max-Forwards,
        //# and Via; all of these header fields are mandatory in all SIP
        //# requests.
        for header in [Header::Via, Header::From, Header::To, Header::SipCallId, Header::CSeq] {
            if self.value(header).is_none() {
                return Err(Refusal::Missing(header));
            }
        }
        match self.request_uri() {
            Some(uri) => self.check_scheme(uri),
            None => Ok(()),
        }
    }

    fn check_repeated(self) -> Result<(), Refusal> {
        match self.index.repeated {
            Some(header) => Err(Refusal::Repeated(header)),
            None => Ok(()),
        }
    }

    /// REGISTER's To names an address of record, which must be one of ours (RFC 4475 3.3.4).
    fn check_scheme(self, uri: &[u8]) -> Result<(), Refusal> {
        let register = self.method() == Some(Method::Register);
        if is_spoken(uri) && (!register || is_spoken(self.to()?.uri)) {
            return Ok(());
        }
        Err(Refusal::UriScheme)
    }
}

/// Whether a URI that obeys its grammar is of a scheme that calls can go to.
fn is_spoken(uri: &[u8]) -> bool {
    let colon = memchr::memchr(b':', uri).unwrap_or(0);
    let scheme = uri.get(..colon).unwrap_or_default();
    [b"sip".as_slice(), b"sips", b"tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn check_request_uri(uri: &[u8]) -> Result<(), Refusal> {
    //= rfc3261#section-21.4.12
    //# The server is refusing to service the request because the Request-URI
    //# is longer than the server is willing to interpret.
    if uri.len() > URI_MAX {
        return Err(Refusal::UriTooLong);
    }
    match Uri::parse(uri) {
        // Table 1 of RFC 3261 19.1.1 does not allow header fields in a Request-URI.
        Some(Uri::Sip(sip)) if sip.has_headers() => Err(Refusal::RequestUri),
        Some(Uri::Sip(_) | Uri::Tel(_) | Uri::Other { .. }) => Ok(()),
        None => Err(Refusal::RequestUri),
    }
}

fn obeys_grammar(header: Header, value: &[u8]) -> bool {
    GRAMMARS.get(header as usize).is_none_or(|obeys| obeys(value))
}

type Grammar = fn(&[u8]) -> bool;

/// The grammar of each header field, by its identifier.
static GRAMMARS: [Grammar; Header::Other as usize + 1] = grammars();

const fn grammars() -> [Grammar; Header::Other as usize + 1] {
    let mut table: [Grammar; Header::Other as usize + 1] = [anything; _];
    let known: &[(Header, Grammar)] = &[
        (Header::Via, |v| all(v, |element| Via::parse(element).is_some())),
        (Header::From, is_party),
        (Header::To, is_party),
        (Header::ReplyTo, is_name_addr),
        (Header::ReferTo, is_name_addr),
        (Header::ReferredBy, is_name_addr),
        (Header::Contact, |v| Contacts::parse(v).is_some()),
        (Header::Route, |v| all(v, is_route)),
        (Header::RecordRoute, |v| all(v, is_route)),
        (Header::Path, |v| all(v, is_route)),
        (Header::ServiceRoute, |v| all(v, is_route)),
        (Header::PAssertedIdentity, |v| all(v, is_name_addr)),
        (Header::PPreferredIdentity, |v| all(v, is_name_addr)),
        (Header::CSeq, |v| CSeq::parse(v).is_some()),
        (Header::SipCallId, field::is_call_id),
        (Header::MaxForwards, |v| lex::number(v, 255).is_some()),
        (Header::Expires, |v| field::delta_seconds(v).is_some()),
        (Header::MinExpires, |v| field::delta_seconds(v).is_some()),
        (Header::SessionExpires, |v| field::parameterized_number(v).is_some()),
        (Header::MinSe, |v| field::parameterized_number(v).is_some()),
        (Header::RetryAfter, |v| field::retry_after(v).is_some()),
        (Header::RSeq, |v| lex::number(v, u32::MAX as u64).is_some()),
        (Header::Warning, |v| all(v, field::is_warning)),
        (Header::ContentType, |v| MediaType::parse(v).is_some()),
        (Header::Date, |v| Date::parse(v).is_some()),
        (Header::Allow, is_token_list),
        (Header::Supported, is_token_list),
        (Header::Require, is_token_list),
        (Header::ProxyRequire, is_token_list),
        (Header::Unsupported, is_token_list),
    ];
    let mut at = 0;
    while at < known.len() {
        table[known[at].0 as usize] = known[at].1;
        at += 1;
    }
    table
}

fn anything(_: &[u8]) -> bool {
    true
}

fn is_token_list(value: &[u8]) -> bool {
    value.is_empty() || value.split(|b| *b == b',').all(|token| lex::all_token(lex::trim(token)))
}

/// Every element of a list, which is not empty.
fn all(value: &[u8], obeys: impl Fn(&[u8]) -> bool) -> bool {
    let mut elements = field::elements(value).peekable();
    elements.peek().is_some() && elements.all(obeys)
}

fn is_name_addr(value: &[u8]) -> bool {
    NameAddr::parse(value).is_some_and(|address| Uri::parse(address.uri).is_some())
}

/// An address whose tag, if it has one, is one and has a value (RFC 3261 25.1 `tag-param`). One
/// without a value would be no tag to us and a tag to whoever gets it back.
fn is_party(value: &[u8]) -> bool {
    let Some(address) = NameAddr::parse(value) else { return false };
    if !address.params.text().is_empty() {
        let is_tag = |param: &Param<'_>| param.name.eq_ignore_ascii_case(b"tag");
        let mut tags = address.params.iter().filter(is_tag);
        let is_good = tags.next().is_none_or(|tag| tag.value.is_some() && !tag.quoted);
        if !is_good || tags.next().is_some() {
            return false;
        }
    }
    Uri::parse(address.uri).is_some()
}

/// Route and its kin must have the angle brackets (RFC 3261 25.1 `route-param`).
fn is_route(value: &[u8]) -> bool {
    NameAddr::parse(value).is_some_and(|a| a.bracketed && Uri::parse(a.uri).is_some())
}
