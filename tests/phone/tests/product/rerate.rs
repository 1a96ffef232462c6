//! A wrong price is taken back, and the calls that were charged by it are rated again.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use strowger_phone::EndedBy;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::{money, text};
use crate::talk::{SOON, desk};

const RUNS: &str = "/api/v1/rerates";
/// A change is in force within this time.
const IN_FORCE: Duration = Duration::from_secs(1);
/// Credit that the demo gives, in units of the ledger (1e-8 EUR).
const CREDIT: i64 = 1_000_000_000;

fn send(demo: &Demo, path: &str, key: &str, body: &Value, status: u16) -> Value {
    let (is, said) = demo.rest.post(path, key, &body.to_string());
    assert_eq!(is, status, "{path}: {said}");
    said
}

/// Runs `strowger` with these words, for the data of the demo; what it prints.
fn strowger(demo: &Demo, words: &[&str]) -> String {
    let mut command = Command::new(program("strowger"));
    command.args(words).arg("--data").arg(demo.file(""));
    let done = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// A run, once it is in this state.
fn reached(demo: &Demo, id: &str, state: &str) -> Value {
    eventually(&format!("run {id} is {state}"), || {
        let (status, body) = demo.rest.try_get(&format!("{RUNS}/{id}"))?;
        let run: Value = serde_json::from_str(&body).ok()?;
        (status == 200 && run["state"] == state).then_some(run)
    })
}

/// What the lines of the run `id` must be: one, of the customer, from a whole minute at 0.60 to
/// seconds at 0.06.
fn assert_looked_at(demo: &Demo, id: &str, cdr: &Value, due: i64) {
    let lines = demo.rest.list(&format!("{RUNS}/{id}/lines"));
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert_eq!((text(line, "cdr"), text(line, "kind")), (text(cdr, "id"), "customer"));
    assert_eq!((money(&line["was_gross"]), money(&line["gross"])), (60_000_000, due));
    assert_eq!((&line["version"], text(line, "unit_price.amount")), (&json!(2), "0.060000000"));
    let sums = demo.rest.list(&format!("{RUNS}/{id}/sums"));
    assert_eq!(money(&sums[0]["difference"]), due - 60_000_000, "{sums:#?}");
    assert_eq!(demo.rest.balance(1), CREDIT - 60_000_000, "a preview moves nothing");
}

#[test]
fn a_wrong_price_is_taken_back_and_its_calls_are_rated_again() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    // A dearer price, of a whole minute at least, by mistake.
    let retail = "/api/v1/tariffs/1/revisions";
    send(&demo, retail, "", &json!({}), 201);
    let wrong = json!([{"prefix": "44", "minimum_ms": 60_000, "price": {"amount": "0.60"}}]);
    send(&demo, &format!("{retail}/2/rates"), "", &wrong, 201);
    send(&demo, &format!("{retail}/2/publish"), "", &json!({}), 200);
    std::thread::sleep(IN_FORCE);
    let call = ada.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
    let cdrs = demo.rest.cdrs(1);
    assert_eq!(money(&cdrs[0]["customer"]["gross"]), 60_000_000);
    assert_eq!(demo.rest.balance(1), CREDIT - 60_000_000);
    let (status, said) = demo.rest.post(&format!("{retail}/2/undo"), "", "");
    assert_eq!(status, 200, "{said}");
    std::thread::sleep(IN_FORCE);

    // Looked at first, then with money; the control plane dies at once.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let (until, from) = (demo.time(now), demo.time(now - 86_400_000));
    let wanted = json!({
        "tenant": "1", "from": from, "until": until, "reason": "0.60 was wrong",
    });
    let run = send(&demo, RUNS, "k", &wanted, 201);
    let id = text(&run, "id").to_owned();
    let prepared = reached(&demo, &id, "prepared");
    assert_eq!((&prepared["records"], &prepared["lines"]), (&json!(1), &json!(1)), "{prepared}");
    assert_eq!(prepared["same"], json!(1), "what the supplier gets: {prepared}");
    let seconds = cdrs[0]["billable_ms"].as_u64().unwrap().div_ceil(1_000).max(1);
    let due = i64::try_from(seconds).unwrap() * 100_000;
    assert_looked_at(&demo, &id, &cdrs[0], due);
    let before = demo.planes();
    send(&demo, &format!("{RUNS}/{id}/publish"), "", &json!({"mode": "money"}), 202);
    demo.signal("KILL", before.controld);
    demo.await_replaced(before.controld);
    let published = reached(&demo, &id, "published");
    assert_eq!((&published["posted"], text(&published, "mode")), (&json!(1), "money"));
    assert_eq!(demo.rest.balance(1), CREDIT - due);
    let entries = demo.rest.list("/api/v1/accounts/1/entries");
    let entry = entries.iter().find(|entry| entry["kind"] == "rerate").unwrap();
    assert_eq!((text(entry, "rerate"), text(entry, "reason")), (id.as_str(), "0.60 was wrong"));

    // The record is what it was, beside it stands what counts now.
    assert_eq!(demo.rest.cdrs(1), cdrs);
    let own = format!("/api/v1/cdrs/{}/adjustments", text(&cdrs[0], "id"));
    let adjustments = demo.rest.get(&own)["items"].clone();
    assert_eq!(money(&adjustments[0]["rating"]["gross"]), due, "{adjustments:#}");
    // By the command line, once more: nothing differs any more.
    let (from, until) = (format!("from={from}"), format!("until={until}"));
    let words = ["create", "rerates", "tenant=1", &from, &until, "reason=again", "--json"];
    let again: Value = serde_json::from_str(&strowger(&demo, &words)).unwrap();
    let again = reached(&demo, text(&again, "id"), "prepared");
    assert_eq!((&again["lines"], &again["same"]), (&json!(0), &json!(2)), "{again}");
    let said = strowger(&demo, &["books", "check"]);
    assert!(said.starts_with("the books are sound"), "{said}");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}
