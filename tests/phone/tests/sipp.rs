//! SIPp, a third party, against the phone; and the scenarios of `tests/sipp` against the toy
//! switch, so that it is known what they do before they judge the product.

#![cfg(test)]

mod toy;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use strowger_phone::carrier::{Carrier, Script};
use strowger_phone::{Algorithm, Config, EndedBy, Pattern, Phone};
use toy::{Rules, Toy};

const SOON: Duration = Duration::from_secs(5);

/// False, with a loud line, when SIPp is not installed.
fn sipp_is_here() -> bool {
    let here = Path::new("/usr/bin/sipp").exists();
    if !here {
        let line = "SKIPPED: /usr/bin/sipp is not installed, nothing was tested against SIPp";
        writeln!(std::io::stderr(), "{line}").unwrap();
    }
    here
}

fn free_port() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A folder for what SIPp writes; each test has its own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn sipp(folder: &Path, port: u16, media: u16, args: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/sipp");
    command.current_dir(folder).args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"]);
    command.args(["-p", &port.to_string(), "-mp", &media.to_string()]);
    command.args(["-timeout", "20s", "-timeout_error"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sipp")
}

/// Runs `run.sh` against a toy; its ports differ for each test.
fn run_sh(rules: Rules, ports: u16, names: &[&str]) -> (Output, Toy) {
    let carrier = free_port();
    let toy = Toy::new(Rules { trunk: Some(("44", carrier)), ..rules });
    let output = Command::new(scenarios().join("run.sh"))
        .arg(toy.addr().to_string())
        .args(names)
        .env("CARRIER_PORT", carrier.port().to_string())
        .env("PORT_BASE", ports.to_string())
        .env("MEDIA_PORT_BASE", (ports + 30_000).to_string())
        .env("RING_TIMEOUT_S", "1")
        .output()
        .unwrap();
    (output, toy)
}

#[test]
fn sipp_calls_the_carrier() {
    if !sipp_is_here() {
        return;
    }
    let carrier = Carrier::new("127.0.0.1:0".parse().unwrap(), free_port()).unwrap();
    carrier.script("service", Script::delayed(Duration::from_millis(20)));
    let to = carrier.addr().to_string();
    let folder = folder("sipp_calls");
    let args = ["-sn", "uac", "-m", "5", "-r", "5", "-d", "200", to.as_str()];
    let status = sipp(&folder, 15_160, 45_160, &args).status().unwrap();
    assert!(status.success(), "{}", carrier.phone().ladder());
    let seen = carrier.wait_ended(5, SOON).unwrap();
    assert!(seen.iter().all(|call| call.ended == Some(EndedBy::RemoteBye)), "{seen:?}");
}

/// The scenario for the carrier's side is one that a plain SIPp caller can finish.
#[test]
fn the_phone_calls_sipp_and_sipp_calls_the_carrier_scenario() {
    if !sipp_is_here() {
        return;
    }
    let folder = folder("phone_calls");
    let scenario = scenarios().join("carrier_uas.xml");
    let callees = [vec!["-sn", "uas"], vec!["-sf", scenario.to_str().unwrap()]];
    for (n, callee) in (0u16..).zip(callees) {
        let port = 15_110 + n * 4;
        let args = [&callee[..], &["-m", "2", "-rtp_echo"]].concat();
        let mut uas = sipp(&folder, port, 45_000 + n * 20, &args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let phone = Phone::new(Config::new("1001", "", server)).unwrap();
        let call = phone.invite("service").unwrap();
        assert!(matches!(call.wait_ringing(SOON).unwrap(), 180 | 183));
        call.wait_answer(SOON).unwrap();
        call.send_rtp(10, Pattern::Marked).unwrap();
        let own = call.media_report().own_stream;
        call.wait_media(SOON, "the echo", |r| r.lost_of(own, 10) == 0).unwrap();
        assert_eq!(call.bye().unwrap(), EndedBy::LocalBye);
        let to = server.to_string();
        let plain = ["-sn", "uac", "-m", "1", to.as_str()];
        let status = sipp(&folder, 15_120 + n * 4, 45_050 + n * 20, &plain).status().unwrap();
        assert!(status.success(), "plain SIPp against {callee:?}");
        assert!(uas.wait().unwrap().success(), "{}", phone.ladder());
    }
}

/// All but `early`, which asks for session timers: the toy passes requests on and keeps no timer.
const FOR_THE_TOY: [&str; 9] = [
    "register",
    "register_wrong",
    "call",
    "busy",
    "cancel",
    "noanswer",
    "wrong_number",
    "hold",
    "carrier",
];

#[test]
fn the_scenarios_pass_on_the_toy() {
    if !sipp_is_here() {
        return;
    }
    let rules = Rules { algorithms: vec![Algorithm::Md5], ..Rules::default() };
    let (output, _) = run_sh(rules, 15_200, &FOR_THE_TOY);
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("passed ")).count(),
        FOR_THE_TOY.len(),
        "{text}"
    );
}

#[test]
fn scenarios_fail_where_they_must() {
    if !sipp_is_here() {
        return;
    }
    let algorithms = vec![Algorithm::Md5];
    let users = vec![("1001", "wrong"), ("9999", "x")];
    let (output, toy) = run_sh(
        Rules { algorithms, users, ..Rules::default() },
        15_260,
        &["register_wrong", "call"],
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("failed ")).count(), 2, "{text}");
    assert!(toy.heard().requests.contains(&"REGISTER".to_owned()), "{:?}", toy.heard());
    let usage = Command::new(scenarios().join("run.sh")).arg("127.0.0.1").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
}
