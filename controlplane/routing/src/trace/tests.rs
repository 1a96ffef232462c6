use super::*;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::net::SocketAddr;
use strowger_model::{
    Cdr, CdrCalled, CdrCaller, CdrHop, CdrId, CdrOutcome, CdrTimes, SubscriberId, TrunkId,
    reason_code,
};

/// Calls everything by its kind.
struct Kinds;

impl RowNames for Kinds {
    fn name(&self, thing: Thing, id: i64) -> Option<String> {
        (id < 9).then(|| format!("{thing:?} {id}"))
    }
}

/// Every step with its code and sentence, one a line.
const GOLDEN: &str = include_str!("steps.txt");

#[test]
fn every_step_has_its_sentence() {
    let mut text = String::new();
    for step in Step::all() {
        let code = step.put(&mut Payload { bytes: [0; PAYLOAD_MAX], len: 0 });
        let said = step.said(&Kinds);
        let eyes = if step.is_open() { "open" } else { "operator" };
        writeln!(text, "{code} {} {eyes}: {}", said.code, said.sentence).unwrap();
    }
    assert_eq!(text, GOLDEN, "steps.txt should be:\n{text}");
}

#[test]
fn no_two_steps_have_one_code_or_one_name() {
    let steps = Step::all();
    let known = steps.iter().filter(|s| !matches!(s, Step::Newer(_) | Step::OtherForm(_)));
    let mut codes: Vec<u8> =
        known.map(|step| step.put(&mut Payload { bytes: [0; PAYLOAD_MAX], len: 0 })).collect();
    let mut names: Vec<String> = steps.iter().map(Step::name).collect();
    codes.sort_unstable();
    names.sort_unstable();
    assert!(codes.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(OPEN.iter().all(|code| codes.contains(code)), "an open step is gone");
}

#[test]
fn every_step_comes_back() {
    for step in Step::all() {
        if matches!(step, Step::Newer(_) | Step::OtherForm(_)) {
            continue;
        }
        let mut trace = Trace::default();
        trace.note(step);
        let back: Vec<Step> = Trace::from_bytes(trace.as_bytes()).steps().collect();
        assert_eq!(back, [step]);
    }
}

#[test]
fn golden_bytes_and_words() {
    let mut trace = Trace::default();
    trace.note(Step::SenderSubscriber { subscriber: 300 });
    trace.note(Step::Number(Digits::parse("44*").unwrap()));
    trace.note(Step::Hop { trunk: 7, address: 1 });
    trace.note(Step::Refused { sip: 404, q850: 1 });
    let bytes = b"\x01\x03\x02\xac\x02\x01\x0344*\x1a\x02\x07\x01\x24\x03\x94\x03\x01";
    assert_eq!(trace.as_bytes(), bytes);
    assert_eq!(
        trace.to_string(),
        "sender is subscriber 300\ncalled number is 44*\nhop to trunk 7, address 1\n\
         refused with 404, cause 1\n"
    );
    let said = trace.told(&Kinds, Audience::Operator);
    assert_eq!(said[2].sentence, "hop to trunk 7 (Trunk 7), address 1");
    let parameters = [("trunk", "7".to_owned()), ("address", "1".to_owned())];
    assert_eq!((said[2].code.as_str(), said[2].parameters.as_slice()), ("hop", &parameters[..]));
    // A party of the call reads nothing of where it was sent.
    let said = trace.told(&Kinds, Audience::Party);
    let codes: Vec<&str> = said.iter().map(|said| said.code.as_str()).collect();
    assert_eq!(codes, ["sender-subscriber", "number", "refused"]);
}

#[test]
fn what_a_later_release_wrote_is_read_as_far_as_it_goes() {
    for (bytes, expect) in [
        // An unknown code is passed over by its length.
        (&b"\x01\xff\x02ab\x0f\x00"[..], "step 255 of a newer release\ncalled text is no number"),
        // A known code with one number more.
        (b"\x01\x02\x02\x05\x09\x0f\x00", "sender is trunk 5\ncalled text is no number"),
        // A number that has no text of ours.
        (b"\x01\x01\x01x", "step 1 of a newer release"),
        // Too little behind a known code.
        (b"\x01\x02\x00\x0f\x00", "step 2 of a newer release\ncalled text is no number"),
        // Another form.
        (b"\x02\x02\x01\x05", "the trace has form 2, of a newer release"),
        // Cut off in storage.
        (b"\x01\x0f\x00\x02\x01", "called text is no number"),
        (b"", ""),
    ] {
        let said = Trace::from_bytes(bytes).to_string();
        assert_eq!(said.trim_end(), expect);
    }
}

#[test]
fn is_bounded_and_says_so() {
    let mut trace = Trace::default();
    for _ in 0..200 {
        trace.note(Step::Hop { trunk: i64::MAX, address: 0 });
    }
    assert!(trace.as_bytes().len() <= TRACE_MAX);
    assert!(trace.as_bytes().len() > TRACE_MAX - STEP_HEAD - PAYLOAD_MAX);
    assert_eq!(trace.steps().last(), Some(Step::Cut));
    assert_eq!(trace.steps().filter(|s| *s == Step::Cut).count(), 1);
    trace.note(Step::Stranger {});
    assert_eq!(trace.steps().last(), Some(Step::Cut));
    let mut again = Trace::from_bytes(trace.as_bytes());
    again.note(Step::Stranger {});
    assert_eq!(again, trace);
}

fn outcome(reason: &str, party: u8, sip: u16, q850: u8) -> CdrOutcome {
    CdrOutcome { party, reason: reason_code(reason).unwrap(), sip, q850 }
}

fn hop(index: u8, outcome: CdrOutcome) -> CdrHop {
    let remote = SocketAddr::from(([192, 0, 2, index + 1], 5060));
    CdrHop {
        index,
        stage: index,
        branch: 0,
        trunk: Some(TrunkId(i64::from(index) + 5)),
        subscriber: None,
        supplier: None,
        dialled: "4420".into(),
        remote,
        started_us: 1_000_000,
        rang_us: None,
        answered_us: None,
        ended_us: 1_120_000,
        outcome,
    }
}

fn cdr(hops: Vec<CdrHop>, answered: bool, outcome: CdrOutcome) -> Cdr {
    Cdr {
        id: CdrId(1),
        part: 0,
        tenant: None,
        ask: 1,
        snapshot: 0,
        times: CdrTimes {
            answered_us: answered.then_some(5),
            setup_ms: 2_300,
            talk_ms: 12_999,
            ..CdrTimes::default()
        },
        caller: CdrCaller::default(),
        called: CdrCalled::default(),
        outcome,
        caller_media: None,
        called_media: None,
        customer: None,
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops,
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

fn told(cdr: &Cdr, audience: Audience) -> Vec<String> {
    aftermath(cdr, &Kinds, audience).into_iter().map(|said| said.sentence).collect()
}

#[test]
fn what_the_dataplane_did_follows_in_words() {
    let failed = hop(0, outcome("peer-error", 1, 503, 41));
    let mut silent = hop(2, outcome("cancelled", 3, 0, 0));
    silent.rang_us = Some(1_050_000);
    let mut record = cdr(vec![silent, failed], true, outcome("normal", 2, 200, 16));
    record.called.trunk = Some(TrunkId(9));
    record.called.subscriber = Some(SubscriberId(4));
    record.called.remote = Some(SocketAddr::from(([192, 0, 2, 9], 5060)));
    record.called.dialled = "0044".into();
    record.hops_dropped = 2;
    assert_eq!(
        told(&record, Audience::Operator),
        [
            "hop 1, trunk 5 (Trunk 5) at 192.0.2.1:5060 as 4420: answered 503, cause 41 \
             (peer-error) after 120 ms, next",
            "hop 2, trunk 9, subscriber 4 (Subscriber 4) at 192.0.2.9:5060 as 0044: answered \
             2300 ms into the call",
            "hop 3, trunk 7 (Trunk 7) at 192.0.2.3:5060 as 4420: rang after 50 ms, ended \
             (cancelled) after 120 ms",
            "2 more branches failed, which are not kept",
            "the caller ended the call after 12 s of talk: normal",
        ]
    );
    let open = told(&record, Audience::Party);
    assert_eq!(open[0], "hop 1: answered 503, cause 41 (peer-error) after 120 ms, next");
    assert_eq!(open[1], "hop 2: answered 2300 ms into the call");
    assert!(open.iter().all(|line| !line.contains("runk") && !line.contains("192.0.2")));
}

#[test]
fn false_answers_and_one_way_audio_are_said() {
    let side = |received, silent_ms, rang_ms| strowger_model::CdrMedia {
        received,
        received_octets: 0,
        sent: 0,
        sent_octets: 0,
        lost: 0,
        jitter_us: 0,
        jitter_us_max: 0,
        dropped: 0,
        payload_type: None,
        codec: String::new(),
        remote: None,
        mos: Some(439),
        heard: None,
        silent_ms,
        rang_ms,
    };
    let said = |called, audience| {
        let mut record = cdr(Vec::new(), true, outcome("normal", 2, 200, 16));
        record.caller_media = Some(side(600, Some(0), 0));
        record.called_media = Some(called);
        let mut said = told(&record, audience);
        assert_eq!(said.pop().unwrap(), "the caller ended the call after 12 s of talk: normal");
        said
    };
    let (operator, party) = (Audience::Operator, Audience::Party);
    assert_eq!(said(side(600, Some(20), 0), operator), [""; 0]);
    let rings = said(side(600, Some(20), 2_100), operator);
    assert_eq!(rings, ["the answer was false: what rang before it rang on behind it for 2100 ms"]);
    assert_eq!(said(side(600, Some(20), 2_100), party), [""; 0]);
    let one_way = "one-way audio: nobody heard the called party";
    let silent = said(side(0, Some(12_000), 0), operator);
    assert_eq!(silent, ["the answer was false: nothing came behind it for 12 s", one_way]);
    assert_eq!(said(side(0, Some(12_000), 0), party), [one_way]);
}

#[test]
fn a_refused_attempt_has_no_hop() {
    let record = cdr(Vec::new(), false, outcome("no-route", 3, 404, 3));
    assert_eq!(
        told(&record, Audience::Operator),
        ["nobody talked: answered 404, cause 3 (no-route)"]
    );
    let mut busy = cdr(Vec::new(), false, outcome("busy", 1, 486, 17));
    busy.called.remote = Some(SocketAddr::from(([192, 0, 2, 9], 5060)));
    assert_eq!(
        told(&busy, Audience::Operator),
        [
            "hop 1 at 192.0.2.9:5060: answered 486, cause 17 (busy)",
            "nobody talked: answered 486, cause 17 (busy)",
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn numbers_survive(values in prop::collection::vec(any::<i64>(), 1..20)) {
        let mut trace = Trace::default();
        let steps: Vec<Step> =
            values.iter().map(|v| Step::Route { route: *v, prefix_digits: -*v / 2 }).collect();
        steps.iter().for_each(|step| trace.note(*step));
        let back: Vec<Step> = Trace::from_bytes(trace.as_bytes()).steps().collect();
        prop_assert_eq!(back, steps);
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let trace = Trace::from_bytes(&bytes);
        prop_assert!(trace.steps().count() <= TRACE_MAX);
        prop_assert!(trace.to_string().len() < 64 * TRACE_MAX);
        prop_assert!(trace.told(&Kinds, Audience::Party).len() <= TRACE_MAX);
    }
}
