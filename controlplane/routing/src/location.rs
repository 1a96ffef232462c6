//! The registrar: who can be reached where (RFC 3261 10.3; design of calls, 6).
//!
//! Contacts live in memory and are written behind: [`Locations::poll_output`] says what the store
//! must save or remove, [`Locations::load`] reads it back at boot. Reads go by the clock handed in,
//! so a binding whose time is over is never used, whether its timer has run or not.

mod contact;
mod output;
mod refresh;
mod registrant;
mod request;

pub use contact::{Reach, reach};
pub(crate) use contact::{bare, elsewhere, wire_transport};
pub use output::{Output, Touched};
pub use registrant::Registrant;

use crate::gruu;
use crate::limits::{CONTACTS_MAX, EXPIRED_PER_TURN_MAX};
use crate::nonce::NonceCounts;
use crate::world::Holder;
use request::Request;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::ops::Bound::{Excluded, Included, Unbounded};
use strowger_link::{BoundContact, FlowEpoch, FlowToken, Hints, Key, RegisterAsk, SECOND, Tick};
use strowger_model::{
    BINDING_GRACE_US, Binding, RingGroupId, SendTo, SubscriberId, Transport, TrunkId,
};

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RegisterError {
    /// 400: `*` beside other contacts or with a lifetime.
    #[error("`*` must be the only contact and have no lifetime")]
    Wildcard,
    /// 400: a Contact is no SIP URI, or a text is over its bound.
    #[error("a contact is malformed or too long")]
    Contact,
    /// 423 with this Min-Expires.
    #[error("the lifetime is shorter than {min_s} s")]
    TooBrief {
        /// Shortest lifetime, seconds.
        min_s: u32,
    },
    /// 500: the request is older than what is known.
    #[error("the request is older than the binding")]
    OutOfOrder,
    /// 403: more contacts than allowed.
    #[error("more contacts than allowed")]
    TooMany,
}

/// All bindings, at most [`CONTACTS_MAX`] for a subscriber, and the nonce counts of all users.
#[derive(Clone, Debug)]
pub struct Locations {
    users: BTreeMap<Holder, Vec<Bound>>,
    // One entry for each binding; the serial keeps equal times apart.
    expiries: BTreeSet<(Tick, u64, Holder)>,
    nonces: NonceCounts,
    // One entry for each rotating group that was called.
    turns: BTreeMap<RingGroupId, u64>,
    out: VecDeque<Output>,
    // Contacts that are new, refreshed or gone, for whom that concerns beside the store.
    touched: VecDeque<Touched>,
    serial: u64,
    key: Key,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Bound {
    binding: Binding,
    expires: Tick,
    serial: u64,
    /// The end that the store knows: at most [`BINDING_GRACE_US`] before that of `binding`.
    stored_us: i64,
    /// The connection that it came by is gone.
    lost: bool,
}

/// Whether a contact can be called by a connection of ours when its own is gone: it is no flow that
/// was asked to be kept (RFC 5626), nothing lies between, and it is no browser.
fn takes_connections(binding: &Binding) -> bool {
    let listens = match binding.transport {
        Transport::Tcp | Transport::Tls => true,
        Transport::Udp | Transport::Ws | Transport::Wss => false,
    };
    let is_plain = binding.reg_id == 0 && binding.path.is_empty();
    listens && is_plain && !contact::reach(binding, SendTo::ByContact).nated
}

impl Default for Locations {
    fn default() -> Locations {
        Locations::new(Key([0; 16]))
    }
}

impl Locations {
    /// A registrar without contacts. `key` is secret and kept over restarts: temporary GRUUs that
    /// were given out stay good.
    #[must_use]
    pub fn new(key: Key) -> Locations {
        Locations {
            users: BTreeMap::new(),
            expiries: BTreeSet::new(),
            nonces: NonceCounts::default(),
            turns: BTreeMap::new(),
            out: VecDeque::new(),
            touched: VecDeque::new(),
            serial: 0,
            key,
        }
    }

    /// Processes a REGISTER whose credentials were checked: all of it or nothing.
    ///
    /// `wall_us` is the wall clock at `now`. The answer lists all current bindings.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing has changed then.
    pub fn register(
        &mut self,
        registrant: impl Into<Registrant>,
        ask: &RegisterAsk,
        hints: &Hints,
        now: Tick,
        wall_us: i64,
    ) -> Result<Vec<BoundContact>, RegisterError> {
        let registrant = registrant.into();
        let who = registrant.who;
        let request = Request { registrant, ask, hints, now, wall_us };
        //= rfc3261#section-10.3
        //# The registrar checks whether the request contains the Contact
        //# header field.  If not, it skips to the last step.
        if !ask.contacts.is_empty() && !self.refresh(&request) {
            let old = self.alive(who, now);
            let new = if ask.contacts.iter().any(|c| c.uri == "*") {
                request.remove_all(&old)?
            } else {
                request.update(old, &mut self.serial)?
            };
            self.commit(who, new);
        }
        Ok(self.current(who, request.registrant.aor.as_deref(), now))
    }

    /// The bindings of a subscriber or trunk that can be reached at `now`, best first: larger q,
    /// then fresher. One whose connection is lost cannot, until it registers again.
    #[must_use]
    pub fn contacts(&self, who: impl Into<Holder>, now: Tick) -> Vec<&Binding> {
        let all = self.users.get(&who.into()).map(Vec::as_slice).unwrap_or_default();
        let is_reached = |b: &&Bound| b.expires > now && !b.lost;
        let mut alive: Vec<&Binding> = all.iter().filter(is_reached).map(|b| &b.binding).collect();
        alive.sort_by_key(|b| std::cmp::Reverse((b.q, b.refreshed_us)));
        alive
    }

    /// The bindings of subscribers behind `after`, in order of ids, at most `limit`: a REST page.
    ///
    /// A page may end inside a subscriber only when `limit` is below [`CONTACTS_MAX`].
    #[must_use]
    pub fn list(&self, after: Option<SubscriberId>, limit: usize, now: Tick) -> Vec<&Binding> {
        let from = after.map_or(Unbounded, |after| Excluded(Holder::Subscriber(after)));
        let to = Included(Holder::Subscriber(SubscriberId(i64::MAX)));
        let mut page = Vec::new();
        for (_, bindings) in self.users.range((from, to)) {
            let alive = bindings.iter().filter(|b| b.expires > now);
            if page.len() + alive.clone().count() > limit && !page.is_empty() {
                break;
            }
            page.extend(alive.map(|b| &b.binding));
        }
        page.truncate(limit);
        page
    }

    /// All contacts that are alive at `now`, with whose they are and until when.
    pub fn all(&self, now: Tick) -> impl Iterator<Item = (Holder, &Binding, Tick)> {
        self.users.iter().flat_map(move |(who, bindings)| {
            let alive = bindings.iter().filter(move |b| b.expires > now);
            alive.map(|b| (*who, &b.binding, b.expires))
        })
    }

    /// The contacts of a subscriber or trunk that are alive at `now`, reachable or not.
    pub fn of(&self, who: Holder, now: Tick) -> impl Iterator<Item = &Binding> {
        let all = self.users.get(&who).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(move |b| b.expires > now).map(|b| &b.binding)
    }

    /// One contact by its URI as registered, and until when, if it is alive at `now`.
    #[must_use]
    pub fn contact(&self, who: Holder, uri: &str, now: Tick) -> Option<(&Binding, Tick)> {
        let all = self.users.get(&who)?;
        let bound = all.iter().find(|b| b.binding.uri == uri && b.expires > now)?;
        Some((&bound.binding, bound.expires))
    }

    /// A contact that is new, refreshed, unreachable or gone since this was asked last.
    pub fn poll_touched(&mut self) -> Option<Touched> {
        self.touched.pop_front()
    }

    /// The connection with this token is gone: contacts that came by it are not reached any more,
    /// until they register again. How many.
    pub fn lose_flow(&mut self, flow: u64) -> u64 {
        self.lose(|binding| binding.flow == flow)
    }

    /// Connections of a shard's former lives are gone. How many contacts came by them.
    pub fn lose_flows(&mut self, now: FlowEpoch) -> u64 {
        self.lose(|binding| {
            let token = FlowToken::from_word(binding.flow);
            token.is_none_or(|token| token.shard == now.shard && token.epoch != now.epoch)
        })
    }

    fn lose(&mut self, is_gone: impl Fn(&Binding) -> bool) -> u64 {
        let mut lost = 0;
        for (who, bindings) in &mut self.users {
            let is_lost = |b: &&mut Bound| !b.lost && b.binding.flow != 0 && is_gone(&b.binding);
            for bound in bindings.iter_mut().filter(is_lost) {
                if takes_connections(&bound.binding) {
                    bound.binding.flow = 0;
                } else {
                    bound.lost = true;
                    lost += 1;
                }
                self.touched.push_back(Touched::new(*who, &bound.binding.uri));
            }
        }
        lost
    }

    /// Whether a contact's connection is lost.
    #[must_use]
    pub fn is_lost(&self, who: impl Into<Holder>, uri: &str) -> bool {
        let all = self.users.get(&who.into()).map(Vec::as_slice).unwrap_or_default();
        all.iter().any(|b| b.binding.uri == uri && b.lost)
    }

    /// The key of temporary GRUUs.
    pub(crate) const fn key(&self) -> &Key {
        &self.key
    }

    /// The trunks that have contacts.
    pub fn trunks(&self) -> impl Iterator<Item = TrunkId> {
        self.users.keys().filter_map(|who| match who {
            Holder::Trunk(id) => Some(*id),
            Holder::Subscriber(_) | Holder::RingGroup(_) | Holder::Did(_) => None,
        })
    }

    /// Where living registrations came from.
    pub fn sources(&self, now: Tick) -> impl Iterator<Item = SocketAddr> {
        let alive = self.users.values().flatten().filter(move |b| b.expires > now);
        alive.map(|b| b.binding.source)
    }

    /// Takes stored bindings up at boot; those whose time is over are reported as removed.
    ///
    /// The store may not know of a refresh that only made a binding last a little longer, so each
    /// is given [`BINDING_GRACE_US`].
    pub fn load(
        &mut self,
        rows: impl IntoIterator<Item = (Holder, Binding)>,
        now: Tick,
        wall_us: i64,
    ) {
        for (who, binding) in rows {
            let ends_us = binding.expires_us.saturating_add(BINDING_GRACE_US);
            let left_us = ends_us.saturating_sub(wall_us);
            let user = self.users.entry(who).or_default();
            match u64::try_from(left_us) {
                Ok(left_us @ 1..) if user.len() < CONTACTS_MAX => {
                    self.serial += 1;
                    let expires = now.plus_ns(left_us.saturating_mul(1000));
                    self.expiries.insert((expires, self.serial, who));
                    self.touched.push_back(Touched::new(who, &binding.uri));
                    let (serial, stored_us) = (self.serial, binding.expires_us);
                    let binding = Binding { expires_us: ends_us, ..binding };
                    user.push(Bound { binding, expires, serial, stored_us, lost: false });
                }
                Ok(_) | Err(_) => self.out.push_back(Output::removed(who, &binding)),
            }
        }
        self.users.retain(|_, bindings| {
            bindings.shrink_to_fit();
            !bindings.is_empty()
        });
    }

    /// Drops all bindings of somebody who is gone or disabled.
    pub fn forget(&mut self, who: impl Into<Holder>) {
        self.commit(who.into(), Vec::new());
    }

    /// Drops what somebody has at one address, or at all of them, and says how many those were.
    /// He may register there again.
    pub fn forget_at(&mut self, who: Holder, uri: Option<&str>, now: Tick) -> usize {
        let alive = self.alive(who, now);
        let before = alive.len();
        let is_left = |b: &Bound| uri.is_some_and(|uri| b.binding.uri != uri);
        let left: Vec<Bound> = alive.into_iter().filter(is_left).collect();
        let gone = before.saturating_sub(left.len());
        if gone > 0 {
            self.commit(who, left);
        }
        gone
    }

    /// Ends bindings whose time is over, at most [`EXPIRED_PER_TURN_MAX`] in one turn.
    pub fn handle_timeout(&mut self, now: Tick) {
        for _ in 0..EXPIRED_PER_TURN_MAX {
            match self.expiries.first() {
                Some((at, _, who)) if *at <= now => {
                    let who = *who;
                    let left = self.alive(who, now);
                    self.commit(who, left);
                }
                Some(_) | None => return,
            }
        }
    }

    /// When [`Locations::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        self.expiries.first().map(|(at, _, _)| *at)
    }

    /// The next change for the store.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The nonce counts of all users.
    #[must_use]
    pub const fn nonces(&self) -> &NonceCounts {
        &self.nonces
    }

    /// The nonce counts, for spending what a decision found right.
    pub const fn nonces_mut(&mut self) -> &mut NonceCounts {
        &mut self.nonces
    }

    /// How many calls a rotating ring group has had: the next begins with the next member.
    #[must_use]
    pub fn turn(&self, group: RingGroupId) -> u64 {
        self.turns.get(&group).copied().unwrap_or_default()
    }

    /// A rotating ring group was called.
    pub fn take_turn(&mut self, group: RingGroupId) {
        let turn = self.turns.entry(group).or_default();
        *turn = turn.wrapping_add(1);
    }

    /// How many bindings are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expiries.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expiries.is_empty()
    }

    fn alive(&self, who: Holder, now: Tick) -> Vec<Bound> {
        let all = self.users.get(&who).map(Vec::as_slice).unwrap_or_default();
        all.iter().filter(|b| b.expires > now).cloned().collect()
    }

    /// Puts `new` in the place of what the subscriber had and says what changed.
    fn commit(&mut self, who: Holder, mut new: Vec<Bound>) {
        let old = self.users.remove(&who).unwrap_or_default();
        for gone in old.iter().filter(|b| !new.iter().any(|n| n.serial == b.serial)) {
            self.expiries.remove(&(gone.expires, gone.serial, who));
            if !new.iter().any(|n| n.binding.uri == gone.binding.uri) {
                self.touched.push_back(Touched::new(who, &gone.binding.uri));
                self.out.push_back(Output::removed(who, &gone.binding));
            }
        }
        for fresh in new.iter_mut().filter(|n| !old.iter().any(|b| b.serial == n.serial)) {
            self.expiries.insert((fresh.expires, fresh.serial, who));
            self.touched.push_back(Touched::new(who, &fresh.binding.uri));
            if let Some(known) = old.iter().find(|b| fresh.is_hardly_more_than(b)) {
                fresh.stored_us = known.stored_us;
                continue;
            }
            let binding = Box::new(fresh.binding.clone());
            self.out.push_back(Output::Save { who, binding });
        }
        if !new.is_empty() {
            // Most have one contact for ever, and room for more is more than a contact takes.
            new.shrink_to_fit();
            self.users.insert(who, new);
        }
    }

    fn current(&self, who: Holder, aor: Option<&str>, now: Tick) -> Vec<BoundContact> {
        let all = self.users.get(&who).map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .filter(|b| b.expires > now)
            .map(|b| {
                let left_s = b.expires.ns_since(now).div_ceil(SECOND);
                BoundContact {
                    uri: b.binding.uri.clone(),
                    expires_s: u32::try_from(left_s).unwrap_or(u32::MAX),
                    params: self.params(who, &b.binding, aor),
                }
            })
            .collect()
    }

    /// What an answer says of a contact beside its lifetime: what it said of itself, and its GRUUs
    /// when they are wanted.
    fn params(&self, who: Holder, binding: &Binding, aor: Option<&str>) -> String {
        let mut params = String::new();
        if binding.q < Q_BEST {
            params = format!(";q={}.{:03}", binding.q / Q_BEST, binding.q % Q_BEST);
        }
        if binding.instance.is_empty() {
            return params;
        }
        params.push_str(&format!(";+sip.instance=\"{}\"", binding.instance));
        if binding.reg_id != 0 {
            params.push_str(&format!(";reg-id={}", binding.reg_id));
        }
        if let (Some(aor), Holder::Subscriber(id)) = (aor, who) {
            let public = gruu::public(aor, &binding.instance);
            let temporary = gruu::temporary(&self.key, aor, id, binding);
            params.push_str(&format!(";pub-gruu=\"{public}\";temp-gruu=\"{temporary}\""));
        }
        params
    }
}

impl Bound {
    /// The same contact as `known`, by the same client over the same way, and the end that the
    /// store knows is near enough: nothing is lost if a crash takes the difference.
    fn is_hardly_more_than(&self, known: &Bound) -> bool {
        let same = Binding {
            cseq: known.binding.cseq,
            refreshed_us: known.binding.refreshed_us,
            expires_us: known.binding.expires_us,
            ..self.binding.clone()
        };
        !known.lost && same == known.binding && self.is_stored_well_enough(known.stored_us)
    }
}

/// The q of a contact that names none, thousandths.
const Q_BEST: u16 = 1_000;

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
