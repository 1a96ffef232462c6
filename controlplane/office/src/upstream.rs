//! Registrations at carriers: what the dataplane was told to register, and how that stands.

use std::collections::{BTreeMap, BTreeSet};
use strowger_link::{UPSTREAMS_MAX, Upstream, UpstreamOrder, UpstreamState};

/// What is wanted, what of it the dataplane has not been told, and what it told.
#[derive(Default)]
pub(crate) struct Upstreams {
    wanted: BTreeMap<i64, Upstream>,
    /// To be put, or to be removed when it is not wanted.
    due: BTreeSet<i64>,
    /// After those, the dataplane is told to forget all others.
    keep: bool,
    states: BTreeMap<i64, UpstreamState>,
    left_out: usize,
}

/// Passwords stand in what is wanted.
impl core::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Upstreams { due, keep, states, .. } = self;
        f.debug_struct("Upstreams")
            .field("due", due)
            .field("keep", keep)
            .field("states", states)
            .finish_non_exhaustive()
    }
}

impl Upstreams {
    /// Another world wants these.
    pub(crate) fn set(&mut self, (wanted, left_out): (Vec<Upstream>, usize)) {
        let wanted: BTreeMap<i64, Upstream> = wanted.into_iter().map(|u| (u.id, u)).collect();
        let changed = wanted.iter().filter(|(id, u)| self.wanted.get(id) != Some(u));
        self.due.extend(changed.map(|(id, _)| *id));
        self.due.extend(self.wanted.keys().filter(|id| !wanted.contains_key(id)));
        self.states.retain(|id, _| wanted.contains_key(id));
        (self.wanted, self.left_out) = (wanted, left_out);
    }

    /// One is wanted so, or no more, as the world in force has it.
    pub(crate) fn change(&mut self, id: i64, wanted: Option<Upstream>) {
        let known = self.wanted.get(&id);
        if known == wanted.as_ref() {
            return;
        }
        match wanted {
            Some(_) if known.is_none() && self.wanted.len() >= UPSTREAMS_MAX => {
                self.left_out = self.left_out.saturating_add(1);
                return;
            }
            Some(upstream) => {
                self.wanted.insert(id, upstream);
            }
            None => {
                self.wanted.remove(&id);
                self.states.remove(&id);
            }
        }
        self.due.insert(id);
    }

    /// A dataplane was greeted: it may know nothing, or what a former control plane told it.
    pub(crate) fn greeted(&mut self) {
        self.due = self.wanted.keys().copied().collect();
        self.keep = true;
    }

    /// The next order; one that could not be sent is given back by [`Upstreams::unsent`].
    pub(crate) fn next(&mut self) -> Option<UpstreamOrder> {
        if let Some(id) = self.due.pop_first() {
            let wanted = self.wanted.get(&id).cloned();
            return Some(wanted.map_or(UpstreamOrder::Remove(id), UpstreamOrder::Put));
        }
        let all = || UpstreamOrder::Keep(self.wanted.keys().copied().take(UPSTREAMS_MAX).collect());
        core::mem::take(&mut self.keep).then(all)
    }

    pub(crate) fn unsent(&mut self, order: &UpstreamOrder) {
        match order {
            UpstreamOrder::Put(Upstream { id, .. }) | UpstreamOrder::Remove(id) => {
                self.due.insert(*id);
            }
            UpstreamOrder::Keep(_) => self.keep = true,
        }
    }

    /// The dataplane says how one stands. What is not wanted any more is no news.
    pub(crate) fn note(&mut self, state: UpstreamState) {
        if self.wanted.contains_key(&state.id) {
            self.states.insert(state.id, state);
        }
    }

    /// The dataplane is gone, and with it what it said.
    pub(crate) fn lost(&mut self) {
        self.states.clear();
    }

    pub(crate) const fn states(&self) -> &BTreeMap<i64, UpstreamState> {
        &self.states
    }

    pub(crate) const fn left_out(&self) -> usize {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_link::{Tick, Transport, UpstreamCause, UpstreamPhase};

    fn upstream(id: i64, expires_s: u32) -> Upstream {
        Upstream {
            id,
            addresses: Vec::new(),
            transport: Transport::Udp,
            listener: 0,
            registrar: "sip:h".into(),
            aor: "sip:u@h".into(),
            contact_user: "u".into(),
            secret: None,
            expires_s,
        }
    }

    fn orders(upstreams: &mut Upstreams) -> Vec<String> {
        let order = |order| match order {
            UpstreamOrder::Put(u) => format!("put {} for {}", u.id, u.expires_s),
            UpstreamOrder::Remove(id) => format!("remove {id}"),
            UpstreamOrder::Keep(ids) => format!("keep {ids:?}"),
        };
        core::iter::from_fn(|| upstreams.next()).map(order).collect()
    }

    #[test]
    fn only_what_changed_is_ordered_and_all_at_a_greeting() {
        let mut upstreams = Upstreams::default();
        upstreams.set((vec![upstream(1, 60), upstream(2, 60)], 0));
        assert_eq!(orders(&mut upstreams), ["put 1 for 60", "put 2 for 60"]);
        upstreams.set((vec![upstream(1, 60), upstream(3, 90)], 4));
        assert_eq!(orders(&mut upstreams), ["remove 2", "put 3 for 90"]);
        assert_eq!(upstreams.left_out(), 4);
        upstreams.set((vec![upstream(1, 60), upstream(3, 91)], 0));
        upstreams.greeted();
        assert_eq!(orders(&mut upstreams), ["put 1 for 60", "put 3 for 91", "keep [1, 3]"]);
        assert_eq!(orders(&mut upstreams), Vec::<String>::new());
    }

    #[test]
    fn one_comes_and_goes_by_itself() {
        let mut upstreams = Upstreams::default();
        upstreams.set((vec![upstream(1, 60)], 0));
        assert_eq!(orders(&mut upstreams), ["put 1 for 60"]);
        upstreams.change(2, Some(upstream(2, 60)));
        upstreams.change(1, Some(upstream(1, 60)));
        assert_eq!(orders(&mut upstreams), ["put 2 for 60"], "what is as it was is no news");
        upstreams.change(2, None);
        upstreams.change(3, None);
        assert_eq!(orders(&mut upstreams), ["remove 2"]);
        assert_eq!(upstreams.left_out(), 0);
    }

    #[test]
    fn what_could_not_be_sent_is_due_again() {
        let mut upstreams = Upstreams::default();
        upstreams.set((vec![upstream(1, 60)], 0));
        upstreams.greeted();
        for _ in 0..2 {
            let order = upstreams.next().unwrap();
            upstreams.unsent(&order);
        }
        assert_eq!(orders(&mut upstreams), ["put 1 for 60", "keep [1]"]);
        upstreams.unsent(&UpstreamOrder::Keep(Vec::new()));
        upstreams.unsent(&UpstreamOrder::Remove(9));
        assert_eq!(orders(&mut upstreams), ["remove 9", "keep [1]"]);
    }

    #[test]
    fn states_are_those_of_wanted_ones() {
        let mut upstreams = Upstreams::default();
        upstreams.set((vec![upstream(1, 60), upstream(2, 60)], 0));
        for id in [1, 2, 3] {
            upstreams.note(UpstreamState {
                id,
                phase: UpstreamPhase::Registered,
                cause: UpstreamCause::None,
                status: 200,
                since: Tick(1),
                until: Tick(2),
            });
        }
        assert_eq!(upstreams.states().keys().copied().collect::<Vec<_>>(), [1, 2]);
        upstreams.set((vec![upstream(2, 60)], 0));
        assert_eq!(upstreams.states().keys().copied().collect::<Vec<_>>(), [2]);
        upstreams.lost();
        assert!(upstreams.states().is_empty());
    }
}
