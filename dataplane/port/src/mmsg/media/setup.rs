//! Making the tables: once, outside of the packet path.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{Address, BURST_MAX, Batch, CLOSED, MEDIA_RCVBUF_BYTES, MediaSockets, PORTS};

impl MediaSockets {
    pub(in crate::mmsg) fn new(addresses: &[IpAddr], dscp: u8) -> MediaSockets {
        let address = |ip: &IpAddr| Address { ip: *ip, sockets: vec![CLOSED; PORTS].into() };
        MediaSockets {
            addresses: addresses.iter().map(address).collect(),
            sockets: Vec::new(),
            slots_free: Vec::new(),
            ready: VecDeque::new(),
            order: Vec::with_capacity(BURST_MAX),
            batch: Batch::new(BURST_MAX),
            dscp,
            rcvbuf: MEDIA_RCVBUF_BYTES,
        }
    }
}
