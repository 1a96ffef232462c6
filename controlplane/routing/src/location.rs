//! The registrar: who can be reached where (RFC 3261 10.3; design of calls, 6).
//!
//! Contacts live in memory and are written behind: [`Locations::poll_output`] says what the store
//! must save or remove, [`Locations::load`] reads it back at boot. Reads go by the clock handed in,
//! so a binding whose time is over is never used, whether its timer has run or not.

mod contact;
mod output;

pub(crate) use contact::wire_transport;
pub use contact::{Reach, reach};
pub use output::Output;

use crate::limits::{CONTACTS_MAX, EXPIRED_PER_TURN_MAX};
use crate::nonce::NonceCounts;
use crate::world::Holder;
use contact::Wish;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};
use strowger_link::{BoundContact, Hints, RegisterAsk, SECOND, Tick};
use strowger_model::{
    Binding, RegistrationSettings, RingGroupId, Subscriber, SubscriberId, TrunkId,
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
#[derive(Clone, Debug, Default)]
pub struct Locations {
    users: BTreeMap<Holder, Vec<Bound>>,
    // One entry for each binding; the serial keeps equal times apart.
    expiries: BTreeSet<(Tick, u64, Holder)>,
    nonces: NonceCounts,
    // One entry for each rotating group that was called.
    turns: BTreeMap<RingGroupId, u64>,
    out: VecDeque<Output>,
    serial: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Bound {
    binding: Binding,
    expires: Tick,
    serial: u64,
}

/// Who registers, and what it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Registrant {
    /// A subscriber or a trunk.
    pub who: Holder,
    /// Shortest registration accepted, seconds.
    pub expires_s_min: u32,
    /// Longest registration granted, seconds.
    pub expires_s_max: u32,
    /// Most contacts at once.
    pub contacts_max: u8,
}

impl From<&Subscriber> for Registrant {
    fn from(row: &Subscriber) -> Registrant {
        Registrant {
            who: Holder::Subscriber(row.id),
            expires_s_min: row.expires_s_min,
            expires_s_max: row.expires_s_max,
            contacts_max: row.contacts_max,
        }
    }
}

impl From<TrunkId> for Registrant {
    fn from(id: TrunkId) -> Registrant {
        Registrant {
            who: Holder::Trunk(id),
            expires_s_min: 0,
            expires_s_max: u32::MAX,
            contacts_max: u8::MAX,
        }
    }
}

impl Registrant {
    /// The same within what is set: a row's own bounds count where they are narrower.
    #[must_use]
    pub fn within(self, settings: &RegistrationSettings) -> Registrant {
        let (least_ms, most_ms, contacts) = match self.who {
            Holder::Trunk(_) => (
                settings.trunk_expires_ms_min,
                settings.trunk_expires_ms_max,
                settings.trunk_contacts_max,
            ),
            Holder::Subscriber(_) | Holder::RingGroup(_) | Holder::Did(_) => {
                (settings.expires_ms_min, settings.expires_ms_max, settings.contacts_max)
            }
        };
        let expires_s_max = self.expires_s_max.min(most_ms / 1_000);
        Registrant {
            who: self.who,
            // What is granted at most is never too brief.
            expires_s_min: self.expires_s_min.max(least_ms / 1_000).min(expires_s_max),
            expires_s_max,
            contacts_max: self.contacts_max.min(contacts),
        }
    }
}

/// A request with its place and time, as the steps of RFC 3261 10.3 need it.
struct Request<'a> {
    registrant: Registrant,
    ask: &'a RegisterAsk,
    hints: &'a Hints,
    now: Tick,
    wall_us: i64,
}

impl Locations {
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
        let (request, who) = (Request { registrant, ask, hints, now, wall_us }, registrant.who);
        //= rfc3261#section-10.3
        //# The registrar checks whether the request contains the Contact
        //# header field.  If not, it skips to the last step.
        if !ask.contacts.is_empty() {
            let old = self.alive(who, now);
            let new = if ask.contacts.iter().any(|c| c.uri == "*") {
                request.remove_all(&old)?
            } else {
                request.update(old, &mut self.serial)?
            };
            self.commit(who, new);
        }
        Ok(self.current(who, now))
    }

    /// The bindings of a subscriber or trunk that are alive at `now`, best first: larger q, then
    /// fresher.
    #[must_use]
    pub fn contacts(&self, who: impl Into<Holder>, now: Tick) -> Vec<&Binding> {
        let all = self.users.get(&who.into()).map(Vec::as_slice).unwrap_or_default();
        let mut alive: Vec<&Binding> =
            all.iter().filter(|b| b.expires > now).map(|b| &b.binding).collect();
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

    /// The trunks that have contacts.
    pub fn trunks(&self) -> impl Iterator<Item = TrunkId> {
        self.users.keys().filter_map(|who| match who {
            Holder::Trunk(id) => Some(*id),
            Holder::Subscriber(_) | Holder::RingGroup(_) | Holder::Did(_) => None,
        })
    }

    /// Takes stored bindings up at boot; those whose time is over are reported as removed.
    pub fn load(
        &mut self,
        rows: impl IntoIterator<Item = (Holder, Binding)>,
        now: Tick,
        wall_us: i64,
    ) {
        for (who, binding) in rows {
            let left_us = binding.expires_us.saturating_sub(wall_us);
            let user = self.users.entry(who).or_default();
            match u64::try_from(left_us) {
                Ok(left_us @ 1..) if user.len() < CONTACTS_MAX => {
                    self.serial += 1;
                    let expires = now.plus_ns(left_us.saturating_mul(1000));
                    self.expiries.insert((expires, self.serial, who));
                    user.push(Bound { binding, expires, serial: self.serial });
                }
                Ok(_) | Err(_) => self.out.push_back(Output::removed(who, &binding)),
            }
        }
        self.users.retain(|_, bindings| !bindings.is_empty());
    }

    /// Drops all bindings of somebody who is gone or disabled.
    pub fn forget(&mut self, who: impl Into<Holder>) {
        self.commit(who.into(), Vec::new());
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
    fn commit(&mut self, who: Holder, new: Vec<Bound>) {
        let old = self.users.remove(&who).unwrap_or_default();
        for gone in old.iter().filter(|b| !new.iter().any(|n| n.serial == b.serial)) {
            self.expiries.remove(&(gone.expires, gone.serial, who));
            if !new.iter().any(|n| n.binding.uri == gone.binding.uri) {
                self.out.push_back(Output::removed(who, &gone.binding));
            }
        }
        for fresh in new.iter().filter(|n| !old.iter().any(|b| b.serial == n.serial)) {
            self.expiries.insert((fresh.expires, fresh.serial, who));
            let binding = Box::new(fresh.binding.clone());
            self.out.push_back(Output::Save { who, binding });
        }
        if !new.is_empty() {
            self.users.insert(who, new);
        }
    }

    fn current(&self, who: Holder, now: Tick) -> Vec<BoundContact> {
        let all = self.users.get(&who).map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .filter(|b| b.expires > now)
            .map(|b| {
                let left_s = b.expires.ns_since(now).div_ceil(SECOND);
                BoundContact {
                    uri: b.binding.uri.clone(),
                    expires_s: u32::try_from(left_s).unwrap_or(u32::MAX),
                }
            })
            .collect()
    }
}

impl Request<'_> {
    /// Step 6 of RFC 3261 10.3: `*`.
    fn remove_all(&self, old: &[Bound]) -> Result<Vec<Bound>, RegisterError> {
        //= rfc3261#section-10.3
        //# If the request has additional Contact
        //# fields or an expiration time other than zero, the request is
        //# invalid, and the server MUST return a 400 (Invalid Request) and
        //# skip the remaining steps.
        match self.ask.contacts.as_slice() {
            [only] if only.expires_s == 0 => {}
            _ => return Err(RegisterError::Wildcard),
        }
        match old.iter().any(|b| self.is_not_newer_than(&b.binding)) {
            true => Err(RegisterError::OutOfOrder),
            false => Ok(Vec::new()),
        }
    }

    /// Step 7: each contact in turn, on a copy.
    fn update(&self, old: Vec<Bound>, serial: &mut u64) -> Result<Vec<Bound>, RegisterError> {
        let max = usize::from(self.registrant.contacts_max).clamp(1, CONTACTS_MAX);
        let added = self.ask.contacts.iter().filter(|c| c.expires_s > 0).count();
        if added > max || self.ask.contacts.len() > CONTACTS_MAX {
            return Err(RegisterError::TooMany);
        }
        let wishes: Vec<Wish> =
            self.ask.contacts.iter().map(|c| Wish::parse(c, self)).collect::<Result<_, _>>()?;
        if self.is_repeat(&old, &wishes) {
            return Ok(old);
        }
        let before = *serial;
        let mut new = old;
        for wish in &wishes {
            self.apply(wish, &mut new, before, serial)?;
        }
        while new.len() > max {
            // A phone that came back under another address takes the place of what it left behind:
            // the binding refreshed longest ago.
            let stale = |b: &&Bound| b.serial <= before;
            let Some(victim) = new.iter().filter(stale).min_by_key(|b| b.binding.refreshed_us)
            else {
                return Err(RegisterError::TooMany);
            };
            let serial = victim.serial;
            new.retain(|b| b.serial != serial);
        }
        Ok(new)
    }

    fn apply(
        &self,
        wish: &Wish,
        new: &mut Vec<Bound>,
        before: u64,
        serial: &mut u64,
    ) -> Result<(), RegisterError> {
        let mut matched = new.iter().filter(|b| wish.replaces(&b.binding));
        // Of two contacts of this very request that mean one binding the last wins, as in order.
        if matched.any(|b| b.serial <= before && self.is_not_newer_than(&b.binding)) {
            return Err(RegisterError::OutOfOrder);
        }
        new.retain(|b| !wish.replaces(&b.binding));
        if wish.expires_s > 0 {
            *serial += 1;
            let ns = u64::from(wish.expires_s) * SECOND;
            new.push(Bound {
                binding: wish.bind(self),
                expires: self.now.plus_ns(ns),
                serial: *serial,
            });
        }
        Ok(())
    }

    //= rfc3261#section-10.3
    //# If they are
    //# the same, the registrar compares the CSeq value.  If the value
    //# is higher than that of the existing binding, it MUST update or
    //# remove the binding as above.  If not, the update MUST be
    //# aborted and the request fails.
    fn is_not_newer_than(&self, binding: &Binding) -> bool {
        binding.sip_call_id == self.ask.sip_call_id && self.ask.cseq <= binding.cseq
    }

    /// The same request again, asked by a dataplane that lost our answer in a crash: every contact
    /// stands as this request set it. Nothing is updated; the bindings are listed instead of
    /// failing a phone that did nothing wrong.
    fn is_repeat(&self, old: &[Bound], wishes: &[Wish]) -> bool {
        wishes.iter().all(|wish| {
            wish.expires_s > 0
                && old.iter().any(|b| {
                    b.binding.uri == wish.contact.uri
                        && b.binding.sip_call_id == self.ask.sip_call_id
                        && b.binding.cseq == self.ask.cseq
                        && b.binding.source == self.hints.source
                })
        })
    }
}

#[cfg(test)]
mod size;
#[cfg(test)]
mod tests;
