use super::*;
use crate::testing::facts;
use proptest::prelude::*;
use std::fmt::Write as _;
use strowger_link::Fact;
use strowger_model::{party_name, reason_name};

/// One line for the record and one for each hop.
fn print(draft: &CdrDraft) -> String {
    let (cdr, mut text) = (&draft.cdr, String::new());
    let times = &cdr.times;
    let to = |trunk: Option<TrunkId>, user: Option<SubscriberId>| match (trunk, user) {
        (Some(trunk), _) => format!("trunk {trunk}"),
        (None, Some(user)) => format!("user {user}"),
        (None, None) => "nobody".to_owned(),
    };
    let how = |outcome: &CdrOutcome| {
        let (reason, party) = (reason_name(outcome.reason), party_name(outcome.party));
        format!("{} {} {}", outcome.sip, reason.unwrap(), party.unwrap())
    };
    let ms = |us: i64| us / 1_000 - 1_000_000;
    write!(
        text,
        "{} start {} ring {:?} answer {:?} end {}; setup {} talk {} billable {} legs {} {}; {}",
        to(cdr.called.trunk, cdr.called.subscriber),
        ms(times.started_us),
        times.rang_us.map(ms),
        times.answered_us.map(ms),
        ms(times.ended_us),
        times.setup_ms,
        times.talk_ms,
        times.billable_ms,
        times.caller_ms,
        times.called_ms,
        how(&cdr.outcome),
    )
    .unwrap();
    for (hop, price) in cdr.hops.iter().zip(&draft.hop_prices) {
        let (started, ended) = (ms(hop.started_us), ms(hop.ended_us));
        write!(
            text,
            "\n  {} {} price {price} at {}.{} {started} to {ended}; {}",
            hop.index,
            to(hop.trunk, hop.subscriber),
            hop.stage,
            hop.branch,
            how(&hop.outcome),
        )
        .unwrap();
    }
    text
}

#[track_caller]
fn check_mode(mode: Mode, script: &str, expect: &str) {
    let drafts = compose(&facts(script), mode);
    let text: Vec<String> = drafts.iter().map(print).collect();
    let expect: Vec<&str> = expect.lines().map(str::trim).collect();
    let text = text.join("\n");
    let text: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(text, expect);
}

#[track_caller]
fn check(script: &str, expect: &str) {
    check_mode(Mode::CalledLeg, script, expect);
}

const ANSWERED: &str = "
    10 began
    10 in 0
    40 out 1 trunk 9 0 0.0
    540 ring 1
    2040 answer 1
    2041 answer 0
    2041 join 0 1
    2041 grant 600000
    62041 end 0 200 normal media
    62060 end 1 200 normal media
    62041 over 200 normal caller";

#[test]
fn an_answered_call() {
    check(
        ANSWERED,
        "trunk 9 start 10 ring Some(540) answer Some(2040) end 62041; \
         setup 2030 talk 60001 billable 60001 legs 60000 60001; 200 normal caller",
    );
}

#[test]
fn a_call_that_runs_has_no_record() {
    check("10 began\n10 in 0\n40 out 1 trunk 9 0 0.0\n2040 answer 1", "");
}

#[test]
fn nobody_answers() {
    check(
        "10 began
         10 in 0
         40 out 1 user 1002 255 0.0
         540 ring 1
         30040 end 1 487 no-answer
         30041 over 480 no-answer switch",
        "user 1002 start 10 ring Some(540) answer None end 30041; \
         setup 30031 talk 0 billable 0 legs 0 0; 480 no-answer switch",
    );
}

#[test]
fn refused_before_any_leg_left() {
    check(
        "10 began
         10 in 0
         11 end 0 402 no-credit
         11 over 402 no-credit switch",
        "nobody start 10 ring None answer None end 11; \
         setup 1 talk 0 billable 0 legs 0 0; 402 no-credit switch",
    );
}

#[test]
fn failed_branches_are_hops() {
    check(
        "10 began
         10 in 0
         20 out 1 trunk 7 0 0.0
         120 end 1 503 peer-error
         121 out 2 trunk 8 1 1.0
         4121 end 2 408 peer-silent
         4122 out 1 trunk 9 2 2.0
         5000 ring 1
         6000 answer 1
         6000 answer 0
         6000 join 1 0
         9000 end 1 200 normal
         9000 end 0 200 normal
         9000 over 200 normal called",
        "trunk 9 start 10 ring Some(5000) answer Some(6000) end 9000; \
         setup 5990 talk 3000 billable 3000 legs 3000 3000; 200 normal called
         0 trunk 7 price 0 at 0.0 20 to 120; 503 peer-error called
         1 trunk 8 price 1 at 1.0 121 to 4121; 408 peer-silent called",
    );
}

#[test]
fn of_two_that_ring_together_the_joined_one_wins() {
    check(
        "10 began
         10 in 0
         20 out 1 user 1002 255 0.0
         20 out 2 user 1003 255 0.1
         300 ring 2
         400 ring 1
         990 answer 1
         1000 answer 2
         1000 answer 0
         1000 join 0 2
         1010 end 1 200 normal
         5000 end 2 200 normal
         5000 over 200 normal called",
        "user 1003 start 10 ring Some(300) answer Some(1000) end 5000; \
         setup 990 talk 4000 billable 4000 legs 4000 4000; 200 normal called
         0 user 1002 price 255 at 0.0 20 to 1010; 200 normal called",
    );
}

#[test]
fn a_leg_that_answered_and_never_talked_is_not_charged() {
    check(
        "10 began
         10 in 0
         20 out 1 trunk 7 0 0.0
         900 answer 1
         901 end 1 488 bad-media
         902 end 0 488 bad-media
         902 over 488 bad-media switch",
        "trunk 7 start 10 ring None answer None end 902; \
         setup 892 talk 0 billable 0 legs 0 1; 488 bad-media switch",
    );
}

#[test]
fn all_targets_failed_the_last_one_is_the_called_leg() {
    check(
        "10 began
         10 in 0
         20 out 1 trunk 7 0 0.0
         120 end 1 503 peer-error
         121 out 1 trunk 8 1 1.0
         221 end 1 486 busy
         222 end 0 486 busy
         222 over 486 busy called",
        "trunk 8 start 10 ring None answer None end 222; \
         setup 212 talk 0 billable 0 legs 0 0; 486 busy called
         0 trunk 7 price 0 at 0.0 20 to 120; 503 peer-error called",
    );
}

#[test]
fn an_originated_call_is_billed_from_the_second_answer() {
    check(
        "10 began
         10 out 0 user 1001 255 0.0
         1000 answer 0
         1010 out 1 trunk 9 0 1.0
         3000 answer 1
         3000 join 0 1
         8000 end 1 200 normal
         8001 end 0 200 normal
         8000 over 200 normal called",
        "trunk 9 start 10 ring None answer Some(3000) end 8000; \
         setup 2990 talk 5000 billable 5000 legs 7000 5000; 200 normal called",
    );
}

/// The caller puts the other one through, which then puts through whom it has: who called pays to
/// the end.
#[test]
fn a_call_whose_two_parties_were_put_through_lasts_to_its_end() {
    check(
        "10 began
         10 in 0
         40 out 1 user 1002 255 0.0
         1000 answer 1
         1000 answer 0
         1000 join 0 1
         5000 part 0 1
         5000 end 0 0 normal
         5000 join 1 2
         9000 part 1 2
         9000 end 1 0 normal
         9000 out 3 user 1002 255 0.0
         9000 answer 3
         9000 join 2 3
         20000 end 3 200 normal
         20000 over 200 normal called",
        "user 1002 start 10 ring None answer Some(1000) end 20000; \
         setup 990 talk 19000 billable 19000 legs 4000 8000; 200 normal called
           1 user 1002 price 255 at 0.0 9000 to 20000; 200 normal called",
    );
}

/// A trunk that was left after its answer: the rest of the caller's talk is another call's.
#[test]
fn the_record_of_a_trunk_that_was_left_ends_with_it() {
    check(
        "10 began
         10 in 0
         40 out 1 trunk 9 0 0.0
         1000 answer 1
         1000 answer 0
         1000 join 0 1
         5000 part 1 0
         5000 end 1 503 peer-error
         7000 join 0 2
         20000 end 0 200 normal
         20000 over 200 normal caller",
        "trunk 9 start 10 ring None answer Some(1000) end 5000; \
         setup 990 talk 4000 billable 4000 legs 19000 4000; 503 peer-error called",
    );
}

#[test]
fn a_cut_that_came_late_is_not_charged() {
    let cut = |grant: &str, end: u64, reason: &str| {
        let script = format!(
            "0 began\n0 in 0\n0 out 1 trunk 9 0 0.0\n0 answer 1\n0 answer 0\n0 join 0 1
             0 grant 60000\n30000 grant {grant}\n{end} over 200 {reason} switch"
        );
        let drafts = compose(&facts(&script), Mode::CalledLeg);
        (drafts[0].cdr.times.talk_ms, drafts[0].cdr.times.billable_ms)
    };
    assert_eq!(cut("90000", 90_003, "credit-ended"), (90_003, 90_000));
    assert_eq!(cut("90000", 95_000, "credit-ended"), (95_000, 90_000));
    assert_eq!(cut("90000", 90_900, "normal"), (90_900, 90_000));
    assert_eq!(cut("90000", 89_000, "normal"), (89_000, 89_000));
    // Allowed to go on without the control plane: the whole time counts.
    assert_eq!(cut("90000", 95_000, "normal"), (95_000, 95_000));
    assert_eq!(cut("all", 95_000, "normal"), (95_000, 95_000));
    // A grant that was dropped among the facts does not make a long call cheap.
    let ended = CallEnded {
        at: Tick(0),
        cause: Cause::new(200, 16),
        by: Party::Switch,
        reason: Reason::CreditEnded,
        facts_dropped: 1,
    };
    assert_eq!(billable_ms(900_000, Some(90_000), &ended), 900_000);
}

const ANSWERED_BY_US: &str = "
    0 began
    0 in 0
    100 answer 0
    3100 out 1 trunk 9 0 0.0";

#[test]
fn modes_of_a_call_that_we_answered_first() {
    let reached = format!(
        "{ANSWERED_BY_US}\n5100 answer 1\n5100 join 0 1\n9100 end 1 200 normal
         10100 over 200 normal caller"
    );
    let failed = format!("{ANSWERED_BY_US}\n5100 end 1 486 busy\n6100 over 486 busy switch");
    let talk = |mode, script: &str| {
        let drafts = compose(&facts(script), mode);
        let times = drafts[0].cdr.times;
        (times.answered_us.map(|us| us / 1_000 - 1_000_000), times.talk_ms, times.called_ms)
    };
    assert_eq!(talk(Mode::CalledLeg, &reached), (Some(5_100), 4_000, 4_000));
    assert_eq!(talk(Mode::Whole, &reached), (Some(100), 10_000, 4_000));
    assert_eq!(talk(Mode::CalledLegOrWhole, &reached), (Some(5_100), 4_000, 4_000));
    assert_eq!(talk(Mode::CalledLeg, &failed), (None, 0, 0));
    assert_eq!(talk(Mode::Whole, &failed), (Some(100), 6_000, 0));
    assert_eq!(talk(Mode::CalledLegOrWhole, &failed), (Some(100), 6_000, 0));
}

#[test]
fn parties_numbers_and_media() {
    let cdr = compose(&facts(ANSWERED), Mode::CalledLeg).remove(0).unpriced();
    assert_eq!((cdr.id.0, cdr.ask), ((3 << 40) | 77, 42));
    assert_eq!(
        (cdr.called.received.as_str(), cdr.called.dialled.as_str()),
        ("+44 20 7946 0000", "99001")
    );
    assert_eq!((cdr.caller.from_user.as_str(), cdr.caller.display.as_str()), ("1001", "Ann"));
    let (caller, called) = (cdr.caller_media.unwrap(), cdr.called_media.unwrap());
    assert_eq!((caller.received, called.received), (100, 101));
    assert_eq!((called.lost, called.dropped, called.payload_type), (2, 3, Some(8)));
    assert_eq!(cdr.outcome.q850, 16);
}

#[test]
fn a_call_cut_off_by_a_crash_is_closed_at_the_last_sign_of_life() {
    let running = facts(
        "10 began
         10 in 0
         20 out 1 trunk 7 0 0.0
         120 end 1 503 peer-error
         130 out 2 trunk 9 1 1.0
         2000 answer 2
         2000 answer 0
         2000 join 0 2",
    );
    let closed = close_at(&running, Tick(60_000 * 1_000_000), Reason::HostLost);
    let text = compose(&closed, Mode::CalledLeg).iter().map(print).collect::<String>();
    assert_eq!(
        text,
        "trunk 9 start 10 ring None answer Some(2000) end 60000; setup 1990 talk 58000 \
         billable 58000 legs 58000 58000; 0 host-lost unknown\n  \
         0 trunk 7 price 0 at 0.0 20 to 120; 503 peer-error called"
    );
    let ended = |fact: &&Fact| matches!(fact, Fact::LegEnded(_));
    assert_eq!(closed.facts.iter().filter(ended).count(), 3);
    // Closed twice is closed once; an older mark never shortens what is known.
    assert_eq!(close_at(&closed, Tick(90_000 * 1_000_000), Reason::ProcessLost), closed);
    let early = close_at(&running, Tick(0), Reason::ProcessLost);
    assert_eq!(compose(&early, Mode::CalledLeg)[0].cdr.times.talk_ms, 0);
}

#[test]
fn every_reason_and_party_of_the_dataplane_has_a_name() {
    for code in 0..=u8::MAX {
        assert_eq!(Reason::from_code(code).is_some(), reason_name(code).is_some(), "{code}");
        assert_eq!(Party::from_code(code).is_some(), party_name(code).is_some(), "{code}");
    }
    let kebab = |text: &str| {
        let mut name = String::new();
        for letter in text.chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    };
    for (code, name) in (0..=u8::MAX).map_while(|code| Some((code, reason_name(code)?))) {
        assert_eq!(kebab(&format!("{:?}", Reason::from_code(code).unwrap())), name);
        assert_eq!(strowger_model::reason_code(name), Some(code));
    }
}

fn any_fact() -> impl Strategy<Value = String> {
    let (at, leg) = (0..100_000_u64, 0..4_u8);
    prop_oneof![
        at.clone().prop_map(|at| format!("{at} began")),
        (at.clone(), leg.clone()).prop_map(|(at, leg)| format!("{at} in {leg}")),
        (at.clone(), leg.clone())
            .prop_map(|(at, leg)| format!("{at} out {leg} trunk {leg} {leg} 0.0")),
        (at.clone(), leg.clone()).prop_map(|(at, leg)| format!("{at} ring {leg}")),
        (at.clone(), leg.clone()).prop_map(|(at, leg)| format!("{at} answer {leg}")),
        (at.clone(), leg.clone(), leg.clone()).prop_map(|(at, a, b)| format!("{at} join {a} {b}")),
        (at.clone(), leg).prop_map(|(at, leg)| format!("{at} end {leg} 486 busy")),
        (at.clone(), 0..90_000_u64).prop_map(|(at, ms)| format!("{at} grant {ms}")),
        at.prop_map(|at| format!("{at} over 200 normal caller")),
    ]
}

proptest! {
    /// Facts in any order and number: no panic, the same twice, one record exactly when it ended,
    /// no more charged than talked, and each leg in exactly one place.
    #[test]
    fn laws(lines in proptest::collection::vec(any_fact(), 0..40), close in 0..200_000_u64) {
        let open = facts(&lines.join("\n"));
        let closed = close_at(&open, Tick(close * 1_000_000), Reason::HostLost);
        for facts in [&open, &closed] {
            for mode in [Mode::CalledLeg, Mode::Whole, Mode::CalledLegOrWhole] {
                let drafts = compose(facts, mode);
                prop_assert_eq!(&drafts, &compose(facts, mode));
                let has_end = facts.facts.iter().any(|fact| matches!(fact, Fact::Ended(_)));
                prop_assert_eq!(drafts.len(), usize::from(has_end));
                let Some(draft) = drafts.first() else { continue };
                let (cdr, times) = (&draft.cdr, &draft.cdr.times);
                prop_assert!(times.billable_ms <= times.talk_ms);
                prop_assert!(times.talk_ms == 0 || cdr.is_answered());
                let is_leg = |fact: &&Fact| matches!(fact, Fact::LegOpened(_));
                let legs = facts.facts.iter().filter(is_leg).count();
                prop_assert_eq!(cdr.hops.len(), legs.saturating_sub(2));
                prop_assert_eq!(draft.hop_prices.len(), cdr.hops.len());
            }
        }
    }
}
