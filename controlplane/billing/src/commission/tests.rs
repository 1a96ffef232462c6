use super::*;
use crate::testing::{facts, flat};
use crate::{Hop, Mode, Terms, postings, records};
use proptest::prelude::*;
use strowger_link::Octets;
use strowger_model::{Cdr, Exchange, TenantId, TrunkId};

/// Answered, and talked for a minute.
const CALL: &str = "
    0 began
    0 in 0
    20 out 1 trunk 9 0 0.0
    1000 answer 1
    1000 answer 0
    1000 join 0 1
    61000 end 1 200 normal
    61000 over 200 normal called";

fn commission(share_bp: u16, of_profit: bool) -> Commission {
    Commission { agent: AccountId(70), organization: OrganizationId(71), share_bp, of_profit }
}

fn level(account: i64, price: &str, commission: Option<Commission>) -> Level {
    Level {
        account: AccountId(account),
        organization: OrganizationId(account * 10),
        prepaid: true,
        terms: flat(price),
        commission,
    }
}

fn hop(terms: Terms) -> Hop {
    let (trunk, account, organization) = (TrunkId(9), AccountId(900), OrganizationId(9_000));
    Hop { trunk, account, organization, terms: Some(terms) }
}

fn sold(levels: Vec<Level>, supplier: Terms) -> Settlement {
    Settlement { levels, hops: vec![hop(supplier)], ..Settlement::free(TenantId(4)) }
}

fn priced(settlement: &Settlement) -> Cdr {
    let mut facts = facts(CALL);
    facts.settlement = Octets(settlement.encode().unwrap());
    records(&facts, Mode::CalledLeg).remove(0)
}

/// Who earns what, and who pays it.
fn earnings(settlement: &Settlement) -> Vec<(i64, String, Option<i64>)> {
    let of = |charge: &Charge| {
        let net = charge.net.print(charge.currency);
        (charge.account.0, net, charge.payee.map(|payee| payee.0))
    };
    priced(settlement).commissions.iter().map(of).collect()
}

fn one(amount: &str, payee: Option<i64>) -> Vec<(i64, String, Option<i64>)> {
    vec![(70, amount.to_owned(), payee)]
}

#[test]
fn a_part_of_what_is_paid_or_of_what_is_left() {
    let with = |share_bp, of_profit, supplier: &str| {
        let levels = vec![level(1, "0.60", Some(commission(share_bp, of_profit)))];
        earnings(&sold(levels, flat(supplier)))
    };
    assert_eq!(with(1_000, false, "0.20"), one("0.06000000", None));
    assert_eq!(with(1_000, true, "0.20"), one("0.04000000", None));
    assert_eq!(with(10_000, true, "0.20"), one("0.40000000", None));
    // Of a loss, of nothing, and without a part of it nothing.
    assert_eq!(with(10_000, true, "0.60"), vec![]);
    assert_eq!(with(10_000, true, "0.70"), vec![]);
    assert_eq!(with(0, false, "0.20"), vec![]);
    // What is too small to be written.
    assert_eq!(with(1, false, "0.20"), one("0.00006000", None));
}

#[test]
fn who_sells_to_the_payer_pays_his_agent() {
    let agents = |first, second| {
        let levels = vec![
            level(1, "0.60", first),
            level(2, "0.30", second),
            level(3, "0.12", Some(commission(5_000, true))),
        ];
        earnings(&sold(levels, flat("0.10")))
    };
    let tenants = (70, "0.01000000".to_owned(), None);
    assert_eq!(agents(None, None), vec![tenants.clone()]);
    let earned = agents(Some(commission(1_000, true)), Some(commission(1_000, false)));
    let resellers =
        [(70, "0.03000000".to_owned(), Some(20)), (70, "0.03000000".to_owned(), Some(30))];
    assert_eq!(earned, [&resellers[..], &[tenants]].concat());
}

#[test]
fn a_cost_in_another_currency_is_told_in_the_payers() {
    let dollars = Currency::new("USD", 2).unwrap();
    let terms = |price: &str| {
        let own = flat(price);
        let pricing = strowger_model::Pricing { currency: dollars, ..own.pricing };
        Terms { pricing, exchange: Exchange::same(dollars), ..own }
    };
    let levels = vec![level(1, "0.60", Some(commission(10_000, true)))];
    let mut settlement = sold(levels, terms("0.20"));
    // Nobody knows what it is worth.
    assert_eq!(earnings(&settlement), vec![]);
    let half = Exchange::new(500_000_000, crate::testing::euro()).unwrap();
    settlement.exchanges.push((dollars, half));
    assert_eq!(earnings(&settlement), one("0.50000000", None));
    let bytes = settlement.encode().unwrap();
    assert_eq!(Settlement::decode(&bytes), Ok(settlement.clone()));
    for length in 0..bytes.len() {
        assert!(Settlement::decode(&bytes[..length]).is_err(), "{length}");
    }
    // A part of the price needs no worth.
    settlement.exchanges.clear();
    settlement.levels[0].commission = Some(commission(10_000, false));
    assert_eq!(earnings(&settlement), one("0.60000000", None));
    settlement.levels[0].commission = Some(commission(10_001, false));
    assert_eq!(settlement.encode(), Err(crate::BadSettlement::Commission));
}

#[test]
fn the_books_move_it_from_who_sold() {
    let levels = vec![level(1, "0.60", Some(commission(1_000, false))), level(2, "0.30", None)];
    let cdr = priced(&sold(levels, flat("0.10")));
    let side = |of: crate::LedgerAccount| format!("{:?} {:?}", of.owner, of.kind);
    let moved: Vec<String> = postings(1, 0, std::slice::from_ref(&cdr))
        .iter()
        .filter(|t| t.kind() == crate::TransferKind::Commission)
        .map(|t| format!("{} -> {}: {}", side(t.debit()), side(t.credit()), t.amount().0))
        .collect();
    let expect = "Organization(OrganizationId(20)) Cost -> Account(AccountId(70)) Balance: 6000000";
    assert_eq!(moved, [expect]);
    // The five costs. What is the reseller's to pay is not the tenant's.
    let costs = cdr.costs();
    let print = |cost: Option<(Amount, Currency)>| cost.map(|(amount, of)| amount.print(of));
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(print(costs.enduser), of("0.60000000"));
    assert_eq!(print(costs.provider), of("0.10000000"));
    assert_eq!(print(costs.sales), of("0.06000000"));
    assert_eq!(print(costs.other), of("0.30000000"));
    assert_eq!(print(costs.company), of("0.20000000"));
    let own = priced(&sold(vec![level(1, "0.60", Some(commission(5_000, true)))], flat("0.10")));
    assert_eq!(print(own.costs().company), of("0.25000000"));
    assert_eq!(own.costs().other, None);
}

proptest! {
    /// Against exact fractions: the largest whole number that is not above the part.
    #[test]
    fn it_is_the_part_rounded_down(
        paid in 0..i64::MAX, cost in 0..i64::MAX, share_bp in 0..=WHOLE, of_profit: bool,
    ) {
        let earned = i128::from(commission(share_bp, of_profit).of(Amount(paid), Amount(cost)).0);
        let left = i128::from(paid) - if of_profit { i128::from(cost) } else { 0 };
        let exact = left.max(0) * i128::from(share_bp);
        let scale = i128::from(WHOLE);
        prop_assert!(earned * scale <= exact && exact < (earned + 1) * scale);
        prop_assert!(earned <= left.max(0));
    }

    /// However levels and agents stand, who sells never pays his agent more than he is paid, and of
    /// a profit never more than it is.
    #[test]
    fn nobody_loses_by_a_commission(
        prices in proptest::collection::vec((0u32..100, 0..=WHOLE, any::<bool>()), 1..6),
        supplier in 0u32..100,
    ) {
        let price = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
        let levels = prices.iter().enumerate().map(|(at, (cents, share_bp, of_profit))| {
            let account = i64::try_from(at).unwrap() + 1;
            level(account, &price(*cents), Some(commission(*share_bp, *of_profit)))
        });
        let cdr = priced(&sold(levels.collect(), flat(&price(supplier))));
        let paid: Vec<i64> = cdr.customer.iter().chain(&cdr.levels).map(|c| c.net.0).collect();
        let mut costs: Vec<i64> = paid[1..].to_vec();
        costs.push(cdr.supplier.map_or(0, |c| c.net.0));
        let mut earned = cdr.commissions.iter();
        for (at, (_, share_bp, of_profit)) in prices.iter().enumerate() {
            let left = paid[at] - if *of_profit { costs[at] } else { 0 };
            let most = i128::from(left.max(0)) * i128::from(*share_bp) / i128::from(WHOLE);
            if most > 0 {
                prop_assert_eq!(earned.next().map(|c| i128::from(c.net.0)), Some(most));
            }
        }
        prop_assert_eq!(earned.next(), None);
    }
}
