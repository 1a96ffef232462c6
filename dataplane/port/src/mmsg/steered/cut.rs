//! HOT PATH
//!
//! A packet that is longer than its device takes leaves in fragments, as the kernel does it for a
//! socket of its own. Each fits every link (RFC 8200 section 5), so none is cut again on its way.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;

use socket2::{SockAddr, SockRef};
use strowger_wire::{ipv4, ipv6};

use super::{HOPS, WHOLE_BYTES_MAX};
use crate::burst::BUFFER_BYTES;

/// Octets of the payload that a fragment has, by family.
const V4_PIECE: usize = (WHOLE_BYTES_MAX - ipv4::HEADER_LEN) / ipv4::FRAGMENT_UNIT * 8;
const V6_HEAD: usize = ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN;
const V6_PIECE: usize = (WHOLE_BYTES_MAX - V6_HEAD) / ipv6::FRAGMENT_UNIT * 8;
/// Most fragments of a packet.
const PIECES_MAX: usize = 2;

const _: () = assert!(BUFFER_BYTES <= PIECES_MAX * V6_PIECE && V6_PIECE <= V4_PIECE);

/// Whose packet it is.
pub(super) struct Whole {
    pub(super) from: IpAddr,
    pub(super) to: IpAddr,
    pub(super) dscp: u8,
}

pub(super) struct Cutter {
    /// One fragment.
    pub(super) room: Box<[u8; WHOLE_BYTES_MAX]>,
    /// Of the packet that is cut; never 0, for which the kernel would look for one.
    pub(super) ident: u32,
}

impl Cutter {
    /// Sends a datagram, its UDP header included, in fragments.
    ///
    /// # Errors
    /// The system's, for the first fragment that it does not take: without it the others are
    /// nothing. `InvalidInput`: the addresses are of two families, or the datagram is too long.
    pub(super) fn send(
        &mut self,
        raw: BorrowedFd<'_>,
        whole: &Whole,
        datagram: &[u8],
    ) -> io::Result<()> {
        self.ident = self.ident.checked_add(1).unwrap_or(1);
        // Raw sockets take a protocol in the port's place.
        let to = SockAddr::from(SocketAddr::new(whole.to, 0));
        let step = if whole.from.is_ipv4() { V4_PIECE } else { V6_PIECE };
        let mut at = 0;
        for _ in 0..PIECES_MAX {
            let rest = datagram.get(at..).unwrap_or_default();
            let more = rest.len() > step;
            let piece = rest.get(..step).unwrap_or(rest);
            let fragment =
                self.write(whole, (at, more), piece).ok_or(io::ErrorKind::InvalidInput)?;
            SockRef::from(&raw).send_to_with_flags(fragment, &to, libc::MSG_DONTWAIT)?;
            at += piece.len();
            if !more {
                return Ok(());
            }
        }
        Err(io::ErrorKind::InvalidInput.into())
    }

    fn write(&mut self, whole: &Whole, (at, more): (usize, bool), piece: &[u8]) -> Option<&[u8]> {
        let (offset, len) = (u16::try_from(at).ok()?, u16::try_from(piece.len()).ok()?);
        let head = match (whole.from, whole.to) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let fields = ipv4::Header {
                    source,
                    destination,
                    protocol: ipv4::PROTOCOL_UDP,
                    payload_len: len,
                    dscp: whole.dscp,
                    ttl: HOPS,
                    // The low half of a number that is not 0 may be 0.
                    ident: (self.ident as u16).max(1),
                    dont_fragment: false,
                };
                fields.emit_fragment(&mut self.room[..], offset, more).ok()?;
                ipv4::HEADER_LEN
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let fields = ipv6::Header {
                    source,
                    destination,
                    next_header: ipv6::NEXT_FRAGMENT,
                    payload_len: len.checked_add(ipv6::FRAGMENT_LEN as u16)?,
                    dscp: whole.dscp,
                    hop_limit: HOPS,
                };
                fields.emit(&mut self.room[..]).ok()?;
                let next_header = ipv4::PROTOCOL_UDP;
                let part = ipv6::Fragment { next_header, offset, more, ident: self.ident };
                part.emit(self.room.get_mut(ipv6::HEADER_LEN..)?).ok()?;
                V6_HEAD
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        let end = head + piece.len();
        self.room.get_mut(head..end)?.copy_from_slice(piece);
        self.room.get(..end)
    }
}
