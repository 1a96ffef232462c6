//! Calls, both ends of them: whoever is measured stands between.
//!
//! The near end calls, the far end answers at once; both live in one place of a table, which the
//! messages name: the near Call-ID, the far tag, and the number that is dialled (or the Call-ID
//! again, when a proxy leaves it alone). So nothing is searched. The ends keep the timers of
//! RFC 3261 17 that a load needs: INVITE, BYE and the 200 are sent again.

mod far;
mod near;
mod tally;
mod text;

use std::collections::VecDeque;
use std::net::SocketAddr;

use strowger_link::{MS, Tick};

pub(crate) use tally::Tally;
pub(crate) use text::{Answers, Dial, Kind, Parties, Requests, audio_of, describe};
use text::{Name, Remote};

use crate::media::{Flow, Media};
use crate::message::View;
use crate::net::Out;
use crate::pace::{Offer, Pace};
use crate::timer::Timers;

/// T1 and its doublings, and how long a place is kept for messages that come late.
const AGAIN_NS: [u64; 4] = [500 * MS, 1_000 * MS, 2_000 * MS, 4_000 * MS];
const LINGER_NS: u64 = 4_000 * MS;
/// Queues of [`Timers`] behind those of [`AGAIN_NS`].
const HOLD: usize = AGAIN_NS.len();
const RING: usize = HOLD + 1;
const GIVE_UP: usize = HOLD + 2;
const LINGER: usize = HOLD + 3;
/// BYEs of standing calls under way at a time.
const ENDING_MAX: usize = 32;

/// What the calls are.
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    /// Sockets of the near end by number, and what they are told as.
    pub(crate) near: Vec<(u8, SocketAddr)>,
    pub(crate) far: (u8, SocketAddr),
    /// Sockets of audio: near, far. None = messages without a body.
    pub(crate) audio: Option<[(u8, SocketAddr); 2]>,
    /// The near ends' audio is encrypted.
    pub(crate) srtp: bool,
    pub(crate) dial: Dial,
    pub(crate) domain: String,
    pub(crate) caller: String,
    pub(crate) hold_ns: u64,
    pub(crate) ring_ns: u64,
    pub(crate) give_up_ns: u64,
    /// Packets of audio of each call, each way, at once when it is answered.
    pub(crate) packets: u32,
    /// What standing dialogs are asked.
    pub(crate) inside: Kind,
    /// Most calls at a time, lingering ones included.
    pub(crate) slots: u32,
    /// Tells this run's calls from others'.
    pub(crate) run: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Free,
    Inviting,
    Up,
    Ending,
    /// The near end is done; the far end may not be.
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Far {
    None,
    Ringing,
    Answered,
    Confirmed,
    Ended,
}

/// A request inside of the dialog that has no final response yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    kind: Kind,
    cseq: u32,
    intended: Tick,
    tally: usize,
}

struct Call {
    age: u32,
    phase: Phase,
    standing: bool,
    intended: Tick,
    tally: usize,
    /// Something has come back for the INVITE.
    heard: bool,
    rang: bool,
    cseq: u32,
    remote: Remote,
    pending: Option<Pending>,
    far: Far,
    /// The 200 of the far end, and whom it goes to.
    ok: Vec<u8>,
    asked_by: SocketAddr,
    /// The server's port towards the far end.
    far_audio: Option<SocketAddr>,
}

/// Something to look at again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Due {
    /// The request with this number, for the so manieth time.
    Again(Name, u32, usize),
    OkAgain(Name, usize),
    Answer(Name),
    Hold(Name),
    GiveUp(Name, u32),
    Linger(Name),
}

/// All calls of a load.
pub(crate) struct Calls {
    plan: Plan,
    slots: Vec<Call>,
    free: VecDeque<u32>,
    pace: Pace,
    /// How the standing calls are made, and asked.
    standing: Standing,
    pub(crate) tallies: Vec<Tally>,
    tally: usize,
    timers: Timers<Due>,
    busy: usize,
    requests: Vec<Requests>,
    answers: Answers,
    /// Messages that belong to nothing.
    pub(crate) strays: u64,
    /// Near ends done since the start.
    pub(crate) done: u64,
}

#[derive(Default)]
struct Standing {
    wanted: u32,
    begun: u32,
    up: Vec<u32>,
    failed: u32,
    turn: usize,
    asks: Option<Pace>,
    ending: VecDeque<u32>,
    /// BYEs of them that have no answer yet.
    leaving: usize,
}

impl Calls {
    pub(crate) fn new(plan: Plan, now: Tick) -> Calls {
        let sdp = |end: usize| plan.audio.and_then(|audio| audio.get(end).map(|(_, at)| *at));
        let parties = Parties {
            server: plan.server,
            domain: &plan.domain,
            caller: &plan.caller,
            sdp: sdp(0),
            srtp: plan.srtp,
        };
        let requests = plan.near.iter().map(|(_, at)| Requests::new(*at, &parties)).collect();
        let answers = Answers::new(plan.far.1, sdp(1));
        let mut spans = AGAIN_NS.to_vec();
        spans.extend([plan.hold_ns, plan.ring_ns, plan.give_up_ns, LINGER_NS]);
        Calls {
            slots: Vec::new(),
            free: VecDeque::new(),
            pace: Pace::new(Offer::Rate(0.0), now),
            standing: Standing::default(),
            tallies: vec![Tally::new("before")],
            tally: 0,
            timers: Timers::new(&spans),
            busy: 0,
            requests,
            answers,
            strays: 0,
            done: 0,
            plan,
        }
    }

    /// From now on calls are offered so, and count to a part of this name.
    pub(crate) fn begin_part(&mut self, name: &str, offer: Offer, now: Tick) {
        self.tallies.push(Tally::new(name));
        self.tally = self.tallies.len() - 1;
        self.pace.change(offer, now);
    }

    /// Makes calls that stay.
    pub(crate) fn stand(&mut self, count: u32) {
        self.standing.wanted = count;
    }

    /// How many stand, and how many of the wanted ones failed.
    pub(crate) fn standing(&self) -> (usize, u32) {
        (self.standing.up.len(), self.standing.failed)
    }

    /// Asks standing calls something, so often a second.
    pub(crate) fn ask_standing(&mut self, rate: f64, now: Tick) {
        self.standing.asks = Some(Pace::new(Offer::Rate(rate), now));
    }

    /// Ends the standing calls.
    pub(crate) fn end_standing(&mut self) {
        self.standing.asks = None;
        let up = std::mem::take(&mut self.standing.up);
        self.standing.ending.extend(up);
    }

    /// Calls whose near end is not done; standing ones only while they end.
    pub(crate) fn busy(&self) -> usize {
        self.busy + self.standing.ending.len() + self.standing.leaving
    }

    /// Begins, ends, repeats what is due.
    pub(crate) fn work(&mut self, now: Tick, out: &mut Out) {
        while let Some(due) = self.timers.pop(now) {
            self.handle_due(due, now, out);
        }
        let mut pace = std::mem::replace(&mut self.pace, Pace::new(Offer::Rate(0.0), now));
        pace.starts(now, self.busy, |intended| {
            let begun = self.begin(intended, false, now, out);
            if !begun {
                self.tally_mut(self.tally).skipped += 1;
            }
            begun
        });
        self.pace = pace;
        while self.standing.begun < self.standing.wanted && self.busy < ENDING_MAX {
            if !self.begin(now, true, now, out) {
                break;
            }
            self.standing.begun += 1;
        }
        while self.standing.leaving < ENDING_MAX
            && let Some(slot) = self.standing.ending.pop_front()
        {
            self.standing.leaving += 1;
            self.ask(slot, Kind::Bye, now, now, out);
        }
        self.ask_due(now, out);
    }

    fn ask_due(&mut self, now: Tick, out: &mut Out) {
        let Some(mut asks) = self.standing.asks.take() else { return };
        asks.starts(now, 0, |intended| {
            let count = self.standing.up.len();
            for _ in 0..count {
                self.standing.turn = (self.standing.turn + 1) % count;
                let slot = self.standing.up.get(self.standing.turn).copied();
                let idle = |slot: &u32| self.call(*slot).is_some_and(|c| c.pending.is_none());
                if let Some(slot) = slot.filter(idle) {
                    self.ask(slot, self.plan.inside, intended, now, out);
                    return true;
                }
            }
            self.tally_mut(self.tally).skipped += 1;
            true
        });
        self.standing.asks = Some(asks);
    }

    /// When to work next.
    pub(crate) fn due(&self) -> Option<Tick> {
        let asks = self.standing.asks.as_ref().and_then(Pace::due);
        [self.pace.due(), self.timers.due(), asks].into_iter().flatten().min()
    }

    /// A message that came to one of the calls' sockets.
    pub(crate) fn take(
        &mut self,
        (socket, peer): (u8, SocketAddr),
        view: &View<'_>,
        now: Tick,
        out: &mut Out,
        media: &mut Media,
    ) {
        if socket == self.plan.far.0 {
            self.take_far(peer, view, now, out);
        } else {
            self.take_near((socket, peer), view, now, out, media);
        }
    }

    fn handle_due(&mut self, due: Due, now: Tick, out: &mut Out) {
        match due {
            Due::Again(name, cseq, tries) => self.again(name, cseq, tries, now, out),
            Due::OkAgain(name, tries) => self.ok_again(name, tries, now, out),
            Due::Answer(name) => self.answer(name, now, out),
            Due::Hold(name) => {
                if self.named(name).is_some_and(|call| call.phase == Phase::Up) {
                    self.ask(name.slot, Kind::Bye, now, now, out);
                }
            }
            Due::GiveUp(name, cseq) => self.give_up(name, cseq, now),
            Due::Linger(name) => {
                if self.named(name).is_some_and(|call| call.phase == Phase::Ended) {
                    self.release(name.slot);
                }
            }
        }
    }

    fn call(&self, slot: u32) -> Option<&Call> {
        self.slots.get(slot as usize)
    }

    fn call_mut(&mut self, slot: u32) -> Option<&mut Call> {
        self.slots.get_mut(slot as usize)
    }

    /// The call of this name, unless its place is another's by now.
    fn named(&mut self, name: Name) -> Option<&mut Call> {
        let call = self.slots.get_mut(name.slot as usize)?;
        (call.age == name.age && call.phase != Phase::Free).then_some(call)
    }

    fn tally_mut(&mut self, number: usize) -> &mut Tally {
        let last = self.tallies.len() - 1;
        &mut self.tallies[number.min(last)]
    }

    /// A place for a call.
    fn place(&mut self, now: Tick) -> Option<u32> {
        if let Some(slot) = self.free.pop_front() {
            return Some(slot);
        }
        let slot = u32::try_from(self.slots.len()).ok().filter(|slot| *slot < self.plan.slots)?;
        self.slots.push(Call {
            age: 0,
            phase: Phase::Free,
            standing: false,
            intended: now,
            tally: 0,
            heard: false,
            rang: false,
            cseq: 0,
            remote: Remote::default(),
            pending: None,
            far: Far::None,
            ok: Vec::new(),
            asked_by: self.plan.server,
            far_audio: None,
        });
        Some(slot)
    }

    /// The near end is done. The place stays while the far end is not.
    fn finish(&mut self, slot: u32, now: Tick) {
        let Some(call) = self.call_mut(slot) else { return };
        let (standing, was) = (call.standing, call.phase);
        let name = Name { slot, age: call.age };
        let over = matches!(call.far, Far::None | Far::Ended);
        call.phase = Phase::Ended;
        match (standing, was) {
            (true, Phase::Inviting) => {
                self.standing.failed += 1;
                self.busy -= 1;
            }
            (true, Phase::Ending) => {
                self.standing.leaving = self.standing.leaving.saturating_sub(1);
            }
            (true, Phase::Up | Phase::Free | Phase::Ended) => {
                self.standing.up.retain(|other| *other != slot);
            }
            (false, _) => self.busy -= 1,
        }
        self.done += 1;
        if over {
            self.release(slot);
        } else {
            self.timers.push(LINGER, now, Due::Linger(name));
        }
    }

    fn release(&mut self, slot: u32) {
        if let Some(call) = self.call_mut(slot) {
            call.phase = Phase::Free;
            self.free.push_back(slot);
        }
    }

    /// The audio of a call, both ways, once both ports are known.
    fn connect(&self, slot: u32, near: Option<SocketAddr>) -> Option<[Flow; 2]> {
        let [(near_by, _), (far_by, _)] = self.plan.audio?;
        let call = self.call(slot)?;
        let (near, far) = (near?, call.far_audio?);
        let tag = self.plan.run.wrapping_add(call.age.wrapping_mul(7_919));
        Some([
            Flow { by: near_by, to: near, at: far_by, from: far, tag },
            Flow { by: far_by, to: far, at: near_by, from: near, tag },
        ])
    }
}
