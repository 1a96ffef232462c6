//! Why calls went as they went, and how they would go: by REST and by the command line.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use strowger_phone::EndedBy;
use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::flows::{ALICE, NOBODY};

use crate::assert_tidy;
use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::text;
use crate::talk::{SOON, desk, phone};

/// What the command line said.
pub(crate) struct Said {
    code: i32,
    pub(crate) out: String,
    err: String,
}

/// Runs `strowger` with these words, for the data of the demo.
pub(crate) fn strowger(demo: &Demo, words: &[&str]) -> Said {
    let mut command = Command::new(program("strowger"));
    command.args(words).arg("--data").arg(demo.file(""));
    let done = command.stdin(Stdio::null()).output().unwrap();
    let utf8 = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: done.status.code().unwrap(), out: utf8(done.stdout), err: utf8(done.stderr) }
}

fn sentences(trace: &Value, part: &str) -> Vec<String> {
    let steps = trace[part].as_array().unwrap_or_else(|| panic!("no {part} in {trace:#}"));
    steps.iter().map(|step| text(step, "sentence").to_owned()).collect()
}

/// The trace of a record, once it is written.
pub(crate) fn trace_of(demo: &Demo, cdr: &Value) -> Value {
    let path = format!("/api/v1/cdrs/{}/trace", text(cdr, "id"));
    eventually("the trace is written", || {
        Some(demo.rest.get(&path)).filter(|trace| !trace["decided"].is_null())
    })
}

fn route_test(demo: &Demo, body: &str) -> Value {
    let (status, answer) = demo.rest.post("/api/v1/route-tests", "", body);
    assert_eq!(status, 200, "{answer:#}");
    answer
}

/// Records of a call that is answered, one that is busy, one to nobody.
fn three_calls(demo: &Demo, carrier: &Carrier) -> [Value; 3] {
    carrier.script("44666", Script::busy());
    let ada = desk(demo, ALICE);
    let out = ada.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
    for (number, code) in [("44666", 486), (NOBODY, 404)] {
        assert_eq!(ada.invite(number).unwrap().wait_end(SOON).unwrap(), EndedBy::Refused(code));
    }
    // A call that was hung up may end after the next one was refused.
    let cdrs = demo.rest.cdrs(3);
    let of = |number: &str| cdrs.iter().find(|cdr| text(cdr, "called.received") == number);
    ["44123", "44666", NOBODY].map(|number| of(number).unwrap().clone())
}

#[test]
fn every_attempt_says_why_and_a_dry_run_agrees() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let cdrs = three_calls(&demo, &carrier);
    let [answered, busy, nobody] = cdrs.each_ref().map(|cdr| trace_of(&demo, cdr));
    let decision = sentences(&answered, "decision");
    let planned = [
        "sender is subscriber 1 (1001)",
        "called number is 44123",
        "route 1 fits with 2 digits",
        "trunk 1 (demo-carrier) charges by rate 2 (prefix 44, 0.015 EUR a minute)",
        "hop to trunk 1 (demo-carrier), address 0",
        "account 1 (1001) pays by rate 1 (prefix 44, 0.06 EUR a minute)",
        "planned in 1 stages",
    ];
    assert_eq!(decision[..planned.len()], planned);
    assert_eq!(decision[planned.len()..], ["1250 seconds of talk were granted"]);
    let after = sentences(&answered, "afterwards");
    let hop = "hop 1, trunk 1 (demo-carrier) at 127.0.0.1:5090 as 44123: answered ";
    assert!(after[0].starts_with(hop) && after[0].ends_with(" ms into the call"), "{after:?}");
    assert!(after[1].starts_with("the caller ended the call after "), "{after:?}");
    let after = sentences(&busy, "afterwards");
    assert!(after[0].contains("as 44666: answered 486, cause 17 (busy)"), "{after:?}");
    let decision = sentences(&nobody, "decision");
    assert_eq!(decision.last().map(String::as_str), Some("refused with 404, cause 1"));
    assert_eq!(sentences(&nobody, "afterwards").len(), 1, "nothing rang");

    // Before a call is made, the same is said; at a time without a price it is not.
    let balance = demo.rest.balance(1);
    let dry = route_test(&demo, r#"{"username":"1001","called":"44123"}"#);
    assert_eq!(sentences(&dry, "decision"), planned);
    let branch = &dry["stages"][0]["branches"][0];
    let sent = ["dialled", "address", "name"].map(|name| text(branch, name));
    assert_eq!(sent, [text(&cdrs[0], "called.dialled"), "127.0.0.1:5090", "demo-carrier"]);
    assert_eq!(dry["payers"][0]["price"], cdrs[0]["customer"]["unit_price"]);
    assert_eq!(branch["price"], cdrs[0]["supplier"]["unit_price"]);
    let dry = route_test(&demo, &format!(r#"{{"username":"1001","called":"{NOBODY}"}}"#));
    assert_eq!(sentences(&dry, "decision"), decision);
    assert_eq!((text(&dry, "verdict"), &dry["sip"]), ("refuse", &404.into()));
    let then = r#"{"username":"1001","called":"44123","at":"1969-12-31T00:00:00Z"}"#;
    let dry = route_test(&demo, then);
    assert_eq!(text(&dry, "verdict"), "refuse");
    let no_price = "trunk 1 (demo-carrier) has no price for the number".to_owned();
    assert!(sentences(&dry, "decision").contains(&no_price), "{dry:#}");
    assert_eq!(demo.rest.balance(1), balance);
    assert_eq!(demo.rest.metric("strowger_calls_total{verdict=\"admitted\"}"), 2);
    assert!(demo.rest.metric("strowger_traces_total{outcome=\"written\"}") >= 3);
    assert_eq!(demo.rest.metric("strowger_traces_total{outcome=\"dropped\"}"), 0);

    for (id, trace) in [(text(&answered, "cdr"), &answered), (text(&busy, "call"), &busy)] {
        let said = strowger(&demo, &["trace", id]);
        assert_eq!(said.code, 0, "{}", said.err);
        let lines: Vec<&str> = said.out.lines().map(str::trim).collect();
        for sentence in sentences(trace, "decision") {
            assert!(lines.contains(&sentence.as_str()), "{sentence}: {}", said.out);
        }
    }
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn the_command_line_speaks_rest() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let check = |words: &[&str], code: i32, out: &str, err: &str| {
        let said = strowger(&demo, words);
        assert_eq!(said.code, code, "{words:?}: {}{}", said.out, said.err);
        assert!(said.out.contains(out), "{words:?}: {}", said.out);
        assert!(said.err.contains(err), "{words:?}: {}", said.err);
    };
    let go = "stage 1: trunk 1 (demo-carrier) at 127.0.0.1:5090 as 44123, caller 1001";
    check(&["route", "test", "--from", "1001", "--to", "44123"], 0, go, "");
    let trunk = ["route", "test", "--from", "trunk:demo-carrier", "--to", "1001"];
    check(&trunk, 3, "subscriber 1 (1001) is not registered", "");
    check(&["route", "test", "--from", "x", "--to", "1"], 1, "", "username: is nobody (422");
    check(&["trace", "5"], 1, "", "no record and no call 5");
    check(&["list", "accounts"], 0, "demo-carrier", "");
    check(&["list", "accounts", "limit=1"], 0, "1001", "there is more");
    check(&["list", "accounts", "--all", "--json", "limit=1"], 0, "demo-carrier", "");
    let said = strowger(&demo, &["list", "accounts", "limit=1", "--csv"]);
    let lines: Vec<&str> = said.out.split("\r\n").collect();
    let all = demo.rest.list("/api/v1/accounts");
    assert_eq!((lines.len(), lines.last()), (all.len() + 2, Some(&"")), "{}", said.out);
    assert!(lines[0].starts_with("id,name,") && lines[0].contains(",balance.amount,"));
    check(&["list", "accounts/1", "--csv"], 2, "", "`accounts/1` is no list");
    check(&["get", "accounts", "1"], 0, "balance                10.00000000 EUR", "");
    check(&["get", "accounts", "99"], 1, "", "GET /api/v1/accounts/99: (404 Not Found)");
    check(&["get", "nothing"], 2, "", "no resource `nothing` to get; there are: ");
    let pay = |amount: &'static str| {
        let words = ["create", "accounts/1/payments", "currency=EUR", "reason=test", "--key", "k"];
        let mut words = words.to_vec();
        words.push(amount);
        words
    };
    check(&pay("amount=5"), 0, "5.00000000 EUR", "");
    check(&pay("amount=5"), 0, "5.00000000 EUR", "");
    check(&pay("amount=x"), 1, "", "payments: amount: ");
    check(&pay("amonut=5"), 2, "", "no field `amonut`; there are: amount, currency, reason");
    assert_eq!(demo.rest.balance(1), 1_500_000_000);
    let said = strowger(&demo, &["get", "accounts", "1", "--json"]);
    let shown: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(shown, demo.rest.get("/api/v1/accounts/1"));
    // Who is not known is counted by where it came from.
    let thief = phone(&demo, (ALICE.0, "wrong"));
    let end = thief.invite("44123").unwrap().wait_end(SOON).unwrap();
    assert!(matches!(end, EndedBy::Refused(401 | 403 | 407)), "{end:?}");
    let strangers = demo.rest.list("/api/v1/statistics/strangers");
    let refused: u64 = strangers.iter().filter_map(|row| row["refused"].as_u64()).sum();
    assert!(refused >= 1 && text(&strangers[0], "source") == "127.0.0.1", "{strangers:#?}");
    demo.stop();
}

/// The log by REST: what the control plane says, by level and time, as it says it.
#[test]
fn lines_of_the_log_are_read_by_rest_as_they_come() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let lines = |query: &str| {
        let page = demo.rest.get(&format!("/api/v1/log-lines?{query}"));
        page["items"].as_array().unwrap().clone()
    };
    let runs = eventually("the start is said", || {
        let found = lines("level=info&limit=100");
        found.into_iter().find(|line| text(line, "text").contains("the control plane runs"))
    });
    let since = text(&runs, "at").to_owned();
    // A look by command is the same.
    let said = strowger(&demo, &["list", "log-lines"]);
    assert!(said.out.contains("the control plane runs"), "{} {}", said.out, said.err);
    // What is said later is found by its time, the newest first.
    demo.replace(demo.planes().switchd);
    let later = eventually("what came later is said", || {
        Some(lines(&format!("from={since}&limit=50"))).filter(|found| found.len() > 1)
    });
    assert!(later.windows(2).all(|pair| text(&pair[0], "at") >= text(&pair[1], "at")));
    assert!(lines(&format!("until={since}")).iter().all(|line| text(line, "at") < since.as_str()));
    demo.stop();
}
