//! The calls that are recorded: a trunk's call out by a carrier, every fourth by its second hop.
//!
//! As in a journal they come in the order in which they end, whenever they began.

use strowger_billing::{Caller, Hop, Level, Settlement, Terms};
use strowger_link::codec::encode;
use strowger_link::{
    AskId, Began, CallEnded, CallFacts, Cause, Direction, Fact, Granted, LegAnswered, LegEnded,
    LegOpened, LegProgress, MS, MediaReport, Octets, Pair, Party, PartyRef, Reason, RecordId,
    SlotRef, Tick, Transport,
};
use strowger_model::{
    AccountId, Currency, Digits, OrganizationId, Price, RateId, TariffId, TenantId, TrunkId,
};

/// Customers that call.
const CUSTOMERS: u64 = 1_000;
/// Carriers that take the calls.
const CARRIERS: u64 = 20;
/// The first call's end, microseconds since 1970.
const ENDED_US: i64 = 1_790_000_000_000_000;
/// From the beginning of a call to its answer, milliseconds.
const SETUP_MS: u64 = 6_000;

/// The frame of call `seq` of a journal.
pub(crate) fn frame(origin: u32, seq: u64) -> Option<Vec<u8>> {
    let settlement = settlement(seq)?.encode().ok()?;
    let tries = if seq.is_multiple_of(4) { 2 } else { 1 };
    let facts = CallFacts {
        record: RecordId::new(origin, seq)?,
        ask: AskId(seq),
        slot: SlotRef::default(),
        anchor_us: ENDED_US + i64::try_from(seq).ok()? * 10_000
            - i64::try_from(SETUP_MS + talk_ms(seq)).ok()? * 1_000,
        settlement: Octets(settlement),
        facts: facts(seq, tries)?,
    };
    Some(encode(&facts))
}

fn talk_ms(seq: u64) -> u64 {
    20_000 + seq % 300 * 1_000
}

fn id(number: u64) -> Option<i64> {
    i64::try_from(number + 1).ok()
}

fn terms(price: i64, rate: u64) -> Option<Terms> {
    let terms = Terms::flat(Price(price), Currency::new("EUR", 2)?).ok()?;
    Some(Terms { tariff: Some(TariffId(1)), rate: Some(RateId(id(rate)?)), ..terms })
}

fn settlement(seq: u64) -> Option<Settlement> {
    let (customer, carrier) = (id(seq % CUSTOMERS)?, id(seq / 7 % CARRIERS)?);
    let hop = |trunk: i64| {
        Some(Hop {
            trunk: TrunkId(trunk),
            account: AccountId(100_000 + trunk),
            organization: OrganizationId(100_000 + trunk),
            terms: Some(terms(7_250_000, 2)?),
        })
    };
    let price = i64::try_from(12_000_000 + seq % 97 * 1_000).ok()?;
    Some(Settlement {
        hold: seq,
        snapshot: 7,
        number: Digits::parse("442079460000").ok(),
        destination: Digits::parse("4420").ok(),
        caller: Caller {
            account: Some(AccountId(customer)),
            organization: Some(OrganizationId(customer)),
            subscriber: None,
            trunk: Some(TrunkId(customer)),
            number: "4930901820".into(),
            hidden: false,
        },
        levels: vec![Level {
            account: AccountId(customer),
            organization: OrganizationId(customer),
            prepaid: seq.is_multiple_of(2),
            terms: terms(price, 1)?,
            commission: None,
        }],
        hops: vec![hop(carrier)?, hop(carrier % 20 + 1)?],
        ..Settlement::free(TenantId(1))
    })
}

fn facts(seq: u64, tries: u8) -> Option<Vec<Fact>> {
    let at = |ms: u64| Tick(ms * MS);
    let talk_ms = talk_ms(seq);
    let mut facts = vec![Fact::Began(Box::new(began(seq, at(0)))), opened(0, at(0), 0, seq)?];
    for index in 1..=tries {
        let sent = at(u64::from(index) * 40);
        facts.push(opened(index, sent, index - 1, seq)?);
        if index < tries {
            facts.push(ended(index, sent, Cause::from_sip(503), None));
        }
    }
    let answer = at(SETUP_MS);
    facts.extend([
        Fact::LegProgress(LegProgress { leg: tries, at: at(1_500), status: 180 }),
        Fact::LegAnswered(LegAnswered { leg: tries, at: answer }),
        Fact::LegAnswered(LegAnswered { leg: 0, at: answer }),
        Fact::Joined(Pair { a: 0, b: tries, at: answer }),
        Fact::Granted(Granted { at: answer, ms: u64::MAX, free_ms: 0, last: true }),
    ]);
    let (end, cause) = (at(SETUP_MS + talk_ms), Cause::from_sip(200));
    facts.extend([
        Fact::Parted(Pair { a: 0, b: tries, at: end }),
        ended(0, end, cause, Some(media(talk_ms))),
        ended(tries, end, cause, Some(media(talk_ms))),
        Fact::Ended(CallEnded {
            at: end,
            cause,
            by: Party::Caller,
            reason: Reason::Normal,
            facts_dropped: 0,
        }),
    ]);
    Some(facts)
}

fn began(seq: u64, at: Tick) -> Began {
    Began {
        at,
        listener: 0,
        source: Some(([198, 51, 100, seq as u8], 5060).into()),
        received: "00442079460000".into(),
        from_user: "4930901820".into(),
        display: "Example GmbH".into(),
        sip_call_id: format!("{seq:016x}-4f1d-9a0c@198.51.100.7"),
        user_agent: "Example SBC 9.2.1".into(),
    }
}

fn opened(leg: u8, at: Tick, hop: u8, seq: u64) -> Option<Fact> {
    let (direction, party) = match leg {
        0 => (Direction::In, PartyRef::Trunk(id(seq % CUSTOMERS)?)),
        _ => (Direction::Out, PartyRef::Trunk(id(seq / 7 % CARRIERS)? + i64::from(hop))),
    };
    Some(Fact::LegOpened(Box::new(LegOpened {
        leg,
        at,
        direction,
        stage: 0,
        branch: hop,
        hop,
        dialed: "99442079460000".into(),
        from_user: "4930901820".into(),
        remote: ([203, 0, 113, hop], 5060).into(),
        transport: Transport::Udp,
        party,
    })))
}

fn ended(leg: u8, at: Tick, cause: Cause, media: Option<MediaReport>) -> Fact {
    let (by, reason) = (Party::Caller, Reason::Normal);
    Fact::LegEnded(Box::new(LegEnded { leg, at, cause, by, reason, media }))
}

fn media(talk_ms: u64) -> MediaReport {
    let packets = talk_ms / 20;
    MediaReport {
        received: packets,
        received_octets: packets * 172,
        sent: packets,
        sent_octets: packets * 172,
        lost: talk_ms % 13,
        jitter_us: 1_250,
        jitter_us_max: 9_000,
        strangers: 0,
        dropped: 0,
        payload_type: 8,
        codec: "PCMA".into(),
        remote: Some(([203, 0, 113, 9], 20_000).into()),
        first_at: None,
        last_at: None,
        heard: None,
        silent_ms: None,
        rang_ms: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strowger_billing::{Mode, records};
    use strowger_link::codec::decode;

    #[test]
    fn calls_come_in_the_order_of_their_ends() {
        let ended_us = |seq| {
            let facts: CallFacts = decode(&frame(3, seq).unwrap()).unwrap();
            records(&facts, Mode::CalledLeg)[0].times.ended_us
        };
        assert!((1..400).all(|seq| ended_us(seq) + 10_000 == ended_us(seq + 1)));
    }

    #[test]
    fn each_call_is_one_priced_record() {
        for seq in 1..20 {
            let facts: CallFacts = decode(&frame(3, seq).unwrap()).unwrap();
            let records = records(&facts, Mode::CalledLeg);
            let [record] = records.as_slice() else { panic!("{records:?}") };
            assert!(!record.unpriced && record.is_answered());
            assert_eq!(record.charges().count(), 2);
            assert!(record.charges().all(|charge| charge.net.0 > 0));
            assert_eq!(record.hops.len(), usize::from(seq % 4 == 0));
            assert!(record.caller_media.is_some() && record.called_media.is_some());
        }
    }
}
