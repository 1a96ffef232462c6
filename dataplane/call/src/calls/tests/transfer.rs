//! Transfers: two calls, joined by a mesh leg in each. Legs are told apart by the slot of their
//! call: `0a` is the first leg of the first call.

use super::media::letter;
use super::text::{command_text, fact_text, output_text};
use super::world::{World, branch, go, offer, refuse, sdp};
use crate::limits::CHAIN_MAX;
use crate::{Entry, Output};
use std::collections::BTreeMap;
use strowger_leg::{Event, TransferWish};
use strowger_link::{
    AnswerBody, AskBody, CallFacts, Cause, Grant, LegId, PartyRef, Reason, SlotRef, TransferAsk,
};

fn wish(replaces: Option<LegId>) -> Event {
    Event::Transfer(Box::new(TransferWish {
        target: "sip:1003@host".into(),
        user: "1003".into(),
        host: "host".into(),
        referred_by: None,
        replaces,
        abroad: Vec::new(),
    }))
}

pub(super) struct Scene {
    pub(super) world: World,
    /// By the order in which the calls began.
    pub(super) slots: Vec<SlotRef>,
    question: Option<TransferAsk>,
    records: BTreeMap<SlotRef, CallFacts>,
}

pub(super) const GRANT: Grant = Grant { ms: 60_000, free_ms: 0, last: false, go_on: false };

impl Scene {
    pub(super) fn empty(slots: u32) -> Scene {
        let (world, records) = (World::new(slots), BTreeMap::new());
        Scene { world, slots: Vec::new(), question: None, records }
    }

    /// A call of two that talk.
    pub(super) fn talking() -> Scene {
        let mut scene = Scene::empty(6);
        scene.call("1002");
        scene
    }

    /// One more call that is answered.
    pub(super) fn call(&mut self, number: &str) {
        let body = format!("sdp of {number}'s caller");
        self.world.offer(offer(number, Some(&body))).unwrap();
        self.slots.push(self.world.slot);
        self.told();
        self.go(number);
        let nth = self.slots.len() - 1;
        self.event(nth, 1, Event::Answered { body: Some(sdp(number)) });
    }

    pub(super) fn go(&mut self, number: &str) -> Vec<String> {
        let ask = self.world.call_ask;
        let mut target = branch(number);
        target.party = PartyRef::Subscriber(9);
        let plan = go(ask, vec![vec![target]], GRANT, 0);
        self.world.answer(ask, AnswerBody::Go(Box::new(plan)));
        self.told()
    }

    pub(super) fn refuse(&mut self, status: u16) -> Vec<String> {
        let no = AnswerBody::Refuse(refuse(status, Reason::Denied));
        self.world.answer(self.world.call_ask, no);
        self.told()
    }

    pub(super) fn leg(&self, call: usize, leg: u8) -> LegId {
        LegId { slot: self.slots[call], leg }
    }

    pub(super) fn event(&mut self, call: usize, leg: u8, event: Event) -> Vec<String> {
        self.world.event(self.leg(call, leg), event);
        self.told()
    }

    pub(super) fn bye(&mut self, call: usize, leg: u8) -> Vec<String> {
        self.event(call, leg, Event::Ended { cause: Cause::new(0, 16), by_party: true })
    }

    pub(super) fn refer(&mut self, call: usize, leg: u8, replaces: Option<LegId>) -> Vec<String> {
        self.event(call, leg, wish(replaces))
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        let outputs = self.world.drain();
        self.texts(&outputs)
    }

    pub(super) fn restart(&mut self) -> Vec<String> {
        let outputs = self.world.restart();
        self.texts(&outputs)
    }

    /// The process dies after `event`, and of these calls the table shows how they were before it.
    fn restart_amid(
        &mut self,
        (call, leg): (usize, u8),
        event: Event,
        old: &[usize],
    ) -> Vec<String> {
        let before = self.world.left();
        self.world.event(self.leg(call, leg), event);
        let mut left = self.world.left();
        let is_old = |slot: &SlotRef| old.iter().any(|nth| self.slots.get(*nth) == Some(slot));
        left.retain(|(slot, ..)| !is_old(slot));
        left.extend(before.into_iter().filter(|(slot, ..)| is_old(slot)));
        left.sort_by_key(|(slot, ..)| slot.idx);
        let outputs = self.world.restart_with(left);
        self.texts(&outputs)
    }

    pub(super) fn texts(&mut self, outputs: &[Output]) -> Vec<String> {
        let mut texts = std::mem::take(&mut self.world.media.lines);
        for output in outputs {
            if let Output::Ask(ask) = output {
                if !self.slots.contains(&ask.leg.slot) {
                    self.slots.push(ask.leg.slot);
                }
                if let AskBody::Transfer(question) = &ask.body {
                    self.question = Some(question.clone());
                }
            }
            if let Output::Journal { entry: Entry::Ended, slot, facts } = output {
                self.records.insert(*slot, facts.as_ref().clone());
            }
            texts.extend(match output {
                Output::Leg { leg, command } => {
                    let nth = self.slots.iter().position(|slot| *slot == leg.slot).unwrap();
                    Some(format!("{nth}{}< {}", letter(leg.leg), command_text(command)))
                }
                Output::Slot { .. }
                | Output::Done { .. }
                | Output::Free { .. }
                | Output::Journal { .. }
                | Output::Up(_)
                | Output::Ask(_) => output_text(output, false),
            });
        }
        texts
    }

    /// A call is put through to 1003, whose phone is leg 1 of the second call.
    fn put_through(by: u8) -> Scene {
        let mut scene = Scene::talking();
        scene.refer(0, by, None);
        scene.go("1003");
        scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
        scene
    }

    /// The same, and both have heard of it.
    fn put_through_and_agreed() -> Scene {
        let mut scene = Scene::put_through(0);
        scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b2")) });
        scene
    }

    /// One more transfer that is answered with `answer`; the number of its call.
    fn pass_on(&mut self, call: usize, leg: u8, answer: &str) -> (usize, Vec<String>) {
        let nth = self.slots.len();
        self.refer(call, leg, None);
        self.go("1003");
        (nth, self.event(nth, 1, Event::Answered { body: Some(sdp(answer)) }))
    }

    /// Offers pass between two parties.
    fn offers_pass(&mut self, one: (usize, u8), other: (usize, u8)) {
        for (from, to) in [(one, other), (other, one)] {
            let offer = Event::Reoffer { body: Some(sdp("o")) };
            let told = format!("{}{}< reoffer offer(o)", to.0, letter(to.1));
            assert_eq!(self.event(from.0, from.1, offer), [told]);
            let answer = Event::ReofferAnswered { body: Some(sdp("w")) };
            let told = format!("{}{}< reoffer-answer answer(w)", from.0, letter(from.1));
            assert_eq!(self.event(to.0, to.1, answer), [told]);
        }
    }

    /// Every leg ends, records are durable, nothing is left.
    pub(super) fn end(&mut self) {
        for leg in self.world.laws.open_legs() {
            self.world.event(leg, Event::Ended { cause: Cause::new(0, 16), by_party: false });
            self.told();
        }
        self.world.calls.handle_durable(self.world.seq);
        self.told();
        self.world.settled();
    }

    pub(super) fn facts(&self, call: usize) -> Vec<String> {
        self.records[&self.slots[call]].facts.iter().map(fact_text).collect()
    }
}

#[test]
fn who_called_puts_the_other_through() {
    let mut scene = Scene::talking();
    let asks = ["table answered", "table asked", "ask transfer 1003"];
    assert_eq!(scene.refer(0, 0, None), asks);
    let question = scene.question.clone().unwrap();
    assert_eq!((question.party, question.refer_to.as_str()), (PartyRef::Unknown, "sip:1003@host"));
    assert_eq!(
        scene.go("1003"),
        ["table ringing", "1b< invite offer(1002)", "0a< transfer-accept"]
    );
    let rings = Event::Progress { status: 180, body: None, fork: 0 };
    assert_eq!(scene.event(1, 1, rings), ["0a< transfer-progress 180"]);
    assert_eq!(
        scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) }),
        [
            "part a b",
            "join b b",
            "table answered",
            "table answered",
            "journal start",
            "started",
            "0a< transfer-progress 200",
            "0a< hangup 0/16",
            "0b< reoffer offer(c1)",
        ]
    );
    // Its answer is known to media and passed to nobody; then offers pass both ways.
    let answered = |text| Event::ReofferAnswered { body: Some(sdp(text)) };
    let offers = |text| Event::Reoffer { body: Some(sdp(text)) };
    assert_eq!(scene.event(0, 1, answered("b2")), [""; 0]);
    assert_eq!(scene.event(0, 1, offers("b3")), ["1b< reoffer offer(b3)"]);
    assert_eq!(scene.event(1, 1, answered("c2")), ["0b< reoffer-answer answer(c2)"]);
    assert_eq!(scene.event(1, 1, offers("c3")), ["0b< reoffer offer(c3)"]);
    let refused = Event::ReofferRefused { cause: Cause::from_sip(488) };
    assert_eq!(scene.event(0, 1, refused), ["1b< reoffer-refuse 488/65"]);
    let info = Event::Info { body: sdp("i") };
    assert_eq!(scene.event(0, 1, info), ["1b< info i"]);
    assert_eq!(
        scene.bye(1, 1),
        [
            "part b b",
            "table ended",
            "table ended",
            "journal ended 0/16 Called Normal",
            "journal ended 0/16 Called Normal",
            "0b< hangup 0/16",
        ]
    );
    scene.end();
}

/// The late offer goes through both calls and its answer comes back with the ACK.
#[test]
fn an_offer_that_is_asked_for_comes_through_both_calls() {
    let mut scene = Scene::put_through(0);
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b2")) });
    assert_eq!(scene.event(0, 1, Event::Reoffer { body: None }), ["1b< reoffer"]);
    let offer = Event::ReofferAnswered { body: Some(sdp("c2")) };
    assert_eq!(scene.event(1, 1, offer), ["0b< reoffer-answer offer(c2)"]);
    let answer = Event::Confirmed { body: Some(sdp("b3")) };
    assert_eq!(scene.event(0, 1, answer), ["1b< confirm answer(b3)"]);
    scene.bye(0, 1);
    scene.end();
}

/// Whom we called puts the caller through: the caller's record needs a called leg to the end.
#[test]
fn who_was_called_puts_the_caller_through() {
    let mut scene = Scene::talking();
    scene.refer(0, 1, None);
    assert_eq!(scene.question.clone().unwrap().party, PartyRef::Subscriber(9));
    scene.go("1003");
    scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    scene.bye(0, 0);
    scene.end();
    let first = scene.facts(0);
    let talk: Vec<&str> = first.iter().map(String::as_str).skip(5).collect();
    assert_eq!(
        talk,
        [
            "answered a",
            "joined a b",
            "parted b a",
            "ended b 0/16 Switch Normal",
            "opened c Out 0.0 1002",
            "answered c",
            "joined a c",
            "ended a 0/16 Caller Normal",
            "ended c 0/16 Caller Normal",
            "ended 0/16 Caller Normal dropped 0",
        ],
        "{first:#?}"
    );
}

#[test]
fn a_transfer_that_comes_to_nothing_changes_nothing() {
    // Nobody may.
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    assert_eq!(scene.refuse(403), ["table answered", "free", "0a< transfer-refuse 403/21"]);
    // The target is busy.
    scene.refer(0, 0, None);
    scene.go("1003");
    let busy = Event::Refused { cause: Cause::new(486, 17), contacts: Vec::new(), silent: false };
    let told = scene.event(2, 1, busy);
    assert_eq!(told.last().unwrap(), "0a< transfer-progress 486", "{told:?}");
    let info = Event::Info { body: sdp("i") };
    assert_eq!(scene.event(0, 0, info), ["0b< info i"]);
    scene.bye(0, 0);
    scene.end();
}

/// Its phone says BYE at once, as many do: the other waits for the target.
#[test]
fn the_asker_may_hang_up_before_the_target_answers() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    assert_eq!(scene.bye(0, 0), ["part a b", "table answered"]);
    let info = Event::Info { body: sdp("to nobody") };
    assert_eq!(scene.event(0, 1, info), [""; 0]);
    let offers = Event::Reoffer { body: Some(sdp("to nobody")) };
    assert_eq!(scene.event(0, 1, offers), ["0b< reoffer-refuse 491/31"]);
    let told = scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert_eq!(told.first().unwrap(), "join b b");
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)");
    scene.bye(0, 1);
    scene.end();
    // And when it does not answer, nobody is left to talk with.
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    scene.bye(0, 0);
    let gone = Event::Refused { cause: Cause::new(404, 1), contacts: Vec::new(), silent: false };
    let told = scene.event(1, 1, gone);
    assert!(told.contains(&"0b< hangup 404/1".to_owned()), "{told:?}");
    scene.end();
}

#[test]
fn the_end_of_the_first_call_gives_the_target_up() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    let told = scene.bye(0, 1);
    for expected in ["0a< transfer-progress 487", "0a< hangup 0/16", "1b< hangup 480/16"] {
        assert!(told.contains(&expected.to_owned()), "no {expected} in {told:?}");
    }
    scene.end();
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    let told = scene.bye(0, 1);
    assert!(told.iter().any(|text| text.starts_with("0a< transfer-refuse 487")), "{told:?}");
    // The plan comes for nobody.
    assert!(scene.go("1003").contains(&"abandoned".to_owned()));
    scene.end();
}

#[test]
fn an_answer_waits_for_an_exchange_under_way() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    scene.event(0, 1, Event::Reoffer { body: Some(sdp("b2")) });
    let told = scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert!(!told.iter().any(|text| text.starts_with('0')), "{told:?}");
    let told = scene.event(0, 0, Event::ReofferAnswered { body: Some(sdp("a2")) });
    let tail = &told[told.len() - 4..];
    assert_eq!(
        tail,
        [
            "0b< reoffer-answer answer(a2)",
            "0a< transfer-progress 200",
            "0a< hangup 0/16",
            "0b< reoffer offer(c1)"
        ]
    );
    scene.bye(0, 1);
    scene.end();
}

/// The target has answered, and who is put through still owes another one an answer: nobody else
/// has the target's place until that is over.
#[test]
fn the_place_of_a_target_is_not_had_before_it_has_it_itself() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    scene.event(0, 0, Event::Reoffer { body: Some(sdp("a2")) });
    scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert_eq!(scene.refer(1, 1, None), ["1b< transfer-refuse 491/31"]);
    let place = scene.leg(1, 1);
    let refused = scene.world.calls.reserve_beside(place).map_err(|cause| cause.sip);
    assert_eq!(refused, Err(491));
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b2")) });
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b3")) });
    let asked = scene.refer(1, 1, None);
    assert_eq!(asked.last().unwrap(), "ask transfer 1003");
    scene.end();
}

#[test]
fn an_asker_that_left_before_its_wish_was_accepted_hears_nothing_of_it() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.bye(0, 0);
    assert_eq!(scene.go("1003"), ["table ringing", "1b< invite offer(1002)"]);
    let told = scene.event(1, 1, Event::Answered { body: Some(sdp("c1")) });
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("0a<")), "{told:?}");
    scene.end();
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.bye(0, 0);
    let told = scene.refuse(403);
    assert!(!told.iter().any(|line| line.starts_with("0a<")), "{told:?}");
    assert!(told.contains(&"0b< hangup 403/21".to_owned()), "{told:?}");
    scene.end();
}

/// What becomes of an exchange under way when the asker goes before the target has answered.
#[test]
fn an_asker_may_go_amid_an_exchange() {
    let offers = |text| Event::Reoffer { body: Some(sdp(text)) };
    let accepts = |text| Event::ReofferAnswered { body: Some(sdp(text)) };
    let target = || Event::Answered { body: Some(sdp("c1")) };
    let tried = || {
        let mut scene = Scene::talking();
        scene.refer(0, 0, None);
        scene.go("1003");
        scene
    };
    // It has offered: the answer goes to nobody, and only then the target is shown.
    let mut scene = tried();
    scene.event(0, 0, offers("a2"));
    scene.bye(0, 0);
    scene.event(1, 1, target());
    let told = scene.event(0, 1, accepts("b2"));
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    scene.end();
    // It owes an answer: the offer may be made again, to the target.
    for offer in [Some("b2"), None] {
        let mut scene = tried();
        scene.event(0, 1, Event::Reoffer { body: offer.map(sdp) });
        let told = scene.bye(0, 0);
        assert!(told.contains(&"0b< reoffer-refuse 491/31".to_owned()), "{told:?}");
        let told = scene.event(1, 1, target());
        assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
        scene.end();
    }
    // The target has answered and waits for the end of the exchange: here it is.
    let mut scene = tried();
    scene.event(0, 1, offers("b2"));
    scene.event(1, 1, target());
    let told = scene.bye(0, 0);
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    scene.end();
    // It was to answer an offer that it wanted itself: nobody else can.
    let mut scene = tried();
    scene.event(0, 0, Event::Reoffer { body: None });
    let told = scene.bye(0, 0);
    assert!(told.contains(&"0b< hangup 488/65".to_owned()), "{told:?}");
    scene.end();
}

#[test]
fn two_calls_of_one_party_become_one_bridge() {
    let mut scene = Scene::talking();
    scene.call("1004");
    let other = scene.leg(1, 0);
    assert_eq!(
        scene.refer(0, 0, Some(other)),
        [
            "part a b",
            "part a b",
            "join b b",
            "table answered",
            "table answered",
            "table answered",
            "0a< transfer-accept",
            "1a< hangup 0/16",
            "0a< transfer-progress 200",
            "0a< hangup 0/16",
            "0b< reoffer offer(1004)",
        ]
    );
    let answered = |text| Event::ReofferAnswered { body: Some(sdp(text)) };
    assert_eq!(scene.event(0, 1, answered("b2")), ["1b< reoffer offer(b2)"]);
    assert_eq!(scene.event(1, 1, answered("d2")), [""; 0]);
    let offers = Event::Reoffer { body: Some(sdp("d3")) };
    assert_eq!(scene.event(1, 1, offers), ["0b< reoffer offer(d3)"]);
    assert_eq!(scene.event(0, 1, answered("b3")), ["1b< reoffer-answer answer(b3)"]);
    let told = scene.bye(0, 1);
    assert!(told.contains(&"1b< hangup 0/16".to_owned()), "{told:?}");
    scene.end();
}

#[test]
fn what_cannot_be_joined_stays_as_it_is() {
    let mut scene = Scene::talking();
    // A leg of nobody, its own, and one that is transferred already.
    let nobody = LegId { slot: SlotRef { seg: 0, idx: 3, r#gen: 9 }, leg: 0 };
    let as_before = ["table answered", "table answered"];
    let refused = ["0a< transfer-accept", "0a< transfer-progress 481"];
    let refused = [as_before, refused].concat();
    assert_eq!(scene.refer(0, 0, Some(nobody)), refused);
    assert_eq!(scene.refer(0, 0, Some(scene.leg(0, 0))), refused);
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn one_transfer_at_a_time() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    assert_eq!(scene.refer(0, 1, None), ["0b< transfer-refuse 491/31"]);
    scene.bye(0, 0);
    scene.bye(0, 1);
    scene.end();
    // Nor while descriptions are under way, in either of two calls.
    let offer = || Event::Reoffer { body: Some(sdp("o")) };
    let mut scene = Scene::talking();
    scene.call("1004");
    let other = scene.leg(1, 0);
    scene.event(1, 1, offer());
    let told = scene.refer(0, 0, Some(other));
    assert_eq!(told.last().unwrap(), "0a< transfer-progress 491", "{told:?}");
    scene.event(0, 1, offer());
    assert_eq!(scene.refer(0, 0, Some(other)), ["0a< transfer-refuse 491/31"]);
    scene.bye(0, 0);
    scene.bye(1, 0);
    scene.end();
}

/// A slot short: the first call goes on.
#[test]
fn no_room_for_the_second_call() {
    let mut scene = Scene::empty(1);
    scene.call("1002");
    let told = scene.refer(0, 0, None);
    assert_eq!(told, ["table answered", "table answered", "0a< transfer-refuse 503/42"]);
    scene.bye(0, 0);
    scene.end();
}

/// A chain of calls: whoever is at an end of it puts the other end through.
#[test]
fn a_transferred_call_is_transferred_again_from_either_end() {
    let mut scene = Scene::put_through_and_agreed();
    // Who was put through to passes the other one on.
    assert_eq!(scene.refer(1, 1, None), ["table answered", "table asked", "ask transfer 1003"]);
    assert_eq!(scene.question.clone().unwrap().party, PartyRef::Subscriber(9));
    assert_eq!(scene.go("1003"), ["table ringing", "2b< invite offer(b2)", "1b< transfer-accept"]);
    assert_eq!(
        scene.event(2, 1, Event::Answered { body: Some(sdp("d1")) }),
        [
            "part b b",
            "join b b",
            "table answered",
            "table answered",
            "journal start",
            "started",
            "1b< transfer-progress 200",
            "1b< hangup 0/16",
            "0b< reoffer offer(d1)",
        ]
    );
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b3")) });
    scene.offers_pass((0, 1), (2, 1));
    // And who stayed from the beginning passes that one on.
    let (nth, told) = scene.pass_on(0, 1, "e1");
    assert_eq!(told.last().unwrap(), "2b< reoffer offer(e1)", "{told:?}");
    scene.event(2, 1, Event::ReofferAnswered { body: Some(sdp("d2")) });
    scene.offers_pass((2, 1), (nth, 1));
    let info = Event::Info { body: sdp("i") };
    assert_eq!(scene.event(nth, 1, info), ["2b< info i"]);
    let told = scene.bye(nth, 1);
    assert!(told.contains(&"2b< hangup 0/16".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|text| text.starts_with("journal ended")).count(), 4);
    scene.end();
}

/// The first call goes on under its record to the end, though neither of its parties is left.
#[test]
fn a_call_in_the_middle_of_a_chain_is_recorded_to_the_end() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut scene = Scene::put_through(first);
        scene.event(0, 1 - first, Event::ReofferAnswered { body: Some(sdp("x2")) });
        let (nth, _) = scene.pass_on(0, second, "d1");
        scene.world.wait(5_000);
        scene.bye(nth, 1);
        scene.end();
        for call in 0..3 {
            let facts = scene.facts(call);
            let last = facts.last().unwrap();
            assert!(last.ends_with("Normal dropped 0"), "{facts:#?}");
        }
        let facts = scene.facts(0);
        let stands_in = facts.iter().filter(|fact| fact.starts_with("opened")).count();
        assert_eq!(stands_in, 3, "{facts:#?}");
    }
}

/// Both ends try at once: each gets what it asked for.
#[test]
fn both_ends_of_a_chain_may_put_each_other_through() {
    let mut scene = Scene::put_through_and_agreed();
    scene.refer(0, 1, None);
    scene.go("1003");
    scene.refer(1, 1, None);
    scene.go("1003");
    let told = scene.event(2, 1, Event::Answered { body: Some(sdp("d1")) });
    assert_eq!(told.last().unwrap(), "1b< reoffer offer(d1)", "{told:?}");
    // The other one waits for the exchange.
    let told = scene.event(3, 1, Event::Answered { body: Some(sdp("e1")) });
    assert!(!told.contains(&"1b< hangup 0/16".to_owned()), "{told:?}");
    let told = scene.event(1, 1, Event::ReofferAnswered { body: Some(sdp("c2")) });
    assert!(told.contains(&"1b< hangup 0/16".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "2b< reoffer offer(e1)", "{told:?}");
    scene.event(2, 1, Event::ReofferAnswered { body: Some(sdp("d2")) });
    scene.offers_pass((2, 1), (3, 1));
    scene.bye(2, 1);
    scene.end();
}

#[test]
fn a_chain_is_bounded() {
    let mut scene = Scene::empty(20);
    scene.call("1002");
    let mut last = (0, 1);
    for nth in 1..CHAIN_MAX {
        let (call, told) = scene.pass_on(last.0, last.1, &format!("c{nth}"));
        assert!(told.contains(&format!("{}{}< hangup 0/16", last.0, letter(last.1))), "{told:?}");
        scene.event(0, 0, Event::ReofferAnswered { body: Some(sdp("a")) });
        last = (call, 1);
    }
    let told = scene.refer(last.0, last.1, None);
    assert_eq!(told.last().unwrap(), &format!("{}b< transfer-refuse 480/25", last.0), "{told:?}");
    scene.offers_pass((0, 0), last);
    assert_eq!(scene.restart(), ["join a b"]);
    scene.offers_pass((0, 0), last);
    scene.bye(0, 0);
    scene.end();
}

#[test]
fn a_transferred_call_is_joined_with_another_one() {
    let mut scene = Scene::put_through_and_agreed();
    // Who stayed calls somebody, and joins that one with the other end.
    scene.call("1004");
    let own = scene.leg(2, 0);
    let told = scene.refer(0, 1, Some(own));
    for expected in ["2a< hangup 0/16", "0b< hangup 0/16", "1b< reoffer offer(1004)"] {
        assert!(told.contains(&expected.to_owned()), "no {expected} in {told:?}");
    }
    let answered = |text| Event::ReofferAnswered { body: Some(sdp(text)) };
    assert_eq!(scene.event(1, 1, answered("c2")), ["2b< reoffer offer(c2)"]);
    assert_eq!(scene.event(2, 1, answered("f2")), [""; 0]);
    scene.offers_pass((1, 1), (2, 1));
    // The two ends of one chain are not two calls.
    let far = scene.leg(2, 1);
    let refused = ["table answered", "table answered", "1b< transfer-accept"];
    let told = scene.refer(1, 1, Some(far));
    assert_eq!(told[..3], refused, "{told:?}");
    assert_eq!(told[3..], ["1b< transfer-progress 481"]);
    scene.offers_pass((1, 1), (2, 1));
    scene.bye(1, 1);
    scene.end();
}

/// Both halves go on, each under its record, and are transferred again.
#[test]
fn a_transferred_call_outlives_its_process() {
    let mut scene = Scene::put_through_and_agreed();
    assert_eq!(scene.restart(), ["join b b"]);
    scene.offers_pass((0, 1), (1, 1));
    let (nth, told) = scene.pass_on(1, 1, "d1");
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(d1)", "{told:?}");
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b3")) });
    assert_eq!(scene.restart(), ["join b b"]);
    scene.offers_pass((0, 1), (nth, 1));
    let told = scene.bye(0, 1);
    assert_eq!(told.iter().filter(|text| text.starts_with("journal ended")).count(), 3);
    scene.end();
}

/// Nobody knows whether the offer that brings both together arrived: one is asked for another.
#[test]
fn an_exchange_of_two_calls_that_was_cut_off_is_made_good() {
    let mut scene = Scene::put_through(0);
    assert_eq!(scene.restart(), ["join b b", "0b< reoffer"]);
    let told = scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b2")) });
    assert_eq!(told, ["1b< reoffer offer(b2)"]);
    let told = scene.event(1, 1, Event::ReofferAnswered { body: Some(sdp("c2")) });
    assert_eq!(told, ["0b< confirm answer(c2)"]);
    scene.offers_pass((0, 1), (1, 1));
    scene.bye(0, 1);
    scene.end();
}

/// The target that rings ends with the process; the call that was to be transferred goes on.
#[test]
fn a_transfer_that_is_tried_ends_with_its_process() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    let told = scene.restart();
    for expected in ["1b< hangup 503/41", "journal ended 0/41 Unknown ProcessLost"] {
        assert!(told.contains(&expected.to_owned()), "no {expected} in {told:?}");
    }
    scene.offers_pass((0, 0), (0, 1));
    scene.bye(0, 0);
    scene.end();
    // Without its asker nobody is left for the other one.
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    scene.bye(0, 0);
    let told = scene.restart();
    assert!(told.contains(&"0b< hangup 503/41".to_owned()), "{told:?}");
    scene.end();
}

/// The crash comes between the slots of the two calls: what the first one does not know is done
/// again.
#[test]
fn a_target_that_answered_takes_its_place_in_the_next_life() {
    let mut scene = Scene::talking();
    scene.refer(0, 0, None);
    scene.go("1003");
    let answered = Event::Answered { body: Some(sdp("c1")) };
    let told = scene.restart_amid((1, 1), answered, &[0]);
    assert!(told.contains(&"0a< hangup 0/16".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(c1)", "{told:?}");
    scene.event(0, 1, Event::ReofferAnswered { body: Some(sdp("b2")) });
    scene.offers_pass((0, 1), (1, 1));
    scene.bye(1, 1);
    scene.end();
}

#[test]
fn two_calls_of_one_party_are_one_bridge_in_the_next_life() {
    let mut scene = Scene::talking();
    scene.call("1004");
    let other = scene.leg(1, 0);
    let wish = wish(Some(other));
    let told = scene.restart_amid((0, 0), wish, &[0]);
    assert!(told.contains(&"0a< hangup 0/16".to_owned()), "{told:?}");
    assert_eq!(told.last().unwrap(), "0b< reoffer offer(1004)", "{told:?}");
    let answered = |text| Event::ReofferAnswered { body: Some(sdp(text)) };
    assert_eq!(scene.event(0, 1, answered("b2")), ["1b< reoffer offer(b2)"]);
    scene.event(1, 1, answered("d2"));
    scene.offers_pass((0, 1), (1, 1));
    scene.bye(0, 1);
    scene.end();
}

/// One half alone is ended, at the last sign of life.
#[test]
fn a_half_without_the_other_one_is_ended() {
    for gone in [0, 1] {
        let mut scene = Scene::put_through_and_agreed();
        let mut left = scene.world.left();
        left.retain(|(slot, ..)| *slot != scene.slots[gone]);
        let outputs = scene.world.restart_with(left);
        let told = scene.texts(&outputs);
        let kept = 1 - gone;
        assert!(told.contains(&format!("{kept}b< hangup 503/41")), "{told:?}");
        assert!(told.contains(&"journal ended 0/41 Unknown ProcessLost".to_owned()), "{told:?}");
        assert_eq!(scene.world.calls.in_use(), 1);
    }
}
