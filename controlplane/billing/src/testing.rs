//! Values for the tests of this crate: random terms and settlements, and facts written as scripts.

use crate::{Caller, FORWARDS_MAX, Forwarder, Hop, Level, Part, Settlement, Terms};
use proptest::prelude::*;
use std::num::NonZeroU32;
use strowger_link::{
    AskId, Began, CallEnded, CallFacts, Cause, Direction, Fact, Granted, LegAnswered, LegEnded,
    LegOpened, LegProgress, MS, MediaReport, Octets, Pair, Party, PartyRef, Reason, RecordId,
    SlotRef, Tick, Transport,
};
use strowger_model::{
    AccountId, AllowanceId, Amount, ClassRule, Currency, Digits, Exchange, FOREVER_MS, FX_ONE,
    Measure, OrganizationId, Price, Prices, Pricing, RateId, RingGroupId, Rounding, RoundingMode,
    Segment, SubscriberId, TariffId, TenantId, TrunkId, WHOLE,
};

pub(crate) fn euro() -> Currency {
    Currency::new("EUR", 2).unwrap()
}

/// A price in EUR per minute by the second, kept to eight digits.
pub(crate) fn flat(price: &str) -> Terms {
    let price = strowger_model::parse_decimal(price, 9).unwrap();
    Terms::flat(Price(price), euro()).unwrap()
}

pub(crate) fn currencies() -> impl Strategy<Value = Currency> {
    let all = [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("USD", 2)];
    proptest::sample::select(all.map(|(code, minor)| Currency::new(code, minor).unwrap()).to_vec())
}

pub(crate) fn modes() -> impl Strategy<Value = RoundingMode> {
    use RoundingMode::{Down, HalfAway, HalfEven, Up};
    proptest::sample::select(vec![HalfAway, Up, Down, HalfEven])
}

fn prices() -> impl Strategy<Value = Prices> {
    let price = prop_oneof![Just(0), 1..50_i64, 1_000..5_000_000_000_i64];
    let ends = proptest::collection::btree_set(1..600_000_u32, 0..4);
    (ends, proptest::collection::vec(price, 4)).prop_map(|(ends, prices)| {
        let ends = ends.into_iter().chain([FOREVER_MS]).zip(prices);
        let list: Vec<Segment> =
            ends.map(|(until_ms, price)| Segment { until_ms, price: Price(price) }).collect();
        Prices::new(&list).unwrap()
    })
}

fn measures() -> impl Strategy<Value = Measure> {
    let step = prop_oneof![Just(1_u32), Just(1_000), Just(6_000), Just(60_000), 1..100_000_u32];
    let small = || prop_oneof![Just(0_u32), 0..90_000_u32];
    let values = (step, small(), small(), prop_oneof![Just(0_u32), 0..900_000_u32]);
    values.prop_map(|(step, minimum_ms, free_ms, free_after_ms)| Measure {
        step_ms: NonZeroU32::new(step).unwrap(),
        minimum_ms,
        free_ms,
        free_after_ms,
    })
}

pub(crate) fn terms() -> impl Strategy<Value = Terms> {
    let pricing = (
        measures(),
        prices(),
        prop_oneof![Just(0), 0..100_000_000_i64],
        currencies(),
        prop_oneof![Just(0), 0..=WHOLE],
    )
        .prop_map(|(measure, prices, fee, currency, discount)| Pricing {
            measure,
            prices,
            fee: Amount(fee),
            currency,
            discount,
        });
    let rounding = (0..=10_u8, modes()).prop_map(|(digits, mode)| Rounding { digits, mode });
    let fx = prop_oneof![Just(FX_ONE), 1_000..30_000_000_000_i64];
    let vat = prop_oneof![Just(0), Just(200_000), 0..1_000_000_u32];
    let ids = (any::<Option<i64>>(), any::<Option<i64>>(), proptest::bool::weighted(0.2));
    (ids, pricing, rounding, fx, currencies(), vat, any::<bool>()).prop_map(
        |((tariff, rate, middle), pricing, rounding, fx, ledger, vat_ppm, vat_included)| Terms {
            tariff: tariff.map(TariffId),
            rate: rate.map(RateId),
            pricing,
            class_rule: if middle { ClassRule::Middle } else { ClassRule::Split },
            rounding,
            exchange: Exchange::new(fx, ledger).unwrap(),
            vat_ppm,
            vat_included,
        },
    )
}

fn digits() -> impl Strategy<Value = Option<Digits>> {
    "[0-9*#]{0,32}".prop_map(|text| Digits::parse(&text).ok().filter(|digits| !digits.is_empty()))
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let part = (any::<(i64, i64, bool)>(), digits(), terms());
    proptest::collection::vec(part, 0..=FORWARDS_MAX).prop_map(|parts: Vec<_>| {
        let parts = (0u8..).zip(parts);
        let part = |(at, ((id, account, is_group), number, terms)): (u8, _)| Part {
            parent: at.checked_sub(2),
            by: match (is_group, id % 2 == 0) {
                (true, _) => Forwarder::RingGroup(RingGroupId(id)),
                (false, true) => Forwarder::Subscriber(SubscriberId(id)),
                (false, false) => Forwarder::Trunk(TrunkId(id)),
            },
            instead: account % 3 == 0,
            number,
            destination: None,
            level: Level {
                account: AccountId(account),
                organization: OrganizationId(id),
                prepaid: is_group,
                terms,
                commission: earns(id),
            },
        };
        parts.map(part).collect()
    })
}

/// Some have an agent.
fn earns(id: i64) -> Option<crate::Commission> {
    let share_bp = u16::try_from(id.rem_euclid(10_001)).ok()?;
    let (agent, organization) = (AccountId(id), OrganizationId(id));
    let of_profit = id % 2 == 0;
    (id % 3 != 0).then_some(crate::Commission { agent, organization, share_bp, of_profit })
}

/// Some have rates.
fn worth(seed: u64) -> Vec<(Currency, Exchange)> {
    let dollars = Currency::new("USD", 2).unwrap();
    let rate = i64::try_from(seed % 1_000_000_007).unwrap() + 1;
    let one = (dollars, Exchange::new(rate, euro()).unwrap());
    vec![one; usize::try_from(seed % 3).unwrap()]
}

pub(crate) fn settlements() -> impl Strategy<Value = Settlement> {
    let caller = (any::<[Option<i64>; 4]>(), ".{0,16}", any::<bool>());
    let caller = caller.prop_map(|(ids, number, hidden)| Caller {
        hidden,
        account: ids[0].map(AccountId),
        organization: ids[1].map(OrganizationId),
        subscriber: ids[2].map(SubscriberId),
        trunk: ids[3].map(TrunkId),
        number,
    });
    let level = (any::<i64>(), any::<bool>(), terms());
    let levels = proptest::collection::vec(level, 0..5).prop_map(|levels| {
        let levels = levels.into_iter().enumerate();
        let level = |(account, (organization, prepaid, terms)): (usize, _)| Level {
            account: AccountId(i64::try_from(account).unwrap() * 1_000_003),
            organization: OrganizationId(organization),
            prepaid,
            terms,
            commission: earns(organization),
        };
        levels.map(level).collect()
    });
    let hop = (any::<[i64; 3]>(), proptest::option::of(terms())).prop_map(|(ids, terms)| Hop {
        trunk: TrunkId(ids[0]),
        account: AccountId(ids[1]),
        organization: OrganizationId(ids[2]),
        terms,
    });
    let hops = proptest::collection::vec(hop, 0..4);
    let parts = parts();
    let ids = any::<(i64, u64, u64, i64, u64, Option<i64>)>();
    (ids, (digits(), digits()), caller, levels, hops, parts).prop_map(
        |(
            (tenant, hold, snapshot, began_us, ms_max, allowance),
            (number, destination),
            caller,
            levels,
            hops,
            parts,
        )| Settlement {
            tenant: TenantId(tenant),
            hold,
            snapshot,
            began_us,
            ms_max,
            allowance: allowance.map(AllowanceId),
            packet: allowance.filter(|id| id % 2 == 0).map(AllowanceId),
            number,
            destination,
            caller,
            levels,
            hops,
            parts,
            exchanges: worth(hold),
            class: if hold % 3 == 0 { vec![1, tenant as u8] } else { Vec::new() },
        },
    )
}

/// Facts from a script: lines of milliseconds, a verb and its arguments.
///
/// `began`, `in LEG`, `out LEG trunk|user ID hop STAGE.BRANCH`, `ring LEG`, `answer LEG`,
/// `join A B`, `part A B`, `grant MS|all [free MS]`, `end LEG SIP REASON [media]`,
/// `over SIP REASON PARTY`.
pub(crate) fn facts(script: &str) -> CallFacts {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    CallFacts {
        record: RecordId::new(3, 77).unwrap(),
        ask: AskId(42),
        slot: SlotRef::default(),
        anchor_us: 1_000_000_000,
        settlement: Octets::default(),
        facts: lines.map(fact).collect(),
    }
}

fn fact(line: &str) -> Fact {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |place: usize| words[place].parse::<u64>().unwrap();
    let leg = |place: usize| u8::try_from(number(place)).unwrap();
    let at = Tick(number(0) * MS);
    match words[1] {
        "began" => Fact::Began(began(at)),
        "in" => Fact::LegOpened(opened(leg(2), at, Direction::In, PartyRef::Unknown)),
        "out" => {
            let id = i64::try_from(number(4)).unwrap();
            let party =
                if words[3] == "trunk" { PartyRef::Trunk(id) } else { PartyRef::Subscriber(id) };
            let (stage, branch) = words[6].split_once('.').unwrap();
            let opened = opened(leg(2), at, Direction::Out, party);
            let (stage, branch) = (stage.parse().unwrap(), branch.parse().unwrap());
            Fact::LegOpened(LegOpened { hop: leg(5), stage, branch, ..opened })
        }
        "ring" => Fact::LegProgress(LegProgress { leg: leg(2), at, status: 180 }),
        "answer" => Fact::LegAnswered(LegAnswered { leg: leg(2), at }),
        "join" => Fact::Joined(Pair { a: leg(2), b: leg(3), at }),
        "part" => Fact::Parted(Pair { a: leg(2), b: leg(3), at }),
        "grant" => {
            let ms = if words[2] == "all" { u64::MAX } else { number(2) };
            let free_ms = if words.get(3) == Some(&"free") { number(4) } else { 0 };
            Fact::Granted(Granted { at, ms, free_ms, last: false })
        }
        "end" => Fact::LegEnded(Box::new(LegEnded {
            leg: leg(2),
            at,
            cause: Cause::from_sip(words[3].parse().unwrap()),
            by: Party::Called,
            reason: reason(words[4]),
            media: words.get(5).map(|_| report(leg(2))),
        })),
        "over" => Fact::Ended(CallEnded {
            at,
            cause: Cause::from_sip(words[2].parse().unwrap()),
            by: (0..4).filter_map(Party::from_code).find(|p| party_is(*p, words[4])).unwrap(),
            reason: reason(words[3]),
            facts_dropped: 0,
        }),
        verb => panic!("no such verb: {verb}"),
    }
}

fn party_is(party: Party, name: &str) -> bool {
    strowger_model::party_name(party as u8) == Some(name)
}

fn reason(name: &str) -> Reason {
    Reason::from_code(strowger_model::reason_code(name).unwrap()).unwrap()
}

fn began(at: Tick) -> Began {
    Began {
        at,
        listener: 0,
        source: Some("192.0.2.1:5060".parse().unwrap()),
        received: "+44 20 7946 0000".to_owned(),
        from_user: "1001".to_owned(),
        display: "Ann".to_owned(),
        sip_call_id: "abc@example".to_owned(),
        user_agent: "phone".to_owned(),
    }
}

fn opened(leg: u8, at: Tick, direction: Direction, party: PartyRef) -> LegOpened {
    LegOpened {
        leg,
        at,
        direction,
        stage: 0,
        branch: 0,
        hop: 0,
        dialed: format!("9900{leg}"),
        from_user: "1001".to_owned(),
        remote: "198.51.100.7:5060".parse().unwrap(),
        transport: Transport::Udp,
        party,
    }
}

fn report(leg: u8) -> MediaReport {
    MediaReport {
        received: 100 + u64::from(leg),
        received_octets: 17_200,
        sent: 90,
        sent_octets: 15_480,
        lost: 2,
        jitter_us: 1_500,
        jitter_us_max: 4_000,
        strangers: 1,
        dropped: 2,
        payload_type: 8,
        codec: "PCMA".to_owned(),
        remote: Some("198.51.100.7:40000".parse().unwrap()),
        first_at: None,
        last_at: None,
        heard: None,
        silent_ms: None,
        rang_ms: 0,
    }
}
