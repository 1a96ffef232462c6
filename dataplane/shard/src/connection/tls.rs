//! TLS under the connections of a shard: who is let in, and handshakes that run elsewhere.

use super::Connections;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use strowger_link::Tick;
use strowger_port::net::ConnId;
use strowger_stream::tls::{Client, Done, Server};
use strowger_stream::{Admit, Desk, Gate, Pipe, Times};

/// What TLS needs.
#[derive(Debug)]
pub struct Tls {
    /// What each listener shows, by its number.
    pub servers: BTreeMap<u8, Arc<Server>>,
    /// Whom we trust when we connect; `None` = no connections of ours.
    pub client: Option<Arc<Client>>,
    /// This shard's end of the handshakers. What comes back rings the shard.
    pub desk: Desk,
    /// How many handshakes may begin.
    pub gate: Gate,
}

/// What became of a step of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The next one follows, or the peer's.
    Between,
    /// Messages may go.
    Shaken,
    Failed,
}

impl Tls {
    fn may_begin(&mut self, source: IpAddr, now: Tick) -> bool {
        self.gate.admit(source, now) == Admit::Yes
    }
}

impl Connections {
    /// Handshakes are possible from now on.
    pub(crate) fn set_tls(&mut self, tls: Tls) {
        self.tls = Some(tls);
    }

    /// What a peer's connection shows it; `None` = there is nothing to show, or too many begin.
    pub(super) fn server(
        &mut self,
        listener: u8,
        source: IpAddr,
        is_trusted: bool,
        now: Tick,
    ) -> Option<Arc<Server>> {
        let tls = self.tls.as_mut()?;
        let server = tls.servers.get(&listener).map(Arc::clone)?;
        (is_trusted || tls.may_begin(source, now)).then_some(server)
    }

    /// A connection of ours to a server of this name.
    pub(super) fn tls_client(&self, name: &str, times: Times, now: Tick) -> Option<Pipe> {
        let client = self.tls.as_ref()?.client.as_ref()?;
        Pipe::tls_client(client, name, times, now).ok()
    }

    /// Gives the next step of a handshake to the handshakers.
    pub(super) fn hand_on(&mut self, conn: ConnId, now: Tick) {
        let Some(one) = self.places.get_mut(conn) else { return };
        let Some(job) = one.pipe.poll_job() else { return };
        let Some(tls) = &mut self.tls else { return };
        let flow = one.path.flow;
        if let Err(job) = tls.desk.submit(flow, job) {
            let step = self.step(conn, job.refused(), now);
            self.note(conn, step);
        }
    }

    /// Takes what the handshakers have done.
    pub(crate) fn take_done(&mut self, now: Tick) {
        while let Some((flow, done)) = self.tls.as_mut().and_then(|tls| tls.desk.poll_done()) {
            // It may be gone meanwhile.
            if let Some(conn) = self.named(flow) {
                let step = self.step(conn, done, now);
                self.note(conn, step);
                self.ready.push_back(conn);
            }
        }
    }

    fn step(&mut self, conn: ConnId, done: Done, now: Tick) -> Step {
        let Some(one) = self.places.get_mut(conn) else { return Step::Between };
        let shook = one.pipe.resumed().is_some();
        match one.pipe.handle_done(done, now) {
            Err(_) => Step::Failed,
            Ok(()) if !shook && one.pipe.resumed().is_some() => Step::Shaken,
            Ok(()) => Step::Between,
        }
    }

    fn note(&mut self, conn: ConnId, step: Step) {
        let Some(listener) = self.places.get(conn).map(|one| one.path.listener) else { return };
        self.count(listener, |counted| match step {
            Step::Between => {}
            Step::Shaken => counted.handshakes += 1,
            Step::Failed => counted.handshakes_failed += 1,
        });
    }
}
