//! Making the tables: once, outside of the packet path.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use super::cut::Cutter;
use super::{Address, Away, Batch, FAMILIES, Shared, Steered, Steering, WHOLE_BYTES_MAX};
use crate::burst::BURST_MAX;
use crate::mmsg::MEDIA_DSCP;
use crate::mmsg::poll::{Poller, Ready};

impl Steered {
    /// # Errors
    /// `InvalidInput`: not one raw socket for each address, or an address of a family that has no
    /// socket. Else the system's.
    pub(in crate::mmsg) fn new(
        steering: Steering,
        dscp: &[u8],
        poller: &Poller,
    ) -> io::Result<Steered> {
        let Steering { shard, sockets, raws, flows, offloading } = steering;
        let ips = &flows.space().addresses;
        if ips.len() != raws.len() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut shared = [const { None }; FAMILIES];
        for socket in sockets {
            let family = usize::from(socket.local_addr()?.is_ipv6());
            socket.set_nonblocking(true)?;
            poller.add(socket.as_fd(), Ready::Media(family as u32))?;
            if let Some(place) = shared.get_mut(family) {
                // Whatever waits there was told to a former life.
                *place = Some(Shared { socket, is_ready: true });
            }
        }
        let has_socket =
            |ip: &IpAddr| shared.get(usize::from(ip.is_ipv6())).is_some_and(Option::is_some);
        if !ips.iter().all(has_socket) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let ports = flows.space().entries() as usize;
        let address = |(place, (ip, raw)): (usize, (&IpAddr, OwnedFd))| Address {
            ip: *ip,
            raw,
            dscp: dscp.get(place).copied().unwrap_or(MEDIA_DSCP),
        };
        let addresses = ips.iter().zip(raws).enumerate().map(address).collect();
        let away = offloading.map(|of| Away::new(of, shard)).transpose()?.map(Box::new);
        let now = crate::clock::monotonic();
        flows.stamp(shard, now);
        Ok(Steered {
            shard,
            addresses,
            shared,
            first: 0,
            away,
            open: vec![false; ports].into(),
            open_count: 0,
            order: vec![(0, 0); BURST_MAX].into(),
            batch: Batch::new(BURST_MAX),
            stamped: now,
            ident: 0,
            cutter: Cutter::new(),
            flows,
        })
    }
}

impl Cutter {
    fn new() -> Cutter {
        Cutter { room: Box::new([0; WHOLE_BYTES_MAX]), ident: 0 }
    }
}
