//! What the supervisor opens and keeps: sockets that outlive a crash of either plane.
//!
//! While a plane is down its datagrams wait in the kept sockets, and no peer sees an ICMP error.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use strowger_tuning::Config;

/// How many ports above the wanted one a demo tries.
const NEXT_PORTS_MAX: u16 = 200;

/// The kept sockets.
pub(crate) struct Kept {
    /// SIP sockets, one for each listener of the configuration.
    pub(crate) sip: Vec<UdpSocket>,
    /// The REST endpoint's socket.
    pub(crate) admin: TcpListener,
}

impl Kept {
    /// Opens all of them; a demo takes the next free port where the wanted one is taken.
    pub(crate) fn open(config: &Config, next_free: bool) -> Result<Kept, String> {
        let tries = if next_free { NEXT_PORTS_MAX } else { 0 };
        let mut sip = Vec::new();
        for &address in &config.sip.listen {
            sip.push(bind("sip.listen", address, tries, UdpSocket::bind)?);
        }
        let admin = bind("admin.listen", config.admin.listen, tries, TcpListener::bind)?;
        Ok(Kept { sip, admin })
    }

    /// Where calls come in and where REST answers.
    pub(crate) fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        let first = self.sip.first().ok_or(ErrorKind::NotFound)?;
        Ok((first.local_addr()?, self.admin.local_addr()?))
    }
}

fn bind<T>(
    key: &str,
    wanted: SocketAddr,
    tries: u16,
    open: impl Fn(SocketAddr) -> std::io::Result<T>,
) -> Result<T, String> {
    let mut address = wanted;
    for step in 0..=tries {
        let Some(port) = wanted.port().checked_add(step) else { break };
        address.set_port(port);
        match open(address) {
            Ok(socket) => return Ok(socket),
            Err(e) if e.kind() == ErrorKind::AddrInUse && step < tries => {}
            Err(e) => return Err(format!("{key}: {address}: {e}")),
        }
    }
    Err(format!("{key}: no free port from {wanted} on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(port: u16) -> Config {
        let mut config = Config::default();
        config.sip.listen = vec![SocketAddr::from(([127, 0, 0, 1], port))];
        config.admin.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config
    }

    #[test]
    fn a_taken_port_is_an_error_or_the_next_one() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let said = Kept::open(&config(port), false).err().unwrap();
        assert!(said.starts_with(&format!("sip.listen: 127.0.0.1:{port}: ")), "{said}");
        let kept = Kept::open(&config(port), true).unwrap();
        let (sip, admin) = kept.addresses().unwrap();
        assert!(sip.port() > port && admin.port() != 0);
    }
}
