//! The binary `phone` as a person uses it: two of them call each other.

#![cfg(test)]

mod toy;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

const PHONE: &str = env!("CARGO_BIN_EXE_phone");

#[test]
fn a_call_to_a_carrier_tells_that_its_audio_came_back() {
    let mut carrier = Command::new(PHONE)
        .args(["carrier", "--bind", "127.0.0.1:0", "--seconds", "20"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(carrier.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let at = first.strip_prefix("carrier at ").unwrap().to_owned();
    let call = Command::new(PHONE)
        .args(["call", "44123", "--user", "1001", "--seconds", "1", "--server", &at])
        .output()
        .unwrap();
    let text = String::from_utf8(call.stdout).unwrap();
    assert_eq!(call.status.code(), Some(0), "{text}");
    assert_eq!(text.lines().count(), 1);
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["ok"], true);
    assert_eq!(told["media"]["sent"], 50);
    assert!(told["echo_received"].as_u64().unwrap() >= 48, "{told}");
    assert_eq!(carrier.wait().unwrap().code(), Some(0));
    let mut text = String::new();
    carrier.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["calls"][0]["number"], "44123");
    assert_eq!(told["calls"][0]["media"]["echoed"], 50);
}

#[test]
fn failures_exit_with_1_and_wrong_usage_with_2() {
    let usage = Command::new(PHONE).args(["register"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert!(usage.stdout.is_empty());
    let mut carrier = Command::new(PHONE)
        .args(["carrier", "--bind", "127.0.0.1:0", "--script", "7=404"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(carrier.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let at = first.strip_prefix("carrier at ").unwrap().to_owned();
    let call = Command::new(PHONE)
        .args(["call", "7", "--user", "1001", "--server", &at])
        .output()
        .unwrap();
    assert_eq!(call.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&call.stdout).unwrap();
    assert_eq!((&told["ok"], &told["code"]), (&false.into(), &404.into()));
    assert!(carrier.wait().unwrap().success());
}

#[test]
fn registration_and_flows_are_told_in_one_line() {
    let toy = toy::Toy::new(toy::Rules::default());
    let at = toy.addr().to_string();
    let phone = |args: &[&str]| {
        let mut command = Command::new(PHONE);
        command.args(args).args(["--server", &at]).env("PHONE_PASSWORD", "demo1001");
        let output = command.output().unwrap();
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), told)
    };
    let (code, told) = phone(&[
        "register",
        "--user",
        "1001",
        "--password-env",
        "PHONE_PASSWORD",
        "--expires",
        "60",
    ]);
    assert_eq!((code, &told["expires_s"]), (0, &60.into()), "{told}");
    let (code, told) = phone(&["register", "--user", "1002", "--password-env", "PHONE_PASSWORD"]);
    assert_eq!((code, &told["code"]), (1, &401.into()), "{told}");
    assert_eq!(toy.heard().counts, vec![1]);
    let (code, told) = phone(&["flow", "wrong_number", "busy"]);
    assert_eq!((code, &told["flows"]["busy"]), (0, &"passed".into()), "{told}");
    let (code, told) = phone(&["flow", "carrier", "--carrier", "127.0.0.1:0"]);
    assert_eq!((code, &told["ok"]), (1, &false.into()), "{told}");
}
