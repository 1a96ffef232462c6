//! Records that are old enough leave the database by night, and everything else stays.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::{money, text};
use crate::rows::answered;
use crate::talk::desk;

/// What the audit says, by the command line.
fn audited(demo: &Demo) -> String {
    let mut command = Command::new(program("strowger"));
    command.args(["books", "check", "--data"]).arg(demo.file(""));
    command.arg("--config").arg(demo.config()).stdin(Stdio::null());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn old_records_leave_behind_an_audit_and_the_books_still_agree() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let _carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    for number in ["44123", "44124", "44125"] {
        answered(&ada.invite(number).unwrap());
    }
    let cdrs = demo.rest.cdrs(3);
    let balance = demo.rest.balance(1);
    let days = json!({"category": "books", "name": "record_days", "value": "40"});
    assert_eq!(demo.rest.post("/api/v1/settings", "days", &days.to_string()).0, 201);
    // A life audits once a day, its first one within seconds: the next one is the next life's.
    let audit = "SELECT value FROM meta WHERE key = 'books_audited_day'";
    eventually("the first audit", || (!demo.rows(audit).is_empty()).then_some(()));
    // Two of them ended 41 days ago, and no audit has been since.
    let last = text(&cdrs[2], "id");
    demo.change(&format!(
        "UPDATE cdrs SET ended_us = ended_us - 3542400000000 WHERE id <> {last}; \
         DELETE FROM meta WHERE key = 'books_audited_day'"
    ));
    demo.replace(demo.planes().controld);
    eventually("the old ones have left", || {
        let (status, body) = demo.rest.try_get("/api/v1/cdrs")?;
        let left: Value = serde_json::from_str(&body).ok()?;
        (status == 200 && left["items"].as_array()?.len() == 1).then_some(())
    });
    assert_eq!(text(&demo.rest.cdrs(1)[0], "id"), last);
    let file = demo.file("archive").join("records-000000001.jsonl");
    let lines: Vec<Value> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (line, cdr) in lines.iter().zip(&cdrs) {
        assert_eq!(line["record"]["id"].to_string(), text(cdr, "id"), "{line:#}");
        assert_eq!(line["record"]["received"], text(cdr, "called.received"));
        let paid = money(&cdr["customer"]["gross"]);
        assert_eq!(line["record"]["customer_gross"], paid);
    }
    assert_eq!(lines.len(), 2);
    // Who pays, what was counted, and the proof of the books do not need them.
    assert_eq!(demo.rest.balance(1), balance);
    let told = demo.rest.get("/api/v1/statistics");
    assert_eq!(told["items"][0]["calls"], 3, "{told:#}");
    let said = audited(&demo);
    assert!(said.starts_with("the books are sound"), "{said}");
    answered(&ada.invite("44126").unwrap());
    assert_eq!(demo.rest.cdrs(2).len(), 2);
    assert_tidy(&demo);
    demo.stop();
}
