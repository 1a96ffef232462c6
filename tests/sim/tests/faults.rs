//! Planted faults must be found: a simulator that is blind to one is red.
//!
//! The faults of [`Plant`] are planted at run time from outside the product, so all of them run in
//! every build. Each line of the output names the seed that found one.

#![expect(clippy::print_stderr, reason = "a failing run tells its seed, and how to repeat it")]

use strowger_sim::{Breach, Plant, World, script};

/// Seeds in which a fault must show.
const SEEDS: u64 = 200;

/// The laws that may find a fault, by words of what they say.
fn expected(plant: Plant) -> &'static [&'static str] {
    match plant {
        Plant::LostAckOfFailure | Plant::LostAckOfSuccess => &["nobody acknowledged"],
        Plant::DoubleBye => &["second BYE"],
        Plant::DoubleFinal => &["and then"],
        Plant::DurableBeforeSync => &["the disk keeps"],
        Plant::LostRecord => &["active", "was granted", "never ended", "are left"],
        Plant::LeakedPort => &["sockets are left", "port pairs are left"],
        Plant::ClosedFlowRelays => &["closed port"],
        Plant::LostAbandoned => &["till holds", "holds are left"],
        Plant::StaleHold => &["till holds", "holds are left", "till {"],
        Plant::SettleTwice => &["passed its floor", "till {", "free time of"],
        Plant::FreeTimeAgain => &["free time"],
        Plant::CursorMovesAlone => &["records in the store"],
        Plant::WrongRounding => &["a record costs"],
        Plant::OverGrant => &["Overspent", "passed its floor"],
        Plant::TableAfterNetwork | Plant::JournalBeforeTable => &["before its state"],
        Plant::FreedBeforeDurable => &["its record not durable"],
        Plant::HoldVoidedEarly => &["NoHold", "free time of"],
        Plant::StaleGauge => &["gauges are left"],
        Plant::LastWordsForgotten => &["never end", "nobody acknowledged", "no final response"],
        Plant::FormerFailureUnheard => &["nobody acknowledged"],
        Plant::FormerForkForgotten => &["never end"],
        Plant::ForgottenCancel => &["never end"],
        Plant::ForgottenLegEnd => &["is not whole"],
        Plant::AdoptedCseqAgain => &["BYE 0 after 0", "BYE 1 after 1", "BYE 2 after 2"],
        Plant::AdoptedImageStale => &["the confirmed call"],
        Plant::AdoptedPortUnopened => &["is closed"],
        Plant::AdoptedHoldVoided => &["NoHold"],
        Plant::AdoptedUncounted => &["gauges in use"],
        Plant::AdoptedRecordRenamed => &["open", "never ended", "was granted"],
        Plant::EagerTimer => &["again after 0 ms, not 500"],
        Plant::StreamRepeats => &["again over a connection", "repeated over a connection"],
        Plant::StreamOctetLost => &["cannot be read", "out of step"],
        // Their test is that of storms.
        Plant::DelayUnseen | Plant::InDialogShed | Plant::TrunkLimited => &[],
    }
}

#[test]
fn every_planted_fault_is_found() {
    all_are_found(&Plant::ALL, script::mixed);
}

#[test]
fn every_fault_planted_on_connections_is_found() {
    all_are_found(&Plant::STREAM, script::streams);
}

fn all_are_found(
    plants: &[Plant],
    play: impl Fn(u64, Option<Plant>) -> Result<Option<World>, Breach>,
) {
    let mut blind = Vec::new();
    for plant in plants.iter().copied() {
        let found = (0..SEEDS).find_map(|seed| play(seed, Some(plant)).err());
        match found {
            None => blind.push(format!("{plant:?}: not found in {SEEDS} seeds")),
            Some(breach) => {
                let what: String = breach.what.chars().take(100).collect();
                eprintln!("{plant:?}: seed {}: {what}", breach.seed);
                if !expected(plant).iter().any(|words| breach.what.contains(words)) {
                    blind.push(format!("{plant:?}: found for another reason: {}", breach.what));
                }
            }
        }
    }
    assert!(blind.is_empty(), "{blind:#?}");
}
