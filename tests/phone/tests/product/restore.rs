//! An older database is put back: the journals bring it up to date.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;
use strowger_phone::{EndedBy, Phone};

use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::talk::{SOON, desk};

fn call_abroad(caller: &Phone) {
    let out = caller.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(out.bye().unwrap(), EndedBy::LocalBye);
}

/// Runs the command line on the product's data; returns what it printed.
fn strowger(words: &[&str], data: &Path) -> String {
    let mut command = Command::new(program("strowger"));
    let output = command.args(words).arg("--data").arg(data).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Where a backup's files are.
fn demo_files(copy: &Path) -> std::path::PathBuf {
    copy.with_extension("db.files")
}

#[test]
fn a_restored_backup_gets_the_rest_from_the_journal() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start(&home);
    let (data, copy) = (demo.file(""), demo.file("copy.db"));
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    call_abroad(&desk(&demo, ALICE));
    demo.rest.cdrs(1);
    let list = demo.rest.csv("/api/v1/ported-numbers/replace", "33123456,44\n");
    assert_eq!(list.0, 200, "{}", list.1);
    let said = strowger(&["backup", copy.to_str().unwrap()], &data);
    assert!(said.starts_with("the books are sound: 1 batches"), "{said}");
    // Behind the backup: more calls, and a life of the dataplane that the copy has not heard of.
    call_abroad(&desk(&demo, ALICE));
    demo.replace(demo.planes().switchd);
    call_abroad(&desk(&demo, ALICE));
    let cdrs = demo.rest.cdrs(3);
    let balance = demo.rest.balance(1);
    drop(carrier);
    demo.stop();
    for end in ["", "-wal", "-shm"] {
        let gone = data.join(format!("strowger.db{end}"));
        assert!(!end.is_empty() || gone.exists());
        let _not_there = fs::remove_file(gone);
    }
    fs::rename(&copy, data.join("strowger.db")).unwrap();
    fs::remove_file(data.join("ported.img")).unwrap();
    let beside = demo_files(&copy);
    assert!(beside.join("host.key").exists());
    fs::rename(beside.join("ported.img"), data.join("ported.img")).unwrap();
    let demo = Demo::start(&home);
    assert_eq!(demo.rest.cdrs(3), cdrs, "the same records with the same amounts");
    assert_eq!(demo.rest.balance(1), balance);
    let ported = demo.rest.get("/api/v1/ported-numbers?number=33123456");
    assert_eq!(ported["numbers"], 1, "{ported}");
    // A new life gets a number that none of the known lives has.
    let carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    call_abroad(&desk(&demo, ALICE));
    let after = demo.rest.cdrs(4);
    assert_eq!(&after[..3], cdrs.as_slice());
    let origin = |cdr: &Value| cdr["id"].as_str().unwrap().parse::<i64>().unwrap() >> 40;
    let origins: Vec<i64> = after.iter().map(origin).collect();
    assert_eq!(origins, [1, 1, 2, 3]);
    eventually("the last charge is booked", || {
        strowger(&["books", "check"], &data).starts_with("the books are sound").then_some(())
    });
    drop(carrier);
    demo.stop();
}
