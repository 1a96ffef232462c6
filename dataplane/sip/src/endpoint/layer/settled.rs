//! Server transactions that have given their final response and only wait for copies of what the
//! peer said: Completed of RFC 3261 17.2.2 (timer J), Accepted of RFC 6026 7.1 (timer L).
//!
//! There are more of them than of all others: a second of registrations or calls leaves its
//! transactions for 64 T1. So of each is kept only what a copy needs, in a queue: both timers take
//! 64 T1, so whoever came first goes first, and one alarm is enough for all. A request finds its
//! own by the same table of keys as every transaction (`Place`).

use std::collections::VecDeque;

use strowger_link::{LegId, Tick};

use super::super::alarm::{Sleeper, forgotten_at};
use super::super::config::Path;
use super::super::output::Bytes;
use super::super::slab::Id;
use super::Layer;
use super::server::{Arrived, Place, Server, has_tag, is_legacy};
use crate::message::Message;
use crate::method::Method;
use crate::transaction::key::ServerKey;

/// What a copy needs.
pub(super) enum Rest {
    /// The final response to any request but INVITE, and where it goes.
    Response { reply: Path, response: Bytes },
    /// Of an INVITE with a 2xx: whose an ACK is, and the To tag that it has.
    Accepted { leg: LegId, tag: Option<Box<[u8]>> },
}

/// One such transaction.
pub(super) struct Settled {
    pub(super) key: ServerKey,
    /// The hash by which the same request is known that comes by another way.
    pub(super) merge: Option<u64>,
    /// The end of its timer.
    pub(super) until: Tick,
    pub(super) rest: Rest,
}

/// All of them, the oldest first.
#[derive(Default)]
pub(super) struct SettledQueue {
    queue: VecDeque<Settled>,
    /// How many have left: the number of the first.
    left: u64,
    /// For when the alarm is set.
    pub(super) armed: Option<Tick>,
}

impl SettledQueue {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The number of the next that is pushed.
    pub(super) fn next_number(&self) -> u64 {
        self.left.wrapping_add(self.queue.len() as u64)
    }

    pub(super) fn push(&mut self, settled: Settled) {
        self.queue.push_back(settled);
    }

    pub(super) fn get(&self, number: u64) -> Option<&Settled> {
        self.queue.get(usize::try_from(number.wrapping_sub(self.left)).ok()?)
    }

    /// The oldest leaves.
    pub(super) fn pop(&mut self) -> Option<Settled> {
        let oldest = self.queue.pop_front()?;
        self.left = self.left.wrapping_add(1);
        Some(oldest)
    }

    /// The oldest leaves if its time is over.
    pub(super) fn pop_due(&mut self, now: Tick) -> Option<Settled> {
        self.queue.front().filter(|oldest| oldest.until <= now)?;
        self.pop()
    }

    /// When the oldest is to be forgotten.
    pub(super) fn wanted_alarm(&self) -> Option<Tick> {
        self.queue.front().map(|oldest| forgotten_at(oldest.until))
    }
}

impl Layer {
    /// A copy of a request that has its final response, or the ACK of one.
    pub(super) fn arrive_again(
        &mut self,
        number: u64,
        request: Message<'_>,
        method: Method,
    ) -> Option<Arrived> {
        let is_ack = method == Method::Ack;
        match &self.settled.get(number)?.rest {
            Rest::Response { reply, response } if !is_ack => {
                let (reply, response) = (*reply, response.clone());
                self.transmit(reply, response);
                Some(Arrived::Absorbed)
            }
            Rest::Accepted { leg, tag } if is_ack => {
                let is_other = is_legacy(request) && !has_tag(request, tag.as_deref());
                Some(if is_other { Arrived::Unmatched } else { Arrived::Ack(*leg) })
            }
            // RFC 6026 7.1: the user repeats the 2xx by itself.
            Rest::Response { .. } | Rest::Accepted { .. } => Some(Arrived::Absorbed),
        }
    }

    /// Of a transaction that only waits for copies no more is kept than these need.
    pub(super) fn settle_down(&mut self, id: Id, until: Tick, rest: Rest) {
        let Some(mut server) = self.servers.remove(id) else { return };
        self.alarms.set(Sleeper::Server(id), &mut server.armed, None);
        let Server { key, merge, .. } = server;
        self.server_ids.insert(key, Place::Settled(self.settled.next_number()));
        if let Some(known) = merge.and_then(|merge| self.merges.get_mut(&merge)) {
            *known = Id::LAST;
        }
        self.settled.push(Settled { key, merge, until, rest });
        if self.settled.len() + self.servers_lingering.len() > self.lingering_max() {
            self.forget_oldest();
        }
        self.rearm_settled();
    }

    pub(super) fn wake_settled(&mut self, now: Tick) {
        while let Some(settled) = self.settled.pop_due(now) {
            self.forget(&settled);
        }
        self.rearm_settled();
    }

    pub(super) fn rearm_settled(&mut self) {
        let Layer { settled, alarms, .. } = self;
        let wanted = settled.wanted_alarm();
        alarms.set(Sleeper::Settled, &mut settled.armed, wanted);
    }

    /// Its place is wanted.
    pub(super) fn forget_oldest(&mut self) {
        if let Some(settled) = self.settled.pop() {
            self.forget(&settled);
        }
    }

    fn forget(&mut self, settled: &Settled) {
        self.server_ids.remove(&settled.key);
        if let Some(merge) = settled.merge.filter(|m| self.merges.get(m) == Some(&Id::LAST)) {
            self.merges.remove(&merge);
        }
    }
}
