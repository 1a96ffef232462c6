//! The same calls on every way that packets may go (`media.backend`): each policy with each
//! security, a socket for each port being the oracle. Phones and product are hosts of their own.
//!
//! | way | what is its own |
//! |---|---|
//! | `sockets` | the oracle |
//! | `lookup` | one socket for all ports |
//! | `uring` | sockets by io_uring |
//! | `tc` | the kernel relays what is in the clear, and nothing that has keys of ours |

use std::time::Duration;

use serde_json::{Value, json};
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{Config, Phone, Srtp};

use crate::demo::{Demo, Home};
use crate::relayed::{CONFIG, cable, inside, relayed};
use crate::rows::{IN_FORCE, make};
use crate::talk::{SOON, Talk};

/// Paths, whether parties are taken to be behind NATs, and what both phones do of encryption.
const CELLS: [(&str, &str, Srtp, Srtp); 14] = [
    ("relay", "never", Srtp::Off, Srtp::Off),
    ("relay", "never", Srtp::Only, Srtp::Off),
    ("relay", "never", Srtp::Off, Srtp::Beside),
    ("relay", "never", Srtp::Only, Srtp::Beside),
    ("relay", "never", Srtp::Dtls, Srtp::Off),
    ("relay", "never", Srtp::Dtls, Srtp::Beside),
    ("relay", "always", Srtp::Off, Srtp::Off),
    ("relay", "always", Srtp::Only, Srtp::Off),
    ("relay", "always", Srtp::Off, Srtp::Beside),
    ("relay", "always", Srtp::Only, Srtp::Beside),
    ("relay", "always", Srtp::Dtls, Srtp::Off),
    ("relay", "always", Srtp::Dtls, Srtp::Beside),
    ("direct", "never", Srtp::Off, Srtp::Off),
    ("direct", "never", Srtp::Only, Srtp::Beside),
];
/// Ports of ours for media, by default.
const OURS: std::ops::Range<u16> = 16_384..32_768;

/// How one phone heard the other, and what the record says of it.
#[derive(PartialEq, Debug)]
struct Heard {
    payload_types: Vec<u8>,
    /// Its only source is a port of ours.
    ours: bool,
    sources: usize,
    ssrcs: usize,
    corrupt: u64,
    malformed: u64,
    /// All but few: a machine that does other things may lose some.
    heard_all: bool,
    has_reports: bool,
    /// Codec, and whether all that was sent was counted.
    record: Option<(Value, bool)>,
}

/// Packets of a call that may be missing.
const FEW: u64 = 10;

/// A call of one cell. `kernel`: what is in the clear goes down.
fn call(demo: &Demo, cell: usize, kernel: bool) -> [Heard; 2] {
    let (path, _, caller, callee) = CELLS[cell];
    let desk = |(user, password): (&str, &str), srtp: Srtp| {
        let config = Config::new(user, password, demo.sip);
        let (patience, bind) = (SOON, "127.78.0.2:0".parse().unwrap());
        let rtcp_interval = Duration::from_millis(300);
        let phone = Phone::new(Config { patience, bind, srtp, rtcp_interval, ..config }).unwrap();
        phone.register(300).unwrap();
        phone
    };
    let (ada, bob) = (desk(ALICE, caller), desk(BOB, callee));
    let talk = Talk::anyhow(&ada, "1002", &bob);
    talk.heard_again(15, SOON);
    talk.held_by_both();
    talk.heard_again(15, SOON);
    // Who offers no keys is asked for none, whatever the other phone could do.
    let in_clear = caller == Srtp::Off;
    if kernel {
        // A moment of calm, in which all could have gone.
        let down = if in_clear && path == "relay" { 2 } else { 0 };
        std::thread::sleep(Duration::from_millis(if down == 0 { 2_200 } else { 0 }));
        relayed(demo, down);
        talk.heard_again(15, SOON);
    }
    talk.end_after(Duration::from_millis(500));
    let cdr = demo.rest.cdrs(cell + 1)[cell].clone();
    let sides =
        [(&*talk.out, &*talk.inc, "called_media"), (&*talk.inc, &*talk.out, "caller_media")];
    sides.map(|(side, other, media)| {
        let (report, sent) = (side.media_report(), other.media_report());
        let ours = report.sources.iter().all(|(from, _)| OURS.contains(&from.port()));
        // What came before there were keys was not taken.
        let is_late = caller == Srtp::Dtls;
        let record = cdr[media]["received"].as_u64().map(|received| {
            let whole = received <= sent.sent_packets && received + FEW >= sent.sent_packets;
            (cdr[media]["codec"].clone(), whole || is_late)
        });
        Heard {
            payload_types: report.payload_types.clone(),
            ours,
            sources: report.sources.len(),
            ssrcs: report.ssrcs.len(),
            corrupt: report.corrupt,
            malformed: report.malformed,
            heard_all: is_late || report.stream(sent.own_stream).unwrap().lost <= FEW,
            has_reports: report.rtcp.sr + report.rtcp.rr > 0,
            record,
        }
    })
}

/// All calls of the table by a way; `None` = it cannot be had here.
fn calls_by(backend: &str) -> Option<Vec<[Heard; 2]>> {
    let home = Home::new();
    let demo = Demo::start_with(&home, &format!("{CONFIG}media.backend = \"{backend}\"\n"));
    if demo.log().contains("media.backend: recvmmsg and sendmmsg, as ") {
        return None;
    }
    let row = |name: &str, value: &str| {
        let body = json!({"category": "media", "name": name, "value": value});
        format!("/api/v1/settings/{}", make(&demo, "settings", &body))
    };
    let (path, nat) = (row("path", "relay"), row("nat", "never"));
    let mut told = Vec::new();
    for (cell, (to, behind, ..)) in CELLS.into_iter().enumerate() {
        for (row, value) in [(&path, to), (&nat, behind)] {
            assert_eq!(demo.rest.patch(row, &json!({"value": value}).to_string()).0, 200);
        }
        std::thread::sleep(IN_FORCE);
        told.push(call(&demo, cell, backend == "tc"));
    }
    crate::assert_tidy(&demo);
    demo.stop();
    Some(told)
}

/// What the oracle heard is what was to be heard, and the other way heard the same.
#[expect(clippy::print_stderr, reason = "a way that is left out is told")]
fn check(backend: &str, test: &str) {
    if !inside(test) {
        return;
    }
    cable("");
    let oracle = calls_by("sockets").unwrap();
    for (heard, cell) in oracle.iter().zip(CELLS) {
        for side in heard {
            let goes_by_us = cell.0 == "relay";
            assert_eq!((side.ours, side.record.is_some()), (goes_by_us, goes_by_us), "{cell:?}");
            assert_eq!((side.sources, side.corrupt), (1, 0), "{cell:?}: {side:?}");
            assert!(side.heard_all && side.has_reports, "{cell:?}: {side:?}");
            assert!(side.record.as_ref().is_none_or(|(_, whole)| *whole), "{cell:?}: {side:?}");
        }
    }
    let Some(heard) = calls_by(backend) else {
        eprintln!("SKIPPED: {backend} cannot be had here");
        return;
    };
    for ((one, other), cell) in oracle.iter().zip(&heard).zip(CELLS) {
        assert_eq!(one, other, "{cell:?} by {backend}");
    }
    assert_eq!(heard.len(), oracle.len());
}

#[test]
fn calls_by_one_socket_are_those_by_many() {
    check("lookup", "backend::calls_by_one_socket_are_those_by_many");
}

#[test]
fn calls_by_io_uring_are_those_by_sockets() {
    check("uring", "backend::calls_by_io_uring_are_those_by_sockets");
}

#[test]
fn calls_by_the_kernel_are_those_by_sockets() {
    check("tc", "backend::calls_by_the_kernel_are_those_by_sockets");
}
