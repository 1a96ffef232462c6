//! Making the tables: once, outside of the packet path.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{
    Address, BURST_MAX, Batch, CLOSED, DESCRIPTORS_SPARE, MEDIA_RCVBUF_BYTES, MediaSockets, PORTS,
};
use crate::mmsg::MEDIA_DSCP;
use crate::sys::descriptors_max;

/// How many sockets may be held.
fn sockets_max() -> usize {
    descriptors_max().saturating_sub(DESCRIPTORS_SPARE)
}

impl MediaSockets {
    pub(in crate::mmsg) fn new(addresses: &[IpAddr], dscp: &[u8]) -> MediaSockets {
        let address = |(place, ip): (usize, &IpAddr)| Address {
            ip: *ip,
            dscp: dscp.get(place).copied().unwrap_or(MEDIA_DSCP),
            sockets: vec![CLOSED; PORTS].into(),
        };
        MediaSockets {
            addresses: addresses.iter().enumerate().map(address).collect(),
            sockets: Vec::new(),
            slots_free: Vec::new(),
            resting: 0,
            hand: 0,
            sockets_max: sockets_max(),
            ready: VecDeque::new(),
            order: Vec::with_capacity(BURST_MAX),
            batch: Batch::new(BURST_MAX),
            rcvbuf: MEDIA_RCVBUF_BYTES,
            ring: None,
            lives: 0,
        }
    }
}
