//! The SIP messages of a call, afterwards and while it runs, as a capture, and sent on by HEP.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use strowger_phone::carrier::Carrier;
use strowger_phone::flows::ALICE;

use crate::demo::{CARRIER, Demo, Home, carrier_turn, eventually, program};
use crate::rest::text;
use crate::talk::{SOON, desk};

/// What is asked for, as bytes.
fn bytes_of(demo: &Demo, path: &str) -> Vec<u8> {
    let token = std::fs::read_to_string(demo.file("admin.token")).unwrap();
    let mut stream = TcpStream::connect(demo.rest.at()).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        token.trim()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let said = String::from_utf8_lossy(&answer[..at]).into_owned();
    assert!(said.contains(" 200 ") && said.contains("vnd.tcpdump.pcap"), "{said}");
    answer.split_off(at + 4)
}

fn starts(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().unwrap();
    let word = |item: &Value| {
        let start = text(item, "start");
        let second = start.split(' ').nth(1).unwrap_or_default();
        let word = if start.starts_with("SIP/2.0") { second } else { start };
        let word = word.split(' ').next().unwrap_or_default();
        format!("{} {word}", text(item, "direction"))
    };
    items.iter().map(word).collect()
}

#[test]
fn a_call_leaves_its_messages_without_its_secrets() {
    let _turn = carrier_turn();
    let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
    collector.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let home = Home::new();
    let config = format!("trace.hep = \"{}\"\n", collector.local_addr().unwrap());
    let demo = Demo::start_with(&home, &config);
    let _carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let out = ada.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    let running = eventually("the call is shown", || {
        let calls = demo.rest.list("/api/v1/calls");
        calls.first().map(|call| text(call, "id").to_owned())
    });
    let so_far = demo.rest.get(&format!("/api/v1/calls/{running}/messages"));
    let said = starts(&so_far);
    assert!(said.contains(&"sent INVITE".to_owned()) && said.contains(&"sent 200".to_owned()));
    assert!(!said.contains(&"received BYE".to_owned()), "{said:?}");
    out.bye().unwrap();
    let [cdr] = demo.rest.cdrs(1).try_into().unwrap();
    let id = text(&cdr, "id");
    let path = format!("/api/v1/cdrs/{id}/messages");
    let all = eventually("the callee's answer to BYE is there", || {
        let all = demo.rest.get(&path);
        (starts(&all).last().map(String::as_str) == Some("received 200")).then_some(all)
    });
    // Both legs, in order: the caller, the carrier, the end.
    let said = starts(&all);
    let expect = [
        "received INVITE",
        "sent 100",
        "sent INVITE",
        "received 200",
        "sent 200",
        "received ACK",
        "received BYE",
        "sent 200",
        "sent BYE",
        "received 200",
    ];
    let mut rest = said.iter();
    let missing = expect.iter().find(|word| !rest.any(|said| said == *word));
    assert_eq!(missing, None, "{said:?}");
    let texts: String = all["items"].as_array().unwrap().iter().map(|m| text(m, "text")).collect();
    let digests = texts.matches("response=\"").count();
    assert!(digests > 0 && digests == texts.matches("response=\"xxxx").count(), "{texts}");
    // What REST does not show to everybody, it shows to no stranger.
    assert_eq!(demo.rest.with_token("wrong").status("GET", &path), 401);

    check_other_forms(&demo, id, &said);
    // The collector has heard of it, too.
    let mut packet = [0; 4_096];
    for _ in &said {
        let len = collector.recv(&mut packet).unwrap();
        assert_eq!(packet[..4], *b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), len);
    }
    demo.stop();
}

/// The same as a capture and on the command line.
fn check_other_forms(demo: &Demo, id: &str, said: &[String]) {
    let capture = bytes_of(demo, &format!("/api/v1/cdrs/{id}/capture"));
    assert_eq!(capture[..4], [0xD4, 0xC3, 0xB2, 0xA1]);
    let invites = capture.windows(7).filter(|window| window == b"INVITE ").count();
    assert!(invites >= 2, "{invites} in the capture");

    let mut command = Command::new(program("strowger"));
    let done = command.args(["ladder", id, "--data"]).arg(demo.file("")).output().unwrap();
    let shown = String::from_utf8(done.stdout).unwrap();
    assert_eq!(shown.lines().count(), said.len(), "{shown}");
    assert!(shown.contains("-> 127.0.0.1:5090") && shown.contains("  udp  "), "{shown}");
}

#[test]
fn nothing_is_kept_where_that_is_wanted() {
    let _turn = carrier_turn();
    let home = Home::new();
    let demo = Demo::start_with(&home, "trace.messages_mib = 0\n");
    let _carrier = Carrier::new(CARRIER, demo.sip).unwrap();
    let ada = desk(&demo, ALICE);
    let out = ada.invite("44123").unwrap();
    out.wait_answer(SOON).unwrap();
    out.bye().unwrap();
    let [cdr] = demo.rest.cdrs(1).try_into().unwrap();
    let path = format!("/api/v1/cdrs/{}/messages", text(&cdr, "id"));
    assert_eq!(starts(&demo.rest.get(&path)), Vec::<String>::new());
    assert!(!demo.file("run/sip-0.tape").exists());
    demo.stop();
}
