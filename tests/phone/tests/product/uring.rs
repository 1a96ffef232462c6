//! Media and signalling by io_uring (`media.backend`): calls do not see the difference, not when
//! the dataplane is killed and not where the system forbids it.

use std::process::Command;
use std::time::Duration;

use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::talk::{Talk, desk};

const CONFIG: &str = "log.level = \"info\"\nmedia.backend = \"uring\"\n";
/// What the log says.
const WITH: &str = "the sockets of media and signalling go by io_uring";
const WITHOUT: &str = "media.backend: recvmmsg and sendmmsg, as ";

/// In the environment of the run that may not have it.
const INSIDE: &str = "STROWGER_URING_INSIDE";
/// Has everything that it starts be refused `io_uring_setup`, as containers do (seccomp): loads the
/// call's number, refuses 425 with EPERM, allows the rest.
const FORBID: &str = "
import ctypes, os, struct, sys
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
text = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *one) for one in code))
program = struct.pack('HxxxxxxP', len(code), ctypes.addressof(text))
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4
assert prctl(38, 1, None, None, None) == 0 and prctl(22, 2, program, None, None) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn calls_by_io_uring_outlive_the_dataplane() {
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    if demo.log().contains(WITHOUT) {
        eprintln!("SKIPPED: {}", demo.log());
        return;
    }
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(50);
    assert!(demo.rest.shard("uring_now") >= 1, "each shard says so");
    let killed = demo.planes().switchd;
    demo.signal("KILL", killed);
    demo.await_replaced(killed);
    talk.heard_again(25, Duration::from_secs(2));
    talk.held_by_both();
    talk.heard_again(25, Duration::from_secs(2));
    talk.end_after(Duration::from_millis(500));
    // A port that had a call is another call's.
    let talk = Talk::new(&bob, "1001", &ada);
    talk.heard(25);
    talk.end_after(Duration::from_millis(500));
    assert_eq!(demo.rest.cdrs(2).len(), 2);
    eventually("no port is open any more", || {
        (demo.rest.shard("media_ports_in_use") == 0).then_some(())
    });
    assert_eq!(demo.rest.shard("uring_silent"), 0);
    assert_eq!(demo.log().matches(WITH).count(), 2, "{}", demo.log());
    assert_tidy(&demo);
    demo.stop();
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn where_it_is_forbidden_calls_go_without_and_the_log_says_why() {
    let test = "uring::where_it_is_forbidden_calls_go_without_and_the_log_says_why";
    if std::env::var_os(INSIDE).is_none() {
        if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
            eprintln!("SKIPPED: {test} needs python3, which forbids it");
            return;
        }
        let mut command = Command::new("python3");
        command.args(["-c", FORBID]).arg(std::env::current_exe().unwrap());
        let output = command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
        let output = output.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
        return;
    }
    let home = Home::new();
    let demo = Demo::start_with(&home, CONFIG);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    talk.heard(25);
    assert_eq!(demo.rest.shard("uring_now"), 0);
    talk.end_after(Duration::from_millis(300));
    let log = demo.log();
    assert!(log.contains(WITHOUT) && log.contains("kernel.io_uring_disabled"), "{log}");
    demo.stop();
}
