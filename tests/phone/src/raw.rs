//! Arbitrary bytes to a server, and what comes back: for tests of bad input.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::limits::DATAGRAM_BYTES_MAX;
use crate::message::Message;

/// A UDP socket that knows no protocol.
#[derive(Debug)]
pub struct Raw {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Raw {
    /// Binds a port on `bind` (port 0 for any) and aims at `server`.
    ///
    /// # Errors
    /// From the operating system.
    pub fn new(bind: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(bind)?, server })
    }

    /// Own address.
    ///
    /// # Errors
    /// From the operating system.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends one datagram. A datagram too long for UDP is an error, never cut.
    ///
    /// # Errors
    /// From the operating system.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_to(bytes, self.server).map(drop)
    }

    /// Everything that comes back until `within` has passed.
    ///
    /// # Errors
    /// From the operating system.
    pub fn collect(&self, within: Duration) -> io::Result<Vec<Vec<u8>>> {
        self.collect_until(within, |_| false)
    }

    /// Sends one datagram and returns the first SIP response with `code`; `None` when none came.
    ///
    /// # Errors
    /// From the operating system.
    pub fn expect(&self, bytes: &[u8], code: u16, within: Duration) -> io::Result<Option<Message>> {
        self.send(bytes)?;
        let fits = |bytes: &[u8]| {
            Message::parse(bytes).ok().filter(|message| message.code() == Some(code))
        };
        let got = self.collect_until(within, |bytes| fits(bytes).is_some())?;
        Ok(got.iter().find_map(|bytes| fits(bytes)))
    }

    fn collect_until(
        &self,
        within: Duration,
        done: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + within;
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut got = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(got);
            }
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            // An error here is the end of waiting or an ICMP message about an earlier datagram.
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            let last = done(&bytes);
            got.push(bytes);
            if last {
                return Ok(got);
            }
        }
    }
}
