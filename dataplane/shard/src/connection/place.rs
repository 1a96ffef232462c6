//! One connection, and where all of them stand.

use super::Lost;
use std::net::SocketAddr;
use strowger_link::Tick;
use strowger_port::net::ConnId;
use strowger_sip::endpoint::Path;
use strowger_stream::Pipe;

/// Most connections that one stands in for.
const STANDS_FOR_MAX: usize = 16;

/// One connection.
pub(super) struct Connection {
    pub(super) id: ConnId,
    /// The way that its messages come: its flow is its own token.
    pub(super) path: Path,
    pub(super) pipe: Pipe,
    pub(super) state: State,
    /// The system took less than all; it says when there is room again.
    pub(super) is_full: bool,
    /// When a request of ours went by it last.
    pub(super) asked: Option<Tick>,
    /// When it is pinged.
    pub(super) ping_at: Option<Tick>,
    /// A contact was registered over it.
    pub(super) registers: bool,
    /// The address that its peer listens on, as it said.
    pub(super) alias: Option<SocketAddr>,
    /// Its first message was looked at for that.
    pub(super) is_looked_at: bool,
    /// Tokens of connections that are gone, whose messages go by this one.
    stands_for: Vec<u64>,
    pub(super) armed: Option<Tick>,
}

/// Whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// One of ours, on its way until then.
    Opening {
        /// When it is given up.
        until: Tick,
    },
    /// Up.
    Open,
}

impl Connection {
    pub(super) fn new(id: ConnId, path: Path, pipe: Pipe, state: State) -> Connection {
        Connection {
            id,
            path,
            pipe,
            state,
            is_full: false,
            asked: None,
            ping_at: None,
            registers: false,
            alias: None,
            is_looked_at: false,
            stands_for: Vec::new(),
            armed: None,
        }
    }

    pub(super) fn may_write(&self) -> bool {
        self.state == State::Open && !self.is_full
    }

    /// Whether it did not come up in time.
    pub(super) fn is_late(&self, now: Tick) -> bool {
        matches!(self.state, State::Opening { until } if until <= now)
    }

    /// Whether nothing is left to be done with it.
    pub(super) fn is_over(&self) -> bool {
        self.pipe.over().is_some() && self.pipe.backlog() == 0
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let until = match self.state {
            State::Opening { until } => Some(until),
            State::Open => self.ping_at,
        };
        [self.pipe.poll_timeout(), until].into_iter().flatten().min()
    }

    pub(super) fn stand_in(&mut self, flow: u64) {
        if !self.stands_for.contains(&flow) {
            if self.stands_for.len() >= STANDS_FOR_MAX {
                self.stands_for.remove(0);
            }
            self.stands_for.push(flow);
        }
    }

    pub(super) fn lost(self) -> Lost {
        let mut flows = self.stands_for;
        flows.push(self.path.flow);
        Lost { transport: self.path.transport, peer: self.path.peer, flows }
    }
}

/// Connections by their places.
#[derive(Default)]
pub(super) struct Places {
    all: Vec<Option<Box<Connection>>>,
    len: usize,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Connection> {
        let one = self.all.get(usize::try_from(id.place).ok()?)?.as_deref();
        one.filter(|one| one.id == id)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        let one = self.all.get_mut(usize::try_from(id.place).ok()?)?.as_deref_mut();
        one.filter(|one| one.id == id)
    }

    /// A place's number is the system's, and below its bound.
    pub(super) fn insert(&mut self, one: Connection) {
        let Ok(place) = usize::try_from(one.id.place) else { return };
        if place >= self.all.len() {
            self.all.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.all.get_mut(place)
            && slot.replace(Box::new(one)).is_none()
        {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Connection> {
        let slot = self.all.get_mut(usize::try_from(id.place).ok()?)?;
        let one = slot.take_if(|one| one.id == id)?;
        self.len -= 1;
        Some(*one)
    }
}
