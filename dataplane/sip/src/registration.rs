//! A registration of ours at a registrar: the client's side of RFC 3261 section 10.
//!
//! One machine keeps one Contact bound: it registers, answers challenges, refreshes before the
//! binding ends, waits longer and longer after failures, and unregisters when told to leave. It
//! needs no control plane, no endpoint and no legs: whoever drives it owns the transactions.
//!
//! It never sends, reads a clock or resolves a name. To drive it: drain `poll_output` after every
//! `handle_*`, write a REGISTER with `write` for each [`Output::Register`], run it in a non-INVITE
//! client transaction, and tell what came of it; call `handle_timeout` when `poll_timeout` says.
//! At most one REGISTER is out at a time (RFC 3261 10.2).
//!
//! ```text
//! Waiting -> Registering -> Registered -> Registering ...     refreshed before it ends
//!               |    ^
//!               v    | Retry-After, back-off with chance
//!            Waiting (failed, or refused: at long intervals)
//! any -> Leaving -> Gone                                      bounded
//! ```
//!
//! Not spoken: outbound flows (RFC 5626), Path and Service-Route (RFC 3327, 3608), `*`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use strowger_link::siphash::Key;
use strowger_link::{Secret, Tick, UpstreamCause as Cause, UpstreamPhase as Phase};

use crate::build::{BuildError, OwnVia, Writer};
use crate::dialog::MAX_FORWARDS;
use crate::endpoint::config::Chance;
use crate::endpoint::wallet::{Unanswered, Wallet};
use crate::field::{Contacts, NameAddr, retry_after};
use crate::header::Header;
use crate::limits::CONTACTS_MAX;
use crate::message::Message;
use crate::method::Method;
use crate::uri::Uri;

/// Shortest lifetime that we ask for, seconds.
pub const EXPIRES_S_MIN: u32 = 30;
/// Longest lifetime that we ask for or believe, seconds.
pub const EXPIRES_S_MAX: u32 = 86_400;
/// The soonest refresh, milliseconds: a registrar that grants less gets no storm.
const REFRESH_MS_MIN: u64 = 5_000;
/// A refresh goes out when 70 to 80 percent of the lifetime are over, so that registrations made
/// in one moment drift apart, and a failed refresh has time for others.
const REFRESH_PERCENT: u64 = 70;
const REFRESH_CHANCE_PERCENT: u32 = 10;
/// The first wait after a failure, and the longest, milliseconds; between half and all of it.
const BACKOFF_MS_MIN: u64 = 2_000;
const BACKOFF_MS_MAX: u64 = 300_000;
/// The same after a refusal: what is wrong is seldom better soon, and registrars lock accounts
/// that show a wrong password often.
const REFUSED_MS_MIN: u64 = 300_000;
const REFUSED_MS_MAX: u64 = 3_600_000;
/// The longest Retry-After that is obeyed, seconds.
const RETRY_AFTER_S_MAX: u32 = 3_600;
/// How long an unregistration may take, milliseconds.
pub const LEAVE_MS_MAX: u64 = 2_000;

/// What to register, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// Request-URI.
    pub registrar: Box<str>,
    /// Address of record, a URI: To and From.
    pub aor: Box<str>,
    /// Our Contact, a URI.
    pub contact: Box<str>,
    /// What challenges are answered with.
    pub secret: Option<Secret>,
    /// Wanted lifetime, seconds.
    pub expires_s: u32,
    /// Addresses of the registrar in the order to try.
    pub addresses: Vec<SocketAddr>,
}

impl Login {
    /// Whether both bind the same contact at the same place: one can become the other.
    #[must_use]
    pub fn is_same_binding(&self, other: &Login) -> bool {
        (&self.registrar, &self.aor, &self.contact)
            == (&other.registrar, &other.aor, &other.contact)
    }
}

/// How it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// State.
    pub phase: Phase,
    /// What went wrong last.
    pub cause: Cause,
    /// The last final status; 0 when the last attempt had none.
    pub status: u16,
    /// `Registered`: when the registrar forgets us. Else the next attempt.
    pub until: Tick,
}

/// What it wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// Write a REGISTER and send it there.
    Register {
        /// The registrar.
        to: SocketAddr,
    },
    /// It stands otherwise than before.
    Standing(Standing),
}

/// Why a REGISTER has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// None came in time.
    Silent,
    /// The network says that nothing arrives there.
    Unreachable,
    /// It could not be written.
    Unwritable,
    /// No room for its transaction.
    Full,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is out.
    Waiting { at: Tick },
    /// A REGISTER is out.
    Registering(Attempt),
    /// Bound, nothing is out.
    Registered { refresh: Tick },
    /// To be unregistered.
    Leaving(Farewell),
    /// Nothing comes after.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Attempt {
    /// How often it was challenged.
    tries: u8,
    /// Addresses that failed in this round.
    failed: usize,
    /// The lifetime was raised by a 423 in this round.
    raised: bool,
    /// The login was changed meanwhile: this answer is followed by another REGISTER.
    renew: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Farewell {
    give_up: Tick,
    tries: u8,
    /// The unregistration itself is out; before, it waits for the answer to a REGISTER.
    is_out: bool,
}

/// See the module.
pub struct Registration {
    login: Login,
    state: State,
    wallet: Wallet,
    chance: Chance,
    call_id: Box<str>,
    tag: Box<str>,
    cseq: u32,
    /// Lifetime to ask for, raised by a 423.
    expires_s: u32,
    /// Until when the registrar has our contact, as far as we know.
    bound: Option<Tick>,
    /// Which address is asked.
    address: usize,
    /// Rounds that failed since the last success.
    failures: u32,
    /// The last round ended by a refusal: the registrar will not have us as we are.
    refused: bool,
    cause: Cause,
    status: u16,
    told: Option<Standing>,
    out: VecDeque<Output>,
}

/// Neither shows the password nor the nonces.
impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Registration { login, state, cause, status, .. } = self;
        f.debug_struct("Registration")
            .field("aor", &login.aor)
            .field("state", state)
            .field("cause", cause)
            .field("status", status)
            .finish_non_exhaustive()
    }
}

impl Registration {
    /// A registration that begins at `at`. `key` must be new for each: Call-ID, tag, cnonces and
    /// jitter are made of it.
    #[must_use]
    pub fn new(login: Login, key: Key, at: Tick) -> Registration {
        let mut chance = Chance::new(key);
        let call_id = format!("{:016x}{:016x}", chance.next(), chance.next());
        let tag = format!("{:016x}", chance.next());
        let mut registration = Registration {
            wallet: Wallet::new(login.secret.clone()),
            expires_s: wish(&login),
            login,
            state: State::Waiting { at },
            chance,
            call_id: call_id.into(),
            tag: tag.into(),
            cseq: 0,
            bound: None,
            address: 0,
            failures: 0,
            refused: false,
            cause: Cause::None,
            status: 0,
            told: None,
            out: VecDeque::new(),
        };
        registration.tell();
        registration
    }

    /// What it registers.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// Whether nothing comes after.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Takes another password, lifetime or list of addresses, and registers anew with it. A login
    /// that is no [`Login::is_same_binding`] wants a registration of its own.
    pub fn change(&mut self, login: Login) {
        if login == self.login {
            return;
        }
        if login.secret != self.login.secret {
            self.wallet = Wallet::new(login.secret.clone());
        }
        self.expires_s = wish(&login);
        self.login = login;
        (self.address, self.failures, self.refused) = (0, 0, false);
        match &mut self.state {
            State::Registering(attempt) => attempt.renew = true,
            State::Waiting { .. } | State::Registered { .. } => self.begin(),
            State::Leaving(_) | State::Gone => {}
        }
        self.tell();
    }

    /// Unregisters, and goes: at once when nothing is bound, else when the registrar has said so,
    /// after [`LEAVE_MS_MAX`] at the latest.
    pub fn leave(&mut self, now: Tick) {
        let farewell = Farewell { give_up: now.plus_ms(LEAVE_MS_MAX), tries: 0, is_out: false };
        match self.state {
            //= rfc3261#section-10.2
            //# UAs MUST NOT send a new registration (that is, containing new Contact
            //# header field values, as opposed to a retransmission) until they have
            //# received a final response from the registrar for the previous one or
            //# the previous REGISTER request has timed out.
            State::Registering(_) => self.state = State::Leaving(farewell),
            State::Waiting { .. } | State::Registered { .. } if self.bound.is_some() => {
                self.say_farewell(farewell);
            }
            State::Waiting { .. } | State::Registered { .. } => self.state = State::Gone,
            State::Leaving(_) | State::Gone => return,
        }
        self.tell();
    }

    /// A final or provisional response to the REGISTER that is out.
    pub fn handle_response(&mut self, response: Message<'_>, now: Tick) {
        let Some(status) = response.status().map(|status| status.code()) else { return };
        if status < 200 {
            return;
        }
        match self.state {
            State::Registering(attempt) => {
                if attempt.renew {
                    self.begin();
                } else {
                    self.conclude(attempt, response, status, now);
                }
            }
            State::Leaving(farewell) => self.conclude_farewell(farewell, response, status),
            // Nothing is out: an answer to nobody.
            State::Waiting { .. } | State::Registered { .. } | State::Gone => return,
        }
        self.tell();
    }

    /// The REGISTER that is out has no answer.
    pub fn handle_failure(&mut self, failure: Failure, now: Tick) {
        match self.state {
            State::Registering(attempt) if attempt.renew => self.begin(),
            State::Registering(attempt) => {
                self.status = 0;
                self.cause = match failure {
                    Failure::Silent => Cause::Silent,
                    Failure::Unreachable => Cause::Unreachable,
                    Failure::Unwritable => Cause::Unwritable,
                    Failure::Full => Cause::Full,
                };
                match failure {
                    Failure::Silent | Failure::Unreachable => self.next_address(attempt, 0, now),
                    Failure::Unwritable => self.wait_refused(0, now),
                    Failure::Full => self.wait_failed(0, now),
                }
            }
            State::Leaving(farewell) if !farewell.is_out => self.say_farewell(farewell),
            State::Leaving(_) => self.state = State::Gone,
            State::Waiting { .. } | State::Registered { .. } | State::Gone => return,
        }
        self.tell();
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Tick) {
        if self.bound.is_some_and(|bound| bound <= now) {
            self.bound = None;
        }
        match self.state {
            State::Waiting { at } if at <= now => self.begin(),
            State::Registered { refresh } if refresh <= now => self.begin(),
            State::Leaving(farewell) if farewell.give_up <= now => self.state = State::Gone,
            State::Waiting { .. }
            | State::Registered { .. }
            | State::Registering(_)
            | State::Leaving(_)
            | State::Gone => {}
        }
        self.tell();
    }

    /// When to call `handle_timeout`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Tick> {
        let due = match self.state {
            State::Waiting { at } => Some(at),
            State::Registered { refresh } => Some(refresh),
            State::Leaving(farewell) => return Some(farewell.give_up),
            State::Registering(_) => None,
            State::Gone => return None,
        };
        // The end of a binding that could not be refreshed is told in time.
        [due, self.bound].into_iter().flatten().filter(|at| *at < Tick::NEVER).min()
    }

    /// The next thing to do; drain to `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let bad = if self.refused { Phase::Refused } else { Phase::Failed };
        let (phase, until) = match (self.state, self.bound) {
            (State::Gone | State::Leaving(_), _) => (Phase::Left, Tick::NEVER),
            (_, Some(bound)) => (Phase::Registered, bound),
            (State::Waiting { .. } | State::Registering(_) | State::Registered { .. }, None)
                if self.cause == Cause::None =>
            {
                (Phase::Trying, Tick::NEVER)
            }
            (State::Waiting { at }, None) => (bad, at),
            // Tried again: what went wrong last stays to be seen until it is better.
            (State::Registering(_) | State::Registered { .. }, None) => (bad, Tick::NEVER),
        };
        Standing { phase, cause: self.cause, status: self.status, until }
    }

    //= rfc3261#section-10.2.4
    //# A UA SHOULD use the same Call-ID for all registrations during a
    //# single boot cycle.
    /// Writes the REGISTER that an [`Output::Register`] wants.
    ///
    /// # Errors
    /// The login's texts make no message.
    pub fn write(&mut self, via: OwnVia<'_>, product: &str) -> Result<Vec<u8>, BuildError> {
        let name = Method::Register.name();
        let Login { registrar, aor, contact, .. } = &self.login;
        let expires_s = match self.state {
            State::Leaving(_) | State::Gone => 0,
            State::Waiting { .. } | State::Registering(_) | State::Registered { .. } => {
                self.expires_s
            }
        };
        let lines = self.wallet.lines(name, registrar.as_bytes(), &mut self.chance);
        let mut out = Vec::with_capacity(768);
        let mut writer = Writer::request(&mut out, name, registrar.as_bytes());
        writer.via(via).number(Header::MaxForwards, MAX_FORWARDS);
        let (aor, tag) = (aor.as_bytes(), self.tag.as_bytes());
        writer.parts(Header::From, &[b"<", aor, b">;tag=", tag]);
        writer.parts(Header::To, &[b"<", aor, b">"]);
        writer.field(Header::SipCallId, self.call_id.as_bytes());
        let cseq = self.cseq.to_string();
        writer.parts(Header::CSeq, &[cseq.as_bytes(), b" ", name.as_bytes()]);
        writer.parts(Header::Contact, &[b"<", contact.as_bytes(), b">"]);
        writer.number(Header::Expires, expires_s);
        for (header, value) in &lines {
            writer.field(*header, value);
        }
        writer.field(Header::UserAgent, product.as_bytes());
        writer.finish(None)?;
        Ok(out)
    }

    /// A new round, from the address that answered last.
    fn begin(&mut self) {
        if self.login.addresses.is_empty() {
            (self.cause, self.status) = (Cause::NoAddress, 0);
            // Nothing changes before a login with addresses comes.
            self.state = State::Waiting { at: Tick::NEVER };
            return;
        }
        self.send(Attempt::default());
    }

    fn send(&mut self, attempt: Attempt) {
        self.state = State::Registering(attempt);
        self.push_register();
    }

    /// A UA MUST increment the CSeq value by one for each REGISTER with the same Call-ID (10.2).
    fn push_register(&mut self) {
        let Some(to) = self.login.addresses.get(self.address).copied() else { return };
        self.cseq = self.cseq.saturating_add(1);
        self.out.push_back(Output::Register { to });
    }

    /// What a final response to a REGISTER means.
    fn conclude(&mut self, attempt: Attempt, response: Message<'_>, status: u16, now: Tick) {
        let wait_s = retry_after_s(response);
        match status {
            200..=299 => {
                self.status = status;
                self.granted(response, now);
            }
            401 | 407 => match self.wallet.try_learn(response, status, attempt.tries) {
                Ok(()) => self.send(Attempt { tries: attempt.tries.saturating_add(1), ..attempt }),
                Err(why) => {
                    (self.cause, self.status) = (cause_of(why), status);
                    self.wait_refused(wait_s, now);
                }
            },
            //= rfc3261#section-10.2.8
            //# If a UA receives a 423 (Interval Too Brief) response, it MAY retry
            //# the registration after making the expiration interval of all contact
            //# addresses in the REGISTER request equal to or greater than the
            //# expiration interval within the Min-Expires header field of the 423
            //# (Interval Too Brief) response.
            423 => match response.number(Header::MinExpires) {
                Ok(Some(least))
                    if least > self.expires_s && least <= EXPIRES_S_MAX && !attempt.raised =>
                {
                    self.expires_s = least;
                    // The credentials were good: a challenge of the next one is a new question.
                    self.send(Attempt { raised: true, tries: 0, ..attempt });
                }
                Ok(_) | Err(_) => self.refused_by_status(status, wait_s, now),
            },
            408 | 480 | 500..=599 => {
                (self.cause, self.status) = (Cause::Status, status);
                self.next_address(attempt, wait_s, now);
            }
            _ => self.refused_by_status(status, wait_s, now),
        }
    }

    fn refused_by_status(&mut self, status: u16, wait_s: u32, now: Tick) {
        (self.cause, self.status) = (Cause::Status, status);
        self.wait_refused(wait_s, now);
    }

    //= rfc3261#section-10.2.4
    //# The UA compares each
    //# contact address to see if it created the contact address, using
    //# comparison rules in Section 19.1.4.  If so, it updates the expiration
    //# time interval according to the expires parameter or, if absent, the
    //# Expires field value.
    fn granted(&mut self, response: Message<'_>, now: Tick) {
        self.wallet.note(response);
        let granted_s = self.granted_s(response).unwrap_or(0).min(EXPIRES_S_MAX);
        if granted_s == 0 {
            self.bound = None;
            self.cause = Cause::NotBound;
            return self.wait_refused(0, now);
        }
        let life_ms = u64::from(granted_s) * 1_000;
        let percent = REFRESH_PERCENT + u64::from(self.chance.up_to(REFRESH_CHANCE_PERCENT));
        let refresh_ms = (life_ms * percent / 100).max(REFRESH_MS_MIN);
        self.bound = Some(now.plus_ms(life_ms));
        self.state = State::Registered { refresh: now.plus_ms(refresh_ms) };
        (self.cause, self.failures, self.refused) = (Cause::None, 0, false);
    }

    /// The lifetime that a 2xx gives our contact; `None` when it is not among the bindings.
    ///
    /// A registrar behind an address translator may have put what it saw into our contact, so one
    /// with our user counts when none is the same: the user is ours alone. One that lists no
    /// bindings at all (against 10.3, but there are some) is believed.
    fn granted_s(&self, response: Message<'_>) -> Option<u32> {
        let usual = response.number(Header::Expires).ok().flatten().unwrap_or(self.expires_s);
        let lists = response.values(Header::Contact).filter_map(Contacts::parse);
        let bindings: Vec<NameAddr<'_>> =
            lists.flat_map(Contacts::iter).take(CONTACTS_MAX).collect();
        if response.value(Header::Contact).is_none() {
            return Some(usual);
        }
        let ours = Uri::parse(self.login.contact.as_bytes())?;
        let user = ours.sip().and_then(|uri| uri.user_text());
        let same = |binding: &&NameAddr<'_>| binding.parsed_uri().is_some_and(|u| u.matches(ours));
        let alike = |binding: &&NameAddr<'_>| {
            let theirs = binding.parsed_uri().and_then(Uri::sip).and_then(|uri| uri.user_text());
            user.is_some() && theirs == user
        };
        let found = bindings.iter().find(same).or_else(|| bindings.iter().find(alike))?;
        let said = found.params.value(b"expires").and_then(crate::field::delta_seconds);
        Some(said.unwrap_or(usual))
    }

    //= rfc3261#section-10.2.7
    //# If the transaction layer returns a timeout error because the REGISTER
    //# yielded no response, the UAC SHOULD NOT immediately re-attempt a
    //# registration to the same registrar.
    /// The next address of the registrar; when each has failed, it waits.
    fn next_address(&mut self, attempt: Attempt, wait_s: u32, now: Tick) {
        let count = self.login.addresses.len().max(1);
        self.address = (self.address + 1) % count;
        let failed = attempt.failed + 1;
        if failed < count {
            self.send(Attempt { failed, ..Attempt::default() });
        } else {
            self.wait_failed(wait_s, now);
        }
    }

    fn wait_failed(&mut self, wait_s: u32, now: Tick) {
        self.refused = false;
        let at = now.plus_ms(self.backoff_ms(BACKOFF_MS_MIN, BACKOFF_MS_MAX, wait_s));
        self.state = State::Waiting { at };
    }

    /// A registrar that refuses a refresh has dropped us, or will: nothing more is believed bound.
    fn wait_refused(&mut self, wait_s: u32, now: Tick) {
        (self.bound, self.refused) = (None, true);
        let at = now.plus_ms(self.backoff_ms(REFUSED_MS_MIN, REFUSED_MS_MAX, wait_s));
        self.state = State::Waiting { at };
    }

    /// Doubled with each failure; between half and all of it, so that a registrar that comes back
    /// is not met by all at once. Never shorter than its Retry-After.
    fn backoff_ms(&mut self, least: u64, most: u64, wait_s: u32) -> u64 {
        let full = least.saturating_mul(1 << self.failures.min(16)).min(most);
        self.failures = self.failures.saturating_add(1);
        let half = full / 2;
        let chance = u64::from(self.chance.up_to(u32::try_from(half).unwrap_or(u32::MAX)));
        (half + chance).max(u64::from(wait_s.min(RETRY_AFTER_S_MAX)) * 1_000)
    }

    fn say_farewell(&mut self, farewell: Farewell) {
        self.state = State::Leaving(Farewell { is_out: true, ..farewell });
        self.push_register();
    }

    fn conclude_farewell(&mut self, farewell: Farewell, response: Message<'_>, status: u16) {
        if !farewell.is_out {
            // The answer to what was out when we were told to leave; bound or not, we say so.
            let _learned = self.wallet.learn(response, status, 0);
            return self.say_farewell(farewell);
        }
        if self.wallet.learn(response, status, farewell.tries) {
            let tries = farewell.tries.saturating_add(1);
            return self.say_farewell(Farewell { tries, ..farewell });
        }
        self.status = status;
        self.state = State::Gone;
    }

    /// Tells how it stands, if that is new.
    fn tell(&mut self) {
        let standing = self.standing();
        if self.told != Some(standing) {
            self.told = Some(standing);
            self.out.push_back(Output::Standing(standing));
        }
    }
}

fn wish(login: &Login) -> u32 {
    login.expires_s.clamp(EXPIRES_S_MIN, EXPIRES_S_MAX)
}

const fn cause_of(why: Unanswered) -> Cause {
    match why {
        Unanswered::NotChallenged => Cause::Status,
        Unanswered::NoSecret => Cause::NoPassword,
        Unanswered::Foreign => Cause::ForeignChallenge,
        Unanswered::Refused => Cause::WrongPassword,
    }
}

/// Retry-After, seconds; 0 when there is none.
fn retry_after_s(response: Message<'_>) -> u32 {
    response.value(Header::RetryAfter).and_then(retry_after).unwrap_or(0)
}

#[cfg(test)]
mod tests;
