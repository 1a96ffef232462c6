//! The one rule of which address belongs to which listener.

use crate::{Config, Problem};
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
}

impl Config {
    /// The listeners for sockets that are bound to `bound`, in that order.
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
        let all = bound.iter().enumerate();
        all.map(|(index, local)| {
            let advertised = self.advertised(index, *local)?;
            let before = bound.get(..index).unwrap_or_default();
            let place = before.iter().filter(|a| a.is_ipv6() == local.is_ipv6()).count();
            let Some(media) = self.media_of(local.ip(), place) else {
                let family = if local.is_ipv6() { "IPv6" } else { "IPv4" };
                let what = format!("no {family} address, and {local} of sip.listen needs one");
                return Err(Problem::at("media.addresses", what));
            };
            Ok(Listener { local: *local, advertised, media })
        })
        .collect()
    }

    fn advertised(&self, index: usize, local: SocketAddr) -> Result<SocketAddr, Problem> {
        let is = |at: usize| self.sip.listen.get(at).is_some_and(|a| a.ip() == local.ip());
        let exact = || self.sip.listen.iter().position(|a| *a == local);
        let same_ip = || (0..self.sip.listen.len()).find(|at| is(*at));
        let entry = Some(index).filter(|at| is(*at)).or_else(exact).or_else(same_ip);
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

    fn media_of(&self, local: IpAddr, place: usize) -> Option<u8> {
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
        let listeners = config.listeners(&config.sip.listen).unwrap();
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
            let listeners = config.listeners(&bound).unwrap();
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
