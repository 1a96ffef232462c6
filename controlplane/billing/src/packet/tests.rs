use super::*;
use proptest::prelude::*;
use strowger_model::{AccountId, Currency, OrganizationId, TenantId};

fn charge(net: i64, tax: i64) -> Charge {
    let eur = Currency::new("EUR", 2).unwrap();
    Charge {
        account: AccountId(1),
        organization: OrganizationId(2),
        payee: None,
        kind: ChargeKind::Customer,
        prepaid: true,
        currency: eur,
        net: Amount(net),
        vat_ppm: 190_000,
        gross: Amount(net + tax),
        charged_ms: 1_000,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: Price(5),
        price_currency: eur,
        tariff: None,
        rate: None,
    }
}

/// A record of a call that costs this, of which packet `packet` pays.
fn record(packet: i64, (net, tax): (i64, i64)) -> Cdr {
    let facts = crate::testing::facts("0 began\n 0 over 404 no-route switch");
    let [mut cdr] = crate::records(&facts, crate::Mode::CalledLeg).try_into().unwrap();
    let paid = charge(net, tax);
    cdr.tenant = Some(TenantId(1));
    cdr.packet = of_packet(AllowanceId(packet), &paid);
    cdr.customer = Some(paid);
    cdr
}

#[test]
fn packets_pay_in_the_order_of_the_records_until_nothing_is_left() {
    let mut all: Vec<Cdr> =
        [(7, (10, 2)), (8, (10, 0)), (7, (10, 2)), (7, (10, 2)), (9, (5, 0)), (7, (0, 0))]
            .map(|(packet, costs)| record(packet, costs))
            .into();
    assert_eq!(packets_of(&all), [7, 8, 9].map(AllowanceId));
    let mut left = [(7, 18), (8, 100)].map(|(id, left)| (AllowanceId(id), Amount(left))).into();
    pay_by_packets(&mut all, &mut left);
    let paid = |cdr: &Cdr| cdr.packet.map(|packet| (packet.net.0, packet.gross.0));
    let paid: Vec<_> = all.iter().map(paid).collect();
    assert_eq!(paid, [Some((10, 12)), Some((10, 10)), Some((5, 6)), None, None, None]);
    assert_eq!(left, [(7, 0), (8, 90)].map(|(id, left)| (AllowanceId(id), Amount(left))).into());
    let packet = all[0].packet.unwrap();
    assert_eq!((packet.kind, packet.allowance), (ChargeKind::Packet, Some(AllowanceId(7))));
    assert_eq!((packet.account, packet.payee, packet.charged_ms), (AccountId(1), None, 0));
}

proptest! {
    /// Against fractions: all of it or what is left, of which the tax is its part, rounded down.
    #[test]
    fn a_packet_pays_what_fractions_say(
        costs in proptest::collection::vec((0i64..1_000_000_000_000, 0i64..300_000_000_000), 1..8),
        credit in 0i64..2_000_000_000_000,
    ) {
        let mut all: Vec<Cdr> = costs.iter().map(|costs| record(7, *costs)).collect();
        let mut left: BTreeMap<_, _> = [(AllowanceId(7), Amount(credit))].into();
        pay_by_packets(&mut all, &mut left);
        let mut rest = i128::from(credit);
        for (cdr, (net, tax)) in all.iter().zip(costs) {
            let (gross, tax) = (i128::from(net) + i128::from(tax), i128::from(tax));
            let pays = gross.min(rest);
            rest -= pays;
            let both = |p: Charge| (i128::from(p.gross.0), i128::from(p.net.0));
            let packet = cdr.packet.map_or((0, 0), both);
            prop_assert_eq!(packet.0, pays);
            // pays - net is the largest whole number that is no more than tax * pays / gross.
            let part = packet.0 - packet.1;
            prop_assert!(part * gross <= tax * pays);
            prop_assert!(gross == 0 || (part + 1) * gross > tax * pays);
        }
        prop_assert_eq!(i128::from(left[&AllowanceId(7)].0), rest);
    }
}
