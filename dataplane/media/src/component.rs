//! HOT PATH
//!
//! What comes to local ports beside media: checks of ICE (RFC 8445) and DTLS (RFC 5764), told from
//! media by the first octet (RFC 7983). Only ports whose party agrees on keys by DTLS have any of
//! it; to all others a packet is media, or nothing.

mod setup;

use crate::ports::LocalPort;
use core::net::SocketAddr;
use strowger_ice::{Agent, Check};
use strowger_link::Tick;

/// How a party that agrees on keys by DTLS is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secured {
    /// Our lite side of ICE; `None` = the party has none, and is where it says that it is.
    pub agent: Option<Agent>,
    /// RTCP comes and goes by the port of RTP (RFC 5761).
    pub is_shared: bool,
}

/// A local port of such a party.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    /// Of RTCP's port only where that is not shared: else nothing comes there.
    agent: Option<Agent>,
    pub(crate) is_shared: bool,
    is_rtcp: bool,
}

/// Those of all local ports.
#[derive(Debug)]
pub(crate) struct Components(Box<[Option<Box<Component>>]>);

impl Components {
    pub(crate) fn get(&self, port: LocalPort) -> Option<&Component> {
        self.0.get(port.index())?.as_deref()
    }

    /// Whether a party is where its checks come from, and nowhere else.
    pub(crate) fn is_checked(&self, port: LocalPort) -> bool {
        self.agent(port).is_some()
    }

    /// Where a party has proved to be.
    pub(crate) fn chosen(&self, port: LocalPort) -> Option<SocketAddr> {
        self.agent(port)?.chosen()
    }

    /// Whether a party still wants what it is sent (RFC 7675).
    pub(crate) fn consents(&self, port: LocalPort, now: Tick) -> bool {
        self.agent(port).is_none_or(|agent| agent.consents(now))
    }

    /// A packet of the party has proved itself.
    pub(crate) fn prove(&mut self, port: LocalPort, now: Tick) {
        if let Some(agent) = self.agent_mut(port) {
            agent.prove(now);
        }
    }

    /// Handles what looks like a check; see [`Agent::handle`].
    pub(crate) fn check(
        &mut self,
        port: LocalPort,
        (room, len): (&mut [u8], usize),
        from: SocketAddr,
        now: Tick,
    ) -> Option<Check> {
        self.agent_mut(port)?.handle(room, len, from, now)
    }

    fn agent(&self, port: LocalPort) -> Option<&Agent> {
        self.get(self.home(port)?)?.agent.as_ref()
    }

    fn agent_mut(&mut self, port: LocalPort) -> Option<&mut Agent> {
        let home = self.home(port)?;
        self.0.get_mut(home.index())?.as_deref_mut()?.agent.as_mut()
    }

    /// The port that the packets of a component really come to.
    fn home(&self, port: LocalPort) -> Option<LocalPort> {
        let component = self.get(port)?;
        Some(if component.is_rtcp && component.is_shared { port.below() } else { port })
    }
}
