//! Records and balance against what the phones saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use strowger_phone::fleet::{CallView, Fleet};

use crate::demo::eventually;
use crate::rest::{Rest, money, text};

/// The demo's prices for 44 a second, 0.06 and 0.015 EUR a minute, in units of the ledger.
const PRICES: [(&str, i64); 2] = [("customer", 100_000), ("supplier", 25_000)];
/// The caller's account.
pub(crate) const PAYER: u32 = 1;
/// For how long nothing may change any more.
const STILL: Duration = Duration::from_millis(500);

/// What a duration may be off: the product takes the time once in a turn, and a busy machine stops
/// it in the midst of one.
const TURN_MS_MAX: u64 = 100;

/// What the caller's account had before.
pub(crate) struct Books {
    balance: i64,
}

/// What a record of an answered call may say of its talk, milliseconds.
pub(crate) type Bounds = (u64, u64);

impl Books {
    pub(crate) fn open(rest: &Rest) -> Books {
        Books { balance: rest.balance(PAYER) }
    }

    /// Waits until every call is recorded, then compares: one record for each answered call with
    /// the talk that its phones saw, at most one for each other, none besides; each charged by its
    /// price, and the balance fallen by exactly their sum. The records by number.
    pub(crate) fn assert_right(
        &self,
        rest: &Rest,
        fleet: &Fleet,
        bounds: impl Fn(&CallView) -> Option<Bounds>,
    ) -> BTreeMap<String, Value> {
        let views = fleet.views();
        let answered = views.iter().filter(|view| bounds(view).is_some()).count();
        let cdrs = settled(rest, answered);
        let mut ids = BTreeSet::new();
        let mut records: BTreeMap<String, Value> = BTreeMap::new();
        let (mut wrong, mut spent) = (Vec::new(), 0);
        for cdr in cdrs {
            let number = text(&cdr, "called.received").to_owned();
            if !ids.insert(format!("{} {}", text(&cdr, "id"), cdr["part"])) {
                wrong.push(format!("an id twice: {cdr:#}"));
            }
            spent += cdr["customer"].as_object().map_or(0, |charge| money(&charge["gross"]));
            if let Some(other) = records.insert(number, cdr) {
                wrong.push(format!("two records: {other:#}"));
            }
        }
        for view in &views {
            let judged = judge(records.get(&view.dialled), bounds(view));
            if let Err(why) = judged {
                wrong.push(format!("{why}\n{}", fleet.tell(&[view])));
            }
        }
        let known: BTreeSet<&String> = views.iter().map(|view| &view.dialled).collect();
        wrong.extend(records.keys().filter(|n| !known.contains(n)).map(|n| format!("who is {n}?")));
        let count = wrong.len();
        wrong.truncate(3);
        assert!(wrong.is_empty(), "{count} of {} records:\n{}", records.len(), wrong.join("\n\n"));
        let (now, account) = (rest.balance(PAYER), rest.get("/api/v1/accounts/1"));
        assert_eq!(now, self.balance - spent, "the balance, having spent {spent}");
        assert_eq!(money(&account["held"]), 0, "{account:#}");
        records
    }
}

/// All records, once there are so many and nothing is under way.
fn settled(rest: &Rest, answered: usize) -> Vec<Value> {
    let list = || rest.list("/api/v1/cdrs");
    eventually(&format!("{answered} records are in the database"), || {
        let account = rest.get("/api/v1/accounts/1");
        let free = money(&account["held"]) == 0 && account["calls"] == 0;
        let before = list();
        if !free || before.len() < answered {
            return None;
        }
        std::thread::sleep(STILL);
        Some(list()).filter(|after| after.len() == before.len())
    })
}

fn judge(record: Option<&Value>, bounds: Option<Bounds>) -> Result<(), String> {
    let (record, (least, most)) = match (record, bounds) {
        (Some(record), Some(bounds)) => (record, bounds),
        (None, Some(_)) => return Err("no record of an answered call".to_owned()),
        (Some(record), None) => {
            let free = record["answered"].is_null() && record["talk_ms"] == 0;
            let charged = record["customer"].as_object().is_some_and(|c| money(&c["gross"]) != 0);
            let said = format!("a call without an answer is charged: {record:#}");
            return if free && !charged { Ok(()) } else { Err(said) };
        }
        (None, None) => return Ok(()),
    };
    let talk_ms = record["talk_ms"].as_u64().unwrap_or(u64::MAX);
    let (least, most) = (least.saturating_sub(TURN_MS_MAX), most + TURN_MS_MAX);
    if !(least..=most).contains(&talk_ms) || record["answered"].is_null() {
        return Err(format!("{talk_ms} ms of talk, not {least} to {most}: {record:#}"));
    }
    // What was talked beyond the credit until the cut is not the payer's.
    let billable_ms = record["billable_ms"].as_u64().unwrap_or(u64::MAX);
    let cut = text(record, "outcome.reason") == "credit-ended";
    if billable_ms > talk_ms || (billable_ms < talk_ms && !cut) {
        return Err(format!("{billable_ms} ms billed of {talk_ms}: {record:#}"));
    }
    for ((charge, price), ms) in PRICES.into_iter().zip([billable_ms, talk_ms]) {
        let seconds = ms.div_ceil(1_000).max(1);
        let due = i64::try_from(seconds).unwrap() * price;
        let gross = money(&record[charge]["gross"]);
        if gross != due {
            return Err(format!("{charge} pays {gross}, not {due}: {record:#}"));
        }
    }
    Ok(())
}
