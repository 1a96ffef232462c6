//! Contacts that the dataplane keeps alive: what of them it has not been told.

use std::collections::{BTreeSet, VecDeque};
use strowger_link::{KEEP_BATCH_MAX, KeepOrder, Kept, Tick};
use strowger_routing::{Holder, Locations, Touched, World, keep_id, kept};

/// What the dataplane was told, and what it has to be told.
#[derive(Default, Debug)]
pub(crate) struct Keeps {
    /// Contacts that are new, refreshed or gone.
    due: BTreeSet<(Holder, String)>,
    /// All contacts are due.
    all: bool,
    /// Those that it keeps alive, by their names there.
    told: BTreeSet<u64>,
    /// Orders that are made, those included that found no room: at most two.
    ready: VecDeque<KeepOrder>,
}

impl Keeps {
    /// A contact is not as it was. One that only lasts longer and was not kept is not to be.
    pub(crate) fn touch(&mut self, touched: Touched) {
        let Touched { who, uri, only_lasts } = touched;
        let is_kept = || !self.told.is_empty() && self.told.contains(&keep_id(who, &uri));
        if !only_lasts || is_kept() {
            self.due.insert((who, uri));
        }
    }

    /// A dataplane was greeted, or what contacts get has changed: all are told again.
    pub(crate) fn again(&mut self) {
        self.all = true;
    }

    /// The next order; one that could not be sent is given back by [`Keeps::unsent`].
    pub(crate) fn next(
        &mut self,
        world: &World,
        locations: &Locations,
        now: Tick,
    ) -> Option<KeepOrder> {
        if let Some(order) = self.ready.pop_front() {
            return Some(order);
        }
        if core::mem::take(&mut self.all) {
            let all = locations.all(now).map(|(who, binding, _)| (who, binding.uri.clone()));
            self.due.extend(all);
        }
        let (mut put, mut drop): (Vec<Kept>, Vec<u64>) = (Vec::new(), Vec::new());
        while put.len() < KEEP_BATCH_MAX && drop.len() < KEEP_BATCH_MAX {
            let Some((who, uri)) = self.due.pop_first() else { break };
            let contact = locations.contact(who, &uri, now);
            match contact.and_then(|(binding, until)| kept(world, who, binding, now, until)) {
                Some(kept) => {
                    self.told.insert(kept.id);
                    put.push(kept);
                }
                None if self.told.is_empty() => {}
                None => drop.extend(Some(keep_id(who, &uri)).filter(|id| self.told.remove(id))),
            }
        }
        let orders = [KeepOrder::Put(put), KeepOrder::Drop(drop)];
        self.ready.extend(orders.into_iter().filter(|order| !order.is_empty()));
        self.ready.pop_front()
    }

    /// An order found no room: it is the next one again.
    pub(crate) fn unsent(&mut self, order: KeepOrder) {
        self.ready.push_front(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_model::{Binding, SubscriberId, Transport};

    fn binding(id: i64, host: &str) -> (Holder, Binding) {
        let binding = Binding {
            subscriber: SubscriberId(id),
            uri: format!("sip:{id}@{host}"),
            instance: String::new(),
            reg_id: 0,
            sip_call_id: "c".into(),
            cseq: 1,
            q: 1_000,
            user_agent: String::new(),
            path: Vec::new(),
            listener: 0,
            source: "203.0.113.5:4001".parse().unwrap(),
            transport: Transport::Udp,
            flow: 0,
            nated: false,
            refreshed_us: 0,
            expires_us: 60_000_000,
        };
        (Holder::Subscriber(SubscriberId(id)), binding)
    }

    fn words(keeps: &mut Keeps, world: &World, locations: &Locations) -> Vec<String> {
        let mut words = Vec::new();
        while let Some(order) = keeps.next(world, locations, Tick(0)) {
            words.push(match order {
                KeepOrder::Put(list) => format!("put {}", list.len()),
                KeepOrder::Drop(list) => format!("drop {}", list.len()),
            });
        }
        words
    }

    #[test]
    fn only_what_is_behind_a_nat_is_told_and_taken_back() {
        let address = "192.0.2.1:5060".parse().unwrap();
        let listener = strowger_routing::Listener::new(strowger_model::Transport::Udp, address);
        let rows = strowger_routing::Rows { listeners: vec![listener], ..Default::default() };
        let world = World::build(rows).unwrap();
        let mut locations = Locations::default();
        let rows =
            (1..=40).map(|id| binding(id, if id % 2 == 0 { "10.0.0.1" } else { "203.0.113.5" }));
        locations.load(rows, Tick(0), 0);
        let mut keeps = Keeps::default();
        keeps.again();
        assert_eq!(words(&mut keeps, &world, &locations), ["put 16", "put 4"]);
        // Refreshed, gone, and gone of what was never told.
        for (id, host) in [(2, "10.0.0.1"), (4, "10.0.0.1"), (3, "203.0.113.5")] {
            let (who, binding) = binding(id, host);
            if id != 2 {
                locations.forget(who);
            }
            keeps.touch(Touched { who, uri: binding.uri, only_lasts: false });
        }
        let order = keeps.next(&world, &locations, Tick(0)).unwrap();
        assert!(matches!(&order, KeepOrder::Put(list) if list.len() == 1));
        keeps.unsent(order);
        assert_eq!(words(&mut keeps, &world, &locations), ["put 1", "drop 1"]);
        assert_eq!(words(&mut keeps, &world, &locations), [""; 0]);
        // Of those that only last longer the dataplane hears of what it keeps.
        for (id, host, expect) in [(6, "10.0.0.1", vec!["put 1"]), (7, "203.0.113.5", vec![])] {
            let (who, binding) = binding(id, host);
            keeps.touch(Touched { who, uri: binding.uri, only_lasts: true });
            assert_eq!(keeps.due.len(), expect.len(), "{id}");
            assert_eq!(words(&mut keeps, &world, &locations), expect, "{id}");
        }
    }
}
