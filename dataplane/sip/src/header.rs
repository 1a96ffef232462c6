//! Names of header fields: one identifier per known name, compact forms included.

use crate::lex::is_token;

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

const SLOTS: usize = 256;
const EMPTY: u8 = u8::MAX;

/// Open-addressed table from a hash of a form to its place in [`FORMS`].
const TABLE: [u8; SLOTS] = table();

const _: () = assert!(FORMS.len() < EMPTY as usize && FORMS.len() * 2 < SLOTS);

const fn table() -> [u8; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    let mut form = 0;
    while form < FORMS.len() {
        let mut slot = hash(FORMS[form].0.as_bytes());
        while table[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = form as u8;
        form += 1;
    }
    table
}

/// Length and three letters are enough to spread the known names; case does not matter.
const fn hash(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[name.len() / 2] | 0x20) as usize;
    let last = (name[name.len() - 1] | 0x20) as usize;
    (name.len() * 151 + first * 7 + middle * 31 + last * 61) % SLOTS
}

impl Header {
    /// The header field called `name`, in long or compact form, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Header {
        let mut slot = hash(name);
        loop {
            let entry = TABLE.get(slot).copied().unwrap_or(EMPTY);
            let Some((form, header)) = FORMS.get(usize::from(entry)) else {
                return Header::Other;
            };
            if form.as_bytes().eq_ignore_ascii_case(name) {
                return *header;
            }
            slot = (slot + 1) % SLOTS;
        }
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
    !name.is_empty() && name.iter().all(|b| is_token(*b))
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
    fn probing_stays_short() {
        let longest = FORMS
            .iter()
            .map(|(form, _)| {
                let home = hash(form.as_bytes());
                (0..SLOTS)
                    .find(|d| {
                        FORMS.get(usize::from(TABLE[(home + d) % SLOTS])).map(|f| f.0) == Some(form)
                    })
                    .unwrap()
            })
            .max()
            .unwrap();
        assert!(longest <= 6, "{longest}");
    }
}
