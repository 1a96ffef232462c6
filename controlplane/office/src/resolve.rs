//! Names of next hops: a party of a running dialog is reached by a host name, and the dataplane
//! wants to know where that is.
//!
//! Names of rows are known; for others somebody outside is asked, as for the facts of a call, and
//! whatever is not said in time leads nowhere: the dialog goes on where it began.

use super::Office;
use crate::fact::SoFar;
use strowger_link::{Answer, AnswerBody, Ask, ResolveAsk, Tick};
use strowger_model::HostPort;
use strowger_routing::{place_of, resolved};

impl Office {
    /// Where a name leads; `None` while it waits for somebody outside.
    pub(crate) fn resolve(
        &mut self,
        ask: &Ask,
        asked: &ResolveAsk,
        mut so_far: SoFar,
        times: (Tick, i64),
    ) -> Option<Answer> {
        let transport = asked.transport.unwrap_or(ask.hints.transport);
        let host = HostPort { name: asked.host.clone(), port: asked.port };
        loop {
            let finding = so_far.known.first().map(|fact| &fact.finding);
            let said = resolved(&self.world, (asked, transport), finding, ask.id.0);
            if let Some(resolved) = said {
                return Some(Answer { ask: ask.id, body: AnswerBody::Resolved(resolved) });
            }
            // What comes back knows that nobody says: the next round answers.
            so_far = self.park(ask, so_far, place_of(&host, transport), times)?;
        }
    }
}
