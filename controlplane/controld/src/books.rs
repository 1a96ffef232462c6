//! The books' housekeeping: checkpoints while something moves, the audit once a night, and behind
//! one that found nothing the records that are old enough to leave.

use crate::archive::Archivist;
use crate::run::{Until, chain};
use std::time::Duration;
use strowger_port::clock;
use strowger_routing::Settings;
use strowger_store::{BooksReport, Store};
use tracing::{error, info, warn};

/// How often checkpoints are written, when something was booked.
const CHECKPOINT: Duration = Duration::from_secs(5);
/// Where the day of the last audit stands in the database: a restart neither repeats nor skips one.
const AUDITED: &str = "books_audited_day";

const HOUR_US: i64 = 3_600_000_000;

/// Days whose audit is due at `now_us`, from `hour` (UTC) on, counted since 1970.
const fn audit_day(now_us: i64, hour: i64) -> i64 {
    (now_us - hour * HOUR_US).div_euclid(24 * HOUR_US)
}

/// Keeps the books until the end.
pub(crate) async fn keep(store: Store, mut archivist: Archivist, mut until: Until) {
    let mut audited = None;
    while until.sleep(CHECKPOINT).await {
        let now_us = clock::wall_us();
        if let Err(e) = store.checkpoint(now_us).await {
            warn!("no checkpoint of the books: {}", chain(&e));
            continue;
        }
        let settings = match store.reader().settings().await {
            Ok(rows) => Settings::build(rows),
            Err(e) => {
                warn!("the settings of the books cannot be read: {}", chain(&e));
                continue;
            }
        };
        let day = audit_day(now_us, settings.system().books.audit_hour.into());
        if audited != Some(day) {
            match audit_once(&store, day).await {
                Ok(report) => {
                    audited = Some(day);
                    if let Some(report) = report {
                        say(&report);
                        if report.findings.is_empty() {
                            archivist.begin(report.last_batch);
                        }
                    }
                }
                Err(e) => warn!("the books cannot be audited: {}", chain(&e)),
            }
        }
        archivist.go_on(&store, &settings, now_us, &mut until).await;
    }
}

/// Audits unless this day's was done already, here or in an earlier life.
async fn audit_once(
    store: &Store,
    day: i64,
) -> Result<Option<BooksReport>, strowger_store::StoreError> {
    let reader = store.reader();
    let last = reader.meta(AUDITED).await?.and_then(|day| day.parse::<i64>().ok());
    if last.is_some_and(|last| last >= day) {
        return Ok(None);
    }
    let report = reader.books_check().await?;
    let mut w = store.write().await?;
    w.put_meta(AUDITED, &day.to_string()).await?;
    w.commit().await?;
    Ok(Some(report))
}

fn say(report: &BooksReport) {
    for finding in &report.findings {
        error!("the books do not agree: {finding}");
    }
    if report.more {
        error!("the books do not agree in more places; see `strowger books check`");
    }
    let (batches, transfers, accounts) = (report.batches, report.transfers, report.accounts);
    info!(batches, transfers, accounts, findings = report.findings.len(), "the books were audited");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_ends_at_two() {
        let day = 20_000 * 24 * HOUR_US;
        assert_eq!(audit_day(day + 2 * HOUR_US - 1, 2), 19_999);
        assert_eq!(audit_day(day + 2 * HOUR_US, 2), 20_000);
        assert_eq!(audit_day(day + 24 * HOUR_US, 2), 20_000);
        assert_eq!(audit_day(day + 2 * HOUR_US, 5), 19_999);
        assert_eq!(audit_day(day, 0), 20_000);
    }

    #[tokio::test]
    async fn each_night_is_audited_once() {
        let dir = std::env::temp_dir().join(format!("strowger-audit-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        assert!(audit_once(&store, 5).await.unwrap().is_some());
        assert!(audit_once(&store, 5).await.unwrap().is_none());
        assert!(audit_once(&store, 4).await.unwrap().is_none(), "a clock that was put back");
        assert!(audit_once(&store, 6).await.unwrap().is_some());
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
