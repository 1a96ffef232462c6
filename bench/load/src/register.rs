//! Registrations with digest: users in turn, each one at a time.
//!
//! Two policies of nonces. *fresh*: each registration begins without credentials, is challenged and
//! repeated, as phones do that have been away. *reuse*: the nonce of the last challenge is used
//! again with the next count, until the server says that it is stale.

use std::net::SocketAddr;

use serde_json::{Value, json};
use strowger_link::{MS, Tick};

use crate::digest::{Asked, Challenge, authorize, hash};
use crate::message::View;
use crate::net::Out;
use crate::pace::{Offer, Pace};
use crate::report::{Statuses, Times};
use crate::template::{Hole, Template, decimal, hex, read_hex};
use crate::timer::Timers;

const AGAIN_NS: [u64; 4] = [500 * MS, 1_000 * MS, 2_000 * MS, 4_000 * MS];
const GIVE_UP: usize = AGAIN_NS.len();
/// Challenges answered for one registration: one, and one more for a nonce that was stale.
const CHALLENGES_MAX: u8 = 2;

/// Whether a nonce is used more than once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Nonces {
    Fresh,
    Reuse,
}

/// What is registered.
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) sockets: Vec<(u8, SocketAddr)>,
    /// Names are this and five digits, from 0 on.
    pub(crate) prefix: String,
    pub(crate) users: u32,
    /// A password is this and the user's name.
    pub(crate) password: String,
    /// Host of the addresses of record.
    pub(crate) domain: String,
    pub(crate) nonces: Nonces,
    pub(crate) expires_s: u32,
    /// Contact of all users, instead of their own address.
    pub(crate) contact: Option<SocketAddr>,
    pub(crate) run: u32,
}

struct User {
    name: Vec<u8>,
    ha1: Option<[u8; 32]>,
    challenge: Option<Challenge>,
    /// Uses of the nonce.
    count: u32,
    cseq: u32,
    /// When the registration under way was meant to begin.
    busy: Option<Tick>,
    challenges: u8,
    authorized: bool,
}

/// All registrations.
pub(crate) struct Registers {
    plan: Plan,
    users: Vec<User>,
    ha2: [u8; 32],
    uri: Vec<u8>,
    templates: Vec<Template>,
    pace: Pace,
    turn: usize,
    busy: usize,
    timers: Timers<(usize, u32, usize)>,
    measured: (Tick, Tick),
    counts: Counts,
    /// Registrations done since the start.
    pub(crate) done: u64,
    /// How many are to be done at all; the rest of the time nothing is begun.
    left: u64,
}

#[derive(Default)]
struct Counts {
    begun: u64,
    registered: u64,
    challenged: u64,
    refused: Statuses,
    silent: u64,
    again: u64,
    skipped: u64,
    times: Option<Times>,
}

impl Registers {
    pub(crate) fn new(plan: Plan, now: Tick) -> Registers {
        let uri = format!("sip:{}", plan.domain).into_bytes();
        let users = (0..plan.users).map(|number| User {
            name: format!("{}{number:05}", plan.prefix).into_bytes(),
            ha1: None,
            challenge: None,
            count: 0,
            cseq: 0,
            busy: None,
            challenges: 0,
            authorized: false,
        });
        let (domain, expires) = (&plan.domain, plan.expires_s);
        let template = |(_, own): &(u8, SocketAddr)| {
            let contact = plan.contact.unwrap_or(*own);
            Template::new(&format!(
                "REGISTER sip:{domain} SIP/2.0\n\
                 Via: SIP/2.0/UDP {own};branch=z9hG4bK{{id}}{{cseq}};rport\n\
                 Max-Forwards: 70\n\
                 From: <sip:{{user}}@{domain}>;tag=r{{id}}\n\
                 To: <sip:{{user}}@{domain}>\n\
                 Call-ID: {{id}}@reg\n\
                 CSeq: {{cseq}} REGISTER\n\
                 Contact: <sip:{{user}}@{contact}>\n\
                 Expires: {expires}\n{{credentials}}\
                 Content-Length: 0\n\n"
            ))
        };
        let mut spans = AGAIN_NS.to_vec();
        spans.push(8_000 * MS);
        Registers {
            users: users.collect(),
            ha2: hash(&[b"REGISTER", &uri]),
            uri,
            templates: plan.sockets.iter().map(template).collect(),
            pace: Pace::new(Offer::Rate(0.0), now),
            turn: 0,
            busy: 0,
            timers: Timers::new(&spans),
            measured: (Tick(0), Tick(u64::MAX)),
            counts: Counts { times: Some(Times::new()), ..Counts::default() },
            done: 0,
            left: u64::MAX,
            plan,
        }
    }

    /// From now on registrations are offered so; `left` at most.
    pub(crate) fn offer(&mut self, offer: Offer, left: Option<u64>, now: Tick) {
        self.pace.change(offer, now);
        self.left = left.unwrap_or(u64::MAX);
    }

    /// Registrations meant to begin in this time count.
    pub(crate) fn measure(&mut self, from: Tick, to: Tick) {
        self.measured = (from, to);
        self.counts = Counts { times: Some(Times::new()), ..Counts::default() };
    }

    /// Under way, or still to be begun where their number was told.
    pub(crate) fn busy(&self) -> usize {
        let left = if self.left == u64::MAX { 0 } else { self.left };
        self.busy + usize::try_from(left).unwrap_or(usize::MAX / 2)
    }

    pub(crate) fn due(&self) -> Option<Tick> {
        let pace = if self.left > 0 { self.pace.due() } else { None };
        [pace, self.timers.due()].into_iter().flatten().min()
    }

    pub(crate) fn work(&mut self, now: Tick, out: &mut Out) {
        while let Some((user, cseq, tries)) = self.timers.pop(now) {
            self.again(user, cseq, tries, now, out);
        }
        let mut pace = std::mem::replace(&mut self.pace, Pace::new(Offer::Rate(0.0), now));
        pace.starts(now, self.busy, |intended| self.left > 0 && self.begin(intended, now, out));
        self.pace = pace;
    }

    fn is_measured(&self, intended: Tick) -> bool {
        (self.measured.0..self.measured.1).contains(&intended)
    }

    /// The next user registers; `false` = all of them are at it.
    fn begin(&mut self, intended: Tick, now: Tick, out: &mut Out) -> bool {
        let count = self.users.len();
        let idle = (0..count).map(|n| (self.turn + n) % count);
        let idle = idle.take(64).find(|n| self.users.get(*n).is_some_and(|u| u.busy.is_none()));
        let Some(number) = idle else {
            self.counts.skipped += 1;
            return false;
        };
        self.turn = (number + 1) % count;
        self.left = self.left.saturating_sub(u64::from(self.left != u64::MAX));
        self.busy += 1;
        if self.is_measured(intended) {
            self.counts.begun += 1;
        }
        if let Some(user) = self.users.get_mut(number) {
            user.busy = Some(intended);
            user.challenges = 0;
            if self.plan.nonces == Nonces::Fresh {
                user.challenge = None;
            }
        }
        self.send(number, now, out);
        true
    }

    /// A new request of this user.
    fn send(&mut self, number: usize, now: Tick, out: &mut Out) {
        let Some(user) = self.users.get_mut(number) else { return };
        user.cseq += 1;
        user.authorized = user.challenge.is_some();
        user.count += u32::from(user.authorized);
        let cseq = user.cseq;
        self.timers.push(0, now, (number, cseq, 0));
        self.timers.push(GIVE_UP, now, (number, cseq, GIVE_UP));
        self.write(number, out);
    }

    fn write(&self, number: usize, out: &mut Out) {
        let at = number % self.plan.sockets.len().max(1);
        let Some(user) = self.users.get(number) else { return };
        let (Some(template), Some((by, _))) = (self.templates.get(at), self.plan.sockets.get(at))
        else {
            return;
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "other holes stay empty here")]
        out.send(*by, self.plan.server, |bytes| {
            template.write(bytes, |hole, out| match hole {
                Hole::Id => {
                    hex(out, self.plan.run.into(), 8);
                    hex(out, number as u64, 12);
                }
                Hole::Cseq => decimal(out, user.cseq.into(), 1),
                Hole::User => out.extend_from_slice(&user.name),
                Hole::Credentials => self.authorize(user, out),
                _ => {}
            });
        });
    }

    fn authorize(&self, user: &User, out: &mut Vec<u8>) {
        let (Some(challenge), Some(ha1)) = (&user.challenge, &user.ha1) else { return };
        let asked =
            Asked { user: &user.name, ha1, ha2: &self.ha2, uri: &self.uri, count: user.count };
        authorize(out, challenge, &asked);
    }

    fn again(&mut self, number: usize, cseq: u32, tries: usize, now: Tick, out: &mut Out) {
        let user = self.users.get(number);
        if !user.is_some_and(|user| user.busy.is_some() && user.cseq == cseq) {
            return;
        }
        if tries == GIVE_UP {
            self.counts.silent += 1;
            self.end(number);
            return;
        }
        self.counts.again += 1;
        self.write(number, out);
        let next = (tries + 1).min(AGAIN_NS.len() - 1);
        self.timers.push(next, now, (number, cseq, next));
    }

    fn end(&mut self, number: usize) {
        if let Some(user) = self.users.get_mut(number) {
            user.busy = None;
            self.busy -= 1;
            self.done += 1;
        }
    }

    /// A response to a REGISTER of ours; `false` = it is none.
    pub(crate) fn take(&mut self, view: &View<'_>, now: Tick, out: &mut Out) -> bool {
        let Some(id) = view.call_id.strip_suffix(b"@reg") else { return false };
        let of = |from: usize, to: usize| read_hex(id.get(from..to)?);
        if of(0, 8) != Some(self.plan.run.into()) || view.status == 0 {
            return false;
        }
        let number = of(8, 20).and_then(|number| usize::try_from(number).ok());
        let Some(number) = number else { return false };
        let Some(user) = self.users.get_mut(number) else { return false };
        let Some(intended) = user.busy.filter(|_| user.cseq == view.cseq) else { return true };
        match view.status {
            100..=199 => {}
            200..=299 => {
                if self.is_measured(intended) {
                    self.counts.registered += 1;
                    if let Some(times) = &mut self.counts.times {
                        times.add(intended, now);
                    }
                }
                self.end(number);
            }
            401 | 407 if user.challenges < CHALLENGES_MAX => {
                self.counts.challenged += 1;
                self.answer(number, view, now, out);
            }
            status => {
                self.counts.refused.add(status);
                self.end(number);
            }
        }
        true
    }

    fn answer(&mut self, number: usize, view: &View<'_>, now: Tick, out: &mut Out) {
        let challenge = view.challenge.and_then(Challenge::read);
        let (Some(challenge), Some(user)) = (challenge, self.users.get_mut(number)) else {
            self.counts.refused.add(view.status);
            self.end(number);
            return;
        };
        user.challenges += 1;
        if user.ha1.is_none() {
            let mut password = self.plan.password.clone().into_bytes();
            password.extend_from_slice(&user.name);
            user.ha1 = Some(hash(&[&user.name, &challenge.realm, &password]));
        }
        user.challenge = Some(challenge);
        user.count = 0;
        self.send(number, now, out);
    }

    /// What became of the measured ones.
    pub(crate) fn told(&self) -> Value {
        json!({
            "begun": self.counts.begun,
            "registered": self.counts.registered,
            "challenged": self.counts.challenged,
            "refused": self.counts.refused.told(),
            "silent": self.counts.silent,
            "again": self.counts.again,
            "skipped": self.counts.skipped,
            "ms": self.counts.times.as_ref().map(Times::told),
        })
    }

    /// Of the measured ones, those that succeeded.
    pub(crate) fn registered(&self) -> u64 {
        self.counts.registered
    }
}
