//! Names of header fields by who may write them, and which of a caller's own may pass.

/// What keeps the protocol right, is made by the switch itself, or proves something: no rule
/// writes it. Names of the registry of RFC 3261 27.2 and its extensions.
pub const GUARDED: &[&str] = &[
    "Accept",
    "Accept-Encoding",
    "Allow",
    "Allow-Events",
    "Authentication-Info",
    "Authorization",
    "Call-ID",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Encryption",
    "Error-Info",
    "Event",
    "Expires",
    "Flow-Timer",
    "From",
    "Identity",
    "Identity-Info",
    "Info-Package",
    "Join",
    "Max-Breadth",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Path",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Record-Route",
    "Recv-Info",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Replaces",
    "Require",
    "Response-Key",
    "Retry-After",
    "Route",
    "RSeq",
    "Security-Client",
    "Security-Server",
    "Security-Verify",
    "Service-Route",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subscription-State",
    "Supported",
    "Target-Dialog",
    "Timestamp",
    "To",
    "Trigger-Consent",
    "Unsupported",
    "Via",
    "WWW-Authenticate",
];

/// What the row of a trunk and the caller's wish decide: a rule beside them would undo a wish to be
/// hidden, or assert what nobody vouches for.
pub const OWNED: &[&str] = &[
    "Diversion",
    "History-Info",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Privacy",
    "Remote-Party-ID",
];

/// Read by rules, and never passed on as it came: ours stands in its place, or it means the hop
/// that it came over.
const OURS: &[&str] = &["Reason", "Server", "User-Agent"];

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A field of the caller that may go on to a peer whose row lets unknown ones pass.
pub(super) fn is_passed(name: &str) -> bool {
    // A letter alone is a compact form, of something that this list has by its name.
    name.len() > 1 && ![GUARDED, OWNED, OURS].iter().any(|names| is_one_of(names, name))
}

/// A field of a network of trust (RFC 3325, RFC 7315, RFC 8496): where the caller is, whom to
/// charge, how networks count. Its name begins with `P-`.
pub(super) fn is_network(name: &str) -> bool {
    name.get(..2).is_some_and(|begin| begin.eq_ignore_ascii_case("P-"))
}
