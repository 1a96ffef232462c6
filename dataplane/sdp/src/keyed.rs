//! What a media line of ours says of keys of SRTP: by description (RFC 4568), or by DTLS
//! (RFC 5763), which brings our side of ICE with it (RFC 8839).

use crate::attribute::Attribute;
use crate::relay::Place;
use crate::text::append;
use std::fmt;
use std::net::SocketAddr;

/// What a media line says of keys of SRTP.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Keyed<'a> {
    /// What the other party says: the keys are theirs, and so is the transport.
    #[default]
    Theirs,
    /// Nothing: RTP in the clear.
    Plain,
    /// Keys of ours.
    Ours {
        /// The lines `a=crypto`, with their ends. Secret.
        lines: &'a [u8],
        /// Whether the transport says that there is nothing else: `RTP/SAVP`. By `RTP/AVP` who
        /// knows no SRTP answers in the clear.
        is_required: bool,
    },
    /// Keys that are agreed on with us, by DTLS.
    Dtls {
        /// The lines `a=fingerprint`, `a=setup` and our credentials of ICE, with their ends.
        /// Secret.
        lines: &'a [u8],
        /// How the line is spoken.
        form: DtlsForm,
    },
}

/// How a media line with keys by DTLS is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DtlsForm {
    /// Our addresses are candidates of ICE, whose lite side we are.
    pub has_ice: bool,
    /// RTCP comes and goes by the port of RTP (RFC 5761).
    pub has_mux: bool,
    /// `RTP/SAVPF`, which browsers want (RFC 8827 6.5); else `RTP/SAVP`.
    pub has_feedback: bool,
}

/// Says of a whole description that we are the lite side of ICE (RFC 8839 5.3).
pub(crate) const ICE_LITE: &[u8] = b"a=ice-lite\r\n";
/// Priority of a candidate that is an address of ours, of component 1 (RFC 8445 5.1.2.1): a host
/// candidate, the only one. Component 2 has one less.
const PRIORITY: u32 = 126 << 24 | 0xffff << 8 | 255;

/// Attributes by which keys are agreed on.
const KEYS: [&str; 7] =
    ["crypto", "key-mgmt", "fingerprint", "setup", "connection", "tls-id", "identity"];
/// Attributes that only mean something between browsers, or to one port for all media: who is
/// spoken to without DTLS hears nothing of them.
const BROWSERS: [&str; 12] = [
    "mid",
    "msid",
    "msid-semantic",
    "ssrc",
    "ssrc-group",
    "extmap",
    "extmap-allow-mixed",
    "rtcp-fb",
    "rtcp-rsize",
    "rid",
    "simulcast",
    "bundle-only",
];

/// Whether a protocol has its keys by DTLS.
pub(crate) fn is_dtls(protocol: &[u8]) -> bool {
    const DTLS: &[u8] = b"UDP/TLS/";
    protocol.get(..DTLS.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(DTLS))
}

impl Keyed<'_> {
    /// The transport, with or without feedback (RFC 4585, RFC 5124); `None` = as it stands.
    pub(crate) const fn protocol(self, has_feedback: bool) -> Option<&'static str> {
        match (self, has_feedback) {
            (Keyed::Theirs, _) => None,
            (Keyed::Plain | Keyed::Ours { is_required: false, .. }, false) => Some("RTP/AVP"),
            (Keyed::Plain | Keyed::Ours { is_required: false, .. }, true) => Some("RTP/AVPF"),
            (Keyed::Ours { is_required: true, .. }, false) => Some("RTP/SAVP"),
            (Keyed::Ours { is_required: true, .. }, true) => Some("RTP/SAVPF"),
            (Keyed::Dtls { form: DtlsForm { has_feedback: false, .. }, .. }, _) => {
                Some("UDP/TLS/RTP/SAVP")
            }
            (Keyed::Dtls { form: DtlsForm { has_feedback: true, .. }, .. }, _) => {
                Some("UDP/TLS/RTP/SAVPF")
            }
        }
    }

    /// The lines that it adds, but for our addresses.
    pub(crate) const fn lines(&self) -> &[u8] {
        match self {
            Keyed::Theirs | Keyed::Plain => &[],
            Keyed::Ours { lines, .. } | Keyed::Dtls { lines, .. } => lines,
        }
    }

    const fn form(&self) -> Option<DtlsForm> {
        match self {
            Keyed::Dtls { form, .. } => Some(*form),
            Keyed::Theirs | Keyed::Plain | Keyed::Ours { .. } => None,
        }
    }

    /// Whether we are the lite side of ICE by it.
    pub(crate) fn has_ice(&self) -> bool {
        self.form().is_some_and(|form| form.has_ice)
    }

    /// Whether RTCP has no port of its own.
    pub(crate) fn shares_rtcp(&self) -> bool {
        self.form().is_some_and(|form| form.has_mux)
    }

    /// Whether an attribute of theirs goes: keys, by whatever way; and from a browser what only
    /// browsers mean, where we do not speak to one.
    pub(crate) fn drops(&self, attribute: &Attribute<'_>, is_browser: bool) -> bool {
        let named = |names: &[&str]| names.iter().any(|name| attribute.is(name));
        match self {
            Keyed::Theirs => false,
            Keyed::Dtls { .. } => named(&KEYS),
            Keyed::Plain | Keyed::Ours { .. } => named(&KEYS) || is_browser && named(&BROWSERS),
        }
    }

    /// Appends what it adds to a media line of ours.
    pub(crate) fn write(&self, out: &mut Vec<u8>, place: Place) {
        out.extend_from_slice(self.lines());
        let Some(DtlsForm { has_ice, has_mux, .. }) = self.form() else { return };
        if has_mux {
            out.extend_from_slice(b"a=rtcp-mux\r\n");
        }
        if has_ice {
            write_candidate(out, 1, place.rtp);
            if !has_mux {
                write_candidate(out, 2, place.rtcp);
            }
            out.extend_from_slice(b"a=end-of-candidates\r\n");
        }
    }
}

/// RFC 8839 section 5.1.
fn write_candidate(out: &mut Vec<u8>, component: u32, at: SocketAddr) {
    let priority = PRIORITY + 1 - component;
    let (ip, port) = (at.ip(), at.port());
    append(out, format_args!("a=candidate:1 {component} UDP {priority} {ip} {port} typ host\r\n"));
}

impl fmt::Debug for Keyed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Keyed::Theirs => "Theirs",
            Keyed::Plain => "Plain",
            Keyed::Ours { is_required: false, .. } => "Ours",
            Keyed::Ours { is_required: true, .. } => "Ours (required)",
            Keyed::Dtls { .. } => "Dtls",
        })
    }
}
