//! A network namespace, backends in it, phones, and ears on the wire.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use strowger_link::SECOND;
use strowger_path::Steering;
use strowger_port::eventfd::EventFd;
use strowger_port::mmsg::{Mmsg, MmsgConfig};
use strowger_port::net::{Io, MediaBurst, MediaPort};
use strowger_tuning::Config;
use strowger_wire::{ipv4, udp};

/// In the environment of the run inside.
const INSIDE: &str = "STROWGER_PATH_INSIDE";
/// Local media addresses, in order.
const ADDRESSES: [&str; 3] = ["127.0.0.1", "127.0.0.2", "::1"];
/// How long something that must not come is waited for.
const SHORT: Duration = Duration::from_millis(50);
/// How long something that must come is waited for.
const LONG: Duration = Duration::from_secs(10);

/// Whether this is the run inside of a namespace; outside it starts that run and judges its end.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        return true;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "ip", "link", "set", "lo", "up"]);
    if !command.output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {test} needs root and iproute2, for a network namespace of its own");
        return false;
    }
    let mut command = Command::new("unshare");
    command.arg("--net").arg("--").arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
    eprintln!("{said}");
    false
}

pub(crate) fn config_of(more: &str) -> Config {
    let addresses = ADDRESSES.map(|ip| format!("\"{ip}\"")).join(", ");
    Config::parse(&format!("media.addresses = [{addresses}]\n{more}")).unwrap()
}

pub(crate) fn config(backend: &str) -> Config {
    config_of(&format!("media.backend = \"{backend}\""))
}

/// Where a port of ours is.
pub(crate) fn at(port: MediaPort) -> SocketAddr {
    SocketAddr::new(ADDRESSES[usize::from(port.address)].parse().unwrap(), port.port)
}

pub(crate) fn phone(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

/// Sets what loopback takes at once.
pub(crate) fn set_mtu(bytes: u32) {
    let mut command = Command::new("ip");
    let told = command.args(["link", "set", "lo", "mtu", &bytes.to_string()]).status().unwrap();
    assert!(told.success());
}

/// Nothing comes, and no error either.
pub(crate) fn silent(phone: &UdpSocket) -> bool {
    phone.set_read_timeout(Some(SHORT)).unwrap();
    let got = phone.recv(&mut [0; 2_048]);
    phone.set_read_timeout(Some(LONG)).unwrap();
    got.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
}

/// A backend and its burst.
pub(crate) struct World {
    pub(crate) io: Mmsg,
    burst: MediaBurst,
}

impl World {
    /// With a socket for each port.
    pub(crate) fn floor() -> World {
        let io = Mmsg::new(MmsgConfig {
            listeners: Vec::new(),
            media_addresses: ADDRESSES.iter().map(|ip| ip.parse().unwrap()).collect(),
            waker: EventFd::new().unwrap(),
            sip_dscp: Vec::new(),
            media_dscp: Vec::new(),
        });
        World { io: io.unwrap(), burst: MediaBurst::new() }
    }

    /// With a socket for each port, by io_uring; `None` = there is none here.
    pub(crate) fn ringed() -> Option<World> {
        let mut world = World::floor();
        world.io.use_ring().ok().map(|()| world)
    }

    /// With one socket for all.
    pub(crate) fn steered(steering: &Steering) -> World {
        let mut world = World::floor();
        world.io.steer(steering.of_shard(0).unwrap()).unwrap();
        world
    }

    /// Waits for packets; how many came.
    fn receive(&mut self) -> usize {
        let end = self.io.sample().plus_ns(10 * SECOND);
        while self.io.recv_media(&mut self.burst) == 0 {
            assert!(self.io.now() < end, "nothing came");
            self.io.wait(end);
        }
        self.burst.len()
    }

    /// Takes one packet and sends it on; what it was.
    pub(crate) fn relay_one(
        &mut self,
        out: MediaPort,
        to: SocketAddr,
    ) -> (MediaPort, SocketAddr, Vec<u8>) {
        if self.burst.is_empty() {
            self.receive();
        }
        let packet = &mut self.burst.packets_mut()[0];
        let came = (packet.local(), packet.source(), packet.data().to_vec());
        packet.send_from(out, to);
        // The others of the burst are told of by the next calls.
        let rest: Vec<_> = self.burst.packets()[1..]
            .iter()
            .map(|packet| (packet.local(), packet.source(), packet.data().to_vec()))
            .collect();
        self.io.send_media(&mut self.burst);
        for (local, source, data) in rest {
            assert!(self.burst.push(local, source, &data));
        }
        came
    }

    /// Sends on all that waits, each from where it came; how many.
    pub(crate) fn relay_all(&mut self, to: SocketAddr) -> u64 {
        let mut all = 0;
        loop {
            self.io.wait(self.io.now());
            let came = self.io.recv_media(&mut self.burst);
            for packet in self.burst.packets_mut() {
                let from = packet.local();
                packet.send_from(from, to);
            }
            self.io.send_media(&mut self.burst);
            all += came as u64;
            if came == 0 {
                return all;
            }
        }
    }

    /// Takes all that waits, counted by port: those of the first open one, and others.
    pub(crate) fn count(&mut self, came: &mut [u64; 2]) {
        loop {
            self.io.wait(self.io.now());
            if self.io.recv_media(&mut self.burst) == 0 {
                return;
            }
            for packet in self.burst.packets() {
                came[usize::from(packet.local().port != 16_384)] += 1;
            }
        }
    }

    /// Whether nothing waits.
    pub(crate) fn nothing_comes(&mut self) -> bool {
        let _nobody_sends = silent(&phone("127.0.0.1:0"));
        self.io.wait(self.io.now());
        self.io.recv_media(&mut self.burst) == 0
    }
}

/// Hears UDP as it goes by.
pub(crate) struct Capture(Socket);

impl Capture {
    fn of(domain: Domain) -> Capture {
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::UDP)).unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        Capture(socket)
    }

    pub(crate) fn v4() -> Capture {
        Capture::of(Domain::IPV4)
    }

    pub(crate) fn v6() -> Capture {
        Capture::of(Domain::IPV6)
    }

    /// The next datagram from a port is this one, by all its fields.
    pub(crate) fn expect_v4(&self, (from, to): (SocketAddr, SocketAddr), payload: &[u8]) {
        let octets = self.next(
            |octets| {
                let packet = ipv4::Packet::new_checked(octets).ok()?;
                Some(udp::Packet::new_checked(packet.payload()).ok()?.source_port())
            },
            from,
        );
        let packet = ipv4::Packet::new_checked(&octets[..]).unwrap();
        assert!(packet.is_checksum_right() && !packet.is_fragment());
        assert_eq!((packet.dscp(), packet.ttl(), packet.header_len()), (46, 64, 20));
        assert_eq!((packet.source(), packet.destination()), (v4(from), v4(to)));
        assert_eq!(packet.is_dont_fragment(), octets.len() <= 1_280, "{}", octets.len());
        assert_ne!(packet.ident(), 0);
        expect_udp(packet.payload(), (from, to), payload);
    }

    /// The same; the system keeps the IPv6 header to itself.
    pub(crate) fn expect_v6(&self, (from, to): (SocketAddr, SocketAddr), payload: &[u8]) {
        let port = |octets: &[u8]| Some(udp::Packet::new_checked(octets).ok()?.source_port());
        let octets = self.next(port, from);
        expect_udp(&octets, (from, to), payload);
    }

    fn next(&self, port: impl Fn(&[u8]) -> Option<u16>, from: SocketAddr) -> Vec<u8> {
        use std::io::Read;
        loop {
            let mut buffer = [0; 4_096];
            let len = (&self.0).read(&mut buffer).unwrap();
            if port(&buffer[..len]) == Some(from.port()) {
                return buffer[..len].to_vec();
            }
        }
    }
}

fn v4(at: SocketAddr) -> std::net::Ipv4Addr {
    match at.ip() {
        std::net::IpAddr::V4(ip) => ip,
        std::net::IpAddr::V6(ip) => panic!("{ip} is no IPv4 address"),
    }
}

fn expect_udp(octets: &[u8], (from, to): (SocketAddr, SocketAddr), payload: &[u8]) {
    let datagram = udp::Packet::new_checked(octets).unwrap();
    assert_eq!((datagram.source_port(), datagram.destination_port()), (from.port(), to.port()));
    assert_eq!(datagram.payload(), payload);
    assert!(datagram.checksum() != 0 && datagram.is_checksum_right(from, to));
}
