//! The one rule of which address belongs to which listener.

use crate::{Config, Guests, Problem, SIP_DSCP, StreamListener, Transport};
use std::net::{IpAddr, SocketAddr};

/// One SIP listener with all that belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The address of its socket.
    pub local: SocketAddr,
    /// The address that Via and Contact name.
    pub advertised: SocketAddr,
    /// Index into `media.addresses`: where the media of its calls comes and goes.
    pub media: u8,
    /// What is spoken there.
    pub transport: Transport,
    /// Its place in `sip.stream`, if that names it.
    pub stream: Option<u8>,
    /// What becomes of calls of strangers without credentials.
    pub guests: Guests,
    /// DSCP of what it sends.
    pub dscp: u8,
}

impl Config {
    /// The listeners for UDP sockets that are bound to `bound`, in that order; then those for TCP
    /// at the same addresses (`sip.tcp`); then those of `sip.stream`. A listener's index in all
    /// this is its number everywhere.
    ///
    /// Sockets that outlived a change of the configuration are found by their address; else the
    /// order is that of `sip.listen`. The media address is of the listener's family: the listener's
    /// own address if it is one of `media.addresses`, else the one that has the same place among
    /// those of its family as the listener has among the listeners of its family, else the first
    /// of the family.
    ///
    /// # Errors
    /// A listener has no address that peers can be told, or none for its media.
    pub fn listeners(&self, bound: &[SocketAddr]) -> Result<Vec<Listener>, Problem> {
        let mut all = Vec::new();
        for (index, local) in bound.iter().enumerate() {
            let advertised = self.advertised(index, *local)?;
            let before = bound.get(..index).unwrap_or_default();
            let place = before.iter().filter(|a| a.is_ipv6() == local.is_ipv6()).count();
            let media = self.media_of("sip.listen", *local, place)?;
            let transport = Transport::Udp;
            let (local, guests) = (*local, self.guests(index, *local));
            let (stream, dscp) = (None, self.dscp(index, local));
            all.push(Listener { local, advertised, media, transport, stream, guests, dscp });
        }
        if self.sip.tcp {
            let transport = Transport::Tcp;
            let same: Vec<_> = all.iter().map(|udp| Listener { transport, ..*udp }).collect();
            all.extend(same);
        }
        for (index, one) in (0u8..).zip(&self.sip.stream) {
            let (local, transport, stream) = (one.listen, one.transport, Some(index));
            let mut advertised = one.advertise.unwrap_or(local);
            if advertised.port() == 0 {
                advertised.set_port(local.port());
            }
            if advertised.ip().is_unspecified() {
                let what = format!("{local} of sip.stream is no address of a host: peers must be");
                return Err(Problem::at("sip.stream", format!("{what} told another one")));
            }
            let media = self.media_of("sip.stream", local, 0)?;
            let StreamListener { guests, dscp, .. } = *one;
            all.push(Listener { local, advertised, media, transport, stream, guests, dscp });
        }
        Ok(all)
    }

    /// The place in `sip.listen` of a socket, which may be older than the configuration.
    fn entry(&self, index: usize, local: SocketAddr) -> Option<usize> {
        let is = |at: usize| self.sip.listen.get(at).is_some_and(|a| a.ip() == local.ip());
        let exact = || self.sip.listen.iter().position(|a| *a == local);
        let same_ip = || (0..self.sip.listen.len()).find(|at| is(*at));
        Some(index).filter(|at| is(*at)).or_else(exact).or_else(same_ip)
    }

    fn guests(&self, index: usize, local: SocketAddr) -> Guests {
        let entry = self.entry(index, local);
        entry.and_then(|at| self.sip.guests.get(at)).copied().unwrap_or_default()
    }

    /// DSCP of the socket that is bound to `local`, the `index`-th.
    #[must_use]
    pub fn dscp(&self, index: usize, local: SocketAddr) -> u8 {
        let entry = self.entry(index, local);
        entry.and_then(|at| self.sip.dscp.get(at)).copied().unwrap_or(SIP_DSCP)
    }

    fn advertised(&self, index: usize, local: SocketAddr) -> Result<SocketAddr, Problem> {
        let entry = self.entry(index, local);
        let told = entry.and_then(|at| self.sip.advertise.get(at)).copied();
        let mut told = told.unwrap_or(local);
        if told.port() == 0 {
            told.set_port(local.port());
        }
        if told.ip().is_unspecified() {
            let what = format!("{local} of sip.listen is no address of a host: peers must be told");
            return Err(Problem::at("sip.advertise", format!("{what} another one")));
        }
        Ok(told)
    }

    fn media_of(&self, key: &str, local: SocketAddr, place: usize) -> Result<u8, Problem> {
        self.media_at(local.ip(), place).ok_or_else(|| {
            let family = if local.is_ipv6() { "IPv6" } else { "IPv4" };
            let what = format!("no {family} address, and {local} of {key} needs one");
            Problem::at("media.addresses", what)
        })
    }

    fn media_at(&self, local: IpAddr, place: usize) -> Option<u8> {
        let family = |ip: &IpAddr| ip.is_ipv6() == local.is_ipv6();
        let addresses = &self.media.addresses;
        let own = addresses.iter().position(|ip| *ip == local);
        let of_family = || addresses.iter().enumerate().filter(|(_, ip)| family(ip));
        let at = own
            .or_else(|| of_family().nth(place).map(|(at, _)| at))
            .or_else(|| of_family().next().map(|(at, _)| at))?;
        u8::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `listen>advertised/media` of each listener.
    fn plan(toml: &str) -> Vec<String> {
        let config = Config::parse(toml).unwrap();
        let mut listeners = config.listeners(&config.sip.listen).unwrap();
        listeners.retain(|listener| listener.transport == Transport::Udp);
        let media = |l: &Listener| config.media.addresses[usize::from(l.media)];
        listeners.iter().map(|l| format!("{}>{}/{}", l.local, l.advertised, media(l))).collect()
    }

    #[test]
    fn family_then_own_address_then_place_then_first() {
        assert_eq!(plan(""), ["127.0.0.1:5060>127.0.0.1:5060/127.0.0.1"]);
        // Whatever the order of the media addresses.
        assert_eq!(
            plan(
                "sip.listen = [\"10.0.0.1:5060\", \"[2001:db8::1]:5060\", \"10.0.1.1:5060\"]\n\
                 sip.advertise = [\"192.0.2.1:5070\", \"[2001:db8::1]:0\", \"10.0.1.1:0\"]\n\
                 media.addresses = [\"2001:db8::1\", \"10.0.1.1\", \"10.0.0.1\"]"
            ),
            [
                "10.0.0.1:5060>192.0.2.1:5070/10.0.0.1",
                "[2001:db8::1]:5060>[2001:db8::1]:5060/2001:db8::1",
                "10.0.1.1:5060>10.0.1.1:5060/10.0.1.1",
            ]
        );
        // Two listeners on all addresses: each has the media address of its place. The third has
        // the first one, as there is no third.
        assert_eq!(
            plan(
                "sip.listen = [\"[::]:5060\", \"0.0.0.0:5060\", \"0.0.0.0:5070\", \
                 \"0.0.0.0:5080\"]\n\
                 sip.advertise = [\"[2001:db8::1]:0\", \"192.0.2.1:0\", \"192.0.2.2:0\", \
                 \"192.0.2.3:0\"]\n\
                 media.addresses = [\"10.0.0.1\", \"2001:db8::2\", \"10.0.0.2\"]"
            ),
            [
                "[::]:5060>[2001:db8::1]:5060/2001:db8::2",
                "0.0.0.0:5060>192.0.2.1:5060/10.0.0.1",
                "0.0.0.0:5070>192.0.2.2:5070/10.0.0.2",
                "0.0.0.0:5080>192.0.2.3:5080/10.0.0.1",
            ]
        );
    }

    /// TCP where UDP is, then the others.
    #[test]
    fn connections_have_listeners_behind_those_of_datagrams() {
        let text = "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.2:5062\"]\n\
             sip.advertise = [\"192.0.2.1:5070\", \"10.0.0.2:0\"]\n\
             media.addresses = [\"10.0.0.1\", \"10.0.0.2\"]\n\
             [[sip.stream]]\nlisten = \"10.0.0.2:80\"\ntransport = \"ws\"\n\
             advertise = \"192.0.2.2:0\"";
        let config = Config::parse(text).unwrap();
        let plan = |config: &Config| -> Vec<String> {
            let all = config.listeners(&config.sip.listen).unwrap();
            let text = |l: &Listener| {
                format!("{} {}>{}/{}", l.transport.name(), l.local, l.advertised, l.media)
            };
            all.iter().map(text).collect()
        };
        let [udp_1, udp_2, tcp_1, tcp_2, ws] = [
            "udp 10.0.0.1:5060>192.0.2.1:5070/0",
            "udp 10.0.0.2:5062>10.0.0.2:5062/1",
            "tcp 10.0.0.1:5060>192.0.2.1:5070/0",
            "tcp 10.0.0.2:5062>10.0.0.2:5062/1",
            "ws 10.0.0.2:80>192.0.2.2:80/1",
        ];
        assert_eq!(plan(&config), [udp_1, udp_2, tcp_1, tcp_2, ws]);
        let without = Config::parse(&format!("sip.tcp = false\n{text}")).unwrap();
        assert_eq!(plan(&without), [udp_1, udp_2, ws]);
    }

    /// One policy for each listener, of datagrams and of connections at the same address.
    #[test]
    fn each_listener_has_its_policy_for_guests() {
        let of = |toml: &str| -> Vec<Guests> {
            let config = Config::parse(toml).unwrap();
            let bound: Vec<SocketAddr> = config.sip.listen.iter().rev().copied().collect();
            config.listeners(&bound).unwrap().iter().map(|l| l.guests).collect()
        };
        let (challenge, dids) = (Guests::Challenge, Guests::Dids);
        assert_eq!(of(""), [challenge, challenge]);
        let text = "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.2:5060\"]\n\
             sip.guests = [\"dids\", \"refuse\"]\nmedia.addresses = [\"10.0.0.1\"]\n\
             [[sip.stream]]\nlisten = \"10.0.0.3:80\"\ntransport = \"ws\"\nguests = \"account\"";
        let refuse = Guests::Refuse;
        assert_eq!(of(text), [refuse, dids, refuse, dids, Guests::Account]);
    }

    #[test]
    fn each_listener_has_its_mark() {
        let of = |toml: &str| -> Vec<u8> {
            let config = Config::parse(toml).unwrap();
            let bound: Vec<SocketAddr> = config.sip.listen.iter().rev().copied().collect();
            config.listeners(&bound).unwrap().iter().map(|l| l.dscp).collect()
        };
        assert_eq!(of(""), [24, 24], "UDP and TCP");
        let text = "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.2:5060\"]\nsip.dscp = [26, 0]\n\
             media.addresses = [\"10.0.0.1\"]\n\
             [[sip.stream]]\nlisten = \"10.0.0.3:80\"\ntransport = \"ws\"\ndscp = 10\n\
             [[sip.stream]]\nlisten = \"10.0.0.4:80\"\ntransport = \"ws\"";
        assert_eq!(of(text), [0, 26, 0, 26, 10, 24]);
    }

    /// The supervisor's sockets may be older than the configuration.
    #[test]
    fn kept_sockets_are_found_by_their_address() {
        let config = Config::parse(
            "sip.listen = [\"10.0.0.1:5060\", \"10.0.0.2:5060\", \"10.0.0.2:5070\"]\n\
             sip.advertise = [\"192.0.2.1:1\", \"192.0.2.2:2\", \"192.0.2.3:3\"]\n\
             media.addresses = [\"10.0.0.1\"]",
        )
        .unwrap();
        let told = |bound: &[&str]| -> Vec<String> {
            let bound: Vec<SocketAddr> = bound.iter().map(|a| a.parse().unwrap()).collect();
            let mut listeners = config.listeners(&bound).unwrap();
            listeners.retain(|listener| listener.transport == Transport::Udp);
            listeners.iter().map(|l| l.advertised.to_string()).collect()
        };
        assert_eq!(told(&["10.0.0.2:5070", "10.0.0.1:5060"]), ["192.0.2.3:3", "192.0.2.1:1"]);
        // A demo took the next free port.
        assert_eq!(told(&["10.0.0.1:5062"]), ["192.0.2.1:1"]);
        assert_eq!(told(&["10.9.9.9:5060"]), ["10.9.9.9:5060"]);
        let wild = config.listeners(&["0.0.0.0:5060".parse().unwrap()]).unwrap_err().to_string();
        assert!(wild.starts_with("sip.advertise: 0.0.0.0:5060 of sip.listen"), "{wild}");
    }
}
