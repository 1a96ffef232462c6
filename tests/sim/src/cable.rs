//! The link between the planes: rings in memory, and sessions that end when either side dies.

use crate::fault::Plant;
use crate::probe::{Place, SharedProbe};
use crate::step::Step;
use crate::switch::Plugs;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use strowger_link::{AnswerBody, AskBody, AskId, Down, Up};
use strowger_port::net::{Lane, LinkError, PlaneLink};

/// Frames that a ring holds.
const RING_FRAMES: usize = 4_096;

/// Both directions, and what passed: the laws count grants and what balanced them.
#[derive(Debug, Default)]
pub struct Cable {
    /// The dataplane runs.
    pub listens: bool,
    session: Option<u32>,
    sessions: u32,
    up: VecDeque<Vec<u8>>,
    /// For each shard.
    down: Vec<VecDeque<Vec<u8>>>,
    /// Grants that the dataplane took from the ring.
    pub granted: BTreeSet<AskId>,
    /// Questions where a redirect leads: what they grant is their call's.
    pub redirects: BTreeSet<AskId>,
    /// Grants that it gave back, and how often.
    pub abandoned: BTreeMap<AskId, u32>,
    /// The planted fault.
    pub plant: Option<Plant>,
}

impl Cable {
    /// A cable that nobody has plugged in.
    #[must_use]
    pub fn new(plant: Option<Plant>) -> Cable {
        Cable { plant, ..Cable::default() }
    }

    /// The control plane connects: a new session, empty rings.
    pub fn connect(&mut self) -> u32 {
        self.cut();
        self.sessions += 1;
        self.session = Some(self.sessions);
        self.sessions
    }

    /// Either side died: the rings are gone with all that was in them.
    pub fn cut(&mut self) {
        self.session = None;
        self.up.clear();
        self.down.iter_mut().for_each(VecDeque::clear);
    }

    /// The living session.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        self.session
    }

    /// Frames wait for the control plane.
    #[must_use]
    pub fn has_up(&self) -> bool {
        !self.up.is_empty()
    }

    /// Frames wait for the dataplane.
    #[must_use]
    pub fn has_down(&self) -> bool {
        self.down.iter().any(|down| !down.is_empty())
    }

    /// Frames wait for this shard.
    #[must_use]
    pub fn has_down_for(&self, shard: usize) -> bool {
        self.down.get(shard).is_some_and(|down| !down.is_empty())
    }

    /// A dataplane of so many shards is plugged in.
    pub fn set_shards(&mut self, shards: u8) {
        self.down.resize_with(shards.into(), VecDeque::new);
    }

    /// The control plane sends.
    pub fn send_down(&mut self, down: &Down) {
        match down.shard() {
            Some(shard) => self.send_to(shard, down),
            None => (0..).take(self.down.len()).for_each(|shard| self.send_to(shard, down)),
        }
    }

    /// The control plane sends to one shard.
    pub fn send_to(&mut self, shard: u8, down: &Down) {
        let ring = self.down.get_mut(usize::from(shard)).filter(|ring| ring.len() < RING_FRAMES);
        if let Some(ring) = ring.filter(|_| self.session.is_some()) {
            ring.push_back(down.to_bytes());
        }
    }

    /// The control plane receives.
    pub fn recv_up(&mut self) -> Option<Vec<u8>> {
        self.up.pop_front()
    }

    fn push_up(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        if lane == Lane::Calls {
            self.note_up(frame);
        }
        if self.session.is_none() {
            return Err(LinkError::Down);
        }
        if self.up.len() >= RING_FRAMES {
            return Err(LinkError::Full);
        }
        let lost = self.plant == Some(Plant::LostAbandoned)
            && matches!(Up::from_bytes(frame), Ok(Up::Abandoned(_)));
        if !lost {
            self.up.push_back(frame.to_vec());
        }
        Ok(())
    }

    fn note_up(&mut self, frame: &[u8]) {
        if let Ok(Up::Abandoned(ask)) = Up::from_bytes(frame) {
            *self.abandoned.entry(ask).or_default() += 1;
        }
        if let Ok(Up::Ask(ask)) = Up::from_bytes(frame)
            && let AskBody::Redirected(_) = ask.body
        {
            self.redirects.insert(ask.id);
        }
    }

    fn note_down(&mut self, frame: &[u8]) {
        if let Ok(Down::Answer(answer)) = Down::from_bytes(frame)
            && let AnswerBody::Go(_) = answer.body
            && !self.redirects.contains(&answer.ask)
        {
            self.granted.insert(answer.ask);
        }
    }
}

/// A shard's end.
pub struct SimLink {
    shard: usize,
    cable: Rc<RefCell<Cable>>,
    probe: SharedProbe,
}

impl SimLink {
    /// The end of a shard of a switch that is plugged in so.
    #[must_use]
    pub fn new(plugs: &Plugs, shard: u8) -> SimLink {
        let shard = shard.into();
        SimLink { shard, cable: Rc::clone(&plugs.cable), probe: Rc::clone(&plugs.probe) }
    }
}

/// The step that a frame up is, if it is one.
fn step_up(up: &Up) -> Option<Step> {
    match up {
        Up::Ask(ask) => match &ask.body {
            AskBody::Call(_) => Some(Step::AskSent),
            AskBody::Extend(_) => Some(Step::ExtendSent),
            AskBody::Redirected(_)
            | AskBody::Transfer(_)
            | AskBody::Reroute(_)
            | AskBody::Pickup(_)
            | AskBody::Register(_)
            | AskBody::Request(_)
            | AskBody::Resolve(_)
            | AskBody::App(_) => None,
        },
        Up::Started(_) => Some(Step::StartedSent),
        Up::Abandoned(_) => Some(Step::AbandonedSent),
        Up::Journal(_) => Some(Step::Doorbell),
        Up::Verb(_)
        | Up::Live(_)
        | Up::Turned(_)
        | Up::Counters(_)
        | Up::Listeners(_)
        | Up::Upstream(_)
        | Up::FlowFailed(_)
        | Up::Probed(_)
        | Up::FlowEpoch(_)
        | Up::Sounds(_) => None,
    }
}

/// The step that a frame down is, if it is one.
fn step_down(down: &Down) -> Option<Step> {
    let Down::Answer(answer) = down else { return None };
    match answer.body {
        AnswerBody::Go(_) => Some(Step::GoTaken),
        AnswerBody::Extended(_) => Some(Step::ExtendedTaken),
        AnswerBody::Refuse(_)
        | AnswerBody::Challenge(_)
        | AnswerBody::Forward(_)
        | AnswerBody::Registered(_)
        | AnswerBody::Respond(_)
        | AnswerBody::Resolved(_) => None,
    }
}

impl PlaneLink for SimLink {
    fn session(&mut self) -> Option<u32> {
        self.cable.borrow().session
    }

    fn send(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        let mut probe = self.probe.borrow_mut();
        if !probe.effect(Place::Link) {
            return Err(LinkError::Down);
        }
        let up = Up::from_bytes(frame).ok();
        let step = up.as_ref().and_then(step_up);
        if !step.is_none_or(|step| probe.begin(step)) {
            return Err(LinkError::Down);
        }
        let sent = self.cable.borrow_mut().push_up(lane, frame);
        step.into_iter().for_each(|step| probe.done(step));
        sent
    }

    fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError> {
        frame.clear();
        let mut cable = self.cable.borrow_mut();
        if cable.session.is_none() {
            return Err(LinkError::Down);
        }
        let mut probe = self.probe.borrow_mut();
        let next = cable.down.get(self.shard).and_then(VecDeque::front);
        let Some(next) = next.filter(|_| probe.effect(Place::Link)) else {
            return Ok(false);
        };
        let step = Down::from_bytes(next).ok().and_then(|down| step_down(&down));
        if !step.is_none_or(|step| probe.begin(step)) {
            return Ok(false);
        }
        frame.extend_from_slice(next);
        if let Some(down) = cable.down.get_mut(self.shard) {
            down.pop_front();
        }
        cable.note_down(frame);
        step.into_iter().for_each(|step| probe.done(step));
        Ok(true)
    }

    fn prepare_sleep(&mut self) -> bool {
        !self.cable.borrow().has_down_for(self.shard)
    }

    fn finish_sleep(&mut self) {}
}
