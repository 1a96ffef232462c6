//! Wrong words and wrong configuration: one line that names them, exit code 2.

use std::fs;
use std::process::Command;

use crate::demo::{Home, program};

/// Runs a program that must refuse its words, and returns what it said.
fn refused(name: &str, words: &[&str]) -> String {
    let output = Command::new(program(name)).args(words).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{name} {words:?}: {said}");
    assert!(output.stdout.is_empty(), "{name} {words:?}");
    assert_eq!(said.lines().count(), 1, "{name} {words:?}: {said}");
    said
}

#[test]
fn wrong_words_are_named() {
    for (name, words, names) in [
        ("strowger", &["dwon"][..], "`dwon`"),
        ("strowger", &[], "a command is missing"),
        ("strowger", &["up", "--dmeo"], "`--dmeo`"),
        ("strowger", &["up", "--data"], "--data needs a value"),
        ("strowger", &["check-config"], "check-config takes one FILE"),
        ("strowger-switchd", &["--nope"], "`--nope`"),
        ("strowger-switchd", &["--data"], "--data needs a value"),
        ("strowger-controld", &["--nope"], "`--nope`"),
        ("strowger-controld", &["--config"], "--config needs a value"),
    ] {
        let said = refused(name, words);
        assert!(said.starts_with(&format!("{name}: ")) && said.contains(names), "{said}");
    }
}

#[test]
fn wrong_configuration_is_named_by_its_key() {
    let home = Home::new();
    let (file, data) = (home.join("bad.toml"), home.join("data"));
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    for (text, key) in [
        ("[sip]\nlistne = []\n", "listne"),
        ("[sip]\nlisten = [\"5060\"]\n", "listen"),
        ("[media]\nport_min = 16385\n", "media.port_min"),
        ("[media]\nport_min = \"low\"\n", "port_min"),
        ("[log]\nlevel = \"loud\"\n", "log.level"),
        ("[phones]\n", "phones"),
        ("sip = \n", "line 1"),
    ] {
        fs::write(file, text).unwrap();
        for (name, words) in [
            ("strowger", &["up", "--config", file, "--data", data][..]),
            ("strowger", &["check-config", file]),
            ("strowger-switchd", &["--config", file, "--data", data]),
            ("strowger-controld", &["--config", file, "--data", data]),
        ] {
            let said = refused(name, words);
            assert!(said.contains(file) && said.contains(key), "{text:?}: {said}");
        }
    }
    fs::remove_file(file).unwrap();
    for words in [&["up", "--config", file, "--data", data][..], &["check-config", file]] {
        let said = refused("strowger", words);
        assert!(said.contains(file) && said.contains("No such file"), "{said}");
    }
    assert!(!home.join("data").exists(), "something was made before the check");
}

#[test]
fn a_good_configuration_is_explained() {
    let home = Home::new();
    let file = home.join("good.toml");
    fs::write(&file, "[media]\nport_min = 20000\nport_max = 20999\n").unwrap();
    let output = Command::new(program("strowger")).arg("check-config").arg(&file).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(said.contains("no problem found") && said.contains("20999"), "{said}");
}

#[test]
fn a_demo_listens_on_loopback_only() {
    let home = Home::new();
    let (file, data) = (home.join("open.toml"), home.join("data"));
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    for (text, key) in [
        ("[sip]\nlisten = [\"0.0.0.0:5060\"]\nadvertise = [\"127.0.0.1:5060\"]\n", "sip.listen"),
        ("[media]\naddresses = [\"192.0.2.1\"]\n", "media.addresses"),
        ("[admin]\nlisten = \"0.0.0.0:8080\"\n", "admin.listen"),
    ] {
        fs::write(file, text).unwrap();
        let said = refused("strowger", &["up", "--demo", "--config", file, "--data", data]);
        assert!(said.contains("--demo") && said.contains(key), "{text:?}: {said}");
    }
}

/// A port that somebody has ends the start, by one line that names the port and who has it.
#[test]
fn a_port_that_is_taken_is_named_with_who_has_it() {
    let home = Home::new();
    let (file, data) = (home.join("taken.toml"), home.join("data"));
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    fs::write(&file, format!("sip.listen = [\"{at}\"]\nadmin.listen = \"127.0.0.1:0\"\n")).unwrap();
    let words = ["up", "--config", file.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let output = Command::new(program("strowger")).args(words).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("sip.listen")).unwrap_or(&said);
    let who = format!("(process {}) has it", std::process::id());
    assert!(line.contains(&at.to_string()) && line.ends_with(&who), "{said}");
}
