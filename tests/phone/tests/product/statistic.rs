//! Statistics of calls that were made, by REST and by the command line, over a restart.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, NOBODY};

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::text;
use crate::rows::{answered, refused};
use crate::talk::desk;

fn statistics(demo: &Demo, query: &str) -> Vec<Value> {
    let told = demo.rest.get(&format!("/api/v1/statistics?{query}"));
    told["items"].as_array().unwrap_or_else(|| panic!("{query}: {told:#}")).clone()
}

/// What the command line says.
fn listed(demo: &Demo, words: &[&str]) -> String {
    let mut command = Command::new(program("strowger"));
    command.args(["list", "statistics"]).args(words).arg("--data").arg(demo.file(""));
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn counts(line: &Value) -> (u64, u64) {
    (line["calls"].as_u64().unwrap(), line["answered"].as_u64().unwrap())
}

#[test]
fn calls_are_counted_once_over_a_restart() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    carrier.script("44666", Script::busy());
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44124").unwrap());
    assert_eq!(refused(&ada, "44666"), 486);
    assert_eq!(refused(&ada, NOBODY), 404);
    let cdrs = demo.rest.cdrs(4);
    let talk_ms: u64 = cdrs.iter().map(|cdr| cdr["talk_ms"].as_u64().unwrap()).sum();

    let check = |demo: &Demo| {
        let [all] = &statistics(demo, "")[..] else { panic!("one line") };
        assert_eq!(counts(all), (4, 2), "{all:#}");
        assert_eq!(
            (all["asr_ppm"].as_u64(), all["ner_ppm"].as_u64()),
            (Some(500_000), Some(750_000))
        );
        assert_eq!(all["talk_ms"].as_u64(), Some(talk_ms));
        let paid: f64 = cdrs
            .iter()
            .filter(|cdr| !cdr["customer"].is_null())
            .map(|cdr| text(cdr, "customer.net.amount").parse::<f64>().unwrap())
            .sum();
        let told: f64 = text(&all["money"][0], "customer.amount").parse().unwrap();
        assert!((told - paid).abs() < 1e-9, "{told} {paid}");
        let [out] = &statistics(demo, "by=egress,destination")[..] else { panic!("one line") };
        assert_eq!((counts(out), text(out, "destination")), ((3, 2), "44"), "{out:#}");
        let account = text(&cdrs[0], "caller.account");
        let days = statistics(demo, &format!("by=day&account={account}"));
        assert_eq!(days.iter().map(|day| counts(day).0).sum::<u64>(), 4, "{days:#?}");
    };
    check(&demo);
    let said = listed(&demo, &["by=account,hour", "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["items"][0]["calls"], json!(4), "{said:#}");
    let (status, wrong) = demo.rest.try_get("/api/v1/statistics?by=ingress,destination").unwrap();
    let wrong: Value = serde_json::from_str(&wrong).unwrap();
    assert_eq!((status, text(&wrong, "field")), (422, "by"));

    demo.replace(demo.planes().controld);
    eventually("the statistics are there", || demo.rest.try_get("/api/v1/statistics"));
    check(&demo);
    assert_tidy(&demo);
    demo.stop();
}

/// The day of UTC that it is, as the server's records say.
fn day(cdr: &Value) -> String {
    text(cdr, "ended")[..10].to_owned()
}

#[test]
fn a_day_is_decided_again_after_a_change_that_nobody_made() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let _carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    answered(&ada.invite("44123").unwrap());
    answered(&ada.invite("44124").unwrap());
    let cdrs = demo.rest.cdrs(2);
    let trunk = text(&cdrs[0], "called.trunk").to_owned();
    let day = day(&cdrs[0]);
    let told = |with: &Value| -> Value {
        let file = home.join("change.json");
        std::fs::write(&file, with.to_string()).unwrap();
        let mut command = Command::new(program("strowger"));
        command.args(["replay", "--day", &day, "--json", "--with"]).arg(&file);
        let done = command.arg("--data").arg(demo.file("")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    };
    let same = told(&json!({}));
    let total = &same["total"];
    assert_eq!((&total["calls"], &total["moved"]), (&json!(2), &json!(0)), "{same:#}");
    let money = &total["money"][0];
    assert_eq!(money["recorded"], money["now"], "{same:#}");
    assert_eq!(money["now"], money["changed"]);
    // Without its only trunk nobody is reached, and nothing is earned.
    let off = json!({"rows": [{"resource": "trunks", "id": trunk, "set": {"enabled": false}}]});
    let off = told(&off);
    assert_eq!(off["total"]["refused_changed"], json!(2), "{off:#}");
    assert_eq!(off["moves"], json!([{"from": trunk, "to": "refused", "calls": 2}]));
    assert_eq!(text(&off["total"]["money"][0], "changed.profit.amount"), "0.00000000");
    let words = ["replay", "--day", &day];
    let mut command = Command::new(program("strowger"));
    let done = command.args(words).arg("--data").arg(demo.file("")).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(said.contains("DIFFERENCE") && said.contains("44"), "{said}");
    assert_eq!(text(&demo.rest.get(&format!("/api/v1/trunks/{trunk}")), "id"), trunk);
    assert_tidy(&demo);
    demo.stop();
}
