//! Silence: a side that should send and does not.

use super::{MediaEvent, PairId, PairSlot, Relay, Side, Silence};
use crate::flow::Flow;
use strowger_link::Tick;

/// What is known of a side's silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watch {
    /// Waiting for packets, since the pair was opened or its signalling last changed.
    Waiting { since: Tick },
    /// Silence was told, at this time.
    Told { at: Tick },
}

/// What a look at a side gives.
struct Look {
    watch: Watch,
    /// Whether silence is to be told now.
    tell: bool,
    /// When to look again; `None` while the side should not send.
    again: Option<Tick>,
}

/// `limit_ms` after `since`; 0 = never.
const fn after(since: Tick, limit_ms: u32) -> Option<Tick> {
    match limit_ms {
        0 => None,
        limit_ms => Some(since.plus_ms(limit_ms as u64)),
    }
}

impl Watch {
    pub(super) const fn new(now: Tick) -> Watch {
        Watch::Waiting { since: now }
    }

    fn look(self, flow: &Flow, silence: Silence, now: Tick) -> Look {
        if !flow.is_open {
            return Look { watch: self, tell: false, again: None };
        }
        let last = flow.reception.span().map(|(_, last)| last);
        match self {
            Watch::Told { at } if last.is_none_or(|last| last <= at) => {
                let again = after(now, silence.running_ms);
                Look { watch: self, tell: false, again }
            }
            Watch::Told { at: since } | Watch::Waiting { since } => {
                let limit_ms = if last.is_none() { silence.start_ms } else { silence.running_ms };
                let Some(due) = after(last.unwrap_or(since).max(since), limit_ms) else {
                    // Looked at again only to see whether it speaks by now.
                    let again = after(now, silence.running_ms);
                    return Look { watch: self, tell: false, again };
                };
                if due > now {
                    return Look { watch: self, tell: false, again: Some(due) };
                }
                let again = after(now, silence.running_ms);
                Look { watch: Watch::Told { at: now }, tell: true, again }
            }
        }
    }
}

impl Relay {
    /// When to call [`Relay::handle_timeout`]; `None` while nothing is watched.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.wheel.next()
    }

    /// Looks at the sides whose time has come. Events beyond [`crate::limits::EVENTS_MAX`] wait for
    /// the next call, which is due at once.
    pub fn handle_timeout(&mut self, now: Tick) {
        self.handle_timeout_beside(now, |_| None);
    }

    /// The next event; drain it to `None` before anything else.
    pub fn poll_output(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// Looks at both sides of a pair, and sets the time of the next look.
    pub(super) fn watch(&mut self, index: u32, now: Tick) {
        let Some(PairSlot::Open(pair)) = self.pairs.get(index as usize) else { return };
        let mut pair = *pair;
        let id = PairId { index, generation: pair.generation };
        let mut again: Option<Tick> = None;
        for side in [Side::A, Side::B] {
            let end = pair.end_mut(side);
            let Some(flow) = self.flow(end.rtp) else { continue };
            let look = end.watch.look(flow, end.silence, now);
            end.watch = look.watch;
            if look.tell {
                self.events.push_back(MediaEvent::Silent { pair: id, side });
            }
            again = again.into_iter().chain(look.again).min();
        }
        if let Some(place) = self.pairs.get_mut(index as usize) {
            *place = PairSlot::Open(pair);
        }
        match again {
            Some(again) => self.wheel.set(index, again, now),
            None => self.wheel.remove(index),
        }
    }
}
