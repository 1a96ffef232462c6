//! What must not be lost when a plane is killed without warning: no audio, no call, no record, no
//! unit of money.
//!
//! Each test starts the real product, fills it with calls of a [`Fleet`], kills processes with
//! SIGKILL, and compares what the phones saw with what the records say. 100 calls at a time, or 500
//! with `STROWGER_TEST_LONG` set. Before it: `cargo build` of the programs; it needs `sqlite3`.

#![cfg(test)]

#[path = "product/demo.rs"]
#[expect(dead_code, reason = "the tests of the product use the rest")]
mod demo;
#[path = "product/rest.rs"]
#[expect(dead_code, reason = "the tests of the product use the rest")]
mod rest;
#[path = "product/server.rs"]
mod server;

#[path = "kill/books.rs"]
mod books;
#[path = "kill/control.rs"]
mod control;
#[path = "kill/data.rs"]
mod data;
#[path = "kill/site.rs"]
mod site;

/// The program that people use, against a demo as it is: free calls to the other subscriber.
#[test]
fn a_fleet_is_begun_by_hand() {
    let home = demo::Home::new();
    let demo = demo::Demo::start(&home);
    let mut command = std::process::Command::new(demo::program("phone"));
    command.args(["fleet", "--calls", "40", "--rate", "80", "--seconds", "2", "--packets", "20"]);
    command.args(["--user", "1001", "--password-env", "ADA"]).env("ADA", "demo1001");
    command.args(["--peer", "1002", "--peer-password-env", "BOB"]).env("BOB", "demo1002");
    let output = command.args(["--server", &demo.sip.to_string()]).output().unwrap();
    let (told, said) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert!(output.status.success(), "{told}\n{said}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["ok"], &told["over"], &told["lost"]), (&true.into(), &40.into(), &0.into()));
    assert_eq!(told["ends"]["Near LocalBye"], 20, "{told}");
    assert_eq!(demo.rest.cdrs(40).len(), 40);
    assert_eq!(demo.rest.list("/api/v1/registrations").len(), 0, "it leaves no contact");
    demo.stop();
}
