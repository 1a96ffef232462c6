//! One shard's calls with media, a clock and the fields of a contract filled in.

use super::law::Laws;
use super::media::Media;
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
pub(super) type Left = (SlotRef, (SlotState, Box<CallFacts>), Option<Vec<u8>>);

/// Wall clock at tick 0, microseconds.
pub(super) const WALL_US: i64 = 1_800_000_000_000_000;

pub(super) struct World {
    pub(super) calls: Calls,
    pub(super) media: Media,
    pub(super) now: Tick,
    pub(super) laws: Laws,
    /// Slot of the latest call.
    pub(super) slot: SlotRef,
    /// Latest asks.
    pub(super) call_ask: AskId,
    pub(super) extend_ask: AskId,
    pub(super) redirect_ask: AskId,
    /// The calls that redirects belong to.
    redirected: BTreeMap<AskId, AskId>,
    /// All asks that were put, for late and repeated answers.
    pub(super) asks: Vec<AskId>,
    /// The latest record, and how far the journal is written.
    pub(super) record: Option<CallFacts>,
    pub(super) seq: u64,
    verbs: u64,
    lives: u16,
    originating: Option<AskId>,
    /// Parties are owed last words: what is done stays until the test vacates it.
    pub(super) owing: bool,
    /// The latest call's ask, when it was originated.
    originated: Option<AskId>,
}

impl World {
    pub(super) fn new(slots: u32) -> World {
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
            originated: None,
        };
        world.calls.set_origin(9);
        world
    }

    /// Drains outputs, checks the laws, and does what a shard does with journal frames.
    pub(super) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.calls.poll_output() {
            if let (Output::Done { slot, .. }, false) = (&output, self.owing) {
                // Nobody is owed a last word here, unless a test says so.
                self.calls.vacate(*slot);
            } else {
                outputs.push(output);
            }
        }
        self.laws.observe_all(&outputs, self.calls.in_use() + 1);
        for output in &outputs {
            match output {
                Output::Ask(ask) => self.note_ask(ask),
                Output::Journal { entry: Entry::Start, .. } => self.seq += 1,
                Output::Journal { entry: Entry::Ended, slot, facts } => {
                    self.seq += 1;
                    self.calls.journaled(*slot, self.seq);
                    self.record = Some(facts.as_ref().clone());
                }
                Output::Slot { slot, .. } => {
                    let Some((_, facts)) = self.calls.snapshot(*slot) else { continue };
                    assert!(facts.facts.len() <= FACTS_MAX);
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
        self.calls.check_timers();
        self.calls.check_asks();
        outputs
    }

    /// What the call table shows once every slot is written.
    pub(super) fn left(&self) -> Vec<Left> {
        let slots = u32::try_from(self.calls.slab.len()).unwrap();
        (0..slots)
            .filter_map(|idx| self.calls.slab.current(u16::try_from(idx).unwrap()))
            .filter_map(|slot| Some((slot, self.calls.snapshot(slot)?, self.calls.freeze(slot))))
            .collect()
    }

    /// The process dies and its next life takes up what its call table shows.
    pub(super) fn restart(&mut self) -> Vec<Output> {
        let left = self.left();
        self.restart_with(left)
    }

    /// The process dies while it writes its table, before anybody has heard of what it did last.
    pub(super) fn restart_with(&mut self, left: Vec<Left>) -> Vec<Output> {
        while self.calls.poll_output().is_some() {}
        let mut outputs = Vec::new();
        let slots = u32::try_from(self.calls.slab.len()).unwrap();
        self.lives += 1;
        let lives = self.lives;
        let call_ms_max = self.calls.desk.config.call_ms_max;
        self.calls = Calls::new(CallsConfig {
            slots,
            call_ms_max,
            shard: 1,
            ask_base: u64::from(lives) << 32,
            first_gen: lives * 4096,
            ..CallsConfig::default()
        });
        self.calls.set_origin(9 + u32::from(lives));
        self.media = self.media.after_restart();
        // What was asked in the former life is answered to nobody.
        self.asks.clear();
        for (slot, (state, facts), image) in left {
            let mut legs = self.laws.legs_left(slot);
            let known = image.as_deref().unwrap_or_default();
            legs.iter_mut().for_each(|lost| lost.explain = crate::explained(known, lost.leg));
            let res = &mut self.media;
            if state == SlotState::Answered {
                let image = image.expect("an answered call has an image");
                self.calls.thaw(slot, *facts, &image, self.now, res).unwrap();
                let again = self.calls.freeze(slot).unwrap();
                assert_eq!(again, image, "thawed is what was frozen");
            } else {
                let left = state == SlotState::Asked || state == SlotState::Leaving;
                let owes_record = !left && !self.laws.is_recorded(slot);
                let (at, reason) = (self.now, Reason::ProcessLost);
                let lost = Lost { facts: *facts, legs, at, reason, owes_record };
                assert!(self.calls.close_lost(slot, lost, self.now, res));
            }
            outputs.extend(self.drain());
        }
        self.calls.rejoin(self.now, self.now, &mut self.media);
        outputs.extend(self.drain());
        outputs
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
        WALL_US + i64::try_from(self.now.0 / 1000).unwrap()
    }

    /// A new INVITE; `None` when every slot is in use.
    pub(super) fn offer(&mut self, offer: Offer) -> Option<LegId> {
        let leg = self.calls.reserve()?;
        self.slot = leg.slot;
        self.laws.offered(leg);
        self.event(leg, Event::Offered(Box::new(offer)));
        Some(leg)
    }

    pub(super) fn event(&mut self, leg: LegId, event: Event) {
        self.laws.reported(leg, &event);
        let wall_us = self.wall_us();
        self.calls.handle_leg(leg, event, self.now, wall_us, &mut self.media);
    }

    pub(super) fn answer(&mut self, ask: AskId, mut body: AnswerBody) {
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
    pub(super) fn lengthen_ask(&self) -> AskId {
        self.originated.unwrap_or(self.call_ask)
    }

    pub(super) fn lengthen(&mut self, leg: LegId, ask: AskId, grant: Grant) {
        let more = Lengthen { ask, leg, grant };
        self.calls.handle_lengthen(&more, self.now, &mut self.media);
    }

    pub(super) fn verb(&mut self, leg: LegId, kind: VerbKind, args: Vec<u8>) {
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
    pub(super) fn expect_origination(&mut self, ask: AskId) {
        self.laws.granted(ask);
        (self.originating, self.originated) = (Some(ask), Some(ask));
    }

    pub(super) fn silence(&mut self, leg: LegId) {
        self.calls.handle_silence(leg, self.now, &mut self.media);
    }

    pub(super) fn impostor(&mut self, leg: LegId) {
        self.calls.handle_impostor(leg, self.now, &mut self.media);
    }

    pub(super) fn false_answer(&mut self, leg: LegId) {
        self.calls.handle_false_answer(leg, self.now, &mut self.media);
    }

    /// Lets `ms` pass; every timer fires at its own time.
    pub(super) fn wait(&mut self, ms: u64) -> Vec<Output> {
        let until = self.now.plus_ms(ms);
        let mut outputs = Vec::new();
        let mut rounds = 0;
        while let Some(at) = self.calls.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.calls.handle_timeout(self.now, &mut self.media);
            outputs.extend(self.drain());
            rounds += 1;
            assert!(rounds < 10_000, "time does not pass");
        }
        self.now = until;
        outputs
    }
}

pub(super) fn offer(called: &str, body: Option<&str>) -> Offer {
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

pub(super) fn sdp(text: &str) -> Body {
    Body::sdp(text.as_bytes().to_vec())
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

pub(super) fn branch(dialed: &str) -> Branch {
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

pub(super) fn gauge(id: u32) -> Gauge {
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
pub(super) fn go(ask: AskId, stages: Vec<Vec<Branch>>, grant: Grant, max_ms: u64) -> Go {
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

pub(super) fn refuse(status: u16, reason: Reason) -> Refuse {
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

pub(super) fn challenge() -> AnswerBody {
    AnswerBody::Challenge(Challenge {
        realm: "demo".to_owned(),
        algorithms: Vec::new(),
        stale: false,
    })
}

pub(super) fn emergency(number: &str, names: &[&str]) -> Emergency {
    let guarded = |name: &&str| Branch { gauges: vec![gauge(9)], ..branch(name) };
    Emergency { number: number.to_owned(), branches: names.iter().map(guarded).collect() }
}
