use super::*;
use crate::testing::{euro, facts, settlements};
use crate::{Mode, Settlement, records};
use proptest::prelude::*;
use strowger_link::Octets;

fn record(settlement: &Settlement) -> Cdr {
    let mut facts = facts(
        "0 began
         0 in 0
         20 out 1 trunk 9 0 0.0
         2000 answer 1
         2000 join 0 1
         62500 end 1 200 normal
         62500 over 200 normal called",
    );
    facts.settlement = Octets(settlement.encode().unwrap());
    records(&facts, Mode::CalledLeg).remove(0)
}

fn account(owner: Owner, kind: LedgerKind) -> LedgerAccount {
    LedgerAccount { tenant: TenantId(1), owner, kind, unit: Unit::Money(euro()) }
}

fn customer() -> LedgerAccount {
    account(Owner::Account(AccountId(5)), LedgerKind::Balance)
}

fn revenue() -> LedgerAccount {
    account(Owner::Tenant, LedgerKind::Revenue)
}

fn transfer(
    debit: LedgerAccount,
    credit: LedgerAccount,
    amount: i64,
) -> Result<Transfer, BadTransfer> {
    Transfer::new(0, debit, credit, Amount(amount), TransferKind::Charge, Cause::Batch(1))
}

#[test]
fn what_the_books_refuse() {
    assert!(transfer(customer(), revenue(), 1).is_ok());
    assert_eq!(transfer(customer(), revenue(), 0), Err(BadTransfer::Amount));
    assert_eq!(transfer(customer(), revenue(), -1), Err(BadTransfer::Amount));
    assert_eq!(transfer(customer(), customer(), 1), Err(BadTransfer::SameAccount));
    let seconds = LedgerAccount { unit: Unit::Seconds, ..revenue() };
    assert_eq!(transfer(customer(), seconds, 1), Err(BadTransfer::Units));
    let other = LedgerAccount { tenant: TenantId(2), ..revenue() };
    assert_eq!(transfer(customer(), other, 1), Err(BadTransfer::Tenants));
}

#[test]
fn a_reversal_goes_the_other_way() {
    let charge = transfer(customer(), revenue(), 7).unwrap();
    let back = charge.reversed(99, 5);
    assert_eq!((back.debit(), back.credit(), back.amount()), (revenue(), customer(), Amount(7)));
    assert_eq!((back.kind(), back.cause()), (TransferKind::Reversal, Cause::Transfer(99)));
}

fn charge(kind: ChargeKind, net: i64, gross: i64) -> Charge {
    let mut settlement = Settlement::free(TenantId(1));
    settlement.levels.push(crate::Level {
        account: AccountId(5),
        organization: OrganizationId(6),
        prepaid: true,
        terms: crate::testing::flat("1"),
        commission: None,
    });
    let charge = record(&settlement).customer.unwrap();
    Charge { kind, net: Amount(net), gross: Amount(gross), ..charge }
}

fn with(charges: &[Charge]) -> Cdr {
    let mut cdr = record(&Settlement::free(TenantId(1)));
    cdr.levels = charges.to_vec();
    cdr
}

fn print(transfers: &[Transfer]) -> Vec<String> {
    let side = |account: LedgerAccount| format!("{:?} {:?}", account.owner, account.kind);
    let line = |t: &Transfer| {
        format!("{:?}: {} -> {}: {}", t.kind(), side(t.debit()), side(t.credit()), t.amount().0)
    };
    transfers.iter().map(line).collect()
}

#[test]
fn a_batch_is_added_up_per_debit_and_credit() {
    let reseller = Charge {
        payee: Some(OrganizationId(8)),
        account: AccountId(7),
        ..charge(ChargeKind::Reseller, 3, 3)
    };
    let batch = [
        with(&[charge(ChargeKind::Customer, 10, 12), reseller]),
        with(&[charge(ChargeKind::Customer, 20, 24), charge(ChargeKind::Supplier, 4, 5)]),
        with(&[charge(ChargeKind::Customer, 0, 0)]),
        Cdr { tenant: None, ..with(&[charge(ChargeKind::Customer, 1_000, 1_000)]) },
    ];
    let transfers = postings(3, 9, &batch);
    assert_eq!(
        print(&transfers),
        [
            "Cost: Tenant Cost -> Account(AccountId(5)) Balance: 4",
            "Vat: Tenant Vat -> Account(AccountId(5)) Balance: 1",
            "Charge: Account(AccountId(5)) Balance -> Tenant Revenue: 30",
            "Vat: Account(AccountId(5)) Balance -> Tenant Vat: 6",
            "Charge: Account(AccountId(7)) Balance -> Organization(OrganizationId(8)) Revenue: 3",
        ]
    );
    assert!(transfers.iter().all(|t| t.cause() == Cause::Batch(3) && t.at_us() == 9));
}

#[test]
fn a_sum_beyond_64_bits_becomes_several_transfers() {
    let big = charge(ChargeKind::Customer, i64::MAX - 1, i64::MAX - 1);
    let transfers = postings(1, 0, &[with(&[big, big, big])]);
    let sum: i128 = transfers.iter().map(|t| i128::from(t.amount().0)).sum();
    assert_eq!((transfers.len(), sum), (3, 3 * i128::from(i64::MAX - 1)));
}

fn corrected(kind: ChargeKind, was: (i64, i64), now: (i64, i64)) -> Correction {
    let (was_net, was_gross) = (Amount(was.0), Amount(was.1));
    Correction { was_net, was_gross, charge: charge(kind, now.0, now.1) }
}

#[test]
fn corrections_move_what_changed_either_way() {
    let lines = [
        corrected(ChargeKind::Customer, (10, 12), (7, 8)),
        corrected(ChargeKind::Customer, (10, 12), (10, 12)),
        corrected(ChargeKind::Supplier, (5, 5), (9, 9)),
    ];
    let transfers = corrections(6, 9, TenantId(1), &lines);
    assert_eq!(
        print(&transfers),
        [
            "Rerate: Tenant Cost -> Account(AccountId(5)) Balance: 4",
            "Rerate: Tenant Revenue -> Account(AccountId(5)) Balance: 3",
            "Rerate: Tenant Vat -> Account(AccountId(5)) Balance: 1",
        ]
    );
    assert!(transfers.iter().all(|t| t.cause() == Cause::Rerate(6) && t.at_us() == 9));
    let far = [corrected(ChargeKind::Customer, (i64::MAX, i64::MAX), (0, 0)); 3];
    let sum: i128 = corrections(1, 0, TenantId(1), &far)
        .iter()
        .map(|transfer| i128::from(transfer.amount().0))
        .sum();
    assert_eq!(sum, 3 * i128::from(i64::MAX));
}

const ANY_KIND: [ChargeKind; 3] =
    [ChargeKind::Customer, ChargeKind::Reseller, ChargeKind::Supplier];

proptest! {
    /// What was booked for charges, and the corrections of all their later ratings, are what was
    /// booked had they been rated last at once.
    #[test]
    fn corrections_lead_to_the_last_rating(
        charges in proptest::collection::vec(
            (0usize..3, proptest::collection::vec((0i64..1_000, 0i64..200), 1..5)), 1..8),
    ) {
        let mut changes: BTreeMap<LedgerAccount, i128> = BTreeMap::new();
        let mut book = |transfers: &[Transfer], sign: i128| {
            for transfer in transfers {
                let amount = sign * i128::from(transfer.amount().0);
                *changes.entry(transfer.debit()).or_default() -= amount;
                *changes.entry(transfer.credit()).or_default() += amount;
            }
        };
        for (kind, ratings) in &charges {
            let kind = ANY_KIND[*kind];
            let of = |(net, tax): (i64, i64)| (net, net + tax);
            let (first, last) = (of(ratings[0]), of(ratings[ratings.len() - 1]));
            book(&postings(1, 0, &[with(&[charge(kind, first.0, first.1)])]), 1);
            for pair in ratings.windows(2) {
                let line = corrected(kind, of(pair[0]), of(pair[1]));
                book(&corrections(1, 0, TenantId(1), &[line]), 1);
            }
            book(&postings(2, 0, &[with(&[charge(kind, last.0, last.1)])]), -1);
        }
        prop_assert!(changes.values().all(|change| *change == 0), "{:?}", changes);
    }

    /// What every balance changes by is what its charges say; all changes sum to zero.
    #[test]
    fn transfers_are_the_charges(list in proptest::collection::vec(settlements(), 1..5)) {
        let batch: Vec<Cdr> = list.iter().map(record).collect();
        let mut changes: BTreeMap<LedgerAccount, i128> = BTreeMap::new();
        for transfer in postings(1, 0, &batch) {
            prop_assert!(transfer.amount().0 > 0);
            *changes.entry(transfer.debit()).or_default() -= i128::from(transfer.amount().0);
            *changes.entry(transfer.credit()).or_default() += i128::from(transfer.amount().0);
        }
        prop_assert_eq!(changes.values().sum::<i128>(), 0);
        let mut expected: BTreeMap<LedgerAccount, i128> = BTreeMap::new();
        for record in &batch {
            for charge in record.charges() {
                let owner = Owner::Account(charge.account);
                let (kind, unit) = (LedgerKind::Balance, Unit::Money(charge.currency));
                let key = LedgerAccount { tenant: record.tenant.unwrap(), owner, kind, unit };
                let is_owed = [ChargeKind::Supplier, ChargeKind::Commission].contains(&charge.kind);
                let sign = if is_owed { 1 } else { -1 };
                *expected.entry(key).or_default() += sign * i128::from(charge.gross.0);
            }
        }
        for (key, change) in expected {
            prop_assert_eq!(changes.get(&key).copied().unwrap_or_default(), change);
        }
    }
}

fn packet(price: i64, vat_ppm: u32) -> strowger_model::Allowance {
    strowger_model::Allowance {
        id: strowger_model::AllowanceId(8),
        tenant: TenantId(1),
        account: AccountId(5),
        name: "packet".into(),
        prefix: None,
        seconds: 60,
        credit: Amount::ZERO,
        from_us: 0,
        until_us: 1,
        renewal: None,
        price: Amount(price),
        vat_ppm,
    }
}

#[test]
fn free_time_that_is_bought_moves_its_price_and_the_tax_in_it() {
    let euro = crate::testing::euro();
    let moved = |price, vat_ppm, payee| print(&bought(&packet(price, vat_ppm), euro, payee, 9));
    assert_eq!(
        moved(1_190, 190_000, None),
        [
            "Fee: Account(AccountId(5)) Balance -> Tenant Revenue: 1000",
            "Vat: Account(AccountId(5)) Balance -> Tenant Vat: 190",
        ]
    );
    let reseller = "Fee: Account(AccountId(5)) Balance -> \
        Organization(OrganizationId(8)) Revenue: 7";
    assert_eq!(moved(7, 0, Some(OrganizationId(8))), [reseller]);
    assert_eq!(moved(0, 190_000, None), Vec::<String>::new());
}

proptest! {
    /// Against exact fractions: the whole price moves, and what is without tax is the nearest.
    #[test]
    fn a_price_is_parted_exactly(price in 1..i64::MAX, vat_ppm in 0..=1_000_000u32) {
        let all = bought(&packet(price, vat_ppm), crate::testing::euro(), None, 9);
        let sum = |kind| -> i128 {
            let of = all.iter().filter(|t| t.kind() == kind);
            of.map(|t| i128::from(t.amount().0)).sum()
        };
        let (net, vat) = (sum(TransferKind::Fee), sum(TransferKind::Vat));
        prop_assert_eq!(net + vat, i128::from(price));
        let with_tax = 1_000_000 + i128::from(vat_ppm);
        let off = (net * with_tax - i128::from(price) * 1_000_000).abs();
        prop_assert!(off * 2 <= with_tax, "{off}");
    }
}
