//! Requests outside calls, and names of next hops: asked, waited for, answered once.

use crate::Shard;
use crate::backlog::Turn;
use crate::link::overloaded;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, AskId, Cause, Hints, LegId, Octets, Reason, Refuse,
    ResolveAsk, Tick,
};
use strowger_port::net::{Io, JournalSink, Lane, PlaneLink};
use strowger_sip::endpoint::{Endpoint, Lookup, Outside as Request, OutsideBody, RequestId};

/// Most requests that wait at once; those beyond get 503 at once, names beyond lead nowhere.
const WAITING_MAX: usize = 16_384;
/// How long a name is waited for, milliseconds: an ACK may wait for it, and its 2xx comes again
/// after half a second.
const NAME_MS: u32 = 1_000;
/// Asks of this kind have this bit, so that their ids never meet those of calls.
const OUTSIDE_BIT: u64 = 1 << 55;
const SHARD_SHIFT: u32 = 56;

/// Requests that wait for their answers.
#[derive(Debug)]
pub(crate) struct Outside {
    shard: u8,
    next: u64,
    timeout_ms: u32,
    waiting: BTreeMap<AskId, Waiting>,
    deadlines: BTreeSet<(Tick, AskId)>,
}

#[derive(Debug)]
struct Waiting {
    whose: Whose,
    /// Kept to be asked again of a restarted control plane.
    ask: Arc<Ask>,
}

/// Who waits for an answer.
#[derive(Debug)]
enum Whose {
    /// A request.
    Request(RequestId),
    /// The dialog of a leg, for its next hop.
    Name(Box<Lookup>),
}

impl Whose {
    /// There is no answer.
    fn unanswered(self, endpoint: &mut Endpoint, now: Tick) {
        match self {
            Whose::Request(id) => endpoint.refuse_request(id, &unavailable(), now),
            Whose::Name(name) => endpoint.located(name.leg, (&name.host, name.port), &[]),
        }
    }
}

impl Outside {
    pub(crate) fn new(shard: u8, base: u64, timeout_ms: u32) -> Outside {
        let next = base & (OUTSIDE_BIT - 1);
        let (waiting, deadlines) = (BTreeMap::new(), BTreeSet::new());
        Outside { shard, next, timeout_ms, waiting, deadlines }
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Tick> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Answers those that waited too long.
    pub(crate) fn handle_timeout(&mut self, now: Tick, endpoint: &mut Endpoint) {
        while let Some(&(at, ask)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, ask));
            if let Some(waiting) = self.waiting.remove(&ask) {
                waiting.whose.unanswered(endpoint, now);
            }
        }
    }

    /// Uses an answer that is for one of these; gives back one that is for a call.
    pub(crate) fn handle_answer(
        &mut self,
        answer: Answer,
        endpoint: &mut Endpoint,
        now: Tick,
    ) -> Option<Answer> {
        if answer.ask.0 & OUTSIDE_BIT == 0 {
            return Some(answer);
        }
        // An answer that came too late is for nobody.
        let waiting = self.waiting.remove(&answer.ask)?;
        self.deadlines.remove(&(waiting.ask.deadline, answer.ask));
        let request = match waiting.whose {
            Whose::Request(request) => request,
            Whose::Name(name) => {
                let addresses = if let AnswerBody::Resolved(resolved) = answer.body {
                    resolved.addresses
                } else {
                    Vec::new()
                };
                endpoint.located(name.leg, (&name.host, name.port), &addresses);
                return None;
            }
        };
        match answer.body {
            AnswerBody::Refuse(refuse) => endpoint.refuse_request(request, &refuse, now),
            AnswerBody::Challenge(challenge) => {
                endpoint.challenge_request(request, &challenge, now)
            }
            AnswerBody::Registered(registered) => endpoint.registered(request, &registered, now),
            AnswerBody::Respond(respond) => endpoint.respond(request, &respond, now),
            AnswerBody::Forward(forward) => endpoint.forward_request(request, &forward, now),
            AnswerBody::Go(_) | AnswerBody::Extended(_) | AnswerBody::Resolved(_) => {
                endpoint.refuse_request(request, &unavailable(), now)
            }
        }
        None
    }

    fn admit(
        &mut self,
        request: Request,
        sni: Option<String>,
        now: Tick,
        wall_us: i64,
    ) -> Result<Arc<Ask>, RequestId> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(request.id);
        }
        let hints = Hints {
            listener: request.path.listener,
            local: request.path.local,
            source: request.path.peer,
            transport: request.path.transport,
            host: request.host,
            sni,
            trunk: None,
        };
        let leg = match &request.body {
            OutsideBody::Register(_) | OutsideBody::Other(_) => LegId::default(),
            OutsideBody::Proof(leg, _) => *leg,
        };
        let body = match request.body {
            OutsideBody::Register(register) => AskBody::Register(register),
            OutsideBody::Other(other) | OutsideBody::Proof(_, other) => AskBody::Request(other),
        };
        let deadline = now.plus_ms(self.timeout_ms.into());
        let id = AskId::default();
        let ask = Ask { id, parent: None, leg, hints, deadline, wall_us, body };
        Ok(self.wait(Whose::Request(request.id), ask))
    }

    fn admit_name(&mut self, name: Box<Lookup>, now: Tick, wall_us: i64) -> Option<Arc<Ask>> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        let Lookup { leg, path, ref host, port } = *name;
        let hints = Hints {
            listener: path.listener,
            local: path.local,
            source: path.peer,
            transport: path.transport,
            host: String::new(),
            sni: None,
            trunk: None,
        };
        let deadline = now.plus_ms(self.timeout_ms.min(NAME_MS).into());
        let host = host.to_ascii_lowercase();
        let resolve = ResolveAsk { host, port, transport: Some(path.transport) };
        let body = AskBody::Resolve(resolve);
        let id = AskId::default();
        let ask = Ask { id, parent: None, leg, hints, deadline, wall_us, body };
        Some(self.wait(Whose::Name(name), ask))
    }

    /// Numbers an ask, and waits for its answer.
    fn wait(&mut self, whose: Whose, ask: Ask) -> Arc<Ask> {
        self.next = self.next.wrapping_add(1) & (OUTSIDE_BIT - 1);
        let id = AskId(u64::from(self.shard) << SHARD_SHIFT | OUTSIDE_BIT | self.next);
        let ask = Arc::new(Ask { id, ..ask });
        self.deadlines.insert((ask.deadline, id));
        self.waiting.insert(id, Waiting { whose, ask: Arc::clone(&ask) });
        ask
    }
}

impl<I: Io, J: JournalSink, L: PlaneLink, W: AsRef<[AtomicU64]>> Shard<I, J, L, W> {
    /// Asks for a request outside calls.
    pub(crate) fn ask_outside(&mut self, request: Request, now: Tick) {
        if let Some(refuse) = self.refusal_outside(now) {
            return self.endpoint.refuse_request(request.id, &refuse, now);
        }
        if let OutsideBody::Register(_) = request.body {
            self.connections.registered(request.path.flow);
        }
        let name = self.name_at(request.path.transport, request.path.peer).map(str::to_owned);
        match self.outside.admit(request, name, now, self.io.wall_us()) {
            Ok(ask) => self.send_outside(&ask, now),
            Err(request) => self.endpoint.refuse_request(request, &unavailable(), now),
        }
    }

    /// Asks where the name of a next hop leads. What runs already is not held up by what is new: a
    /// name is asked for whatever is under way, and leads nowhere where there is no room.
    pub(crate) fn ask_name(&mut self, name: Box<Lookup>, now: Tick) {
        let (leg, host, port) = (name.leg, name.host.clone(), name.port);
        match self.outside.admit_name(name, now, self.io.wall_us()) {
            Some(ask) => self.send_outside(&ask, now),
            None => self.endpoint.located(leg, (&host, port), &[]),
        }
    }

    /// Why no request outside calls is taken now, if so.
    fn refusal_outside(&mut self, now: Tick) -> Option<Refuse> {
        if self.is_over_budget() {
            self.counts.over_budget += 1;
            return Some(overloaded());
        }
        let [_, backlog] = &mut self.backlogs;
        match backlog.turn(now) {
            Turn::Ask => None,
            Turn::Probe => {
                self.counts.asks_probed += 1;
                None
            }
            Turn::Wait => {
                self.counts.asks_refused += 1;
                Some(unavailable())
            }
        }
    }

    /// A restarted control plane is asked again, under the same ids.
    pub(crate) fn ask_outside_again(&mut self, now: Tick) {
        let waiting = self.outside.waiting.values();
        let asks: Vec<Arc<Ask>> = waiting.map(|waiting| Arc::clone(&waiting.ask)).collect();
        for ask in asks {
            self.send_outside(&ask, now);
        }
    }

    /// What does not go now is asked again with the next session, or answered at its deadline.
    fn send_outside(&mut self, ask: &Ask, now: Tick) {
        // A name server's slowness is not the control plane's.
        if !matches!(ask.body, AskBody::Resolve(_)) {
            let [_, backlog] = &mut self.backlogs;
            backlog.sent(ask.id, now);
        }
        let frame = ask.to_frame(self.trunk_of(ask));
        if self.link.send(Lane::Registrations, &frame).is_err() {
            self.counts.ring_full += 1;
        }
    }
}

/// The control plane did not answer in time, or cannot be asked.
fn unavailable() -> Refuse {
    Refuse {
        cause: Cause::new(503, 41),
        reason: Reason::NoAnswerFromControl,
        phrase: String::new(),
        retry_after_s: 1,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
        headers: Vec::new(),
    }
}
