//! Making and changing what comes to ports: by signalling, outside of the packet path.

use super::{Component, Components, Secured};
use crate::ports::LocalPort;

impl Components {
    /// No port has any.
    pub(crate) fn none(ports: usize) -> Components {
        Components(std::iter::repeat_with(|| None).take(ports).collect())
    }

    /// What is at both ports of a party from now on; an agent goes on where it was.
    pub(crate) fn set(&mut self, (rtp, rtcp): (LocalPort, LocalPort), secured: Option<&Secured>) {
        for port in [rtp, rtcp] {
            let Some(place) = self.0.get_mut(port.index()) else { continue };
            let before = place.take().and_then(|former| former.agent);
            let is_rtcp = port == rtcp;
            *place = secured.map(|Secured { agent, is_shared }| {
                let agent = agent.clone().filter(|_| !is_rtcp || !is_shared);
                let agent = agent.map(|agent| match before {
                    Some(before) => before.followed_by(agent),
                    None => agent,
                });
                Box::new(Component { agent, is_shared: *is_shared, is_rtcp })
            });
        }
    }
}
