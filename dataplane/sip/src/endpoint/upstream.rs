//! Our registrations at carriers: each a [`Registration`] with its transactions.
//!
//! A number is given to each for good, so that one that takes its leave is not mistaken for the
//! one that came in its place under the same id.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use strowger_link::siphash::siphash24;
use strowger_link::{
    Key, Tick, UPSTREAM_ADDRESSES_MAX as ADDRESSES_MAX, Upstream as Wanted, UpstreamOrder,
    UpstreamPhase as Phase, UpstreamState,
};

use super::Endpoint;
use super::alarm::Sleeper;
use super::config::Path;
use super::layer::{Failure, Heard, Layer, Way, Whose};
use super::output::{Counted, Output};
use crate::message::Message;
use crate::registration::{self, Login, Registration, Standing};
use crate::uri::UriBuilder;

/// Registrations that take their leave at once; further ones just end, and their bindings expire.
const LEAVING_MAX: usize = 1_024;
/// Between the first REGISTERs of registrations that are put at once, milliseconds: a greeting
/// with a thousand logins is a stream of requests, not a burst.
const PACE_MS: u64 = 10;
/// Effects of one event; a longer chain waits for its alarm.
const EFFECTS_MAX: usize = 64;

/// All of them.
#[derive(Default)]
pub(super) struct Upstreams {
    /// Those in force and those that take their leave, by number.
    all: BTreeMap<u64, Upstream>,
    /// Those in force, by id.
    numbers: BTreeMap<i64, u64>,
    last: u64,
    /// When the next first REGISTER may go out.
    next_start: Tick,
}

struct Upstream {
    wanted: Wanted,
    machine: Registration,
    since: Tick,
    phase: Phase,
    /// It says nothing any more.
    leaving: bool,
    armed: Option<Tick>,
}

impl Endpoint {
    /// An order of the control plane about registrations of ours.
    pub fn handle_upstream(&mut self, order: UpstreamOrder, now: Tick) {
        let Endpoint { upstreams, layer, .. } = self;
        match order {
            UpstreamOrder::Put(wanted) => upstreams.put(wanted, layer, now),
            UpstreamOrder::Remove(id) => upstreams.remove(id, layer, now),
            UpstreamOrder::Keep(ids) => {
                let unnamed = |id: &&i64| !ids.contains(id);
                let gone: Vec<i64> = upstreams.numbers.keys().filter(unnamed).copied().collect();
                for id in gone {
                    upstreams.remove(id, layer, now);
                }
            }
        }
    }

    /// Unregisters all: the process is about to end. It may, once [`Endpoint::upstreams`] is 0,
    /// which is after [`LEAVE_MS_MAX`](registration::LEAVE_MS_MAX) at the latest.
    pub fn leave_upstreams(&mut self, now: Tick) {
        let ids: Vec<i64> = self.upstreams.numbers.keys().copied().collect();
        for id in ids {
            self.upstreams.remove(id, &mut self.layer, now);
        }
    }

    /// Registrations of ours, those included that take their leave.
    #[must_use]
    pub fn upstreams(&self) -> usize {
        self.upstreams.all.len()
    }
}

impl Upstreams {
    fn put(&mut self, wanted: Wanted, layer: &mut Layer, now: Tick) {
        let id = wanted.id;
        let Some(login) = login(&wanted, layer) else {
            layer.count(Counted::Misuse);
            self.remove(id, layer, now);
            return layer.push(Output::Upstream(unwritable(id, now)));
        };
        let known =
            self.numbers.get(&id).and_then(|number| Some((*number, self.all.get_mut(number)?)));
        if let Some((number, upstream)) = known {
            let same_way = (upstream.wanted.listener, upstream.wanted.transport)
                == (wanted.listener, wanted.transport);
            if same_way && upstream.machine.login().is_same_binding(&login) {
                upstream.wanted = wanted;
                upstream.machine.change(login);
                self.settle(number, layer, now);
                // A control plane that greets anew knows nothing.
                return self.tell(number, layer);
            }
            self.remove(id, layer, now);
        }
        if self.numbers.len() >= layer.config.upstreams_max {
            return layer.count(Counted::Full);
        }
        self.begin(wanted, login, layer, now);
    }

    fn begin(&mut self, wanted: Wanted, login: Login, layer: &mut Layer, now: Tick) {
        self.last += 1;
        let number = self.last;
        let at = self.next_start.max(now);
        self.next_start = at.plus_ms(PACE_MS);
        let machine = Registration::new(login, key(layer), at);
        self.numbers.insert(wanted.id, number);
        let phase = machine.standing().phase;
        let upstream = Upstream { wanted, machine, since: now, phase, leaving: false, armed: None };
        self.all.insert(number, upstream);
        self.handle_timeout(number, layer, now);
    }

    fn remove(&mut self, id: i64, layer: &mut Layer, now: Tick) {
        let Some(number) = self.numbers.remove(&id) else { return };
        let leaving = self.all.len().saturating_sub(self.numbers.len());
        let Some(upstream) = self.all.get_mut(&number) else { return };
        upstream.leaving = true;
        upstream.machine.leave(now);
        if leaving > LEAVING_MAX {
            return self.drop(number, layer);
        }
        self.settle(number, layer, now);
    }

    pub(super) fn handle_timeout(&mut self, number: u64, layer: &mut Layer, now: Tick) {
        let Some(upstream) = self.all.get_mut(&number) else { return };
        upstream.machine.handle_timeout(now);
        self.settle(number, layer, now);
    }

    pub(super) fn handle_heard(
        &mut self,
        number: u64,
        heard: &Heard,
        response: Option<Message<'_>>,
        layer: &mut Layer,
        now: Tick,
    ) {
        let Some(upstream) = self.all.get_mut(&number) else { return };
        if let Some(response) = response.filter(|_| heard.response) {
            upstream.machine.handle_response(response, now);
        }
        match heard.failure {
            Some(Failure::TimedOut) => {
                upstream.machine.handle_failure(registration::Failure::Silent, now);
            }
            Some(Failure::Unreachable) => {
                upstream.machine.handle_failure(registration::Failure::Unreachable, now);
            }
            None => {}
        }
        self.settle(number, layer, now);
    }

    /// Carries out what a machine wants; then its alarm is set anew, or it goes.
    fn settle(&mut self, number: u64, layer: &mut Layer, now: Tick) {
        let Some(upstream) = self.all.get_mut(&number) else { return };
        for _ in 0..EFFECTS_MAX {
            match upstream.machine.poll_output() {
                Some(registration::Output::Register { to }) => {
                    if let Err(failure) = upstream.send(number, to, layer, now) {
                        upstream.machine.handle_failure(failure, now);
                    }
                }
                Some(registration::Output::Standing(standing)) => {
                    upstream.note(standing, layer, now);
                }
                None => break,
            }
        }
        let wanted = upstream.machine.poll_timeout();
        layer.alarms.set(Sleeper::Upstream(number), &mut upstream.armed, wanted);
        if upstream.machine.is_gone() {
            self.drop(number, layer);
        }
    }

    fn drop(&mut self, number: u64, layer: &mut Layer) {
        let Some(mut upstream) = self.all.remove(&number) else { return };
        layer.alarms.set(Sleeper::Upstream(number), &mut upstream.armed, None);
    }

    /// Says how it stands, whether that is new or not.
    fn tell(&self, number: u64, layer: &mut Layer) {
        if let Some(upstream) = self.all.get(&number) {
            layer.push(Output::Upstream(upstream.state(upstream.machine.standing())));
        }
    }
}

impl Upstream {
    fn send(
        &mut self,
        number: u64,
        to: SocketAddr,
        layer: &mut Layer,
        now: Tick,
    ) -> Result<(), registration::Failure> {
        let Wanted { listener, transport, .. } = self.wanted;
        let local = layer.listener(listener).ok_or(registration::Failure::Unwritable)?.local;
        let path = Path { listener, transport, local, peer: to, flow: 0 };
        let branch = layer.free_branch();
        let via = layer.via(&path, &branch);
        let bytes = self
            .machine
            .write(via, &layer.config.product)
            .map_err(|_| registration::Failure::Unwritable)?;
        let way = Way { path, branch: &branch, whose: Whose::Upstream(number) };
        layer.start(way, bytes.into(), now).ok_or(registration::Failure::Full)?;
        Ok(())
    }

    fn note(&mut self, standing: Standing, layer: &mut Layer, now: Tick) {
        if standing.phase != self.phase {
            (self.phase, self.since) = (standing.phase, now);
        }
        if !self.leaving {
            layer.push(Output::Upstream(self.state(standing)));
        }
    }

    const fn state(&self, standing: Standing) -> UpstreamState {
        let Standing { phase, cause, status, until } = standing;
        UpstreamState { id: self.wanted.id, phase, cause, status, since: self.since, until }
    }
}

/// The login that an order means; `None` when its listener is not there or no Contact can be made.
fn login(wanted: &Wanted, layer: &Layer) -> Option<Login> {
    let listener = layer.listener(wanted.listener)?;
    let path = Path {
        listener: wanted.listener,
        transport: wanted.transport,
        local: listener.local,
        peer: listener.local,
        flow: 0,
    };
    let at = listener.advertised;
    let contact = UriBuilder::sip()
        .user(wanted.contact_user.as_bytes())
        .address(at.ip())
        .port(at.port())
        .finish()?;
    let contact = [contact.as_slice(), path.contact_param().as_bytes()].concat();
    Some(Login {
        registrar: wanted.registrar.as_str().into(),
        aor: wanted.aor.as_str().into(),
        contact: String::from_utf8(contact).ok()?.into(),
        secret: wanted.secret.clone(),
        expires_s: wanted.expires_s,
        // The others cannot be reached from this listener.
        addresses: wanted
            .addresses
            .iter()
            .filter(|to| to.is_ipv4() == listener.local.is_ipv4())
            .take(ADDRESSES_MAX)
            .copied()
            .collect(),
    })
}

/// A key of its own for each registration.
fn key(layer: &mut Layer) -> Key {
    let mut key = [0; 16];
    let (high, low) = key.split_at_mut(8);
    for half in [high, low] {
        let word = layer.chance.next().to_le_bytes();
        half.copy_from_slice(&siphash24(&layer.config.chance_key, &word).to_le_bytes());
    }
    Key(key)
}

fn unwritable(id: i64, now: Tick) -> UpstreamState {
    UpstreamState {
        id,
        phase: Phase::Refused,
        cause: strowger_link::UpstreamCause::Unwritable,
        status: 0,
        since: now,
        until: Tick::NEVER,
    }
}
