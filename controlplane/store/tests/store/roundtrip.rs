//! Every record comes back from the fast way in as it was, whatever stands in it.

use crate::engine::{Db, on_both};
use crate::sample::{record, sample, write_all};
use strowger_model::*;
use strowger_store::{CdrFilter, MemoryStore, Position, Scope};

on_both! {
    any_record_comes_back_as_it_was
    every_size_of_a_batch_is_written_whole
}

/// xorshift64: the same records on each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn int(&mut self) -> i64 {
        const ODD: [i64; 8] = [0, 1, -1, i64::MIN, i64::MAX, i64::MIN + 1, 1 << 32, -256];
        match self.next() % 3 {
            0 => self.next().cast_signed(),
            1 => i64::try_from(self.next() % 1000).unwrap(),
            _ => self.of(&ODD),
        }
    }

    /// What a counter may be: never above what an i64 holds.
    fn count(&mut self) -> u64 {
        self.int().unsigned_abs() >> 1
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        let place = self.next() % u64::try_from(list.len()).unwrap();
        list[usize::try_from(place).unwrap()]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.next().is_multiple_of(2).then(|| make(self))
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 20] = [
            "",
            "a",
            "1001",
            "\\",
            "\\N",
            "\\.",
            "\t",
            "\n",
            "\r\n",
            "'",
            "\"",
            "\u{1}",
            "\u{7f}",
            "\u{e4}\u{df}",
            "\u{1f4de}",
            "\u{ffff}",
            "NULL",
            "$1 ? %s",
            "\u{202e}",
            "; DROP TABLE x",
        ];
        let parts = self.next() % 9;
        let long = if self.next().is_multiple_of(50) { "x".repeat(70_000) } else { String::new() };
        (0..parts).map(|_| self.of(&PARTS)).collect::<String>() + &long
    }

    fn address(&mut self) -> std::net::SocketAddr {
        self.of(&["192.0.2.1:5060", "[2001:db8::1]:65535", "0.0.0.0:0", "[fe80::1%3]:1"])
            .parse()
            .unwrap()
    }

    fn digits(&mut self) -> Digits {
        Digits::parse(self.of(&["44", "491001", "*21#", "0"])).unwrap()
    }

    fn media(&mut self) -> CdrMedia {
        CdrMedia {
            received: self.count(),
            received_octets: self.count(),
            sent: self.count(),
            sent_octets: self.count(),
            lost: self.count(),
            jitter_us: self.next() as u32,
            jitter_us_max: u32::MAX,
            dropped: i64::MAX as u64,
            payload_type: self.maybe(|d| d.next() as u8),
            codec: self.text(),
            remote: self.maybe(|d| d.address().ip()),
            mos: self.maybe(|d| (d.next() % 451) as u16),
            heard: self.maybe(|d| CdrHeard {
                reports: d.next() as u32,
                lost: u32::MAX,
                jitter_us: d.next() as u32,
                round_trip_us: d.maybe(|d| d.next() as u32),
                round_trip_us_max: d.maybe(|d| d.next() as u32),
                mos: d.maybe(|d| (d.next() % 451) as u16),
            }),
            silent_ms: self.maybe(|d| d.next() as u32),
            rang_ms: self.next() as u32,
        }
    }

    fn charge(&mut self, kind: ChargeKind) -> Charge {
        let currencies = [("EUR", 2), ("JPY", 0), ("KWD", 3)];
        let currency = |d: &mut Dice| {
            let (code, minor) = d.of(&currencies);
            Currency::new(code, minor).unwrap()
        };
        // Bounded, so that the sums of a batch stay in the ledger's range.
        let net = i64::from(self.next() as u32);
        Charge {
            account: AccountId(self.int()),
            organization: OrganizationId(self.int()),
            payee: self.maybe(|d| OrganizationId(d.int())),
            kind,
            prepaid: self.next().is_multiple_of(2),
            // An account has one currency for good.
            currency: Currency::new("EUR", 2).unwrap(),
            net: Amount(net),
            vat_ppm: self.next() as u32,
            gross: Amount(net + i64::from(self.next() as u16)),
            charged_ms: self.count(),
            free_ms: u64::from(self.next() as u32),
            allowance: self.maybe(|d| AllowanceId(d.int())),
            step_ms: self.next() as u32,
            unit_price: Price(self.int()),
            price_currency: currency(self),
            tariff: self.maybe(|d| TariffId(d.int())),
            rate: self.maybe(|d| RateId(d.int())),
        }
    }

    fn hop(&mut self, index: u8) -> CdrHop {
        CdrHop {
            index,
            stage: self.next() as u8,
            branch: self.next() as u8,
            trunk: self.maybe(|d| TrunkId(d.int())),
            subscriber: self.maybe(|d| SubscriberId(d.int())),
            supplier: self.maybe(|d| AccountId(d.int())),
            dialled: self.text(),
            remote: self.address(),
            started_us: self.int(),
            rang_us: self.maybe(Dice::int),
            answered_us: self.maybe(Dice::int),
            ended_us: self.int(),
            outcome: self.outcome(),
        }
    }

    fn outcome(&mut self) -> CdrOutcome {
        let [party, reason, q850] = [(); 3].map(|()| self.next() as u8);
        CdrOutcome { party, reason, sip: self.next() as u16, q850 }
    }

    fn cdr(&mut self, id: i64) -> Cdr {
        let ended_us = self.int();
        let mut cdr = record(id, self.next() as u8, ended_us, Some(1), 1);
        cdr.ask = self.next();
        cdr.snapshot = self.count();
        cdr.times = CdrTimes {
            started_us: self.int(),
            rang_us: self.maybe(Dice::int),
            answered_us: self.maybe(Dice::int),
            ended_us,
            setup_ms: self.count(),
            talk_ms: self.count(),
            billable_ms: self.count(),
            caller_ms: self.count(),
            called_ms: self.count(),
        };
        cdr.caller = CdrCaller {
            account: self.maybe(|d| AccountId(d.int())),
            organization: self.maybe(|d| OrganizationId(d.int())),
            subscriber: self.maybe(|d| SubscriberId(d.int())),
            trunk: self.maybe(|d| TrunkId(d.int())),
            number: self.text(),
            from_user: self.text(),
            display: self.text(),
            source: self.maybe(Dice::address),
            sip_call_id: self.text(),
            user_agent: self.text(),
            hidden: true,
        };
        cdr.called = CdrCalled {
            received: self.text(),
            normalised: self.maybe(Dice::digits),
            dialled: self.text(),
            destination: self.maybe(Dice::digits),
            subscriber: self.maybe(|d| SubscriberId(d.int())),
            trunk: self.maybe(|d| TrunkId(d.int())),
            remote: self.maybe(Dice::address),
        };
        cdr.outcome = self.outcome();
        cdr.caller_media = self.maybe(Dice::media);
        cdr.called_media = self.maybe(Dice::media);
        cdr.customer = self.maybe(|d| d.charge(ChargeKind::Customer));
        let levels = self.next() % 3;
        cdr.levels = (0..levels).map(|_| self.charge(ChargeKind::Reseller)).collect();
        cdr.supplier = self.maybe(|d| d.charge(ChargeKind::Supplier));
        let agents = self.next() % 3;
        cdr.commissions = (0..agents).map(|_| self.charge(ChargeKind::Commission)).collect();
        let hops = self.next() as u8 % 4;
        cdr.hops = (0..hops).map(|index| self.hop(index)).collect();
        cdr.hops_dropped = self.next() as u32;
        cdr.facts_dropped = u32::MAX;
        cdr.unpriced = self.next().is_multiple_of(2);
        cdr
    }
}

fn at(seq: u64) -> Position {
    Position { seq, segment: 1, offset: seq * 10 }
}

async fn any_record_comes_back_as_it_was(db: &Db) {
    write_all(&db.store, &sample()).await;
    let (mut dice, mut twin) = (Dice(0x5eed), MemoryStore::new());
    let (mut next, mut seq) = (i64::MIN, 0);
    for batch in [1, 7, 200, 3] {
        let records: Vec<Cdr> = (0..batch).map(|n| dice.cdr(next.wrapping_add(n))).collect();
        next += batch;
        let ingested = db.store.ingest(9, at(seq), at(seq + 5), &records, 4).await.unwrap();
        let as_twin = twin.ingest(9, at(seq), at(seq + 5), &records, 4).unwrap();
        assert_eq!(ingested, as_twin);
        seq += 5;
    }
    for expected in twin.cdrs() {
        let is = db.store.reader().cdr(Scope::All, expected.id).await.unwrap();
        assert_eq!(is.as_ref(), Some(expected));
    }
    assert_eq!(db.store.reader().cdr_count().await.unwrap(), 211);
    assert_eq!(db.store.reader().balances().await.unwrap(), twin.balances());
    let report = db.store.reader().books_check().await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.batches, 4);
}

async fn every_size_of_a_batch_is_written_whole(db: &Db) {
    write_all(&db.store, &sample()).await;
    let (mut first, mut seq) = (1i64, 0);
    for size in [0i64, 1, 2, 8, 31, 32, 33, 128, 129, 300] {
        let records: Vec<Cdr> =
            (first..first + size).map(|id| record(id, 0, id, Some(1), id % 50)).collect();
        db.store.ingest(0, at(seq), at(seq + 1), &records, 1).await.unwrap();
        (first, seq) = (first + size, seq + 1);
        assert_eq!(db.store.reader().cdr_count().await.unwrap(), first - 1, "after {size}");
    }
    let filter = CdrFilter { limit: strowger_store::LIST_MAX, ..CdrFilter::default() };
    let newest = db.store.reader().cdrs(Scope::All, &filter).await.unwrap();
    let newest: Vec<i64> = newest.iter().map(|cdr| cdr.id.0).collect();
    let many = i64::try_from(newest.len()).unwrap();
    assert_eq!(newest, (first - many..first).rev().collect::<Vec<_>>());
    assert_eq!(db.store.reader().books_check().await.unwrap().findings, []);
}
