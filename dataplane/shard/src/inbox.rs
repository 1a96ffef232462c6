//! Datagrams of signalling as they come, until each is taken.

use crate::front::Arrival;
use std::net::SocketAddr;
use strowger_port::net::{SipDatagram, SipPath};
use strowger_sip::endpoint::{Listener, Path};

/// A batch of SIP datagrams; its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    ends: Vec<(SipPath, u64, usize)>,
}

impl Inbox {
    pub(crate) fn push(&mut self, datagram: &SipDatagram<'_>) {
        self.bytes.extend_from_slice(datagram.data);
        self.ends.push((datagram.path, datagram.queued_ns, self.bytes.len()));
    }

    pub(crate) fn datagrams(&self) -> impl Iterator<Item = Arrival<'_>> {
        let mut from = 0;
        self.ends.iter().map(move |(path, queued_ns, end)| {
            let data = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            Arrival { path, data, queued_ns: *queued_ns, flow: 0 }
        })
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The way of a message in the words of `sip`.
pub(crate) fn path_of(listeners: &[Listener], arrival: &Arrival<'_>) -> Option<Path> {
    let Arrival { path, flow, .. } = *arrival;
    let listener = listeners.get(usize::from(path.listener))?;
    let local = match path.local {
        Some(ip) => SocketAddr::new(ip, listener.local.port()),
        None => listener.local,
    };
    let peer = SocketAddr::new(path.peer.ip().to_canonical(), path.peer.port());
    Some(Path { listener: path.listener, transport: listener.transport, local, peer, flow })
}
