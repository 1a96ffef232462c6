//! Caps by address: how many calls came from one address within a window of time, how long they
//! talked and what they cost (spec SEC-IP-01, fraud check 12).
//!
//! Who asks says which window counts and what its caps are; nothing is kept of an address for which
//! nobody asks. A call counts when it is admitted, its talk and its cost when its record is
//! settled, all in the window that it began in: one that runs is not cut, the next is refused.
//! Bounded: windows that have ended go first, and what cannot be counted is refused.

use crate::{Refusal, Till, WindowAsk, WindowCap, WindowKey, WindowUse};
use std::collections::BTreeMap;

/// Most addresses that are counted at once.
pub const WINDOWS_MAX: usize = 262_144;

/// What came from an address in its newest window.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Use {
    from_us: i64,
    until_us: i64,
    calls: u32,
    talk_ms: u64,
    spent: i128,
}

/// The newest windows of addresses.
#[derive(Default, Debug)]
pub(crate) struct Windows {
    uses: BTreeMap<WindowKey, Use>,
    /// No window that was there when it was full ends before this.
    full_until_us: i64,
}

impl Windows {
    /// The cap that stands before one more call.
    fn reached(&self, ask: &WindowAsk) -> Option<WindowCap> {
        let counts = |known: &&Use| known.from_us >= ask.span.from_us;
        let known = self.uses.get(&ask.key).filter(counts).copied().unwrap_or_default();
        if ask.calls_max > 0 && known.calls >= ask.calls_max {
            Some(WindowCap::Calls)
        } else if ask.talk_ms_max > 0 && known.talk_ms >= ask.talk_ms_max {
            Some(WindowCap::Talk)
        } else if ask.spend_max.is_some_and(|most| known.spent >= i128::from(most.0)) {
            Some(WindowCap::Spend)
        } else {
            None
        }
    }

    /// Whether an address can be counted; windows that have ended are swept when there is no room.
    fn has_room(&mut self, ask: &WindowAsk) -> bool {
        if self.uses.len() < WINDOWS_MAX || self.uses.contains_key(&ask.key) {
            return true;
        }
        let now_us = ask.span.at_us;
        if now_us >= self.full_until_us {
            self.uses.retain(|_, known| known.until_us > now_us);
            let ends = self.uses.values().map(|known| known.until_us);
            self.full_until_us = ends.min().unwrap_or(i64::MIN);
        }
        self.uses.len() < WINDOWS_MAX
    }

    /// Counts calls, talk and cost. Those of a window before the newest are forgotten.
    pub(crate) fn count(&mut self, used: &WindowUse) {
        let WindowUse { key, span, calls, talk_ms, spent } = *used;
        if self.uses.len() >= WINDOWS_MAX && !self.uses.contains_key(&key) {
            return;
        }
        let known = self.uses.entry(key).or_default();
        if span.from_us > known.from_us {
            *known = Use { from_us: span.from_us, until_us: span.until_us, ..Use::default() };
        }
        if span.from_us < known.from_us {
            return;
        }
        known.until_us = span.until_us;
        known.calls = known.calls.saturating_add(calls);
        known.talk_ms = known.talk_ms.saturating_add(talk_ms);
        known.spent += i128::from(spent.0.max(0));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.uses.len()
    }
}

impl Till {
    /// Whether the address of a call lets one more through.
    pub(crate) fn check_window(&mut self, ask: Option<&WindowAsk>) -> Result<(), Refusal> {
        let Some(ask) = ask else { return Ok(()) };
        match self.windows.reached(ask) {
            Some(cap) => Err(Refusal::Window(cap)),
            None if !self.windows.has_room(ask) => Err(Refusal::Full),
            None => Ok(()),
        }
    }
}
