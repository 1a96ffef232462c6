//! Suppliers' files of prices, from the file to calls and back, by the command line.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;
use strowger_phone::{EndedBy, Phone};

use crate::demo::{CARRIER, Demo, Home, carrier_turn, program};
use crate::rest::text;
use crate::rows::{make, set};
use crate::talk::{SOON, desk};
use crate::{assert_tidy, tell};

/// A change is in force within this time.
const IN_FORCE: Duration = Duration::from_secs(1);
/// The rows of a file are written within this time, beside other tests.
const WRITTEN: Duration = Duration::from_secs(120);

/// `strowger deck`: what it printed, and its exit code.
fn deck(demo: &Demo, words: &[&str]) -> (i32, Value) {
    let mut command = Command::new(program("strowger"));
    command.arg("deck").args(words).arg("--json").arg("--data").arg(demo.file(""));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let json = serde_json::from_str(&said);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), json.unwrap_or_else(|_| panic!("{words:?}: {said} {errors}")))
}

/// Sends a file in; its number.
fn sent(demo: &Demo, name: &str, bytes: &[u8], tariff: &str, mapping: Option<&str>) -> String {
    let file: PathBuf = demo.file(name);
    fs::write(&file, bytes).unwrap();
    let mut words = vec!["import", file.to_str().unwrap(), "--tariff", tariff];
    let place = demo.file("mapping.json");
    if let Some(mapping) = mapping {
        fs::write(&place, mapping).unwrap();
        words.extend(["--mapping", place.to_str().unwrap()]);
    }
    let (code, is) = deck(demo, &words);
    assert_eq!((code, text(&is, "state")), (0, "checked"), "{is}");
    text(&is, "id").to_owned()
}

fn call(from: &Phone) {
    std::thread::sleep(IN_FORCE);
    let call = from.invite("44123").unwrap();
    call.wait_answer(SOON).unwrap();
    assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
}

/// A time so many seconds from now, whole seconds (RFC 3339).
fn in_seconds(demo: &Demo, seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    demo.time(i64::try_from(now + seconds).unwrap() * 1_000)
}

/// Everything that a list has, as it is told.
fn rates(demo: &Demo, tariff: &str) -> Vec<Value> {
    demo.rest.list(&format!("/api/v1/tariffs/{tariff}/rates"))
}

#[test]
fn a_suppliers_file_is_previewed_published_for_later_paid_by_and_undone() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    // The demo's supplier has list 2.
    let before = rates(&demo, "2");
    call(&ada);
    // As a spreadsheet in Germany saves it, and its columns are called like nothing else.
    let file = b"Angebot f\xfcr Sie;;\nRichtung;Nr;Betrag\nGro\xdfbritannien;44;0,0550\n";
    let mapping = r#"{"mapping": {"columns": {"code": "Nr", "price": "Betrag",
        "destination": "Richtung"}}, "mode": "partial"}"#;
    let place = demo.file("odd.csv");
    fs::write(&place, file).unwrap();
    let (code, is) = deck(&demo, &["import", place.to_str().unwrap(), "--tariff", "2"]);
    assert_eq!((code, text(&is, "state")), (1, "uploaded"), "nobody knows its columns: {is}");
    let id = sent(&demo, "deck.csv", file, "2", Some(mapping));
    let (_, seen) = deck(&demo, &["preview", &id]);
    let row = &seen["differences"]["rows"]["items"][0];
    assert_eq!((text(row, "prefix"), text(row, "change")), ("44", "dearer"), "{seen}");
    assert_eq!(text(row, "destination"), "Großbritannien");
    let lists = seen["margins"]["tariffs"].as_array().unwrap();
    assert!(lists.iter().any(|list| list["sold"] != 0), "{seen}");
    let (_, compared) = deck(&demo, &["compare", "--reference", "1", "--prefix", "44"]);
    assert_eq!(text(&compared["items"][0], "best"), "2", "{compared}");
    let at = in_seconds(&demo, 15);
    let (code, is) = deck(&demo, &["publish", &id, "--at", &at]);
    assert_eq!((code, text(&is, "state")), (0, "scheduled"), "{is}");
    call(&ada);
    let began = Instant::now();
    while text(&demo.rest.get(&format!("/api/v1/imports/{id}")), "state") != "in-force" {
        assert!(began.elapsed() < 2 * WRITTEN);
        std::thread::sleep(Duration::from_millis(200));
    }
    call(&ada);
    let (code, is) = deck(&demo, &["undo", &id]);
    assert_eq!((code, text(&is, "state")), (0, "undone"), "{is}");
    assert_eq!(rates(&demo, "2"), before, "exactly as it was");
    call(&ada);
    let cdrs = demo.rest.cdrs(4);
    let prices: Vec<&str> = cdrs.iter().map(|c| text(c, "supplier.unit_price.amount")).collect();
    let old = text(&before[0], "price.amount");
    assert_eq!(prices, [old, old, "0.055000000", old]);
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

/// More rows than one transaction takes.
const MANY: u32 = 60_000;

/// Spec PRICE-IMP-01, C-BIL-02.
#[test]
fn prices_of_peak_hours_with_tax_in_them_are_put_in_force_without_it() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let before = rates(&demo, "2");
    let calendar = |name: &str, value: &str| {
        let row = json!({"tenant": "1", "category": "calendar", "name": name, "value": value});
        make(&demo, "settings", &row)
    };
    calendar("weekend_is_peak", "true");
    calendar("peak_from_ms", "0");
    let until = calendar("peak_until_ms", "86400000");
    let file = b"prefix;peak;off peak\n44;0.0595;0.0357\n";
    let mapping = r#"{"mapping": {"vat_ppm": 190000}, "mode": "partial"}"#;
    let id = sent(&demo, "peak.csv", file, "2", Some(mapping));
    let (_, seen) = deck(&demo, &["preview", &id]);
    let row = &seen["differences"]["rows"]["items"][0];
    let [peak, other] = ["new_peak_price.amount", "new_price.amount"].map(|name| text(row, name));
    assert_eq!((peak, other), ("0.050000000", "0.030000000"), "{row}");
    deck(&demo, &["publish", &id]);
    let began = Instant::now();
    while text(&demo.rest.get(&format!("/api/v1/imports/{id}")), "state") != "in-force" {
        assert!(began.elapsed() < WRITTEN);
        std::thread::sleep(Duration::from_millis(200));
    }
    call(&ada);
    // The day without peak hours.
    set(&demo, &format!("settings/{until}"), &json!({"value": "0"}));
    call(&ada);
    let cdrs = demo.rest.cdrs(2);
    let prices: Vec<&str> = cdrs.iter().map(|c| text(c, "supplier.unit_price.amount")).collect();
    assert_eq!(prices, ["0.050000000", "0.030000000"]);
    let (code, is) = deck(&demo, &["undo", &id]);
    assert_eq!((code, text(&is, "state")), (0, "undone"), "{is}");
    assert_eq!(rates(&demo, "2"), before, "exactly as it was");
    assert_tidy(&demo);
    drop(carrier);
    demo.stop();
}

#[test]
fn a_control_plane_that_is_killed_while_it_publishes_does_so_in_its_next_life() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let before = rates(&demo, "2");
    let line = |n: u32| format!("{};0,0{}\n", 100_000 + n, 1 + n % 9);
    let file: String = (0..MANY).map(line).collect();
    let file = format!("code;price\n{file}");
    let id = sent(&demo, "many.csv", file.as_bytes(), "2", None);
    let place = format!("/api/v1/imports/{id}");
    let asked = demo.rest.try_ask("POST", &format!("{place}/publish"));
    assert_eq!(asked.unwrap().0, 202);
    // Wait until some rows are there, in a transaction of their own, and kill it.
    let began = Instant::now();
    let draft = || demo.rows("SELECT COUNT(*) FROM rates WHERE revision = 2").trim().to_owned();
    while draft() == "0" {
        assert!(began.elapsed() < WRITTEN);
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = demo.planes().controld;
    demo.signal("KILL", killed);
    let left = draft();
    let state = demo.rows(&format!("SELECT state FROM imports WHERE id = {id}"));
    tell(&format!("killed with {left} rows written, {}", state.trim()));
    demo.await_replaced(killed);
    let began = Instant::now();
    let state = || {
        let (status, body) = demo.rest.try_get(&place)?;
        let json: Value = serde_json::from_str(&body).ok()?;
        (status == 200).then(|| json["state"].as_str().unwrap_or_default().to_owned())
    };
    while state().as_deref() != Some("in-force") {
        assert!(began.elapsed() < WRITTEN, "{:?}", state());
        std::thread::sleep(Duration::from_millis(100));
    }
    // Every row of the file once, and nothing else: it is all there is.
    let count = "SELECT COUNT(*) FROM rates r JOIN imports i ON i.tariff_id = r.tariff_id \
         AND i.revision = r.revision WHERE r.removed = 0";
    assert_eq!(demo.rows(count).trim(), MANY.to_string());
    assert!(rates_of(&demo, "1000001").is_some());
    assert_eq!(rates_of(&demo, "44123"), None);
    let (code, is) = deck(&demo, &["undo", &id]);
    assert_eq!((code, text(&is, "state")), (0, "undone"), "{is}");
    assert_eq!(rates(&demo, "2"), before, "exactly as it was");
    demo.stop();
}

/// The most memory that a process has had, bytes.
fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// Most memory that a file takes while it is looked through and put in force, for each of its rows
/// and beside them.
const ROW_BYTES_MAX: u64 = 800;
const FILE_BYTES_MAX: u64 = 96 << 20;

/// A deck as weekly files are: all codes of some length. A million of them with
/// `STROWGER_TEST_LONG`, which is on demand.
#[test]
fn a_large_deck_is_in_force_while_calls_go_on_and_takes_bounded_memory() {
    let is_long = std::env::var_os("STROWGER_TEST_LONG").is_some();
    let rows: u32 = if is_long { 1_000_000 } else { 30_000 };
    let home = Home::new();
    let demo = Demo::start(&home);
    let line = |n: u32| format!("4{n:06};0.0{}\n", 1 + n % 9);
    let lines: String = (0..rows).map(line).collect();
    let file = format!("code;price\n{lines}");
    let controld = demo.planes().controld;
    let before = peak_bytes(controld);
    let began = Instant::now();
    let id = sent(&demo, "large.csv", file.as_bytes(), "2", None);
    let read = began.elapsed();
    let (_, seen) = deck(&demo, &["preview", &id]);
    let told = seen["differences"]["rows"]["items"].as_array();
    assert!(told.is_some_and(|rows| !rows.is_empty()), "{seen}");
    let place = format!("/api/v1/imports/{id}");
    let began = Instant::now();
    assert_eq!(demo.rest.try_ask("POST", &format!("{place}/publish")).unwrap().0, 202);
    let mut slowest = Duration::ZERO;
    while text(&demo.rest.get(&place), "state") != "in-force" {
        assert!(began.elapsed() < 4 * WRITTEN);
        let asked = Instant::now();
        demo.rest.get("/api/v1/tariffs/2");
        slowest = slowest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    let written = began.elapsed();
    let last = format!("4{:06}9", rows - 1);
    let began = Instant::now();
    while rates_of(&demo, &last).is_none() {
        assert!(began.elapsed() < WRITTEN);
        std::thread::sleep(Duration::from_millis(50));
    }
    let grown = peak_bytes(controld).saturating_sub(before);
    tell(&format!(
        "{rows} rows read in {read:?}, written in {written:?}, REST at most {slowest:?}, {} MB",
        grown >> 20
    ));
    assert!(grown < FILE_BYTES_MAX + u64::from(rows) * ROW_BYTES_MAX, "{grown} bytes");
    assert_eq!(controld, demo.planes().controld);
    assert_tidy(&demo);
    demo.stop();
}

/// The supplier's price of a number now.
fn rates_of(demo: &Demo, number: &str) -> Option<String> {
    let found = demo.rest.get(&format!("/api/v1/tariffs/2/rates?number={number}"));
    Some(text(found["items"].as_array()?.first()?, "price.amount").to_owned())
}
