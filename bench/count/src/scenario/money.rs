//! Prices, balances, records.

use super::{Turn, done};
use crate::call;
use std::hint::black_box;
use strowger_billing::{Mode, Terms, rate, records};
use strowger_link::CallFacts;
use strowger_link::codec::decode;
use strowger_model::{AccountId, Amount, Currency, Price, TenantId};
use strowger_till::{
    AccountKey, Admit, Event, HoldId, Line, Load, Ms, Output, PERIODS, Payer, Settle, Till,
};

/// 7.777 777 7 cents a minute: no number of seconds divides it.
fn terms() -> Option<Terms> {
    Terms::flat(Price(77_777_777), Currency::new("EUR", 2)?).ok()
}

/// The price of a call of some minutes.
pub(super) fn rating() -> Option<Turn> {
    let (terms, mut ms) = (terms()?, 60_000u64);
    Some(Box::new(move |meter| {
        ms = 60_000 + (ms + 7_919) % 600_000;
        let mut net = Amount::ZERO;
        meter(&mut || {
            net = rate(black_box(&terms), Some(ms), 0).map_or(Amount::ZERO, |rated| rated.net);
        });
        done(net > Amount::ZERO, "no price")
    }))
}

/// A call takes its money, is answered, and is settled.
pub(super) fn till() -> Option<Turn> {
    let (mut till, bound) = (Till::new(), terms()?.bound(0, 0)?);
    let key = |account| AccountKey { node: 1, account: AccountId(account) };
    for account in 1..=100 {
        till.handle(
            Event::Load(Load {
                key: key(account),
                posted: Amount(1_000_000_000_000),
                floor: Some(Amount::ZERO),
                calls_max: 0,
                per_second_max: 0,
                tenant: TenantId(1),
                spend_max: [None; PERIODS],
                talk_ms_max: [None; PERIODS],
                growth: None,
                learning: None,
                counts: false,
            }),
            Ms(1),
        );
    }
    let (mut number, at_us) = (0u64, 1_790_000_000_000_000);
    Some(Box::new(move |meter| {
        number += 1;
        let (hold, payer) = (HoldId(number), key(1 + (number % 100) as i64));
        let admit = Event::Admit(Admit {
            hold,
            levels: vec![Payer { key: payer, bound }],
            free: None,
            packet: None,
            limits: Vec::new(),
            window: None,
            money_min: None,
            ms_min: 10_000,
            ms_max: 7_200_000,
            at_us,
        });
        let lines = vec![Line { key: payer, charge: Amount(7_777_778) }];
        let settle = Event::Settle(Settle {
            hold,
            lines,
            talks: vec![],
            window: None,
            free: None,
            packet: None,
            at_us,
        });
        let mut events = vec![settle, Event::Started(hold), admit];
        let (mut admitted, mut others) = (0, 0);
        meter(&mut || {
            while let Some(event) = events.pop() {
                till.handle(event, Ms(1_000 + number));
                while let Some(output) = till.poll_output() {
                    if let Output::Admitted(_) = output {
                        admitted += 1;
                    } else {
                        others += 1;
                    }
                }
            }
        });
        done((admitted, others) == (1, 0), "not admitted and settled")
    }))
}

/// Facts of a call with one hop become a priced record.
pub(super) fn compose() -> Option<Turn> {
    let facts: CallFacts = decode(&call::frame(3, 1)?).ok()?;
    Some(Box::new(move |meter| {
        let mut composed = Vec::new();
        meter(&mut || composed = records(black_box(&facts), Mode::CalledLeg));
        done(composed.len() == 1 && composed.iter().all(|record| !record.unpriced), "no record")
    }))
}
