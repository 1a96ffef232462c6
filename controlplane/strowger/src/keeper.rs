//! What the supervisor opens and keeps: sockets that outlive a crash of either plane.
//!
//! While a plane is down its datagrams wait in the kept sockets, and no peer sees an ICMP error;
//! who connects waits in the queues of the listening ones, and is taken in by the next life. A
//! supervisor that takes living planes over gets the sockets back from them; what nobody holds any
//! more is bound anew, at the address it had before where the configuration leaves a choice.

use crate::complain;
use crate::holder::{Kind, holder};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use strowger_path::Steering;
use strowger_port::mmsg::{bind_sip, bind_stream};
use strowger_port::process::{is_listener, is_socket};
use strowger_tuning::Config;

/// How many ports above the wanted one a demo tries.
const NEXT_PORTS_MAX: u16 = 200;
/// In the run directory: the addresses of the last kept sockets.
const ADDRESSES_FILE: &str = "addresses";

/// The kept sockets.
pub(crate) struct Kept {
    /// SIP sockets, one for each listener of the configuration.
    pub(crate) sip: Vec<UdpSocket>,
    /// Sockets that listen for connections: beside those of SIP, and those of `sip.stream`.
    pub(crate) streams: Vec<TcpListener>,
    /// What steers media to the dataplane, in the order of [`Steering::take`]; empty = nothing.
    pub(crate) media: Vec<OwnedFd>,
    /// The REST endpoint's socket.
    pub(crate) admin: TcpListener,
}

/// Sockets that living planes gave back; empty where there was none.
#[derive(Default)]
pub(crate) struct Handed {
    /// Of the dataplane, those for connections among them.
    pub(crate) sip: Vec<OwnedFd>,
    /// Of the control plane.
    pub(crate) admin: Vec<OwnedFd>,
}

/// Where the kept sockets are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Addresses {
    /// SIP listeners in order.
    pub(crate) sip: Vec<SocketAddr>,
    /// REST.
    pub(crate) admin: SocketAddr,
}

/// How much the configuration says about an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// The port that it names, any for 0.
    Named,
    /// A demo's: that one or the next free one.
    NextFree,
}

impl Kept {
    /// Takes those that were handed back, and binds the others.
    pub(crate) fn open(
        config: &Config,
        ports: Ports,
        handed: Handed,
        before: Option<&Addresses>,
    ) -> Result<Kept, String> {
        let (mut sip, mut streams, mut media) = apart(handed.sip);
        if sip.is_empty() {
            // Before the sockets of SIP: whoever finds those finds everything. A dataplane that
            // lives keeps the way that its media has.
            let opened = strowger_path::choose(config, Vec::new(), complain)?;
            media = opened.map_or(Vec::new(), Steering::into_handles);
            for (index, &address) in config.sip.listen.iter().enumerate() {
                let last = before.and_then(|before| before.sip.get(index).copied());
                sip.push(bind(("sip.listen", Kind::Udp), address, last, ports, open_sip)?);
            }
            streams = open_streams(config, &sip)?;
        }
        // Nobody would take in who connects to one that the configuration does not name any more.
        streams.retain(|socket| is_named(config, &sip, socket));
        let admin = match handed.admin.into_iter().next() {
            Some(fd) => TcpListener::from(fd),
            None => {
                let last = before.map(|before| before.admin);
                bind(
                    ("admin.listen", Kind::Tcp),
                    config.admin.listen,
                    last,
                    ports,
                    TcpListener::bind,
                )?
            }
        };
        Ok(Kept { sip, streams, media, admin })
    }

    /// Where calls come in and where REST answers.
    pub(crate) fn addresses(&self) -> std::io::Result<Addresses> {
        let sip = self.sip.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        Ok(Addresses { sip, admin: self.admin.local_addr()? })
    }
}

impl Addresses {
    /// One line for each key of which the configuration wants something else than what is kept.
    pub(crate) fn differences(&self, config: &Config, ports: Ports) -> Vec<String> {
        let wanted = [&config.sip.listen[..], &[config.admin.listen]];
        let kept = [&self.sip[..], &[self.admin]];
        let mut lines = Vec::new();
        for ((key, wanted), kept) in ["sip.listen", "admin.listen"].iter().zip(wanted).zip(kept) {
            let pairs = || wanted.iter().zip(kept);
            if wanted.len() == kept.len() && pairs().all(|(w, k)| fits(*w, *k, ports)) {
                continue;
            }
            let (wanted, kept) = (list(wanted), list(kept));
            let stays = "stays in force until this ends and is started again";
            lines.push(format!("{key}: {kept} {stays}; the configuration now says {wanted}"));
        }
        lines
    }

    /// What the last supervisor kept; `None` when nothing readable stands there.
    pub(crate) fn read(run: &Path) -> Option<Addresses> {
        let text = std::fs::read_to_string(run.join(ADDRESSES_FILE)).ok()?;
        let mut all = text.lines().map(str::parse).collect::<Result<Vec<SocketAddr>, _>>().ok()?;
        let admin = all.pop()?;
        Some(Addresses { sip: all, admin })
    }

    /// Writes them down for the next supervisor.
    pub(crate) fn write(&self, run: &Path) -> std::io::Result<()> {
        let lines: Vec<String> =
            self.sip.iter().chain([&self.admin]).map(SocketAddr::to_string).collect();
        let new = run.join(format!("{ADDRESSES_FILE}.new"));
        std::fs::write(&new, lines.join("\n") + "\n")?;
        std::fs::rename(&new, run.join(ADDRESSES_FILE))
    }
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether a socket at `kept` is what `wanted` asks for.
fn fits(wanted: SocketAddr, kept: SocketAddr, ports: Ports) -> bool {
    let (want, have) = (wanted.port(), kept.port());
    let port = want == 0
        || match ports {
            Ports::Named => have == want,
            Ports::NextFree => (want..=want.saturating_add(NEXT_PORTS_MAX)).contains(&have),
        };
    port && wanted.ip() == kept.ip()
}

/// The dataplane's sockets: datagrams, connections, and what steers media, which begins with what
/// is no socket.
pub(crate) fn apart(mut all: Vec<OwnedFd>) -> (Vec<UdpSocket>, Vec<TcpListener>, Vec<OwnedFd>) {
    let sockets = all.iter().take_while(|fd| is_socket(fd.as_fd())).count();
    let media = all.split_off(sockets);
    let (streams, sip): (Vec<_>, Vec<_>) = all.into_iter().partition(|fd| is_listener(fd.as_fd()));
    let streams = streams.into_iter().map(TcpListener::from).collect();
    (sip.into_iter().map(UdpSocket::from).collect(), streams, media)
}

/// Listening sockets as the dataplane would open them. One beside a UDP socket whose port somebody
/// else has is the dataplane's to miss.
fn open_streams(config: &Config, sip: &[UdpSocket]) -> Result<Vec<TcpListener>, String> {
    let mut all = Vec::new();
    if config.sip.tcp {
        let addresses = sip.iter().filter_map(|socket| socket.local_addr().ok());
        all.extend(addresses.filter_map(|address| bind_stream(address).ok()));
    }
    for one in &config.sip.stream {
        let opened = bind_stream(one.listen);
        let said = |e| unbound(("sip.stream", Kind::Tcp), one.listen, &e);
        all.push(opened.map_err(said)?);
    }
    Ok(all)
}

fn is_named(config: &Config, sip: &[UdpSocket], socket: &TcpListener) -> bool {
    let Ok(at) = socket.local_addr() else { return false };
    let beside = |udp: &UdpSocket| udp.local_addr().is_ok_and(|udp| udp == at);
    let streams = &config.sip.stream;
    let named = streams.iter().any(|one| fits(one.listen, at, Ports::Named));
    named || config.sip.tcp && sip.iter().any(beside)
}

/// An IPv6 socket for IPv6 alone: on `[::]`, too, an IPv4 peer is another listener's.
fn open_sip(address: SocketAddr) -> std::io::Result<UdpSocket> {
    bind_sip(address, false)
}

/// Why an address cannot be had; who has it, where that is to be seen.
fn unbound((key, kind): (&str, Kind), address: SocketAddr, why: &std::io::Error) -> String {
    let taken = why.kind() == ErrorKind::AddrInUse;
    match taken.then(|| holder(kind, address)).flatten() {
        Some(holder) => format!("{key}: {address}: {why}: {holder}"),
        None => format!("{key}: {address}: {why}"),
    }
}

fn bind<T>(
    key: (&str, Kind),
    wanted: SocketAddr,
    last: Option<SocketAddr>,
    ports: Ports,
    open: impl Fn(SocketAddr) -> std::io::Result<T>,
) -> Result<T, String> {
    // Whoever knows the last address finds us there again.
    if let Some(last) = last.filter(|last| fits(wanted, *last, ports))
        && let Ok(socket) = open(last)
    {
        return Ok(socket);
    }
    let tries = match ports {
        Ports::Named => 0,
        Ports::NextFree => NEXT_PORTS_MAX,
    };
    let mut address = wanted;
    for step in 0..=tries {
        let Some(port) = wanted.port().checked_add(step) else { break };
        address.set_port(port);
        match open(address) {
            Ok(socket) => return Ok(socket),
            Err(e) if e.kind() == ErrorKind::AddrInUse && step < tries => {}
            Err(e) => return Err(unbound(key, address, &e)),
        }
    }
    Err(format!("{}: no free port from {wanted} on", key.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(port: u16) -> Config {
        let mut config = Config::default();
        config.sip.listen = vec![local(port)];
        config.admin.listen = local(0);
        config
    }

    fn local(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn open(config: &Config, ports: Ports, last: Option<&Addresses>) -> Result<Kept, String> {
        Kept::open(config, ports, Handed::default(), last)
    }

    #[test]
    fn a_taken_port_is_an_error_or_the_next_one() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let said = open(&config(port), Ports::Named, None).err().unwrap();
        assert!(said.starts_with(&format!("sip.listen: 127.0.0.1:{port}: ")), "{said}");
        assert!(said.ends_with(&format!("(process {}) has it", std::process::id())), "{said}");
        let kept = open(&config(port), Ports::NextFree, None).unwrap();
        let kept = kept.addresses().unwrap();
        assert!(kept.sip[0].port() > port && kept.admin.port() != 0);
    }

    #[test]
    fn what_is_handed_back_is_kept_whatever_the_configuration_says() {
        let first = open(&config(0), Ports::Named, None).unwrap();
        let addresses = first.addresses().unwrap();
        let Kept { sip, streams, admin, .. } = first;
        let sip = sip.into_iter().map(OwnedFd::from);
        let sip = sip.chain(streams.into_iter().map(OwnedFd::from)).collect();
        let handed = Handed { sip, admin: vec![admin.into()] };
        let other = config(1);
        let kept = Kept::open(&other, Ports::Named, handed, None).unwrap();
        assert_eq!(kept.addresses().unwrap(), addresses);
        let lines = addresses.differences(&other, Ports::Named);
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let says = format!("sip.listen: {} stays in force", addresses.sip[0]);
        assert!(line.starts_with(&says) && line.ends_with("now says 127.0.0.1:1"), "{line}");
    }

    fn places(streams: &[TcpListener]) -> Vec<SocketAddr> {
        streams.iter().map(|socket| socket.local_addr().unwrap()).collect()
    }

    #[test]
    fn connections_are_listened_for_beside_datagrams_and_where_the_configuration_says() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!("[[sip.stream]]\nlisten = \"{taken}\"\ntransport = \"tcp\"");
        let mut config = Config::parse(&text).unwrap();
        (config.sip.listen, config.admin.listen) = (vec![local(0)], local(0));
        let kept = open(&config, Ports::Named, None).unwrap();
        let beside = kept.sip[0].local_addr().unwrap();
        assert_eq!(places(&kept.streams), [beside, taken]);
        let said = open(&config, Ports::Named, None).err().unwrap();
        assert!(said.starts_with(&format!("sip.stream: {taken}: ")), "{said}");
        // They come back with the others, but for what is not wanted any more.
        let Kept { sip, streams, admin, .. } = kept;
        let all = sip.into_iter().map(OwnedFd::from);
        let all: Vec<_> = all.chain(streams.into_iter().map(OwnedFd::from)).collect();
        let copies = all.iter().map(|fd| fd.try_clone().unwrap()).collect();
        let (sip, streams, media) = apart(copies);
        assert_eq!((sip.len(), places(&streams)), (1, vec![beside, taken]));
        assert!(media.is_empty());
        config.sip.stream.clear();
        let handed = Handed { sip: all, admin: vec![admin.into()] };
        let kept = Kept::open(&config, Ports::Named, handed, None).unwrap();
        assert_eq!((kept.sip.len(), places(&kept.streams)), (1, vec![beside]));
    }

    /// What is no socket, and all behind it, is media's, whatever that is.
    #[test]
    fn what_steers_media_is_told_by_its_beginning() {
        let kept = open(&config(0), Ports::Named, None).unwrap();
        let sip = kept.sip.into_iter().map(OwnedFd::from);
        let all = sip.chain(kept.streams.into_iter().map(OwnedFd::from));
        let (link, _other) = std::io::pipe().unwrap();
        let raw = UdpSocket::bind("127.0.0.1:0").unwrap();
        let all = all.chain([OwnedFd::from(link), OwnedFd::from(raw)]).collect();
        let (sip, streams, media) = apart(all);
        assert_eq!((sip.len(), streams.len(), media.len()), (1, 1, 2));
    }

    /// Who connects while nobody accepts waits, and what it said is there.
    #[test]
    fn a_connection_waits_in_the_queue() {
        use std::io::{Read, Write};
        let kept = open(&config(0), Ports::Named, None).unwrap();
        let mut peer = std::net::TcpStream::connect(places(&kept.streams)[0]).unwrap();
        peer.write_all(b"x").unwrap();
        kept.streams[0].set_nonblocking(false).unwrap();
        let (mut stream, _) = kept.streams[0].accept().unwrap();
        let mut said = [0];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(said, *b"x");
    }

    #[test]
    fn a_dead_ones_addresses_are_taken_again_where_there_is_a_choice() {
        let first = open(&config(0), Ports::Named, None).unwrap();
        let before = first.addresses().unwrap();
        let low = before.sip[0].port().saturating_sub(20).max(1);
        drop(first);
        for (config, ports) in [(config(0), Ports::Named), (config(low), Ports::NextFree)] {
            let again = open(&config, ports, Some(&before)).unwrap();
            assert_eq!(again.addresses().unwrap(), before);
            // Taken meanwhile: another one.
            let other = open(&config, ports, Some(&before)).unwrap().addresses().unwrap();
            assert_ne!(other, before);
        }
    }

    /// All at one port, those on all addresses of a family too: no socket takes another's peers.
    #[test]
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    fn listeners_of_both_families_are_kept_apart() {
        if UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("SKIPPED: this machine has no IPv6");
            return;
        }
        let free = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
        let mut both = config(0);
        let ips = ["0.0.0.0", "::"];
        both.sip.listen = ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), free)).collect();
        let kept = open(&both, Ports::NextFree, None).unwrap();
        let addresses = kept.addresses().unwrap();
        assert_eq!(addresses.differences(&both, Ports::NextFree), Vec::<String>::new());
        for (listener, peer) in kept.sip.iter().zip(["127.0.0.1:0", "[::1]:0"]) {
            let at = listener.local_addr().unwrap();
            let peer = UdpSocket::bind(peer).unwrap();
            let to = SocketAddr::new(peer.local_addr().unwrap().ip(), at.port());
            peer.send_to(b"x", to).unwrap();
            listener.set_nonblocking(false).unwrap();
            listener.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            let (_, from) = listener.recv_from(&mut [0; 8]).unwrap();
            assert_eq!(from, peer.local_addr().unwrap(), "whole, and not IPv4-mapped");
        }
    }

    #[test]
    fn differences_are_of_address_count_and_port() {
        let kept = Addresses { sip: vec![local(5062)], admin: local(8080) };
        let count = |listen: Vec<SocketAddr>, ports| {
            let mut config = config(0);
            config.sip.listen = listen;
            kept.differences(&config, ports).len()
        };
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], 5062));
        for (listen, named, next_free) in [
            (vec![local(5062)], 0, 0),
            (vec![local(0)], 0, 0),
            (vec![local(5060)], 1, 0),
            (vec![local(5063)], 1, 1),
            (vec![elsewhere], 1, 1),
            (vec![local(5062), local(5063)], 1, 1),
        ] {
            let counts = (count(listen.clone(), Ports::Named), count(listen, Ports::NextFree));
            assert_eq!(counts, (named, next_free));
        }
    }

    #[test]
    fn addresses_are_written_down() {
        let dir = std::env::temp_dir().join(format!("strowger-kept-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(Addresses::read(&dir), None);
        let kept = Addresses { sip: vec![local(5060), local(5061)], admin: local(8080) };
        kept.write(&dir).unwrap();
        assert_eq!(Addresses::read(&dir), Some(kept));
        std::fs::write(dir.join(ADDRESSES_FILE), "nonsense").unwrap();
        assert_eq!(Addresses::read(&dir), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
