//! Rewriting a party's description so that its media comes to us.
//!
//! Rewritten: `o=`, `c=`, the port of `m=`, `a=rtcp` (RFC 3605). Taken out: what names addresses
//! other than ours (`a=source-filter`, `a=alt`), and by [`Policy::Plain`] what needs more than a
//! plain relay (ICE, RTCP on the RTP port, bundles). Everything else passes byte for byte.

use crate::attribute::Attribute;
use crate::description::{Description, Media};
use crate::keyed::{self, Keyed};
use crate::line::Line;
use crate::session::{LocalSession, Version, family, write_connection};
use crate::terms::Target;
use crate::text::{append, decimal, split_once};
use std::net::{IpAddr, SocketAddr};

/// Where one media line of ours is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Our RTP address (or that of another kind of datagram).
    pub rtp: SocketAddr,
    /// Our RTCP address. It is said by `a=rtcp` unless it is one port above RTP's.
    pub rtcp: SocketAddr,
}

/// What of the other party's transport features passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// Plain RTP between separate ports: ICE (RFC 8839), RTCP multiplexing (RFC 5761, RFC 8858)
    /// and bundles (RFC 9143) are taken out, for neither party can do them through us.
    Plain,
    /// Passed as they stand, for relays that take part in them.
    Transparent,
}

/// Everything the rewriting needs.
#[derive(Clone, Copy, Debug)]
pub struct RelayPlan<'a> {
    /// Our address for the `o=` line, and for media lines that are not in use.
    pub address: IpAddr,
    /// Our place for each media line, in their order; `None` rejects the line with port 0.
    pub places: &'a [Option<Place>],
    /// What passes.
    pub policy: Policy,
    /// What each media line says of keys of SRTP, in their order; a line beyond these passes as it
    /// is.
    pub keys: &'a [Keyed<'a>],
}

/// A plan that does not fit the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayError {
    /// Another number of places than of media lines: our caller's bug.
    Places,
}

impl LocalSession {
    /// Their description as ours: the body to send on this leg.
    ///
    /// A media line with the hold address `0.0.0.0` gets our address and the direction that the
    /// hold means (`sendonly`, or `inactive` when it was `recvonly`).
    ///
    /// # Errors
    /// [`RelayError::Places`].
    pub fn relay(
        &mut self,
        theirs: &Description<'_>,
        plan: &RelayPlan<'_>,
    ) -> Result<&[u8], RelayError> {
        if plan.places.len() != theirs.media_count() {
            return Err(RelayError::Places);
        }
        Ok(self.keep(|version| write_body(theirs, plan, version)))
    }
}

/// Room in the session and in each of its media for addresses longer than theirs, and for lines
/// of ours.
const GROWTH: usize = 256;

fn write_body(theirs: &Description<'_>, plan: &RelayPlan<'_>, version: Version) -> Vec<u8> {
    let size: usize = theirs.session_lines().iter().map(|line| line.raw().len()).sum();
    let media: usize = theirs.media().flat_map(|m| m.lines()).map(|line| line.raw().len()).sum();
    let keys: usize = plan.keys.iter().map(|keyed| keyed.lines().len()).sum();
    let growth = GROWTH * (theirs.media_count() + 1) + keys;
    let mut out = Vec::with_capacity(size + media + growth);
    write_session(&mut out, theirs, plan, version);
    let keys = plan.keys.iter().copied().chain(std::iter::repeat(Keyed::Theirs));
    for ((media, place), keyed) in theirs.media().zip(plan.places).zip(keys) {
        let place = place.filter(|_| media.target() != Target::Rejected);
        write_media(&mut out, &media, (place, keyed), plan);
    }
    out
}

fn write_session(
    out: &mut Vec<u8>,
    theirs: &Description<'_>,
    plan: &RelayPlan<'_>,
    version: Version,
) {
    let is_browser = theirs.media().any(|media| keyed::is_dtls(media.protocol()));
    for line in theirs.session_lines() {
        match line.kind() {
            b'o' => version.write_origin(out, plan.address),
            b'c' => write_connection(out, plan.address),
            b'a' => {
                let attribute = Attribute::parse(line.value());
                let dropped = plan.keys.iter().any(|keyed| keyed.drops(&attribute, is_browser));
                if !dropped && !is_dropped(&attribute, plan.policy) {
                    write_kept(out, line);
                }
            }
            _ => write_kept(out, line),
        }
    }
    if plan.keys.iter().any(Keyed::has_ice) {
        out.extend_from_slice(keyed::ICE_LITE);
    }
}

fn write_media(
    out: &mut Vec<u8>,
    media: &Media<'_, '_>,
    (place, keyed): (Option<Place>, Keyed<'_>),
    plan: &RelayPlan<'_>,
) {
    let address = place.map_or(plan.address, |place| place.rtp.ip());
    let mut connection = Connection::new(media, address, plan);
    let held = media.target() == Target::Held;
    let is_browser = keyed::is_dtls(media.protocol());
    for (index, line) in media.lines().iter().enumerate() {
        match line.kind() {
            b'm' if index == 0 => write_media_line(out, line, (place, keyed)),
            b'i' => write_kept(out, line),
            b'c' => connection.write(out),
            kind => {
                connection.write(out);
                let attribute = Attribute::parse(line.value());
                let replaced = held && crate::Direction::parse(attribute.name).is_some();
                let dropped = replaced
                    || keyed.drops(&attribute, is_browser)
                    || is_dropped(&attribute, plan.policy);
                if kind != b'a' || !dropped {
                    write_kept(out, line);
                }
            }
        }
    }
    connection.write(out);
    if held {
        append(out, format_args!("a={}\r\n", media.terms().direction.name()));
    }
    if let Some(place) = place {
        if !keyed.shares_rtcp() {
            write_rtcp(out, media, place);
        }
        keyed.write(out, place);
    }
}

/// Our `c=` line of a media line, written once, where it is first due.
struct Connection {
    due: Option<IpAddr>,
}

impl Connection {
    /// Due where they had one, or where the session's `c=` line does not say our address.
    fn new(media: &Media<'_, '_>, address: IpAddr, plan: &RelayPlan<'_>) -> Connection {
        let own = media.lines().iter().any(|line| line.kind() == b'c');
        Connection { due: (own || address != plan.address).then_some(address) }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if let Some(address) = self.due.take() {
            write_connection(out, address);
        }
    }
}

/// The `m=` line with our port, or 0, and our transport if keys are not theirs; kind and formats as
/// they stand. A count of ports is left out: we relay one.
fn write_media_line(
    out: &mut Vec<u8>,
    line: &Line<'_>,
    (place, keyed): (Option<Place>, Keyed<'_>),
) {
    let port = place.map_or(0, |place| place.rtp.port());
    let (kind, rest) = split_once(line.value(), b' ').unwrap_or((line.value(), b""));
    let after_port = rest.trim_ascii_start();
    let rest = split_once(after_port, b' ').map_or(&b""[..], |(_, rest)| rest);
    out.extend_from_slice(b"m=");
    out.extend_from_slice(kind);
    out.push(b' ');
    decimal(out, port.into());
    out.push(b' ');
    let (protocol, formats) = split_once(rest, b' ').unwrap_or((rest, b""));
    // Who speaks DTLS speaks feedback for itself: the other side need not.
    let has_feedback = matches!(protocol, [.., b'F' | b'f']) && !keyed::is_dtls(protocol);
    match keyed.protocol(has_feedback) {
        None => out.extend_from_slice(rest),
        Some(protocol) => {
            out.extend_from_slice(protocol.as_bytes());
            out.push(b' ');
            out.extend_from_slice(formats);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn write_rtcp(out: &mut Vec<u8>, media: &Media<'_, '_>, place: Place) {
    let Place { rtp, rtcp } = place;
    let expected = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
    if Some(rtcp) == expected || !media.terms().transport.is_rtp() {
        return;
    }
    append(out, format_args!("a=rtcp:{}", rtcp.port()));
    if rtcp.ip() != rtp.ip() {
        append(out, format_args!(" IN {} {}", family(rtcp.ip()), rtcp.ip()));
    }
    out.extend_from_slice(b"\r\n");
}

/// Attributes that name an address other than ours, or a way past us.
const ADDRESSES: [&str; 3] = ["rtcp", "source-filter", "alt"];

/// Attributes that a plain relay cannot keep.
const NOT_PLAIN: [&str; 12] = [
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
    "ice-options",
    "ice-mismatch",
    "ice-pacing",
    "rtcp-mux",
    "rtcp-mux-only",
    "bundle-only",
];

fn is_dropped(attribute: &Attribute<'_>, policy: Policy) -> bool {
    let named = |names: &[&str]| names.iter().any(|name| attribute.is(name));
    match policy {
        Policy::Transparent => named(&ADDRESSES),
        Policy::Plain => named(&ADDRESSES) || named(&NOT_PLAIN) || is_bundle(attribute),
    }
}

fn is_bundle(attribute: &Attribute<'_>) -> bool {
    let semantics = attribute.value.unwrap_or(b"");
    attribute.is("group")
        && semantics.get(..6).is_some_and(|name| name.eq_ignore_ascii_case(b"BUNDLE"))
}

/// A line as it stands; the last one of a body may lack its end.
fn write_kept(out: &mut Vec<u8>, line: &Line<'_>) {
    out.extend_from_slice(line.raw());
    if !line.raw().ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
