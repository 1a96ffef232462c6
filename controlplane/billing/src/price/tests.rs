use super::*;
use crate::testing::{euro, facts, flat, settlements};
use crate::{Caller, Hop};
use proptest::prelude::*;
use strowger_link::Octets;
use strowger_model::{
    Amount, ClassRule, Digits, FOREVER_MS, Price, Prices, Segment, SubscriberId, TenantId, TrunkId,
};

/// Trunk 7 fails, trunk 9 carries a minute and a bit.
const CALL: &str = "
    0 began
    0 in 0
    20 out 1 trunk 7 0 0.0
    120 end 1 503 peer-error
    130 out 2 trunk 9 1 1.0
    2000 answer 2
    2000 answer 0
    2000 join 0 2
    62500 end 2 200 normal
    62500 over 200 normal called";

const UNANSWERED: &str = "
    0 began
    0 in 0
    20 out 1 trunk 9 1 0.0
    120 end 1 486 busy
    130 over 486 busy called";

fn level(account: i64, price: &str) -> Level {
    Level {
        account: AccountId(account),
        organization: OrganizationId(account * 10),
        prepaid: account == 1,
        terms: flat(price),
        commission: None,
    }
}

fn hop(trunk: i64, price: &str) -> Hop {
    Hop {
        trunk: TrunkId(trunk),
        account: AccountId(trunk * 100),
        organization: OrganizationId(trunk * 1_000),
        terms: Some(flat(price)),
    }
}

fn chain() -> Settlement {
    Settlement {
        snapshot: 12,
        number: Digits::parse("442079460000").ok(),
        destination: Digits::parse("44").ok(),
        caller: Caller {
            subscriber: Some(SubscriberId(1001)),
            number: "441632960001".to_owned(),
            ..Caller::default()
        },
        levels: vec![level(1, "0.60"), level(2, "0.30"), level(3, "0.12")],
        hops: vec![hop(7, "0.05"), hop(9, "0.06")],
        ..Settlement::free(TenantId(4))
    }
}

fn priced(script: &str, settlement: &Settlement) -> Cdr {
    let mut facts = facts(script);
    facts.settlement = Octets(settlement.encode().unwrap());
    records(&facts, Mode::CalledLeg).remove(0)
}

fn lines(cdr: &Cdr) -> Vec<String> {
    let line = |charge: &Charge| {
        let payee = charge.payee.map_or("tenant".to_owned(), |payee| payee.to_string());
        let gross = charge.gross.print(euro());
        format!("{:?} {} to {payee}: {} ms {gross}", charge.kind, charge.account, charge.charged_ms)
    };
    cdr.charges().map(line).collect()
}

#[test]
fn a_record_is_priced_by_the_time_of_its_answer() {
    // The call began half a minute before the price changes, and was answered two seconds later.
    let first = Segment { until_ms: 30_000, price: Price(600_000_000) };
    let then = Segment { until_ms: FOREVER_MS, price: Price(60_000_000) };
    let mut settlement = chain();
    settlement.began_us = 1_000_000_000;
    settlement.levels[0].terms.pricing.prices = Prices::new(&[first, then]).unwrap();
    settlement.levels[1].terms = settlement.levels[0].terms;
    settlement.levels[1].terms.class_rule = ClassRule::Middle;
    settlement.hops[1].terms = Some(settlement.levels[0].terms);
    let cdr = priced(CALL, &settlement);
    // 28 seconds at 0.60 and 33 at 0.06; by its middle all of it costs 0.06.
    assert_eq!(
        lines(&cdr),
        [
            "Customer 1 to 20: 61000 ms 0.31300000",
            "Reseller 2 to 30: 61000 ms 0.06100000",
            "Reseller 3 to tenant: 61000 ms 0.12200000",
            "Supplier 900 to tenant: 61000 ms 0.31300000",
        ]
    );
    assert_eq!(cdr.customer.unwrap().unit_price, Price(600_000_000));
}

#[test]
fn each_level_pays_the_one_above() {
    let cdr = priced(CALL, &chain());
    assert_eq!(
        lines(&cdr),
        [
            "Customer 1 to 20: 61000 ms 0.61000000",
            "Reseller 2 to 30: 61000 ms 0.30500000",
            "Reseller 3 to tenant: 61000 ms 0.12200000",
            "Supplier 900 to tenant: 61000 ms 0.06100000",
        ]
    );
    let customer = cdr.customer.unwrap();
    assert!(customer.prepaid);
    assert_eq!((customer.unit_price, customer.step_ms), (Price(600_000_000), 1_000));
    assert_eq!((cdr.tenant, cdr.snapshot), (Some(TenantId(4)), 12));
    assert_eq!(cdr.caller.account, Some(AccountId(1)));
    assert_eq!(cdr.caller.subscriber, Some(SubscriberId(1001)));
    assert_eq!(cdr.called.normalised, Digits::parse("442079460000").ok());
    assert_eq!(cdr.hops[0].supplier, Some(AccountId(700)));
    assert!(!cdr.unpriced);
}

#[test]
fn a_packet_is_named_where_the_caller_s_account_pays_something() {
    let mut settlement = chain();
    assert_eq!(priced(CALL, &settlement).packet, None);
    settlement.packet = Some(strowger_model::AllowanceId(8));
    let cdr = priced(CALL, &settlement);
    let packet = cdr.packet.unwrap();
    let customer = cdr.customer.unwrap();
    assert_eq!((packet.allowance, packet.kind), (settlement.packet, ChargeKind::Packet));
    assert_eq!((packet.net, packet.gross), (Amount(0), Amount(0)), "the books say how much");
    assert_eq!((packet.account, packet.payee), (customer.account, customer.payee));
    assert_eq!((cdr.charges().count(), customer.allowance), (5, None));
    // A call that costs nothing takes nothing.
    assert_eq!(priced(UNANSWERED, &settlement).packet, None);
}

#[test]
fn an_allowance_pays_for_the_first_level_what_was_granted_last() {
    let call = CALL.replacen("20 out 1", "10 grant 75000 free 75000\n 20 out 1", 1);
    let mut settlement = chain();
    // Without one in the settlement the words of the grant mean nothing.
    assert_eq!(priced(&call, &settlement), priced(CALL, &settlement));
    settlement.allowance = Some(strowger_model::AllowanceId(8));
    assert_eq!(priced(CALL, &settlement).customer.unwrap().free_ms, 0);
    let whole = priced(&call, &settlement);
    assert_eq!(lines(&whole)[0], "Customer 1 to 20: 0 ms 0.00000000");
    assert_eq!(lines(&whole)[1], "Reseller 2 to 30: 61000 ms 0.30500000");
    let customer = whole.customer.unwrap();
    assert_eq!((customer.free_ms, customer.allowance), (61_000, settlement.allowance));
    let part = call.replacen("75000 free 75000", "60000 free 20000", 1);
    let part = part.replacen("62500 end", "9000 grant 90000 free 30000\n 62500 end", 1);
    let cdr = priced(&part, &settlement);
    assert_eq!(lines(&cdr)[0], "Customer 1 to 20: 31000 ms 0.31000000");
    assert_eq!(cdr.customer.unwrap().free_ms, 30_000);
    let unanswered = UNANSWERED.replacen("20 out 1", "10 grant 75000 free 75000\n 20 out 1", 1);
    let customer = priced(&unanswered, &settlement).customer.unwrap();
    assert_eq!((customer.free_ms, customer.allowance), (0, None));
}

#[test]
fn an_unanswered_call_costs_nobody_anything() {
    let cdr = priced(UNANSWERED, &chain());
    assert_eq!(
        lines(&cdr),
        [
            "Customer 1 to 20: 0 ms 0.00000000",
            "Reseller 2 to 30: 0 ms 0.00000000",
            "Reseller 3 to tenant: 0 ms 0.00000000",
            "Supplier 900 to tenant: 0 ms 0.00000000",
        ]
    );
}

#[test]
fn a_record_without_settlement_or_with_a_broken_one_is_kept() {
    let cdr = records(&facts(CALL), Mode::CalledLeg).remove(0);
    assert_eq!((cdr.charges().count(), cdr.unpriced, cdr.tenant), (0, false, None));
    let mut broken = facts(CALL);
    broken.settlement = Octets(vec![9, 9]);
    let cdr = records(&broken, Mode::CalledLeg).remove(0);
    assert_eq!((cdr.charges().count(), cdr.unpriced), (0, true));
    assert_eq!(cdr.times.talk_ms, 60_500);
}

#[test]
fn an_amount_beyond_the_ledger_is_marked() {
    let mut settlement = chain();
    settlement.levels[1].terms = Terms::flat(Price(i64::MAX), euro()).unwrap();
    settlement.levels[1].terms.exchange = strowger_model::Exchange::new(i64::MAX, euro()).unwrap();
    let cdr = priced(CALL, &settlement);
    assert!(cdr.unpriced);
    assert_eq!(cdr.charges().count(), 3);
    assert_eq!(cdr.customer.unwrap().gross, Amount(61_000_000));
}

proptest! {
    /// At most one charge per payer and attempt; the same facts, the same record.
    #[test]
    fn laws(settlement in settlements()) {
        let cdr = priced(CALL, &settlement);
        prop_assert_eq!(&cdr, &priced(CALL, &settlement));
        let payers: Vec<AccountId> =
            cdr.customer.iter().chain(&cdr.levels).map(|charge| charge.account).collect();
        let levels: Vec<AccountId> = settlement.levels.iter().map(|level| level.account).collect();
        prop_assert_eq!(payers, levels);
        let supplier = settlement.hops.get(1).and_then(|hop| hop.terms.map(|_| hop.account));
        prop_assert_eq!(cdr.supplier.map(|charge| charge.account), supplier);
    }
}

/// 1001 rings and is busy; it forwards to 1002 inside, who rings in vain and forwards outside:
/// trunk 7 fails, trunk 9 carries a minute.
const FORWARDED: &str = "
    0 began
    0 in 0
    20 out 1 user 1001 15 0.0
    100 end 1 486 busy
    110 out 2 user 1002 31 1.0
    200 ring 2
    20110 end 2 408 no-answer
    20120 out 3 trunk 7 32 2.0
    20200 end 3 503 peer-error
    20210 out 4 trunk 9 33 3.0
    22000 answer 4
    22000 answer 0
    22000 join 0 4
    82000 end 4 200 normal
    82000 over 200 normal called";

fn forward(parent: Option<u8>, by: i64, number: &str, account: i64, price: &str) -> Part {
    Part {
        parent,
        by: Forwarder::Subscriber(SubscriberId(by)),
        instead: false,
        number: Digits::parse(number).ok(),
        destination: None,
        level: level(account, price),
    }
}

fn forwarding() -> Settlement {
    Settlement {
        number: Digits::parse("1001").ok(),
        levels: vec![level(1, "0.01")],
        parts: vec![
            forward(None, 1001, "1002", 2, "0.02"),
            forward(Some(0), 1002, "442079460000", 3, "0.30"),
        ],
        ..chain()
    }
}

/// `part: caller -> called, payer pays; supplier is owed; hops`
fn print_part(cdr: &Cdr) -> String {
    let cents = |charge: Option<&Charge>| match charge {
        Some(charge) => format!("{} {}", charge.account.0, charge.gross.0 / 1_000_000),
        None => "-".to_owned(),
    };
    let called = match (cdr.called.trunk, cdr.called.subscriber) {
        (Some(trunk), _) => format!("trunk {trunk}"),
        (None, user) => format!("user {}", user.map_or(0, |id| id.0)),
    };
    format!(
        "{}: {} {} -> {called} {}, {} owed {}, {} ms, hops {:?}, {} at {}",
        cdr.part,
        cdr.caller.subscriber.map_or(0, |id| id.0),
        cdr.caller.number,
        cdr.called.normalised.map(|n| n.to_string()).unwrap_or_default(),
        cents(cdr.customer.as_ref()),
        cents(cdr.supplier.as_ref()),
        cdr.times.talk_ms,
        cdr.hops.iter().map(|hop| hop.index).collect::<Vec<_>>(),
        cdr.outcome.sip,
        cdr.times.started_us / 1_000 - 1_000_000,
    )
}

fn check_forward(script: &str, settlement: &Settlement, expect: &[&str]) {
    let mut facts = facts(script);
    facts.settlement = Octets(settlement.encode().unwrap());
    let records = records(&facts, Mode::default());
    assert_eq!(records.iter().map(print_part).collect::<Vec<_>>(), expect);
    // Each leg stands in exactly one place.
    let legs: usize = records.iter().map(|cdr| cdr.hops.len()).sum();
    let called = records.iter().filter(|cdr| cdr.called.remote.is_some()).count();
    assert_eq!(legs + called, script.matches(" out ").count());
}

#[test]
fn each_forwarder_pays_its_own_part() {
    check_forward(
        FORWARDED,
        &forwarding(),
        &[
            "0: 1001 441632960001 -> user 1001 1001, 1 1 owed -, 60000 ms, hops [0], 200 at 0",
            "1: 1001 1001 -> user 1002 1002, 2 2 owed -, 60000 ms, hops [1], 200 at 110",
            "2: 1002 1002 -> trunk 9 442079460000, 3 30 owed 900 6, 60000 ms, hops [2], \
             200 at 20120",
        ],
    );
}

#[test]
fn a_forward_that_came_to_nothing_has_a_record_and_costs_nothing() {
    let failed = "
    0 began
    0 in 0
    20 out 1 user 1001 15 0.0
    100 end 1 486 busy
    110 out 2 user 1002 31 1.0
    150 end 2 480 offline
    160 over 486 busy called";
    check_forward(
        failed,
        &forwarding(),
        &[
            "0: 1001 441632960001 -> user 1001 1001, 1 0 owed -, 0 ms, hops [], 486 at 0",
            "1: 1001 1001 -> user 1002 1002, 2 0 owed -, 0 ms, hops [], 480 at 110",
        ],
    );
    let unforwarded = "
    0 began
    0 in 0
    20 out 1 user 1001 15 0.0
    100 answer 1
    100 answer 0
    100 join 0 1
    60100 over 200 normal caller";
    check_forward(
        unforwarded,
        &forwarding(),
        &["0: 1001 441632960001 -> user 1001 1001, 1 1 owed -, 60000 ms, hops [], 200 at 0"],
    );
}

/// A phone says that the number is another one, which a carrier takes.
const MOVED: &str = "
    0 began
    0 in 0
    0 grant 90000
    20 out 1 user 1001 15 0.0
    100 end 1 302 redirected
    110 grant 30000
    110 out 2 trunk 9 17 1.0
    2000 answer 2
    2000 answer 0
    2000 join 0 2
    32500 end 2 200 normal
    32500 over 200 credit-ended switch";

#[test]
fn another_number_is_paid_in_place_of_the_one_dialled() {
    let moved = Part { instead: true, ..forward(None, 1001, "442079460000", 1, "0.30") };
    let settlement = Settlement { parts: vec![moved], ..forwarding() };
    // One record, of one payer, and what was granted last counts: the cut came late.
    check_forward(
        MOVED,
        &settlement,
        &["0: 1001 441632960001 -> trunk 9 442079460000, 1 15 owed 900 3, 30500 ms, hops [0], \
           200 at 0"],
    );
    // The same by a forward: who was called pays, and the caller what it dialled.
    let settlement =
        Settlement { parts: vec![forward(None, 1001, "442079460000", 2, "0.30")], ..forwarding() };
    check_forward(
        MOVED,
        &settlement,
        &[
            "0: 1001 441632960001 -> user 1001 1001, 1 0 owed -, 30500 ms, hops [0], 200 at 0",
            "1: 1001 1001 -> trunk 9 442079460000, 2 15 owed 900 3, 30500 ms, hops [], 200 at 110",
        ],
    );
}
