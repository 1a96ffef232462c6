//! Calls whose flows a program of the kernel relays: they do not see the difference, not even when
//! the dataplane is killed. `tc` and `xdp` are tests of one scene.
//!
//! Packets have to come by an interface, so phones and product are hosts of their own: two network
//! namespaces and a cable. The demo takes loopback addresses only; here they go over the cable.

use std::process::{Command, Stdio};
use std::time::Duration;

use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::sdp::Direction;
use strowger_phone::{Config, Phone};

use crate::demo::{Demo, Home, NETWORK, eventually};
use crate::talk::{SOON, Talk};

/// In the environment of the run inside.
const INSIDE: &str = "STROWGER_RELAYED_INSIDE";
pub(crate) const CONFIG: &str = "log.level = \"info\"\nsip.listen = [\"127.78.0.1:5060\"]\n\
                      media.addresses = [\"127.78.0.1\"]\nadmin.listen = \"127.78.0.1:8080\"\n\
                      media.interfaces = [\"vs\"]\n";
/// What both hosts make of their loopback addresses, before they have a cable.
const LOOPBACK: &str = "ip link set lo up && ip addr del 127.0.0.1/8 dev lo && \
                        ip addr add 127.0.0.1/32 dev lo";

/// Whether this is the run inside: the phones' host. Outside it starts that run and judges its end.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "ip", "link", "set", "lo", "up"]);
    if !command.output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test} needs root and iproute2, for network namespaces of its own");
        return false;
    }
    // The product's host lives as long as the run; its network is named by its process.
    let script = format!(
        "{LOOPBACK}; unshare --net sleep 600 >/dev/null 2>&1 & host=$!; sleep 0.5; \
         {NETWORK}=/proc/$host/ns/net \"$0\" --exact \"$1\" --nocapture; told=$?; \
         kill $host; exit $told"
    );
    let me = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "sh", "-c", &script]).arg(me).arg(test).env(INSIDE, "1");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
    eprintln!("{said}");
    false
}

fn shell(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The product's network, with a cable to ours; its far end may have some features switched.
pub(crate) fn cable(features: &str) {
    let network = std::env::var(NETWORK).unwrap();
    let host = network.split('/').nth(2).unwrap();
    shell(&format!("ip link add vp type veth peer name vs netns {host}"));
    let end = |name: &str, last: u8| {
        format!(
            "ip addr add 127.78.0.{last}/24 dev {name}; \
             echo 1 >/proc/sys/net/ipv4/conf/{name}/route_localnet; ip link set {name} up"
        )
    };
    shell(&end("vp", 2));
    let theirs = format!("{LOOPBACK}; {}", end("vs", 1));
    shell(&format!("nsenter --net={network} sh -ec '{theirs}'"));
    if !features.is_empty() {
        shell(&format!("ethtool -K vp {features}"));
    }
}

/// A registered phone at our end of the cable.
fn desk(demo: &Demo, (user, password): (&str, &str)) -> Phone {
    let config = Config::new(user, password, demo.sip);
    let bind = "127.78.0.2:0".parse().unwrap();
    let phone = Phone::new(Config { patience: SOON, bind, ..config }).unwrap();
    phone.register(300).unwrap();
    phone
}

/// Waits until so many flows are the kernel's.
pub(crate) fn relayed(demo: &Demo, flows: u64) {
    eventually(&format!("{flows} flows are relayed by the kernel"), || {
        (demo.rest.shard("media_kernel_now") == flows).then_some(())
    });
}

/// Packets that came up, and those that the kernel relayed, while this and the two beats of the
/// counters around it took their time.
fn carried(demo: &Demo, run: impl FnOnce()) -> [u64; 2] {
    let count = || {
        demo.rest.fresh_counters();
        ["media_packets_received", "media_kernel_packets"].map(|name| demo.rest.shard(name))
    };
    let before = count();
    run();
    let after = count();
    std::array::from_fn(|i| after[i] - before[i])
}

/// A call is given to the kernel, held, resumed, outlives the dataplane, and is recorded whole. The
/// cable's far end has these features; the log says this of each life of the dataplane.
#[expect(clippy::print_stderr, reason = "the gap is told, whatever it is")]
pub(crate) fn a_call_outlives_the_dataplane(backend: &str, features: &str, says: &str) {
    cable(features);
    let home = Home::new();
    let demo = Demo::start_with(&home, &format!("{CONFIG}media.backend = \"{backend}\"\n"));
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    relayed(&demo, 2);
    let (tc, xdp) = (demo.rest.shard("media_tc_now"), demo.rest.shard("media_xdp_now"));
    assert_eq!((tc > 0, xdp > 0), (backend == "tc", backend == "xdp"), "each shard says so");
    // A hundred packets more, of which none comes up; the call is counted all the same.
    let [up, by_kernel] = carried(&demo, || talk.heard(100));
    assert!(by_kernel >= 100, "{by_kernel}");
    assert!(up * 20 <= by_kernel, "RTCP comes up, RTP does not: {up} beside {by_kernel}");
    let calls = demo.rest.list("/api/v1/calls");
    assert!(calls[0]["caller_media"]["received"].as_u64().unwrap() >= 100, "{calls:#?}");
    // Hold takes both flows back, resuming and a moment of calm give them away again.
    talk.out.hold().unwrap();
    talk.inc.wait_held(SOON).unwrap();
    // Who holds may still send; what is held is not relayed by anybody.
    eventually("what is held comes back", || {
        (demo.rest.shard("media_kernel_now") < 2).then_some(())
    });
    talk.out.resume().unwrap();
    talk.inc.wait_remote_direction(Direction::SendRecv, SOON).unwrap();
    relayed(&demo, 2);
    talk.heard(25);
    // The kernel relays on while the dataplane is dead, and its next life finds both flows.
    let killed = demo.planes().switchd;
    demo.signal("KILL", killed);
    talk.heard(25);
    demo.await_replaced(killed);
    relayed(&demo, 2);
    talk.heard(25);
    let [given, strayed] =
        ["media_kernel_given", "media_kernel_strayed"].map(|n| demo.rest.shard(n));
    assert_eq!(given, strayed, "they were not given anew, but for what strayed");
    for side in [&*talk.out, &*talk.inc] {
        let gap = side.media_report().gap.max_us;
        eprintln!("longest silence over the kill of the dataplane: {gap} us");
    }
    talk.end_after(Duration::from_millis(500));
    let (out, inc) = (talk.out.media_report().sent, talk.inc.media_report().sent);
    let record = &demo.rest.cdrs(1)[0];
    let shown = |side: &str| record[side]["received"].as_u64().unwrap();
    // Those that are under way at the end are counted or not.
    for (sent, received) in [(out, shown("caller_media")), (inc, shown("called_media"))] {
        assert!(received <= sent && received + 5 >= sent, "{sent} {received}: {record:#}");
    }
    eventually("no port is open any more", || {
        (demo.rest.shard("media_ports_in_use") == 0).then_some(())
    });
    assert_eq!(demo.rest.shard("media_kernel_now"), 0);
    assert_eq!(demo.log().matches(says).count(), 2, "{}", demo.log());
    demo.stop();
}
