//! Media by one socket of each family for all ports, which a program of the kernel chooses
//! (`media.backend`): calls do not see the difference, not even when the dataplane is killed.
//!
//! The program is the network's, so each test has a network namespace of its own, in which it runs
//! itself again; that takes root.

use std::process::Command;
use std::time::Duration;

use strowger_phone::flows::{ALICE, BOB};

use crate::demo::{Demo, Home, eventually};
use crate::talk::{Talk, desk};

/// In the environment of the run inside.
const INSIDE: &str = "STROWGER_LOOKUP_INSIDE";
/// What the way takes of rights; who may administer the system may do all of it.
const RIGHTS: &str = "-bpf,-net_admin,-net_raw,-sys_admin";

/// Whether this is the run inside, with those rights or without; outside it starts that run and
/// judges its end.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn inside(test: &str, with_rights: bool) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "ip", "link", "set", "lo", "up"]);
    if !command.output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test} needs root and iproute2, for a network namespace of its own");
        return false;
    }
    let less = format!("setpriv --bounding-set={RIGHTS}");
    let run = if with_rights { "" } else { less.as_str() };
    let script = format!("ip link set lo up && exec {run} \"$0\" --exact \"$1\" --nocapture");
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", &script]).arg(me).arg(test).env(INSIDE, "1");
    let output = command.output().unwrap();
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
    eprintln!("{said}");
    false
}

/// UDP sockets at media ports of this network.
fn media_sockets() -> usize {
    let lists =
        ["/proc/net/udp", "/proc/net/udp6"].map(|list| std::fs::read_to_string(list).unwrap());
    let ports = lists.iter().flat_map(|list| list.lines()).filter_map(|line| {
        let (_, port) = line.split_whitespace().nth(1)?.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    });
    ports.filter(|port| (16_384..32_768).contains(port)).count()
}

#[test]
#[expect(clippy::print_stderr, reason = "the gap is told, whatever it is")]
fn a_call_outlives_the_dataplane_without_a_socket_of_its_own() {
    if !inside("lookup::a_call_outlives_the_dataplane_without_a_socket_of_its_own", true) {
        return;
    }
    let config = "log.level = \"info\"\nmedia.backend = \"lookup\"\n";
    let home = Home::new();
    let demo = Demo::start_with(&home, config);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(50);
    assert_eq!(media_sockets(), 0, "no port of the call is a socket");
    assert!(demo.rest.shard("media_lookup_now") >= 1, "each shard says so");
    let killed = demo.planes().switchd;
    demo.signal("KILL", killed);
    demo.await_replaced(killed);
    talk.heard_again(25, Duration::from_secs(2));
    // Packets came until then: the ports were not refused, so no phone gave up.
    for side in [&*talk.out, &*talk.inc] {
        let gap = side.media_report().gap;
        eprintln!("longest silence over the kill of the dataplane: {gap:?}");
    }
    talk.held_by_both();
    // The next supervisor finds what steers media with the dataplane, and hands it on.
    let living = demo.planes().switchd;
    demo.orphan();
    let demo = Demo::start_with(&home, config);
    assert_eq!(demo.planes().switchd, living, "{}", demo.log());
    talk.heard_again(25, Duration::from_secs(2));
    demo.signal("KILL", living);
    demo.await_replaced(living);
    talk.heard_again(25, Duration::from_secs(2));
    assert_eq!(media_sockets(), 0);
    talk.end_after(Duration::from_millis(500));
    assert_eq!(demo.rest.cdrs(1).len(), 1);
    eventually("no port is open any more", || {
        (demo.rest.shard("media_ports_in_use") == 0).then_some(())
    });
    let starts = demo.log().matches("media: one socket of each shard and family").count();
    assert_eq!(starts, 3, "{}", demo.log());
    demo.stop();
}

#[test]
fn without_rights_each_port_has_a_socket_and_the_log_says_why() {
    if !inside("lookup::without_rights_each_port_has_a_socket_and_the_log_says_why", false) {
        return;
    }
    let home = Home::new();
    let demo = Demo::start_with(&home, "log.level = \"info\"\nmedia.backend = \"auto\"\n");
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    assert_eq!(media_sockets(), 4);
    assert_eq!(demo.rest.shard("media_lookup_now"), 0);
    talk.end_after(Duration::from_millis(300));
    let log = demo.log();
    let says = "media.backend: a socket for each port, as ";
    assert!(log.contains(says) && log.contains("CAP_BPF"), "{log}");
    demo.stop();
    // Who insists on it gets an error that names the key.
    std::fs::write(home.join("strowger.toml"), "media.backend = \"lookup\"\n").unwrap();
    let mut command = Command::new("timeout");
    command.arg("20").arg(crate::demo::program("strowger")).args(["up", "--demo", "--data"]);
    command.arg(home.join("data")).arg("--config").arg(home.join("strowger.toml"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("strowger: media.backend: "), "{said}");
}
