//! The four transaction machines under random events, each beside a model made from the tables of
//! RFC 3261 section 17 and RFC 6026: the same outputs, the same next timer, and always an end.

use strowger_link::Tick;
use strowger_sip::transaction::{
    ClientInvite, ClientNonInvite, ClientOutput, Reliability, ResponseClass, ServerInvite,
    ServerNonInvite, ServerOutput, Timers, Trying,
};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "transaction", run, seeds, words: &[] };

/// The most events of one input.
const EVENTS_MAX: usize = 256;
/// The most timers that fire between two events: those of 64*T1 are eleven.
const FIRED_MAX: usize = 64;
/// T1, T2, T4 in milliseconds.
const TIMERS: [(u32, u32, u32); 4] =
    [(500, 4_000, 5_000), (10, 10, 0), (100, 60_000, 1), (60_000, 60_000, 60_000)];
const BEGIN_MS: u64 = 1_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    ClientInvite,
    ClientOther,
    ServerInvite,
    ServerOther,
}

const KINDS: [Kind; 4] =
    [Kind::ClientInvite, Kind::ClientOther, Kind::ServerInvite, Kind::ServerOther];
const CLASSES: [ResponseClass; 3] =
    [ResponseClass::Provisional, ResponseClass::Success, ResponseClass::Failure];

/// What a machine says, of either side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Told {
    Send(u32),
    Ack(u32),
    Deliver,
    Trying,
    TimedOut,
    Failed,
    Over,
}

/// What happens to a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    /// A response from the network, or from the user.
    Response(ResponseClass),
    /// The request once more.
    Again,
    Ack,
    Broken,
    Timeout,
}

/// What the machines are given to send: the request is 0, responses are numbered.
type Handle = u32;

enum Machine {
    ClientInvite(ClientInvite<Handle>),
    ClientOther(ClientNonInvite<Handle>),
    ServerInvite(ServerInvite<Handle>),
    ServerOther(ServerNonInvite<Handle>),
}

impl Machine {
    fn handle(&mut self, event: Event, handle: Handle, now: Tick) {
        match (self, event) {
            (Machine::ClientInvite(tx), Event::Response(class)) => tx.handle_response(class, now),
            (Machine::ClientInvite(tx), Event::Broken) => tx.handle_transport_error(),
            (Machine::ClientInvite(tx), Event::Timeout) => tx.handle_timeout(now),
            (Machine::ClientOther(tx), Event::Response(class)) => tx.handle_response(class, now),
            (Machine::ClientOther(tx), Event::Broken) => tx.handle_transport_error(),
            (Machine::ClientOther(tx), Event::Timeout) => tx.handle_timeout(now),
            (Machine::ServerInvite(tx), Event::Response(class)) => tx.respond(class, handle, now),
            (Machine::ServerInvite(tx), Event::Again) => tx.handle_invite(),
            (Machine::ServerInvite(tx), Event::Ack) => tx.handle_ack(now),
            (Machine::ServerInvite(tx), Event::Broken) => tx.handle_transport_error(),
            (Machine::ServerInvite(tx), Event::Timeout) => tx.handle_timeout(now),
            (Machine::ServerOther(tx), Event::Response(class)) => tx.respond(class, handle, now),
            (Machine::ServerOther(tx), Event::Again) => tx.handle_request(),
            (Machine::ServerOther(tx), Event::Broken) => tx.handle_transport_error(),
            (Machine::ServerOther(tx), Event::Timeout) => tx.handle_timeout(now),
            // Nobody sends these to such a machine.
            (Machine::ClientInvite(_) | Machine::ClientOther(_), Event::Again | Event::Ack)
            | (Machine::ServerOther(_), Event::Ack) => {}
        }
    }

    fn poll_output(&mut self) -> Option<Told> {
        let client = |output| match output {
            ClientOutput::Send(handle) => Told::Send(handle),
            ClientOutput::Ack(handle) => Told::Ack(handle),
            ClientOutput::Deliver => Told::Deliver,
            ClientOutput::TimedOut => Told::TimedOut,
            ClientOutput::TransportFailed => Told::Failed,
            ClientOutput::Terminated => Told::Over,
        };
        let server = |output| match output {
            ServerOutput::Send(handle) => Told::Send(handle),
            ServerOutput::Trying => Told::Trying,
            ServerOutput::Deliver => Told::Deliver,
            ServerOutput::TimedOut => Told::TimedOut,
            ServerOutput::TransportFailed => Told::Failed,
            ServerOutput::Terminated => Told::Over,
        };
        match self {
            Machine::ClientInvite(tx) => tx.poll_output().map(client),
            Machine::ClientOther(tx) => tx.poll_output().map(client),
            Machine::ServerInvite(tx) => tx.poll_output().map(server),
            Machine::ServerOther(tx) => tx.poll_output().map(server),
        }
    }

    fn poll_timeout(&self) -> Option<Tick> {
        match self {
            Machine::ClientInvite(tx) => tx.poll_timeout(),
            Machine::ClientOther(tx) => tx.poll_timeout(),
            Machine::ServerInvite(tx) => tx.poll_timeout(),
            Machine::ServerOther(tx) => tx.poll_timeout(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::ClientInvite(tx) => tx.is_terminated(),
            Machine::ClientOther(tx) => tx.is_terminated(),
            Machine::ServerInvite(tx) => tx.is_terminated(),
            Machine::ServerOther(tx) => tx.is_terminated(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum State {
    /// Calling, Trying, or Proceeding without a response.
    First,
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Over,
}

/// The tables of the RFCs, times in milliseconds.
#[derive(Clone, Debug)]
struct Model {
    kind: Kind,
    is_reliable: bool,
    t1: u64,
    t2: u64,
    t4: u64,
    state: State,
    /// What goes out again, when, and the interval until then.
    last: Handle,
    resend: Option<(u64, u64)>,
    /// The timer that ends the state (of a server's first one: the 200 ms of the 100).
    end: Option<u64>,
}

impl Model {
    fn event(&mut self, event: Event, handle: Handle, now: u64) -> Vec<Told> {
        match (self.kind, event) {
            (_, Event::Timeout) => self.timeout(now),
            (Kind::ClientInvite, Event::Response(class)) => self.invite_heard(class, now),
            (Kind::ClientOther, Event::Response(class)) => self.other_heard(class, now),
            (Kind::ServerInvite, Event::Response(class)) => self.invite_said(class, handle, now),
            (Kind::ServerOther, Event::Response(class)) => self.other_said(class, handle, now),
            (Kind::ClientInvite | Kind::ClientOther, Event::Broken) => self.client_broken(),
            (Kind::ServerInvite | Kind::ServerOther, Event::Broken) => {
                let sends = [State::Proceeding, State::Completed, State::Accepted];
                if sends.contains(&self.state) { vec![Told::Failed] } else { Vec::new() }
            }
            (Kind::ServerInvite | Kind::ServerOther, Event::Again) => self.again(),
            (Kind::ServerInvite, Event::Ack) => self.ack(now),
            (Kind::ClientInvite | Kind::ClientOther, Event::Again | Event::Ack)
            | (Kind::ServerOther, Event::Ack) => Vec::new(),
        }
    }

    fn go(&mut self, state: State, end: Option<u64>) -> Vec<Told> {
        (self.state, self.resend, self.end) = (state, None, end);
        if state == State::Over { vec![Told::Over] } else { Vec::new() }
    }

    /// Into `state` for `ms`, or to the end at once where nothing is lost.
    fn linger(&mut self, state: State, now: u64, ms: u64) -> Vec<Told> {
        let state = if self.is_reliable { State::Over } else { state };
        self.go(state, Some(now + ms).filter(|_| state != State::Over))
    }

    fn invite_heard(&mut self, class: ResponseClass, now: u64) -> Vec<Told> {
        use ResponseClass::{Failure, Provisional, Success};
        use State::{Accepted, Completed, First, Proceeding};
        match (self.state, class) {
            (First | Proceeding, Provisional) => {
                self.go(Proceeding, None);
                vec![Told::Deliver]
            }
            (First | Proceeding, Success) => {
                self.go(Accepted, Some(now + 64 * self.t1));
                vec![Told::Deliver]
            }
            (Accepted, Success) => vec![Told::Deliver],
            (First | Proceeding, Failure) => {
                let over = self.linger(Completed, now, (64 * self.t1).max(32_000));
                [vec![Told::Ack(0), Told::Deliver], over].concat()
            }
            (Completed, Failure) => vec![Told::Ack(0)],
            _ => Vec::new(),
        }
    }

    fn other_heard(&mut self, class: ResponseClass, now: u64) -> Vec<Told> {
        match (self.state, class) {
            (State::First | State::Proceeding, ResponseClass::Provisional) => {
                if self.state == State::First {
                    self.resend = self.resend.map(|(due, _)| (due, self.t2));
                }
                self.state = State::Proceeding;
                vec![Told::Deliver]
            }
            (State::First | State::Proceeding, _) => {
                let over = self.linger(State::Completed, now, self.t4);
                [vec![Told::Deliver], over].concat()
            }
            _ => Vec::new(),
        }
    }

    fn invite_said(&mut self, class: ResponseClass, handle: Handle, now: u64) -> Vec<Told> {
        use ResponseClass::{Failure, Provisional, Success};
        match (self.state, class) {
            (State::First | State::Proceeding, Provisional) => {
                self.last = handle;
                self.go(State::Proceeding, None);
            }
            (State::First | State::Proceeding, Success) => {
                self.go(State::Accepted, Some(now + 64 * self.t1));
            }
            (State::Accepted, Success) => {}
            (State::First | State::Proceeding, Failure) => {
                self.last = handle;
                self.go(State::Completed, Some(now + 64 * self.t1));
                self.resend = Some((now + self.t1, self.t1)).filter(|_| !self.is_reliable);
            }
            _ => return Vec::new(),
        }
        vec![Told::Send(handle)]
    }

    fn other_said(&mut self, class: ResponseClass, handle: Handle, now: u64) -> Vec<Told> {
        if !matches!(self.state, State::First | State::Proceeding) {
            return Vec::new();
        }
        self.last = handle;
        let over = match class {
            ResponseClass::Provisional => self.go(State::Proceeding, None),
            ResponseClass::Success | ResponseClass::Failure => {
                self.linger(State::Completed, now, 64 * self.t1)
            }
        };
        [vec![Told::Send(handle)], over].concat()
    }

    fn client_broken(&mut self) -> Vec<Told> {
        let sends = match (self.kind, self.state) {
            (_, State::First) => true,
            (Kind::ClientInvite, State::Completed) => true,
            (kind, State::Proceeding) => kind == Kind::ClientOther,
            _ => false,
        };
        if !sends {
            return Vec::new();
        }
        self.go(State::Over, None);
        vec![Told::Failed, Told::Over]
    }

    fn again(&mut self) -> Vec<Told> {
        match self.state {
            State::First if self.end.take().is_some() => vec![Told::Trying],
            State::Proceeding | State::Completed => vec![Told::Send(self.last)],
            State::First | State::Confirmed | State::Accepted | State::Over => Vec::new(),
        }
    }

    fn ack(&mut self, now: u64) -> Vec<Told> {
        match self.state {
            State::Completed => self.linger(State::Confirmed, now, self.t4),
            State::Accepted => vec![Told::Deliver],
            State::First | State::Proceeding | State::Confirmed | State::Over => Vec::new(),
        }
    }

    fn timeout(&mut self, now: u64) -> Vec<Told> {
        if self.end.is_some_and(|end| end <= now) {
            let waits = self.state == State::First || self.state == State::Proceeding;
            return match self.kind {
                Kind::ServerInvite if self.state == State::First => {
                    self.end = None;
                    vec![Told::Trying]
                }
                Kind::ServerInvite if self.state == State::Completed => {
                    self.go(State::Over, None);
                    vec![Told::TimedOut, Told::Over]
                }
                Kind::ClientInvite | Kind::ClientOther if waits => {
                    self.go(State::Over, None);
                    vec![Told::TimedOut, Told::Over]
                }
                Kind::ClientInvite | Kind::ClientOther => self.go(State::Over, None),
                Kind::ServerInvite | Kind::ServerOther => self.go(State::Over, None),
            };
        }
        let Some((due, interval)) = self.resend.filter(|(due, _)| *due <= now) else {
            return Vec::new();
        };
        assert!(due <= now);
        let cap = if self.kind == Kind::ClientInvite { u64::MAX } else { self.t2 };
        // T1 itself may not be capped: T2 is never below it.
        let interval = (2 * interval).min(cap);
        self.resend = Some((now + interval, interval));
        vec![Told::Send(self.last)]
    }

    fn next(&self) -> Option<u64> {
        let resend = self.resend.map(|(due, _)| due);
        resend.into_iter().chain(self.end).min()
    }
}

/// A machine beside its model.
struct Pair {
    machine: Machine,
    model: Model,
    now: u64,
    responses: Handle,
    told: u32,
    shape: Shape,
}

const fn tick(ms: u64) -> Tick {
    Tick(ms * 1_000_000)
}

impl Pair {
    fn new(choice: u8) -> Pair {
        let kind = KINDS[usize::from(choice & 3)];
        let is_reliable = choice & 4 != 0;
        let (t1, t2, t4) = TIMERS[usize::from(choice >> 3 & 3)];
        let timers = Timers::new(t1, t2, t4).unwrap_or_default();
        let reliability = if is_reliable { Reliability::Reliable } else { Reliability::Unreliable };
        let trying = if choice & 32 == 0 { Trying::After200Ms } else { Trying::ByCaller };
        let now = tick(BEGIN_MS);
        let machine = match kind {
            Kind::ClientInvite => {
                Machine::ClientInvite(ClientInvite::new(0, reliability, timers, now))
            }
            Kind::ClientOther => {
                Machine::ClientOther(ClientNonInvite::new(0, reliability, timers, now))
            }
            Kind::ServerInvite => {
                Machine::ServerInvite(ServerInvite::new(trying, reliability, timers, now))
            }
            Kind::ServerOther => Machine::ServerOther(ServerNonInvite::new(reliability, timers)),
        };
        let (t1, t2, t4) = (t1.into(), t2.into(), t4.into());
        let is_client = matches!(kind, Kind::ClientInvite | Kind::ClientOther);
        let end = match kind {
            Kind::ClientInvite | Kind::ClientOther => Some(BEGIN_MS + 64 * t1),
            Kind::ServerInvite => Some(BEGIN_MS + 200).filter(|_| trying == Trying::After200Ms),
            Kind::ServerOther => None,
        };
        let resend = Some((BEGIN_MS + t1, t1)).filter(|_| is_client && !is_reliable);
        let state = State::First;
        let model = Model { kind, is_reliable, t1, t2, t4, state, last: 0, resend, end };
        let mut pair =
            Pair { machine, model, now: BEGIN_MS, responses: 0, told: 0, shape: Shape::new() };
        let begun = if is_client { vec![Told::Send(0)] } else { Vec::new() };
        pair.compare(&begun);
        pair
    }

    fn event(&mut self, event: Event) {
        self.responses += 1;
        let before = (self.model.kind, self.model.state);
        let expected = self.model.event(event, self.responses, self.now);
        self.machine.handle(event, self.responses, tick(self.now));
        self.shape.print("event", &(before, event)).count("told", expected.len());
        self.compare(&expected);
    }

    fn compare(&mut self, expected: &[Told]) {
        let mut told = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            told.push(output);
        }
        assert_eq!(told, expected, "{:?} at {} ms", self.model, self.now);
        let next = self.model.next().map(tick);
        assert_eq!(self.machine.poll_timeout(), next, "{:?} at {} ms", self.model, self.now);
        let is_over = self.model.state == State::Over;
        assert_eq!(self.machine.is_terminated(), is_over);
        assert!(!is_over || next.is_none(), "a timer without an owner");
        self.told += u32::from(told.contains(&Told::Over));
        assert_eq!(self.told, u32::from(is_over), "over once, and then silent");
    }

    /// Time goes on; timers fire when they are due, or late and all at once.
    fn wait(&mut self, ms: u64, is_late: bool) {
        let until = self.now + ms;
        for _ in 0..FIRED_MAX {
            let Some(due) = self.model.next().filter(|due| *due <= until && !is_late) else {
                self.now = until;
                return self.event(Event::Timeout);
            };
            self.now = self.now.max(due);
            self.event(Event::Timeout);
        }
        self.now = until;
    }

    /// Whatever came before: with a final response, and time, it ends.
    fn wind_up(&mut self) {
        self.event(Event::Response(ResponseClass::Failure));
        for _ in 0..4 * FIRED_MAX {
            let Some(due) = self.model.next() else { break };
            self.now = self.now.max(due);
            self.event(Event::Timeout);
        }
        assert!(self.machine.is_terminated(), "it does not end: {:?}", self.model);
        for class in CLASSES {
            self.event(Event::Response(class));
        }
        for event in [Event::Again, Event::Ack, Event::Broken, Event::Timeout] {
            self.event(event);
        }
    }
}

fn run(input: &[u8]) -> Shape {
    let mut choices = Choices(input);
    let mut pair = Pair::new(choices.u8());
    for _ in 0..EVENTS_MAX.min(choices.0.len()) {
        let choice = choices.u8();
        let (what, much) = (choice & 7, u64::from(choice >> 3));
        match what {
            0..=2 => pair.event(Event::Response(CLASSES[usize::from(what)])),
            3 => pair.event(Event::Again),
            4 => pair.event(Event::Ack),
            5 => pair.event(if much == 0 { Event::Broken } else { Event::Timeout }),
            6 => {
                let next = pair.model.next().unwrap_or(pair.now);
                pair.wait(next.saturating_sub(pair.now + u64::from(much & 1 == 1)), false);
            }
            _ => pair.wait(much * much * 50, much & 1 == 1),
        }
    }
    pair.wind_up();
    pair.shape
}

/// Each machine on each transport: left alone, answered, acknowledged.
fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let scripts: [&[u8]; 6] =
        [&[], &[6, 6, 6, 6, 6, 6, 6, 6], &[0, 6, 3, 1, 4, 6], &[2, 6, 3, 4, 4, 6], &[5], &[255, 2]];
    let kinds = 0..64_u8;
    kinds.flat_map(|kind| scripts.map(|script| [&[kind], script].concat())).collect()
}
