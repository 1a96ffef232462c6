use super::*;
use crate::demo;
use strowger_model::{
    AccountId, Amount, Cdr, CdrCalled, CdrCaller, CdrId, CdrOutcome, CdrTimes, Charge, ChargeKind,
    Currency, OrganizationId, Price, SettingId, SettingRow,
};
use strowger_store::Position;

const NOW_US: i64 = 20_000 * DAY_US;

/// A call of the demo's account 1 that ended so many days ago.
fn record(number: i64, days: i64) -> Cdr {
    let eur = Currency::new("EUR", 2).unwrap();
    let ended_us = NOW_US - days * DAY_US - number;
    let charge = Charge {
        account: AccountId(1),
        organization: OrganizationId(1),
        payee: None,
        kind: ChargeKind::Customer,
        prepaid: true,
        currency: eur,
        net: Amount(number),
        vat_ppm: 0,
        gross: Amount(number),
        charged_ms: 1_000,
        free_ms: 0,
        allowance: None,
        step_ms: 1_000,
        unit_price: Price(60),
        price_currency: eur,
        tariff: None,
        rate: None,
    };
    Cdr {
        id: CdrId(number),
        part: 0,
        tenant: Some(TenantId(1)),
        ask: 1,
        snapshot: 1,
        times: CdrTimes { started_us: ended_us, ended_us, ..CdrTimes::default() },
        caller: CdrCaller { account: Some(AccountId(1)), ..CdrCaller::default() },
        called: CdrCalled::default(),
        outcome: CdrOutcome { party: 1, reason: 0, sip: 200, q850: 16 },
        caller_media: None,
        called_media: None,
        customer: Some(charge),
        levels: Vec::new(),
        supplier: None,
        commissions: Vec::new(),
        packet: None,
        hops: Vec::new(),
        hops_dropped: 0,
        facts_dropped: 0,
        unpriced: false,
    }
}

fn settings(rows: &[(Option<i64>, &str, &str)]) -> Settings {
    let row = |(id, (tenant, name, value)): (i64, &(Option<i64>, &str, &str))| SettingRow {
        id: SettingId(id),
        tenant: tenant.map(TenantId),
        account: None,
        subscriber: None,
        category: "books".into(),
        name: (*name).into(),
        value: (*value).into(),
    };
    let built = Settings::build((1..).zip(rows).map(row).collect());
    assert_eq!(built.unread(), []);
    built
}

/// The demo's books with calls that ended 10, 50 and 100 days ago, the last two of them proven.
struct Site {
    dir: PathBuf,
    store: Store,
    archivist: Archivist,
}

const PROVEN: i64 = 2;

impl Site {
    async fn new(name: &str) -> Site {
        let dir = std::env::temp_dir().join(format!("strowger-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        demo::seed(&store, 0).await.unwrap();
        let at = |seq| Position { seq, ..Position::default() };
        for (seq, days) in (1..).zip([100, 50, 10]) {
            let records = [record(i64::try_from(seq).unwrap(), days)];
            store.ingest(1, at(seq - 1), at(seq), &records, 1).await.unwrap();
        }
        let archivist = Archivist::new(&dir);
        Site { dir, store, archivist }
    }

    /// Steps until there is nothing left to do; how many records left.
    async fn move_all(&self, settings: &Settings) -> u64 {
        let mut all = 0;
        loop {
            let moved = self.archivist.step(&self.store, settings, (PROVEN, NOW_US)).await.unwrap();
            if moved == 0 {
                return all;
            }
            all += moved;
        }
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.join("archive").join(name)).ok()
    }

    async fn end(self) {
        assert_eq!(self.store.reader().books_check().await.unwrap().findings, []);
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

#[tokio::test]
async fn records_stay_for_ever_unless_somebody_says_how_long() {
    let site = Site::new("archive-none").await;
    assert_eq!(site.move_all(&settings(&[])).await, 0);
    assert_eq!(site.file("records-000000001.jsonl"), None);
    site.end().await;
}

#[tokio::test]
async fn what_is_older_than_its_days_goes_into_a_file() {
    let site = Site::new("archive-days").await;
    assert_eq!(site.move_all(&settings(&[(None, "record_days", "60")])).await, 1);
    let text = site.file("records-000000001.jsonl").unwrap();
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(line["record"]["id"], 1);
    assert_eq!(text.lines().count(), 1);
    // A tenant's own word counts more than the switch's, in both directions.
    let longer = [(None, "record_days", "32"), (Some(1), "record_days", "60")];
    assert_eq!(site.move_all(&settings(&longer)).await, 0);
    let shorter = [(None, "record_days", "60"), (Some(1), "record_days", "32")];
    assert_eq!(site.move_all(&settings(&shorter)).await, 1);
    assert!(site.file("records-000000002.jsonl").is_some());
    assert_eq!(site.store.reader().cdr_count().await.unwrap(), 1);
    site.end().await;
}

#[tokio::test]
async fn what_no_audit_has_seen_stays() {
    let site = Site::new("archive-proven").await;
    let days = settings(&[(None, "record_days", "32")]);
    let moved = site.archivist.step(&site.store, &days, (1, NOW_US)).await.unwrap();
    assert_eq!(moved, 1);
    let moved = site.archivist.step(&site.store, &days, (1, NOW_US)).await.unwrap();
    assert_eq!(moved, 0, "of the second batch");
    site.end().await;
}

#[tokio::test]
async fn where_no_files_are_wanted_records_are_gone() {
    let site = Site::new("archive-gone").await;
    let rows = settings(&[(None, "record_days", "32"), (None, "record_files", "false")]);
    assert_eq!(site.move_all(&rows).await, 2);
    assert!(!site.dir.join("archive").exists());
    site.end().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_keeps_its_records() {
    let site = Site::new("archive-full").await;
    std::fs::write(site.dir.join("archive"), "in the way").unwrap();
    let days = settings(&[(None, "record_days", "32")]);
    let step = site.archivist.step(&site.store, &days, (PROVEN, NOW_US)).await;
    assert!(matches!(step, Err(ArchiveError::File(..))), "{step:?}");
    assert_eq!(site.store.reader().cdr_count().await.unwrap(), 3);
    site.end().await;
}

#[test]
fn a_file_is_found_again_and_never_replaced() {
    let dir = std::env::temp_dir().join(format!("strowger-archived-{}", std::process::id()));
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
    for text in ["a\n", "a\n", "b\n", "a\n", "b\n"] {
        write(&dir, 7, text).unwrap();
    }
    assert_eq!(read("records-000000007.jsonl").as_deref(), Some("a\n"));
    assert_eq!(read("records-000000007-2.jsonl").as_deref(), Some("b\n"));
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    std::fs::remove_dir_all(&dir).unwrap();
}
