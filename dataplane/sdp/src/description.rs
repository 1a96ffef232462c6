//! A description: lines kept byte for byte, with typed access.

use crate::attribute::{Attribute, Crypto, Fmtp, Rtcp, RtpMap};
use crate::codec::static_map;
use crate::direction::Direction;
use crate::error::{Error, Reason};
use crate::limits::{BODY_MAX, FORMATS_MAX, MEDIA_MAX};
use crate::line::{self, Line};
use crate::text::{fields, number, split_once};
use std::net::IpAddr;
use std::ops::Range;

/// A parsed body. Borrowed from it; [`Description::to_bytes`] gives it back unchanged.
///
/// Checked when parsed: bounds, line syntax, `v=`, `o=`, every `c=` and `m=` line, and that each
/// media line in use has a `c=`. The order of other lines and the presence of `s=` and `t=` are
/// not: a switch that refused them would lose calls that the parties can hold.
#[derive(Clone, Debug)]
pub struct Description<'a> {
    lines: Vec<Line<'a>>,
    origin: Origin<'a>,
    connection: Option<Connection<'a>>,
    media: Vec<Section<'a>>,
    tail: &'a [u8],
}

/// A media line as it stands and the lines that belong to it, itself first.
#[derive(Clone, Debug)]
struct Section<'a> {
    head: Head<'a>,
    connection: Option<Connection<'a>>,
    lines: Range<usize>,
}

/// The `o=` line, RFC 8866 section 5.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin<'a> {
    /// The user's login on that host, `-` for none.
    pub username: &'a [u8],
    /// The session's number. Text: peers write numbers beyond 64 bits.
    pub session_id: &'a [u8],
    /// The version of this description, text for the same reason.
    pub version: &'a [u8],
    /// The address's family, `IP4` or `IP6`.
    pub family: &'a [u8],
    /// The address or name of that host; never used as a destination.
    pub address: &'a [u8],
}

/// The `c=` line, RFC 8866 section 5.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection<'a> {
    /// Where the party receives.
    pub host: Host<'a>,
}

/// An address or a name of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Host<'a> {
    /// An address; a multicast TTL behind it is not kept.
    Ip(IpAddr),
    /// A host name, not resolved.
    Name(&'a [u8]),
}

impl<'a> Host<'a> {
    /// Reads `IN IP4 ADDRESS` or `IN IP6 ADDRESS`. The family is taken from the address itself:
    /// some peers write `IP4` in front of an IPv6 address. An IPv4-mapped address is an IPv4 one.
    pub(crate) fn parse(value: &'a [u8]) -> Option<Host<'a>> {
        let mut words = fields(value);
        let (network, family, address) = (words.next()?, words.next()?, words.next()?);
        let known = network.eq_ignore_ascii_case(b"IN")
            && (family.eq_ignore_ascii_case(b"IP4") || family.eq_ignore_ascii_case(b"IP6"));
        if !known || words.next().is_some() {
            return None;
        }
        let (host, _ttl) = split_once(address, b'/').unwrap_or((address, b""));
        let text = str::from_utf8(host).ok()?;
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Host::Ip(ip.to_canonical()));
        }
        let is_name = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        is_name.then_some(Host::Name(host))
    }
}

/// What stands on an `m=` line, RFC 8866 section 5.14.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head<'a> {
    kind: &'a [u8],
    port: u16,
    protocol: &'a [u8],
    formats: &'a [u8],
}

impl<'a> Head<'a> {
    fn parse(value: &'a [u8]) -> Option<Head<'a>> {
        let (kind, rest) = split_once(value, b' ')?;
        let (ports, rest) = split_once(rest.trim_ascii_start(), b' ')?;
        let rest = rest.trim_ascii();
        let (protocol, formats) = split_once(rest, b' ').unwrap_or((rest, b""));
        let (port, count) = split_once(ports, b'/').unwrap_or((ports, b"1"));
        number::<u16>(count)?;
        let port = number(port)?;
        let complete = !kind.is_empty()
            && !protocol.is_empty()
            && fields(formats).take(FORMATS_MAX + 1).count() <= FORMATS_MAX;
        (complete && (port == 0 || !formats.is_empty())).then_some(Head {
            kind,
            port,
            protocol,
            formats,
        })
    }
}

impl<'a> Description<'a> {
    /// Parses a body.
    ///
    /// # Errors
    /// [`Error`] with the line and the reason; what is allowed stands at [`Description`].
    pub fn parse(body: &'a [u8]) -> Result<Description<'a>, Error> {
        let whole = |reason| Error { line: 0, reason };
        if body.is_empty() {
            return Err(whole(Reason::Empty));
        }
        if body.len() > BODY_MAX {
            return Err(whole(Reason::TooLong));
        }
        let (lines, tail) = line::cut(body)?;
        let mut reader = Reader::default();
        for (index, line) in lines.iter().enumerate() {
            let at = |reason| Error { line: index as u16 + 1, reason };
            reader.read(index, line).map_err(at)?;
        }
        reader.check_connections()?;
        let Reader { origin, connection, media } = reader;
        let origin = origin.ok_or(whole(Reason::MissingOrigin))?;
        Ok(Description { lines, origin, connection, media, tail })
    }

    /// The body as it was parsed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut body: Vec<u8> = self.lines.iter().flat_map(|line| line.raw()).copied().collect();
        body.extend_from_slice(self.tail);
        body
    }

    /// The empty lines behind the last one.
    pub(crate) fn tail(&self) -> &'a [u8] {
        self.tail
    }

    /// The `o=` line.
    #[must_use]
    pub fn origin(&self) -> Origin<'a> {
        self.origin
    }

    /// The `c=` line of the session.
    #[must_use]
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.connection
    }

    /// The lines before the first media line.
    #[must_use]
    pub fn session_lines(&self) -> &[Line<'a>] {
        let end = self.media.first().map_or(self.lines.len(), |section| section.lines.start);
        self.lines.get(..end).unwrap_or(&[])
    }

    /// The attributes of the session.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + '_ {
        attributes(self.session_lines())
    }

    /// How many media lines there are, the rejected ones counted.
    #[must_use]
    pub fn media_count(&self) -> usize {
        self.media.len()
    }

    /// The media lines in their order.
    pub fn media(&self) -> impl ExactSizeIterator<Item = Media<'_, 'a>> {
        self.media.iter().map(|section| Media { description: self, section })
    }
}

/// What the lines read so far have told.
#[derive(Default)]
struct Reader<'a> {
    origin: Option<Origin<'a>>,
    connection: Option<Connection<'a>>,
    media: Vec<Section<'a>>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, index: usize, line: &Line<'a>) -> Result<(), Reason> {
        if let Some(section) = self.media.last_mut().filter(|_| line.kind() != b'm') {
            section.lines.end = index + 1;
        }
        match (line.kind(), index) {
            (b'v', 0) if line.value().trim_ascii() == b"0" => Ok(()),
            (_, 0) => Err(Reason::Version),
            (b'v' | b'o', _) if !self.media.is_empty() => Err(Reason::Misplaced),
            (b'v', _) => Err(Reason::Duplicate),
            (b'o', _) => self.read_origin(line.value()),
            (b'c', _) => self.read_connection(line.value()),
            (b'm', _) => self.read_media(index, line.value()),
            (_, _) => Ok(()),
        }
    }

    fn read_origin(&mut self, value: &'a [u8]) -> Result<(), Reason> {
        let words: Vec<&[u8]> = fields(value).take(7).collect();
        let [username, session_id, version, _network, family, address] = words[..] else {
            return Err(Reason::Origin);
        };
        let origin = Origin { username, session_id, version, family, address };
        match self.origin.replace(origin) {
            Some(_) => Err(Reason::Duplicate),
            None => Ok(()),
        }
    }

    /// The first `c=` of a section counts; more of them are multicast groups, which we do not
    /// relay.
    fn read_connection(&mut self, value: &'a [u8]) -> Result<(), Reason> {
        let host = Host::parse(value).ok_or(Reason::Connection)?;
        match self.media.last_mut() {
            Some(section) => {
                section.connection.get_or_insert(Connection { host });
                Ok(())
            }
            None => match self.connection.replace(Connection { host }) {
                Some(_) => Err(Reason::Duplicate),
                None => Ok(()),
            },
        }
    }

    fn read_media(&mut self, index: usize, value: &'a [u8]) -> Result<(), Reason> {
        if self.media.len() == MEDIA_MAX {
            return Err(Reason::TooManyMedia);
        }
        let head = Head::parse(value).ok_or(Reason::Media)?;
        self.media.push(Section { head, connection: None, lines: index..index + 1 });
        Ok(())
    }

    fn check_connections(&self) -> Result<(), Error> {
        let lacking = |section: &&Section<'_>| {
            section.head.port != 0 && section.connection.or(self.connection).is_none()
        };
        match self.media.iter().find(lacking) {
            Some(section) => {
                let line = section.lines.start as u16 + 1;
                Err(Error { line, reason: Reason::MissingConnection })
            }
            None => Ok(()),
        }
    }
}

fn attributes<'l, 'a>(lines: &'l [Line<'a>]) -> impl Iterator<Item = Attribute<'a>> + use<'l, 'a> {
    lines.iter().filter(|line| line.kind() == b'a').map(|line| Attribute::parse(line.value()))
}

/// One media line with its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Media<'d, 'a> {
    description: &'d Description<'a>,
    section: &'d Section<'a>,
}

impl<'d, 'a> Media<'d, 'a> {
    /// The kind as it stands: `audio`, `video`, `image`, `application`, `message`, `text`, other.
    #[must_use]
    pub fn kind(&self) -> &'a [u8] {
        self.section.head.kind
    }

    /// The port; 0 is a rejected or ended media line.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.section.head.port
    }

    /// The protocol as it stands: `RTP/AVP`, `udptl`, other.
    #[must_use]
    pub fn protocol(&self) -> &'a [u8] {
        self.section.head.protocol
    }

    /// The formats in order of preference: payload types for RTP.
    pub fn formats(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        fields(self.section.head.formats)
    }

    /// The formats that are payload types.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.formats().filter_map(number::<u8>).filter(|payload_type| *payload_type < 128)
    }

    /// The lines of this media line, itself first.
    #[must_use]
    pub fn lines(&self) -> &'d [Line<'a>] {
        self.description.lines.get(self.section.lines.clone()).unwrap_or(&[])
    }

    /// The `c=` line in force: its own or the session's.
    #[must_use]
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.section.connection.or(self.description.connection)
    }

    /// The attributes of the media line.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'d, 'a> {
        attributes(self.lines())
    }

    /// The value of the first attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a [u8]> {
        self.attributes().filter(|attribute| attribute.is(name)).find_map(|a| a.value)
    }

    /// Whether the property attribute of this name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.is(name))
    }

    /// All `a=rtpmap` lines that can be read.
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap<'a>> + use<'d, 'a> {
        let maps = self.attributes().filter(|attribute| attribute.is("rtpmap"));
        maps.filter_map(|attribute| RtpMap::parse(attribute.value?))
    }

    /// The encoding of a payload type: its `a=rtpmap`, else the one RFC 3551 gives it.
    #[must_use]
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let named = self.rtpmaps().find(|map| map.payload_type == payload_type);
        named.or_else(|| static_map(payload_type))
    }

    /// The parameters of a payload type.
    #[must_use]
    pub fn fmtp(&self, payload_type: u8) -> Option<&'a [u8]> {
        let fmtps = self.attributes().filter(|attribute| attribute.is("fmtp"));
        fmtps
            .filter_map(|attribute| Fmtp::parse(attribute.value?))
            .find(|fmtp| number(fmtp.format) == Some(payload_type))
            .map(|fmtp| fmtp.parameters)
    }

    /// Milliseconds of media in a packet.
    #[must_use]
    pub fn ptime_ms(&self) -> Option<u16> {
        number(self.attribute("ptime")?.trim_ascii())
    }

    /// The most milliseconds of media in a packet.
    #[must_use]
    pub fn maxptime_ms(&self) -> Option<u16> {
        number(self.attribute("maxptime")?.trim_ascii())
    }

    /// The direction as it stands: the media line's, else the session's, else `sendrecv`. An
    /// address that means hold is not regarded here but by `Terms`.
    #[must_use]
    pub fn direction(&self) -> Direction {
        let stated = |attribute: Attribute<'_>| Direction::parse(attribute.name);
        self.attributes().find_map(stated).unwrap_or_else(|| self.session_direction())
    }

    /// The direction of a media line that says none.
    pub(crate) fn session_direction(&self) -> Direction {
        let stated = |attribute: Attribute<'_>| Direction::parse(attribute.name);
        self.description.attributes().find_map(stated).unwrap_or_default()
    }

    /// Where RTCP goes, if it is said.
    #[must_use]
    pub fn rtcp(&self) -> Option<Rtcp<'a>> {
        Rtcp::parse(self.attribute("rtcp")?)
    }

    /// Whether RTP and RTCP may share a port (RFC 5761).
    #[must_use]
    pub fn rtcp_mux(&self) -> bool {
        self.has("rtcp-mux")
    }

    /// The values of an attribute, of the media line or else of the session (RFC 8122 section 5,
    /// RFC 8839 section 5.4).
    pub fn stated(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'d, 'a> {
        let named = move |attribute: &Attribute<'a>| attribute.is(name);
        let own = self.attributes().filter(named).filter_map(|attribute| attribute.value);
        let is_own = self.attributes().any(|attribute| named(&attribute));
        let lines = if is_own { &[] } else { self.description.session_lines() };
        let of_session = attributes(lines).filter(named).filter_map(|attribute| attribute.value);
        own.chain(of_session)
    }

    /// Keys of SRTP.
    pub fn crypto(&self) -> impl Iterator<Item = Crypto<'a>> + use<'d, 'a> {
        let keys = self.attributes().filter(|attribute| attribute.is("crypto"));
        keys.filter_map(|attribute| Crypto::parse(attribute.value?))
    }
}

#[cfg(test)]
mod tests;
