//! The facts of one call, bounded.

use crate::limits::{DETAIL_MAX, FACTS_RESERVED, TEXT_MAX};
use strowger_link::{Began, FACTS_MAX, Fact, Grant, Granted, LegOpened, PartyRef, Tick};

/// Facts in order of time. Details are kept while there is room for everything that a record needs;
/// what does not fit is counted.
#[derive(Debug, Default)]
pub(crate) struct FactLog {
    facts: Vec<Fact>,
    dropped: u32,
}

impl FactLog {
    /// The facts of a former process.
    pub(crate) fn resume(facts: Vec<Fact>, dropped: u32) -> FactLog {
        FactLog { facts, dropped }
    }

    /// A fact that every record needs: there is always room, because the number of legs is bounded.
    pub(crate) fn push(&mut self, fact: Fact) {
        const _: () = assert!(DETAIL_MAX + FACTS_RESERVED <= FACTS_MAX);
        if self.facts.len() < FACTS_MAX {
            self.facts.push(fact);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// A fact that a record can do without.
    pub(crate) fn detail(&mut self, fact: Fact) {
        if self.facts.len() < DETAIL_MAX {
            self.facts.push(fact);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Talk time that was granted. Where no room is left the newest takes the place of the one
    /// before: who pays how much is read from the last.
    pub(crate) fn grant(&mut self, grant: Grant, at: Tick) {
        let Grant { ms, free_ms, last, .. } = grant;
        let granted = Granted { at, ms, free_ms, last };
        if self.facts.len() < DETAIL_MAX {
            return self.facts.push(Fact::Granted(granted));
        }
        self.dropped = self.dropped.saturating_add(1);
        let last = self.facts.iter_mut().rev().find_map(|fact| match fact {
            Fact::Granted(last) => Some(last),
            Fact::Began(_)
            | Fact::LegOpened(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Ended(_) => None,
        });
        if let Some(last) = last {
            *last = Granted { at: last.at, ..granted };
        }
    }

    /// How a leg began.
    pub(crate) fn opened(&self, leg: u8) -> Option<LegOpened> {
        self.facts.iter().rev().find_map(|fact| match fact {
            Fact::LegOpened(opened) if opened.leg == leg => Some((**opened).clone()),
            Fact::LegOpened(_)
            | Fact::Began(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        })
    }

    /// Whether a leg was parted from who stayed.
    pub(crate) fn is_parted(&self, leg: u8) -> bool {
        self.facts.iter().any(|fact| matches!(fact, Fact::Parted(pair) if pair.a == leg))
    }

    /// How the call began.
    pub(crate) fn began(&self) -> Option<&Began> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Began(began) => Some(&**began),
            Fact::LegOpened(_)
            | Fact::LegProgress(_)
            | Fact::LegAnswered(_)
            | Fact::LegEnded(_)
            | Fact::Joined(_)
            | Fact::Parted(_)
            | Fact::Granted(_)
            | Fact::Ended(_) => None,
        })
    }

    /// Who is at the far end of a leg.
    pub(crate) fn party_of(&self, leg: u8) -> PartyRef {
        self.opened(leg).map_or(PartyRef::Unknown, |opened| opened.party)
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    pub(crate) fn as_slice(&self) -> &[Fact] {
        &self.facts
    }

    pub(crate) fn to_vec(&self) -> Vec<Fact> {
        self.facts.clone()
    }
}

/// `text` up to [`TEXT_MAX`] bytes, whole characters.
pub(crate) fn clip(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_link::{LegAnswered, LegProgress};

    #[test]
    fn details_leave_room_for_what_a_record_needs() {
        let mut log = FactLog::default();
        for n in 0..1000 {
            log.detail(Fact::LegProgress(LegProgress { leg: 1, at: Tick(n), status: 180 }));
        }
        assert_eq!((log.facts.len(), log.dropped()), (DETAIL_MAX, 1000 - DETAIL_MAX as u32));
        for n in 0..FACTS_RESERVED as u64 {
            log.push(Fact::LegAnswered(LegAnswered { leg: 1, at: Tick(n) }));
        }
        assert_eq!(log.dropped(), 1000 - DETAIL_MAX as u32);
        assert!(log.facts.len() <= FACTS_MAX);
    }

    #[test]
    fn the_last_grant_is_always_known() {
        let mut log = FactLog::default();
        for n in 0..1000 {
            let grant = Grant { ms: n * 1000, free_ms: n, last: false, go_on: true };
            log.grant(grant, Tick(n));
        }
        assert_eq!((log.facts.len(), log.dropped()), (DETAIL_MAX, 1000 - DETAIL_MAX as u32));
        let Some(Fact::Granted(last)) = log.facts.last() else { panic!("no grant") };
        assert_eq!(*last, Granted { at: last.at, ms: 999_000, free_ms: 999, last: false });
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(clip("1002"), "1002");
        let long = "ä".repeat(200);
        assert_eq!(clip(&long).len(), TEXT_MAX);
        assert_eq!(clip(&format!("x{long}")).len(), TEXT_MAX - 1);
    }
}
