//! Our own side of a session on one leg: the number and version in the `o=` line.

use crate::text;
use std::net::IpAddr;

/// Our session on one leg. Every body that we send on the leg comes from here, so that its `o=`
/// line is stable but for the version, which rises by one whenever the body changes (RFC 3264
/// section 8) and stays when a body is sent again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSession {
    id: u64,
    version: u64,
    last: Vec<u8>,
}

/// Versions skipped after a restart, so that bodies sent after the last one stored stay below.
const RESTART_GAP: u64 = 100;

impl LocalSession {
    /// A session that has sent nothing. `id` is its number: chosen by the caller, constant for
    /// the leg, and the first version.
    #[must_use]
    pub const fn new(id: u64) -> LocalSession {
        LocalSession { id, version: id, last: Vec::new() }
    }

    /// A session taken up after a restart, from its number and the last body known.
    #[must_use]
    pub const fn resume(id: u64, version: u64, last: Vec<u8>) -> LocalSession {
        LocalSession { id, version: version.saturating_add(RESTART_GAP), last }
    }

    /// The session's number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The version of the last body.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The last body, empty before the first.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// Keeps the body that `write` makes for a version, with the version it needs.
    pub(crate) fn keep(&mut self, write: impl Fn(Version) -> Vec<u8>) -> &[u8] {
        let version = |version| Version { id: self.id, version };
        let same = write(version(self.version));
        if self.last.is_empty() || same == self.last {
            self.last = same;
        } else {
            self.version = self.version.saturating_add(1);
            self.last = write(version(self.version));
        }
        // It stays as long as its call; what it was written into is far larger.
        self.last.shrink_to_fit();
        &self.last
    }
}

/// What the `o=` line of one body says.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    id: u64,
    version: u64,
}

impl Version {
    /// Appends the `o=` line.
    pub(crate) fn write_origin(self, out: &mut Vec<u8>, address: IpAddr) {
        let Version { id, version } = self;
        out.extend_from_slice(b"o=- ");
        text::decimal(out, id);
        out.push(b' ');
        text::decimal(out, version);
        out.push(b' ');
        write_address(out, address);
    }
}

/// Appends a `c=` line.
pub(crate) fn write_connection(out: &mut Vec<u8>, address: IpAddr) {
    out.extend_from_slice(b"c=");
    write_address(out, address);
}

/// Appends network, family and address, and ends the line.
fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    out.extend_from_slice(b"IN ");
    out.extend_from_slice(family(address).as_bytes());
    out.push(b' ');
    text::address(out, address);
    out.extend_from_slice(b"\r\n");
}

/// The address family as descriptions name it.
pub(crate) const fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

#[cfg(test)]
mod tests {
    use super::LocalSession;

    fn body(session: &mut LocalSession, text: &str) -> String {
        let address = "192.0.2.1".parse().unwrap();
        let write = |version: super::Version| {
            let mut out = Vec::new();
            version.write_origin(&mut out, address);
            out.extend_from_slice(text.as_bytes());
            out
        };
        String::from_utf8(session.keep(write).to_vec()).unwrap()
    }

    #[test]
    fn the_version_rises_when_the_body_changes() {
        let mut session = LocalSession::new(7);
        let o = |version| format!("o=- 7 {version} IN IP4 192.0.2.1\r\n");
        assert_eq!(body(&mut session, "a"), o(7) + "a");
        assert_eq!(body(&mut session, "a"), o(7) + "a");
        assert_eq!(body(&mut session, "b"), o(8) + "b");
        assert_eq!(body(&mut session, "b"), o(8) + "b");
        assert_eq!(body(&mut session, "a"), o(9) + "a");
        assert_eq!((session.id(), session.version()), (7, 9));
        assert_eq!(session.last(), (o(9) + "a").as_bytes());
    }

    #[test]
    fn a_resumed_session_never_repeats_a_version() {
        let mut session = LocalSession::resume(7, 9, b"o=- 7 9 IN IP4 192.0.2.1\r\na".to_vec());
        assert_eq!(body(&mut session, "a"), "o=- 7 110 IN IP4 192.0.2.1\r\na");
    }
}
