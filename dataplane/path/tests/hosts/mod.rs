//! Three hosts: ours between those of two parties, each in a network namespace of its own, with a
//! cable to either. A party's host is a process that does what it is told line by line.

pub(crate) mod ours;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use strowger_path::Wanted;
use strowger_wire::{ipv4, udp};

/// What relays: the tests run once with each.
pub(crate) const ALL: [&str; 3] = ["tc", "xdp", "generic"];
/// In the environment of the run that is our host: what relays.
const INSIDE: &str = "STROWGER_RELAYING_INSIDE";
/// In the environment of a party's host.
const PARTY: &str = "STROWGER_RELAYING_PARTY";
/// The test that is a party's host, when it is one.
const PARTY_TEST: &str = "a_partys_host";
/// What an answer begins with, as the test's own words stand beside it.
const MARK: &str = "> ";
/// Our addresses, in the order of the configuration.
pub(crate) const OURS: [&str; 4] = ["10.77.1.1", "10.77.2.1", "fd77:1::1", "fd77:2::1"];
/// A network behind the second party's address.
pub(crate) const BEHIND: &str = "10.88.0.2";

/// Whether this is a run on our host; outside it starts one with each of these that relay, and
/// judges its end.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn inside(test: &str, all: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "ip", "link", "set", "lo", "up"]);
    if !command.output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test} needs root and iproute2, for network namespaces of its own");
        return false;
    }
    for by in all {
        if *by != "tc" && Command::new("ethtool").arg("--version").output().is_err() {
            eprintln!("SKIPPED: {test} by {by} needs ethtool, for cables with whole checksums");
            continue;
        }
        let mut command = Command::new("unshare");
        command.arg("--net").arg("--").arg(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(INSIDE, by);
        let output = command.output().unwrap();
        let (told, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let is_well = output.status.success() && told.contains("1 passed");
        assert!(is_well, "by {by}: {told}\n{said}");
        eprintln!("{said}");
    }
    false
}

/// What relays in this run.
pub(crate) fn by() -> Wanted {
    match std::env::var(INSIDE).unwrap().as_str() {
        "tc" => Wanted::Tc,
        "xdp" => Wanted::Xdp,
        "generic" => Wanted::XdpGeneric,
        other => panic!("{other}"),
    }
}

/// The same as `media.backend`.
pub(crate) fn backend() -> &'static str {
    if by() == Wanted::Tc { "tc" } else { "xdp" }
}

pub(crate) fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Switches features of an interface.
fn features(words: &str) {
    let output = Command::new("ethtool").arg("-K").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A party's host.
pub(crate) struct Host {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Host {
    fn start() -> Host {
        let me = std::env::current_exe().unwrap();
        let mut command = Command::new("unshare");
        command.arg("--net").arg("--").arg(me).args(["--exact", PARTY_TEST, "--nocapture"]);
        command.env(PARTY, "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (orders, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut host = Host { child, orders, answers: BufReader::new(answers) };
        assert_eq!(host.ask("here"), "yes");
        host
    }

    /// Has it do something; what it answers.
    pub(crate) fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "{order}: the host is gone");
            // The runner's own words may stand in front of it.
            if let Some((_, answer)) = line.split_once(MARK) {
                return answer.trim().to_owned();
            }
        }
    }

    /// Has it bind a socket there.
    pub(crate) fn bind(&mut self, at: &str) -> (usize, SocketAddr) {
        (self.ask(&format!("bind {at}")).parse().unwrap(), at.parse().unwrap())
    }

    pub(crate) fn send(&mut self, socket: usize, to: SocketAddr, data: &[u8]) {
        assert_eq!(self.ask(&format!("send {socket} {to} {}", hex(data))), "ok");
    }

    /// Switches features of an interface there.
    pub(crate) fn features(&mut self, words: &str) {
        assert_eq!(self.ask(&format!("features {words}")), "ok", "{words}");
    }

    /// Sends a whole packet of IPv4 as it stands.
    pub(crate) fn send_whole(&mut self, to: IpAddr, packet: &[u8]) {
        assert_eq!(self.ask(&format!("whole {to} {}", hex(packet))), "ok");
    }

    /// What a socket hears next; `None` = nothing in that time.
    pub(crate) fn hear(&mut self, socket: usize, ms: u64) -> Option<(SocketAddr, Vec<u8>)> {
        let answer = self.ask(&format!("hear {socket} {ms}"));
        let (from, data) = answer.split_once(' ')?;
        Some((from.parse().unwrap(), unhex(data)))
    }

    /// The next packet of IPv4 from a port as it came, headers too.
    pub(crate) fn captured(&mut self, from_port: u16) -> Vec<u8> {
        unhex(&self.ask(&format!("captured {from_port}")))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may be gone.
        let (_killed, _ended) = (self.child.kill(), self.child.wait());
    }
}

/// The hosts of both parties, with cables to ours: `va` and `vb`. Each end knows the other's
/// address on the cable, and cables have the checksums that real ones have, unless what relays
/// needs none of it.
pub(crate) fn parties() -> [Host; 2] {
    parties_by("")
}

/// The same, with cables of so many queues.
pub(crate) fn parties_by(queues: &str) -> [Host; 2] {
    ip("link set lo up");
    [("a", 1), ("b", 2)].map(|(name, net)| {
        let mut host = Host::start();
        let pid = host.child.id();
        let (ours, theirs) = (mac(net, 1), mac(net, 2));
        ip(&format!(
            "link add v{name} address {ours} {queues}type veth peer name p{name} address {theirs} \
             {queues}netns {pid}"
        ));
        ip(&format!("addr add 10.77.{net}.1/24 dev v{name}"));
        ip(&format!("addr add fd77:{net}::1/64 dev v{name} nodad"));
        ip(&format!("link set v{name} up"));
        for order in [
            "link set lo up".to_owned(),
            format!("addr add 10.77.{net}.2/24 dev p{name}"),
            format!("addr add fd77:{net}::2/64 dev p{name} nodad"),
            format!("link set p{name} up"),
            format!("addr add {BEHIND}/32 dev lo"),
            format!("route add default via 10.77.{net}.1"),
        ] {
            assert_eq!(host.ask(&format!("ip {order}")), "ok", "{order}");
        }
        if by() != Wanted::Tc {
            host.features(&format!("p{name} tx off gro on"));
            for at in [format!("10.77.{net}.2"), format!("fd77:{net}::2")] {
                ip(&format!("neigh replace {at} lladdr {theirs} dev v{name} nud reachable"));
            }
        }
        host
    })
}

/// The address of an end of a cable.
pub(crate) fn mac(net: u8, end: u8) -> String {
    format!("02:77:00:00:{net:02x}:{end:02x}")
}

/// Routes to the network behind the second party.
pub(crate) fn route_behind() {
    ip(&format!("route add {BEHIND}/32 via 10.77.2.2"));
}

/// Shortens what fits the second cable.
pub(crate) fn narrow() {
    ip("link set vb mtu 1280");
}

fn hex(data: &[u8]) -> String {
    let digits = data.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if digits.is_empty() { "-".to_owned() } else { digits }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = if text == "-" { "" } else { text };
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len() / 2).map(|at| pair(2 * at)).collect()
}

/// A party's host does what it is told; as a test of its own it is over at once.
#[expect(clippy::print_stdout, reason = "its answers")]
pub(crate) fn be_a_host() {
    if std::env::var_os(PARTY).is_none() {
        return;
    }
    let capture = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap();
    capture.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["here"] => "yes".to_owned(),
            ["ip", ..] => {
                ip(line.split_once(' ').unwrap().1);
                "ok".to_owned()
            }
            ["features", ..] => {
                features(line.split_once(' ').unwrap().1);
                "ok".to_owned()
            }
            ["bind", at] => {
                sockets.push(UdpSocket::bind(at).unwrap());
                (sockets.len() - 1).to_string()
            }
            ["send", socket, to, data] => {
                let socket: usize = socket.parse().unwrap();
                sockets[socket].send_to(&unhex(data), to).unwrap();
                "ok".to_owned()
            }
            ["whole", to, packet] => {
                let to = SocketAddr::new(to.parse().unwrap(), 0);
                raw.send_to(&unhex(packet), &to.into()).unwrap();
                "ok".to_owned()
            }
            ["hear", socket, ms] => hear(&sockets[socket.parse::<usize>().unwrap()], ms),
            ["captured", port] => hex(&next(&capture, port.parse().unwrap())),
            _ => panic!("{line}"),
        };
        println!("{MARK}{answer}");
    }
}

fn hear(socket: &UdpSocket, ms: &str) -> String {
    let wait = Duration::from_millis(ms.parse().unwrap());
    socket.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 4_096];
    match socket.recv_from(&mut buffer) {
        Ok((len, from)) => format!("{from} {}", hex(&buffer[..len])),
        Err(_) => "none".to_owned(),
    }
}

fn next(capture: &Socket, port: u16) -> Vec<u8> {
    loop {
        let mut buffer = [0; 4_096];
        let mut reader = capture;
        let len = reader.read(&mut buffer).unwrap();
        let packet = ipv4::Packet::new_checked(&buffer[..len]).unwrap();
        let source = udp::Packet::new_checked(packet.payload()).unwrap().source_port();
        if source == port {
            return buffer[..len].to_vec();
        }
    }
}
