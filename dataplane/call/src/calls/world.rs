//! A world of laws around the calls of one shard: media, a clock, a journal, lives of the process,
//! and the fields of a contract filled in.
//!
//! Tests of this crate and the fuzz target `call` drive calls by it; the feature `world` gives it
//! to the latter. After every step all that comes out is held against [`Laws`], and what stands
//! inside against `check`.

#![expect(clippy::expect_used, clippy::panic, reason = "a broken law is a failure of a test")]

mod check;
pub mod choice;
mod law;
pub mod media;

pub use law::Laws;
use media::Media;

use crate::{Calls, CallsConfig, Entry, Lost, Output};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use strowger_leg::{Body, Event, Offer};
use strowger_link::table::SlotState;
use strowger_link::{
    Answer, AnswerBody, Ask, AskBody, AskId, Branch, BranchAuth, CallFacts, CallerIdentity, Cause,
    Challenge, Emergency, FACTS_MAX, Gauge, Go, Grant, LegId, Lengthen, Manner, MediaMode,
    MediaPolicy, Octets, OnDriverLost, OnRedirect, PartyRef, Reason, Refuse, SlotRef, Srtp, Stage,
    Target, Tick, Transport, Up, Verb, VerbId, VerbKind, VerbOutcome, Voices,
};

/// A slot, what it shows, and the image in it.
pub type Left = (SlotRef, (SlotState, Box<CallFacts>), Option<Vec<u8>>);

/// Wall clock at tick 0, microseconds.
pub const WALL_US: i64 = 1_800_000_000_000_000;
/// The most lives: generations of slots are told apart by them.
const LIVES_MAX: u16 = 12;
/// The most timers that fire in one wait.
const FIRED_MAX: u32 = 10_000;
/// Longer than any timer of a call.
const HEAL_MS: u64 = 200_000_000;

/// See the module.
#[derive(Debug)]
pub struct World {
    /// What is tried.
    pub calls: Calls,
    /// Media and gauges.
    pub media: Media,
    /// The clock.
    pub now: Tick,
    /// What was said so far.
    pub laws: Laws,
    /// Slot of the latest call.
    pub slot: SlotRef,
    /// The latest ask of a call.
    pub call_ask: AskId,
    /// The latest for more talk time.
    pub extend_ask: AskId,
    /// The latest of a redirect.
    pub redirect_ask: AskId,
    /// The calls that redirects belong to.
    redirected: BTreeMap<AskId, AskId>,
    /// All asks of this life, for late and repeated answers.
    pub asks: Vec<AskId>,
    /// The latest record.
    pub record: Option<CallFacts>,
    /// How far the journal is written.
    pub seq: u64,
    verbs: u64,
    lives: u16,
    originating: Option<AskId>,
    /// Parties are owed last words: what is done stays until [`World::let_go`].
    pub owing: bool,
    owed: Vec<SlotRef>,
    /// The latest call's ask, when it was originated.
    originated: Option<AskId>,
    emergency: Vec<Emergency>,
}

impl World {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(slots: u32) -> World {
        let config = CallsConfig { slots, shard: 1, ..CallsConfig::default() };
        let mut world = World {
            calls: Calls::new(config),
            media: Media::default(),
            now: Tick(5_000_000_000),
            laws: Laws::default(),
            slot: SlotRef::default(),
            call_ask: AskId(0),
            extend_ask: AskId(0),
            redirect_ask: AskId(0),
            redirected: BTreeMap::new(),
            asks: Vec::new(),
            record: None,
            seq: 0,
            verbs: 0,
            lives: 0,
            originating: None,
            owing: false,
            owed: Vec::new(),
            originated: None,
            emergency: Vec::new(),
        };
        world.calls.set_origin(9);
        world
    }

    /// Where help is, in this life and those to come.
    pub fn set_emergency(&mut self, table: Vec<Emergency>) {
        self.calls.set_emergency(table.clone());
        self.emergency = table;
    }

    /// Longest call of this life and those to come, milliseconds; 0 = no such limit.
    pub fn set_call_ms_max(&mut self, ms: u64) {
        self.calls.desk.config.call_ms_max = ms;
    }

    /// Drains outputs, checks the laws, and does what a shard does with journal frames.
    pub fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.calls.poll_output() {
            if let Output::Done { slot, .. } = &output {
                // Nobody is owed a last word here, unless a test says so.
                match self.owing {
                    true => self.owed.push(*slot),
                    false => self.calls.vacate(*slot),
                }
            }
            outputs.push(output);
        }
        self.laws.observe_all(&outputs, self.calls.in_use() + 1);
        for output in &outputs {
            self.carry_out(output);
        }
        self.calls.check();
        if !self.owing {
            outputs.retain(|output| !matches!(output, Output::Done { .. }));
        }
        outputs
    }

    fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Ask(ask) => self.note_ask(ask),
            Output::Journal { entry: Entry::Start, .. } => self.seq += 1,
            Output::Journal { entry: Entry::Ended, slot, facts } => {
                self.seq += 1;
                self.calls.journaled(*slot, self.seq);
                self.record = Some(facts.as_ref().clone());
            }
            Output::Slot { slot, .. } => {
                let Some((_, facts)) = self.calls.snapshot(*slot) else { return };
                assert!(facts.facts.len() <= FACTS_MAX, "facts grow");
                if self.originating == Some(facts.ask) {
                    self.slot = *slot;
                }
            }
            Output::Up(Up::Verb(result)) => {
                let refused =
                    matches!(result.outcome, VerbOutcome::Full | VerbOutcome::BadArguments);
                if let Some(ask) = self.originating.take().filter(|_| refused) {
                    self.laws.not_granted(ask);
                }
            }
            Output::Done { .. } | Output::Free { .. } | Output::Up(_) | Output::Leg { .. } => {}
        }
    }

    /// All parties have heard their last words.
    pub fn let_go(&mut self) {
        for slot in std::mem::take(&mut self.owed) {
            self.calls.vacate(slot);
        }
    }

    /// What the call table shows once every slot is written.
    #[must_use]
    pub fn left(&self) -> Vec<Left> {
        (0..=u16::MAX)
            .take(self.calls.slab.len())
            .filter_map(|idx| self.calls.slab.current(idx))
            .filter_map(|slot| Some((slot, self.calls.snapshot(slot)?, self.calls.freeze(slot))))
            .collect()
    }

    /// The process dies and its next life takes up what its call table shows; nothing when it has
    /// had all its lives.
    pub fn restart(&mut self) -> Vec<Output> {
        if self.lives == LIVES_MAX {
            return Vec::new();
        }
        let left = self.left();
        for (slot, (state, _), image) in &left {
            if *state == SlotState::Answered {
                self.check_image(*slot, image.as_deref().unwrap_or_default());
            }
        }
        self.restart_with(left)
    }

    /// The image of an answered call names the parties that talk, and no other.
    fn check_image(&self, slot: SlotRef, image: &[u8]) {
        let bridge = crate::bridged(image).expect("an answered call has a bridge");
        for leg in bridge {
            let leg = LegId { slot, leg };
            assert!(self.laws.talks(leg), "{leg:?} does not talk, and stands in the image");
        }
    }

    /// The process dies while it writes its table, before anybody has heard of what it did last.
    pub fn restart_with(&mut self, left: Vec<Left>) -> Vec<Output> {
        while self.calls.poll_output().is_some() {}
        let mut outputs = Vec::new();
        self.lives += 1;
        self.calls = self.next_life();
        self.media = self.media.after_restart();
        // What was asked in the former life is answered to nobody.
        self.asks.clear();
        self.owed.clear();
        self.laws.reborn();
        for (slot, (state, facts), image) in left {
            self.take_up(slot, state, *facts, image.as_deref().unwrap_or_default());
            outputs.extend(self.drain());
        }
        self.calls.rejoin(self.now, self.now, &mut self.media);
        outputs.extend(self.drain());
        outputs
    }

    fn next_life(&self) -> Calls {
        let lives = self.lives;
        let mut calls = Calls::new(CallsConfig {
            slots: u32::try_from(self.calls.slab.len()).unwrap_or(u32::MAX),
            call_ms_max: self.calls.desk.config.call_ms_max,
            shard: 1,
            ask_base: u64::from(lives) << 32,
            first_gen: lives * 4096,
            ..CallsConfig::default()
        });
        calls.set_origin(9 + u32::from(lives));
        calls.set_emergency(self.emergency.clone());
        calls
    }

    fn take_up(&mut self, slot: SlotRef, state: SlotState, facts: CallFacts, image: &[u8]) {
        let res = &mut self.media;
        if state == SlotState::Answered {
            let thawed = self.calls.thaw(slot, facts, image, self.now, res);
            assert_eq!(thawed, Ok(()), "an answered call goes on");
            assert_eq!(self.calls.freeze(slot).as_deref(), Some(image), "as it was frozen");
            return;
        }
        let mut legs = self.laws.legs_left(slot);
        legs.iter_mut().for_each(|lost| lost.explain = crate::explained(image, lost.leg));
        let left = state == SlotState::Asked || state == SlotState::Leaving;
        let owes_record = !left && !self.laws.is_recorded(slot);
        let lost = Lost { facts, legs, at: self.now, reason: Reason::ProcessLost, owes_record };
        assert!(self.calls.close_lost(slot, lost, self.now, res), "a slot of ours");
    }

    /// Everybody hangs up and the disk keeps up: nothing may be left of any call.
    pub fn heal(&mut self) {
        self.drain();
        self.calls.handle_control_back();
        self.drain();
        for _ in 0..2 {
            for leg in self.laws.open_legs() {
                self.event(leg, Event::Ended { cause: Cause::new(0, 16), by_party: true });
                self.drain();
            }
        }
        self.wait(HEAL_MS);
        self.calls.handle_durable(self.seq);
        self.drain();
        self.let_go();
        self.drain();
        self.settled();
    }

    /// All have hung up and all is durable: nothing is left.
    pub fn settled(&self) {
        self.laws.settled(&self.calls, &self.media);
    }

    fn note_ask(&mut self, ask: &Ask) {
        let id = ask.id;
        match &ask.body {
            AskBody::Call(_) | AskBody::Transfer(_) | AskBody::Pickup(_) | AskBody::Reroute(_) => {
                (self.call_ask, self.originated) = (id, None)
            }
            AskBody::Extend(_) => self.extend_ask = id,
            AskBody::Redirected(_) => {
                self.redirect_ask = id;
                self.redirected.insert(id, ask.parent.expect("a call's"));
            }
            AskBody::Register(_) | AskBody::Request(_) | AskBody::Resolve(_) | AskBody::App(_) => {
                panic!("calls do not ask this")
            }
        }
        self.asks.push(id);
    }

    fn wall_us(&self) -> i64 {
        WALL_US.saturating_add(i64::try_from(self.now.0 / 1_000).unwrap_or(i64::MAX))
    }

    /// A new INVITE; `None` when every slot is in use.
    pub fn offer(&mut self, offer: Offer) -> Option<LegId> {
        let leg = self.calls.reserve()?;
        self.slot = leg.slot;
        self.laws.offered(leg);
        self.event(leg, Event::Offered(Box::new(offer)));
        Some(leg)
    }

    /// An INVITE of another shard, whose party wants the place of `leg`.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn offer_beside(&mut self, leg: LegId, offer: Offer) -> Result<LegId, Cause> {
        let beside = self.calls.reserve_beside(leg)?;
        self.laws.offered(beside);
        self.event(beside, Event::Offered(Box::new(offer)));
        Ok(beside)
    }

    /// A leg says something, if its protocol lets it: nobody is put through who does not talk, and
    /// no caller answers.
    pub fn says(&mut self, leg: LegId, event: Event) {
        let asks = matches!(event, Event::Transfer(_)) && !self.laws.talks(leg);
        let answers = matches!(event, Event::Answered { .. }) && self.laws.is_inbound(leg);
        if !asks && !answers {
            self.event(leg, event);
        }
    }

    /// A leg says something.
    pub fn event(&mut self, leg: LegId, event: Event) {
        self.laws.reported(leg, &event);
        let wall_us = self.wall_us();
        self.calls.handle_leg(leg, event, self.now, wall_us, &mut self.media);
    }

    /// The control plane answers.
    pub fn answer(&mut self, ask: AskId, mut body: AnswerBody) {
        if let AnswerBody::Go(go) = &mut body {
            match self.redirected.get(&ask) {
                // What a redirect is granted is settled by the record of its call.
                Some(call) => {
                    go.settlement = Octets(call.0.to_le_bytes().to_vec());
                    self.laws.redirect_granted(ask);
                }
                None => self.laws.granted(ask),
            }
        }
        self.calls.handle_answer(Answer { ask, body }, self.now, &mut self.media);
    }

    /// The ask of the latest call.
    #[must_use]
    pub fn lengthen_ask(&self) -> AskId {
        self.originated.unwrap_or(self.call_ask)
    }

    /// More talk time comes unasked.
    pub fn lengthen(&mut self, leg: LegId, ask: AskId, grant: Grant) {
        let more = Lengthen { ask, leg, grant };
        self.calls.handle_lengthen(&more, self.now, &mut self.media);
    }

    /// The control plane tells a call to do something.
    pub fn verb(&mut self, leg: LegId, kind: VerbKind, args: Vec<u8>) {
        self.verbs += 1;
        let verb = Verb {
            id: VerbId(self.verbs),
            leg,
            kind,
            args: Octets(args),
            resume: Octets::default(),
            on_driver_lost: OnDriverLost::RunOn,
        };
        let wall_us = self.wall_us();
        self.calls.handle_verb(verb, self.now, wall_us, &mut self.media);
    }

    /// An Originate follows whose grant runs under `ask`.
    pub fn expect_origination(&mut self, ask: AskId) {
        self.laws.granted(ask);
        (self.originating, self.originated) = (Some(ask), Some(ask));
    }

    /// No media comes from a leg.
    pub fn silence(&mut self, leg: LegId) {
        self.calls.handle_silence(leg, self.now, &mut self.media);
    }

    /// A leg is not who its description says.
    pub fn impostor(&mut self, leg: LegId) {
        self.calls.handle_impostor(leg, self.now, &mut self.media);
    }

    /// A leg had not answered, as its media tells.
    pub fn false_answer(&mut self, leg: LegId) {
        self.calls.handle_false_answer(leg, self.now, &mut self.media);
    }

    /// Lets `ms` pass; every timer fires at its own time.
    pub fn wait(&mut self, ms: u64) -> Vec<Output> {
        let until = self.now.plus_ms(ms);
        let mut outputs = Vec::new();
        let mut fired = 0;
        while let Some(at) = self.calls.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.calls.handle_timeout(self.now, &mut self.media);
            outputs.extend(self.drain());
            fired += 1;
            assert!(fired < FIRED_MAX, "time does not pass");
        }
        self.now = until;
        outputs
    }
}

/// An INVITE to a number; without a description it wants one.
#[must_use]
pub fn offer(called: &str, body: Option<&str>) -> Offer {
    Offer {
        listener: 0,
        local: address(5060),
        source: address(5070),
        transport: Transport::Udp,
        request_uri: format!("sip:{called}@host"),
        called: called.to_owned(),
        host: "host".to_owned(),
        to_user: called.to_owned(),
        caller: CallerIdentity {
            from_user: "1001".to_owned(),
            from_host: "host".to_owned(),
            display: String::new(),
            asserted: Vec::new(),
            preferred: None,
            remote_party: None,
            privacy: String::new(),
        },
        credentials: None,
        sip_call_id: "x@y".to_owned(),
        user_agent: String::new(),
        body: body.map(sdp),
        nated: false,
        hops_left: 70,
        headers: Vec::new(),
        diverted: Vec::new(),
        session_s: 0,
        shown: Vec::new(),
        parts: Vec::new(),
        replaces: None,
        server_name: None,
    }
}

/// A session description.
#[must_use]
pub fn sdp(text: &str) -> Body {
    Body::sdp(text.as_bytes().to_vec())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A branch to a phone.
#[must_use]
pub fn branch(dialed: &str) -> Branch {
    Branch {
        target: Target {
            uri: format!("sip:{dialed}@peer"),
            address: address(5090),
            transport: Transport::Udp,
            flow: 0,
            routes: Vec::new(),
        },
        to_uri: String::new(),
        listener: 0,
        dialed: dialed.to_owned(),
        from_user: "1001".to_owned(),
        display: String::new(),
        asserted: None,
        anonymous: false,
        headers: Vec::new(),
        media: policy(),
        ring_ms: 60_000,
        first_ms: 0,
        record: false,
        app: None,
        auth: BranchAuth::Ours,
        gauges: Vec::new(),
        continue_on: Vec::new(),
        stop_on: Vec::new(),
        hop: 0,
        party: PartyRef::Unknown,
        manner: Manner::default(),
        redirect: OnRedirect::Fail,
        replies: Vec::new(),
    }
}

/// A gauge of ten.
#[must_use]
pub fn gauge(id: u32) -> Gauge {
    Gauge { id, in_use_max: 10, per_second_max: 0 }
}

fn policy() -> MediaPolicy {
    MediaPolicy {
        mode: MediaMode::Relay,
        nated: false,
        start_timeout_ms: 0,
        timeout_ms: 0,
        voices: Voices::ALL,
        strict: false,
        ends_false: false,
        first_packet: false,
        srtp: Srtp::Accept,
    }
}

/// A plan; its settlement names the ask, so that the laws can tell whose record it is.
#[must_use]
pub fn go(ask: AskId, stages: Vec<Vec<Branch>>, grant: Grant, max_ms: u64) -> Go {
    Go {
        prelude: None,
        stages: Stage::in_turn(stages),
        on_exhausted: refuse(480, Reason::Exhausted),
        grant,
        max_ms,
        media: policy(),
        settlement: Octets(ask.0.to_le_bytes().to_vec()),
        manner: Manner::default(),
        reroute: None,
    }
}

/// A refusal.
#[must_use]
pub fn refuse(status: u16, reason: Reason) -> Refuse {
    Refuse {
        cause: Cause::from_sip(status),
        reason,
        phrase: String::new(),
        retry_after_s: 0,
        prompt: None,
        record: false,
        settlement: Octets::default(),
        explain: true,
        headers: Vec::new(),
    }
}

/// A challenge.
#[must_use]
pub fn challenge() -> AnswerBody {
    AnswerBody::Challenge(Challenge {
        realm: "demo".to_owned(),
        algorithms: Vec::new(),
        stale: false,
    })
}

/// Where a number for help leads.
#[must_use]
pub fn emergency(number: &str, names: &[&str]) -> Emergency {
    let guarded = |name: &&str| Branch { gauges: vec![gauge(9)], ..branch(name) };
    Emergency { number: number.to_owned(), branches: names.iter().map(guarded).collect() }
}
