//! Ports whose party agrees on keys by DTLS: what may come there, and where the party is.

use super::{Format, LocalPort, Relay};
use crate::component::Secured;
use crate::flow::Entry;
use crate::remote::Remote;
use core::net::SocketAddr;

impl Relay {
    /// Has handshakes of DTLS and checks of ICE come to a party's ports, of RTP and of RTCP, or no
    /// more; whether they are in a pair or not. From now on nothing leaves there in the clear: what
    /// finds no keys ([`Relay::guard`]) is dropped. It stays with the ports until it is taken.
    pub fn secure(&mut self, ports: (LocalPort, LocalPort), secured: Option<&Secured>) {
        self.components.set(ports, secured);
        for port in [ports.0, ports.1] {
            self.enter(port);
        }
    }

    /// Where a party has proved to be, by checks of ICE.
    #[must_use]
    pub fn chosen(&self, rtp: LocalPort) -> Option<SocketAddr> {
        self.components.chosen(rtp)
    }

    /// Where what leaves from a port goes.
    #[must_use]
    pub fn destination(&self, port: LocalPort) -> Option<SocketAddr> {
        self.flow(port)?.remote.destination()
    }

    /// Tells the flow at a port, if there is one, what is known of the port.
    pub(super) fn enter(&mut self, port: LocalPort) {
        let has_keys = self.guards.has(port);
        let component = self.components.get(port);
        let entry = match component.map(|component| component.is_shared) {
            None => Entry::Media,
            Some(false) => Entry::Secured,
            Some(true) => Entry::Shared,
        };
        let (is_checked, chosen) = (self.components.is_checked(port), self.components.chosen(port));
        let Some(flow) = self.flow_mut(port) else { return };
        let is_opaque = flow.format == Format::Opaque;
        flow.entry = if is_opaque { Entry::Media } else { entry };
        flow.is_guarded = !is_opaque && (has_keys || entry != Entry::Media);
        if !is_checked || is_opaque {
            return;
        }
        match chosen {
            Some(at) => flow.remote.choose(at),
            None => flow.remote = Remote::new(None, None, true),
        }
    }

    /// Media goes where the party has proved to be.
    pub(super) fn follow(&mut self, port: LocalPort, at: SocketAddr) {
        let is_shared = self.components.get(port).is_some_and(|component| component.is_shared);
        for port in [Some(port), is_shared.then(|| port.above())].into_iter().flatten() {
            if let Some(flow) = self.flow_mut(port) {
                flow.remote.choose(at);
            }
        }
        self.guards.note_due(port);
    }
}

#[cfg(test)]
mod tests;
