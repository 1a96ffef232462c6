//! Connections that turn out to be somebody else's: HTTP at a listener for WebSocket. They leave
//! the shard as they stand, so that what they carry costs its calls nothing.

use super::Connections;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use strowger_link::Tick;
use strowger_port::net::{ConnId, Io};
use strowger_stream::Pipe;

/// A connection that leaves.
#[derive(Debug)]
pub struct Guest {
    /// Its socket, non-blocking. Nobody else has it.
    pub stream: TcpStream,
    /// What covers its bytes, and what was read and not looked at yet.
    pub pipe: Pipe,
    /// The first bytes that it carried, in clear.
    pub first: Vec<u8>,
    /// Our end of it.
    pub local: SocketAddr,
    /// Its peer.
    pub peer: SocketAddr,
}

/// Takes guests of some listeners. It must not wait; one that it gives back is closed.
pub struct Guests {
    /// Listeners, by their numbers.
    pub listeners: Vec<u8>,
    /// Takes one.
    pub take: Box<dyn FnMut(Guest) -> Result<(), Box<Guest>> + Send>,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

impl Connections {
    /// Who brings no SIP to these listeners is taken elsewhere from now on.
    pub(crate) fn set_guests(&mut self, guests: Guests) {
        self.guests = Some(guests);
    }

    /// Lets a connection go, with its first bytes; one that nobody takes is closed.
    pub(super) fn let_go(&mut self, io: &mut impl Io, conn: ConnId, first: Vec<u8>, now: Tick) {
        let listener = self.places.get(conn).map(|one| one.path.listener);
        let guests = self
            .guests
            .as_mut()
            .filter(|guests| listener.is_some_and(|listener| guests.listeners.contains(&listener)));
        if guests.is_none() {
            // Nobody else answers here.
            if let Some(one) = self.places.get_mut(conn) {
                one.pipe.close(now);
            }
            return;
        }
        let stream = io.release_stream(conn);
        let gone = self.take_out(conn);
        let (Some(stream), Some(one), Some(guests)) = (stream, gone, &mut self.guests) else {
            // A system without sockets.
            return io.close_stream(conn);
        };
        let (local, peer) = (one.path.local, one.path.peer);
        // A guest that is given back is dropped, and so closed.
        let _closed = (guests.take)(Guest { stream, pipe: one.pipe, first, local, peer });
    }
}
