//! Sockets in batches: recvmmsg and sendmmsg of `strowger-port`, and nothing else of the product.
//!
//! All sockets are listeners, media too: a load has few sockets with many flows each, and a flow is
//! named by what its packets carry.

use std::net::SocketAddr;

use strowger_link::Tick;
use strowger_port::clock;
use strowger_port::eventfd::EventFd;
use strowger_port::mmsg::{Mmsg, MmsgConfig, bind_sip};
use strowger_port::net::{Io, SIP_BURST_MAX, SipPath};

/// What is to be sent: bytes in one buffer, and who gets which.
#[derive(Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    sends: Vec<(u8, SocketAddr, usize)>,
}

impl Out {
    /// One datagram by socket `by` to `to`, written by `write`.
    pub(crate) fn send(&mut self, by: u8, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.sends.push((by, to, self.bytes.len()));
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.sends.len()
    }

    /// The bytes of the first one.
    #[cfg(test)]
    pub(crate) fn first(&self) -> &[u8] {
        let end = self.sends.first().map_or(0, |(_, _, end)| *end);
        self.bytes.get(..end).unwrap_or_default()
    }
}

/// The sockets of a load.
pub(crate) struct Net {
    io: Mmsg,
    sockets: u8,
    waited_ns: u64,
}

impl Net {
    /// Binds a socket for each address, numbered in order.
    pub(crate) fn open(addresses: &[SocketAddr]) -> Result<Net, String> {
        let bind = |address: &SocketAddr| {
            bind_sip(*address, false).map_err(|error| format!("{address}: {error}"))
        };
        let listeners = addresses.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let waker = EventFd::new().map_err(|error| error.to_string())?;
        let config = MmsgConfig {
            listeners,
            media_addresses: Vec::new(),
            waker,
            sip_dscp: Vec::new(),
            media_dscp: Vec::new(),
        };
        let io = Mmsg::new(config).map_err(|error| error.to_string())?;
        let sockets = u8::try_from(addresses.len()).map_err(|error| error.to_string())?;
        Ok(Net { io, sockets, waited_ns: 0 })
    }

    /// Where socket `number` is bound.
    pub(crate) fn address(&self, number: u8) -> Option<SocketAddr> {
        self.io.listener_address(number)
    }

    /// Reads the clock.
    pub(crate) fn now(&mut self) -> Tick {
        self.io.sample()
    }

    /// Hands out what came: socket, source, bytes. More may wait when it says so.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(u8, SocketAddr, &[u8])) -> bool {
        let got = self.io.recv_sip(|datagram| {
            take(datagram.path.listener, datagram.path.peer, datagram.data);
        });
        self.io.recv_sip_errors(|_failure| {});
        got == SIP_BURST_MAX
    }

    /// Sends all of `out`.
    pub(crate) fn send(&mut self, out: &mut Out) {
        let mut from = 0;
        for (listener, peer, to) in out.sends.drain(..) {
            let data = out.bytes.get(from..to).unwrap_or_default();
            self.io.send_sip(SipPath { listener, local: None, peer }, data);
            from = to;
        }
        out.bytes.clear();
        self.io.flush();
    }

    /// Sleeps until something comes or `until`.
    pub(crate) fn wait(&mut self, until: Tick) {
        let before = clock::monotonic();
        self.io.wait(until);
        self.waited_ns += self.io.now().ns_since(before);
    }

    /// Time spent in [`Net::wait`] since the start, nanoseconds.
    pub(crate) fn waited_ns(&self) -> u64 {
        self.waited_ns
    }

    /// Datagrams that never left: the sockets were full, or the system refused.
    pub(crate) fn unsent(&self) -> u64 {
        let counters = (0..self.sockets).map(|number| self.io.sip_counters(number));
        counters.map(|counters| counters.full + counters.failed).sum()
    }
}
