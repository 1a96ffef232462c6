//! All calls of a shard: slots, generations, the one timer list, asks under way.

use crate::{Output, Resources};
use std::collections::VecDeque;
use strowger_leg::{Cause, Command, Event};
use strowger_link::{Answer, Emergency, LegId, SlotRef, Tick, Verb};

/// What a shard's calls are told at start.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// Segment of the call table that this shard owns.
    pub seg: u8,
    /// Slots of that segment, at most [`crate::limits::SLOTS_MAX`].
    pub slots: u32,
    /// Shard number: high 8 bits of its ask ids.
    pub shard: u8,
    /// Where ask ids begin, so that a restarted shard repeats none: microseconds of the monotonic
    /// clock do (56 bits are used).
    pub ask_base: u64,
    /// Generation of the first life of each slot; past the last one of the process before.
    pub first_gen: u16,
    /// How long a call waits for its answer, milliseconds (default 3000).
    pub ask_timeout_ms: u32,
}

impl Default for CallsConfig {
    fn default() -> Self {
        CallsConfig {
            seg: 0,
            slots: 4096,
            shard: 0,
            ask_base: 0,
            first_gen: 0,
            ask_timeout_ms: 3000,
        }
    }
}

/// All calls of one shard.
#[derive(Debug)]
pub struct Calls {
    config: CallsConfig,
    free: VecDeque<u16>,
    origin: Option<u32>,
    out: VecDeque<Output>,
}

impl Calls {
    /// No calls yet; every slot is free.
    #[must_use]
    pub fn new(config: CallsConfig) -> Calls {
        let slots = config.slots.min(crate::limits::SLOTS_MAX);
        let free = (0..slots).filter_map(|idx| u16::try_from(idx).ok()).collect();
        Calls { config, free, origin: None, out: VecDeque::new() }
    }

    /// The control plane's greeting: record ids count under `origin` from now on. Before the first
    /// one, new calls are refused with 503.
    pub fn set_origin(&mut self, origin: u32) {
        self.origin = Some(origin);
    }

    /// Emergency numbers and where they go.
    pub fn set_emergency(&mut self, _table: Vec<Emergency>) {}

    /// A leg for a new INVITE, `None` when every slot is in use. `Offered` must follow, or
    /// [`Calls::unreserve`].
    pub fn reserve(&mut self) -> Option<LegId> {
        let idx = self.free.pop_front()?;
        let slot = SlotRef { seg: self.config.seg, idx, r#gen: self.config.first_gen };
        Some(LegId { slot, leg: 0 })
    }

    /// Gives back a leg that was reserved and never offered.
    pub fn unreserve(&mut self, leg: LegId) {
        self.free.push_back(leg.slot.idx);
    }

    /// What a leg reports. `wall_us` is the wall clock, microseconds since 1970 UTC.
    pub fn handle_leg(
        &mut self,
        leg: LegId,
        event: Event,
        _now: Tick,
        _wall_us: i64,
        _res: &mut impl Resources,
    ) {
        if let Event::Offered(_) = event {
            let command = Command::Hangup {
                cause: Cause::from_sip(503),
                phrase: "".into(),
                retry_after_s: 1,
            };
            self.out.push_back(Output::Leg { leg, command });
        }
    }

    /// An answer of the control plane.
    pub fn handle_answer(&mut self, _answer: Answer, _now: Tick, _res: &mut impl Resources) {}

    /// An instruction of the control plane.
    pub fn handle_verb(&mut self, _v: Verb, _now: Tick, _wall_us: i64, _res: &mut impl Resources) {}

    /// No media came from an answered leg for as long as its policy allows.
    pub fn handle_silence(&mut self, _leg: LegId, _now: Tick, _res: &mut impl Resources) {}

    /// The control plane is gone: asks under way keep their deadlines.
    pub fn handle_control_lost(&mut self) {}

    /// The control plane is back (after its greeting): asks under way are asked again.
    pub fn handle_control_back(&mut self) {}

    /// Time has come to [`Calls::poll_timeout`].
    pub fn handle_timeout(&mut self, _now: Tick, _res: &mut impl Resources) {}

    /// When [`Calls::handle_timeout`] is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        None
    }

    /// The next thing to do; drain to `None` after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The `Ended` frame of `slot`'s call stands in the journal at `seq`.
    pub fn journaled(&mut self, _slot: SlotRef, _seq: u64) {}

    /// The journal is durable up to and including `seq`: slots whose record it holds become free.
    pub fn handle_durable(&mut self, _seq: u64) {}
}
