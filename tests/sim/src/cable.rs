//! The link between the planes: rings in memory, and sessions that end when either side dies.

use crate::fault::Plant;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use strowger_link::{AnswerBody, AskId, Down, Up};
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
    down: VecDeque<Vec<u8>>,
    /// Grants that the dataplane took from the ring.
    pub granted: BTreeSet<AskId>,
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
        self.down.clear();
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
        !self.down.is_empty()
    }

    /// The control plane sends.
    pub fn send_down(&mut self, down: &Down) {
        if self.session.is_some() && self.down.len() < RING_FRAMES {
            self.down.push_back(down.to_bytes());
        }
    }

    /// The control plane receives.
    pub fn recv_up(&mut self) -> Option<Vec<u8>> {
        self.up.pop_front()
    }

    fn note_up(&mut self, frame: &[u8]) {
        if let Ok(Up::Abandoned(ask)) = Up::from_bytes(frame) {
            *self.abandoned.entry(ask).or_default() += 1;
        }
    }

    fn note_down(&mut self, frame: &[u8]) {
        if let Ok(Down::Answer(answer)) = Down::from_bytes(frame)
            && let AnswerBody::Go(_) = answer.body
        {
            self.granted.insert(answer.ask);
        }
    }
}

/// A shard's end.
#[derive(Debug)]
pub struct SimLink(pub Rc<RefCell<Cable>>);

impl PlaneLink for SimLink {
    fn session(&mut self) -> Option<u32> {
        self.0.borrow().session
    }

    fn send(&mut self, lane: Lane, frame: &[u8]) -> Result<(), LinkError> {
        let mut cable = self.0.borrow_mut();
        if lane == Lane::Calls {
            cable.note_up(frame);
        }
        if cable.session.is_none() {
            return Err(LinkError::Down);
        }
        if cable.up.len() >= RING_FRAMES {
            return Err(LinkError::Full);
        }
        let lost = cable.plant == Some(Plant::LostAbandoned)
            && matches!(Up::from_bytes(frame), Ok(Up::Abandoned(_)));
        if !lost {
            cable.up.push_back(frame.to_vec());
        }
        Ok(())
    }

    fn recv(&mut self, frame: &mut Vec<u8>) -> Result<bool, LinkError> {
        frame.clear();
        let mut cable = self.0.borrow_mut();
        if cable.session.is_none() {
            return Err(LinkError::Down);
        }
        let Some(next) = cable.down.pop_front() else { return Ok(false) };
        cable.note_down(&next);
        frame.extend_from_slice(&next);
        Ok(true)
    }

    fn prepare_sleep(&mut self) -> bool {
        !self.0.borrow().has_down()
    }

    fn finish_sleep(&mut self) {}
}
