use super::*;
use crate::testing::{euro, flat, settlements};
use proptest::prelude::*;
use std::num::NonZeroU32;
use strowger_model::{
    Amount, ClassRule, Currency, Exchange, FOREVER_MS, Measure, Price, Prices, Pricing, RateId,
    Rounding, RoundingMode, SEGMENTS_MAX, Segment, TariffId,
};

/// Terms with everything in them that a real tariff has.
fn rich(prices: usize) -> Terms {
    let until = |index: usize| {
        if index + 1 == prices { FOREVER_MS } else { 1_800_000 * (index as u32 + 1) }
    };
    let segments: Vec<Segment> =
        (0..prices).map(|i| Segment { until_ms: until(i), price: Price(123_450_000) }).collect();
    Terms {
        tariff: Some(TariffId(123_456)),
        rate: Some(RateId(123_456_789)),
        pricing: Pricing {
            measure: Measure {
                step_ms: NonZeroU32::new(6_000).unwrap(),
                minimum_ms: 30_000,
                free_ms: 60_000,
                free_after_ms: 3_600_000,
            },
            prices: Prices::new(&segments).unwrap(),
            fee: Amount(5_000_000),
            currency: Currency::new("USD", 2).unwrap(),
            discount: 250,
        },
        class_rule: ClassRule::Split,
        rounding: Rounding { digits: 6, mode: RoundingMode::HalfEven },
        exchange: Exchange::new(923_456_789, euro()).unwrap(),
        vat_ppm: 190_000,
        vat_included: true,
    }
}

fn level(account: i64, terms: Terms) -> Level {
    let (account, organization) = (AccountId(account), OrganizationId(account + 1));
    Level { account, organization, prepaid: true, terms, commission: None }
}

fn hop(trunk: i64, terms: Option<Terms>) -> Hop {
    let (trunk, account, organization) = (TrunkId(trunk), AccountId(77), OrganizationId(78));
    Hop { trunk, account, organization, terms }
}

fn small() -> Settlement {
    Settlement {
        hold: 0x0100_0000_0000_0007,
        snapshot: 300,
        began_us: 1_700_000_000_000_000,
        ms_max: 7_200_000,
        allowance: Some(AllowanceId(33)),
        number: Digits::parse("442079460000").ok(),
        destination: Digits::parse("4420").ok(),
        caller: Caller {
            account: Some(AccountId(5)),
            subscriber: Some(SubscriberId(1001)),
            number: "1001".to_owned(),
            ..Caller::default()
        },
        levels: vec![level(5, flat("0.0123"))],
        hops: vec![hop(9, None), hop(10, Some(rich(2)))],
        ..Settlement::free(TenantId(1))
    }
}

/// Everything behind the number of the snapshot, the same in all versions.
const REST: &str = concat!(
    "0c3434323037393436303030300434343230050ad20f043130",
    "303101010a0c0000c0bbdd0be807204555520280a8d6b9070200129a019c0101149a019c013f",
    "1f80890faab4de7502c0ee6da0cadd75a0cadd75f02eb0ea01e0d40380dddb01fa01b0cc0b80",
    "ade2041b5553440245555202aad4d6f006",
);

#[test]
fn golden_bytes() {
    let bytes = small().encode().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let golden = format!("0802878080808080808001ac028080f2818389850680bab7030142{REST}000000");
    assert_eq!(hex, golden);
    assert_eq!(Settlement::decode(&bytes), Ok(small()));
    // The class rule of terms is one bit.
    let mut middle = small();
    if let Some(terms) = &mut middle.hops[1].terms {
        terms.class_rule = ClassRule::Middle;
    }
    let other = middle.encode().unwrap();
    let differ = bytes.iter().zip(&other).filter(|(one, other)| one != other);
    assert_eq!(differ.map(|(one, other)| one ^ other).collect::<Vec<_>>(), [1 << 6]);
    assert_eq!(Settlement::decode(&other), Ok(middle));
    // A packet of money is a bit and its number, at the end.
    let packed = Settlement { packet: Some(AllowanceId(7)), ..small() };
    let other = packed.encode().unwrap();
    assert_eq!(other[..bytes.len() - 1], bytes[..bytes.len() - 1]);
    assert_eq!(other[bytes.len() - 1..], [1, 14]);
    assert_eq!(Settlement::decode(&other), Ok(packed));
    // Who hides is one bit of the caller's.
    let mut hidden = small();
    hidden.caller.hidden = true;
    let other = hidden.encode().unwrap();
    let differ = bytes.iter().zip(&other).filter(|(one, other)| one != other);
    assert_eq!(differ.map(|(one, other)| one ^ other).collect::<Vec<_>>(), [1 << 4]);
    assert_eq!(Settlement::decode(&other), Ok(hidden));
}

#[test]
fn the_versions_before_are_still_read() {
    let fourth = format!("0402878080808080808001ac028080f2818389850680bab7030142{REST}00");
    let fifth = format!("0502878080808080808001ac028080f2818389850680bab7030142{REST}00");
    let sixth = format!("0602878080808080808001ac028080f2818389850680bab7030142{REST}00");
    let seventh = format!("0702878080808080808001ac028080f2818389850680bab7030142{REST}0000");
    let (third, second) = (small(), Settlement { allowance: None, ..small() });
    let first = Settlement { began_us: 0, ms_max: 0, ..second.clone() };
    for (hex, expect) in [
        (format!("0102878080808080808001ac02{REST}"), first),
        (format!("0202878080808080808001ac028080f2818389850680bab703{REST}"), second),
        (format!("0302878080808080808001ac028080f2818389850680bab7030142{REST}"), third),
        (fourth, small()),
        (fifth, small()),
        (sixth, small()),
        (seventh, small()),
    ] {
        let pairs = hex.as_bytes().chunks(2);
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes: Vec<u8> = pairs.map(byte).collect();
        assert_eq!(Settlement::decode(&bytes), Ok(expect));
        for length in 0..bytes.len() {
            assert!(Settlement::decode(&bytes[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn all_levels_and_hops_of_real_tariffs_fit() {
    let mut full = small();
    let priced = |n: i64| rich(if n < 8 { SEGMENTS_MAX } else { 2 });
    full.levels = (0..16).map(|n| level(1_000_000 + n, priced(n))).collect();
    full.hops = (0..8).map(|n| hop(1_000_000 + n, Some(priced(n)))).collect();
    let bytes = full.encode().unwrap();
    assert!(bytes.len() <= SETTLEMENT_MAX, "{}", bytes.len());
    assert_eq!(Settlement::decode(&bytes), Ok(full));
}

#[test]
fn bounds_are_refused() {
    let check = |change: fn(&mut Settlement), expect| {
        let mut settlement = small();
        change(&mut settlement);
        assert_eq!(settlement.encode(), Err(expect));
    };
    check(|s| s.levels = (0..17).map(|n| level(n, rich(1))).collect(), BadSettlement::Levels);
    check(|s| s.hops = vec![hop(1, None); 9], BadSettlement::Hops);
    check(|s| s.levels = vec![level(5, rich(1)); 2], BadSettlement::SamePayer);
    check(
        |s| s.levels.iter_mut().for_each(|l| l.terms.vat_ppm = VAT_TOO_HIGH),
        BadSettlement::Terms(BadTerms::Vat),
    );
    check(
        |s| s.hops = vec![hop(1, Some(Terms { rounding: BAD_ROUNDING, ..rich(1) }))],
        BadSettlement::Terms(BadTerms::Digits),
    );
    check(
        |s| {
            let mut terms = rich(4);
            terms.pricing.fee = Amount(i64::MAX);
            terms.exchange = Exchange::new(i64::MAX, euro()).unwrap();
            (terms.tariff, terms.rate) = (Some(TariffId(i64::MAX)), Some(RateId(i64::MAX)));
            s.levels = (0..16).map(|n| level(i64::MAX - 1 - n, terms)).collect();
            s.hops = vec![hop(i64::MAX, Some(terms)); 8];
        },
        BadSettlement::TooLong,
    );
}

const VAT_TOO_HIGH: u32 = crate::VAT_PPM_MAX + 1;
const BAD_ROUNDING: Rounding = Rounding { digits: 11, mode: RoundingMode::Up };

#[test]
fn other_versions_and_cut_bytes_are_refused() {
    let bytes = small().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(Settlement::decode(&bytes[..length]).is_err(), "{length}");
    }
    let mut other = bytes.clone();
    other[0] = SETTLEMENT_VERSION + 1;
    assert_eq!(Settlement::decode(&other), Err(BadSettlement::Malformed));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Settlement::decode(&longer), Err(BadSettlement::Malformed));
}

#[test]
fn a_class_is_carried_where_there_is_room_for_it() {
    let bytes = small().encode().unwrap();
    let mut own = small();
    assert!(add_class(&mut own.class, b"abc") && add_class(&mut own.class, &[0]));
    let with = own.encode().unwrap();
    // Behind all else, and the version says so.
    assert_eq!((with[0], &with[1..bytes.len()]), (9, &bytes[1..]));
    assert_eq!(with[bytes.len()..], *b"\x06\x03abc\x01\x00");
    let back = Settlement::decode(&with).unwrap();
    assert_eq!(classes(&back.class).collect::<Vec<_>>(), [&b"abc"[..], &[0]]);
    assert_eq!(back, own);
    // One too many is left out, an empty one is none, and neither ends the others.
    let mut full = Vec::new();
    assert!(add_class(&mut full, &[7; 253]) && add_class(&mut full, &[8; 253]));
    assert!(!add_class(&mut full, &[9; 4]) && !add_class(&mut full, &[]));
    assert!(add_class(&mut full, &[9; 3]));
    assert_eq!((full.len(), classes(&full).count()), (CLASS_MAX, 3));
    // A settlement that has no room for it goes without.
    let levels = (0..16).map(|account| level(account, rich(3))).collect();
    let hops = (0..8).map(|trunk| hop(trunk, Some(rich(3)))).collect();
    let large = Settlement { levels, hops, ..small() };
    let without = large.encode().unwrap();
    assert!(without.len() > SETTLEMENT_MAX - CLASS_MAX, "{}", without.len());
    assert_eq!(Settlement { class: full, ..large }.encode().unwrap(), without);
    // Cut off it is none.
    assert!(classes(&[5, 1, 2]).next().is_none());
}

proptest! {
    #[test]
    fn round_trip(settlement in settlements()) {
        let bytes = settlement.encode().unwrap();
        let parties = (settlement.tenant, settlement.caller.clone());
        prop_assert_eq!(Settlement::parties(&bytes), Ok(parties));
        prop_assert_eq!(Settlement::decode(&bytes), Ok(settlement));
    }

    #[test]
    fn mutations_never_panic_and_what_is_read_is_whole(
        settlement in settlements(),
        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = settlement.encode().unwrap();
        let length = bytes.len();
        for (place, byte) in changes {
            bytes[place % length] = byte;
        }
        if let Ok(read) = Settlement::decode(&bytes) {
            prop_assert_eq!(Settlement::decode(&read.encode().unwrap()), Ok(read));
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        bytes[0] = SETTLEMENT_VERSION;
        let _ = Settlement::decode(&bytes);
    }
}
