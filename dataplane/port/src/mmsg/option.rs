//! Socket options.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::sys::check;

/// Opens a SIP socket: bound, nothing else set. `shared` = other shards bind the same address, the
/// kernel spreads peers over them (`SO_REUSEPORT`).
///
/// # Errors
/// The system's.
pub fn bind_sip(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a media socket: bound, with its options.
pub(super) fn bind_media(address: SocketAddr, dscp: u8, rcvbuf: usize) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    set_dscp(&SockRef::from(&socket), address.ip(), dscp)?;
    set_rcvbuf(socket.as_fd(), rcvbuf)?;
    set_timestamps(socket.as_fd())?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Sets what a SIP socket needs, also on one that was opened elsewhere.
pub(super) fn prepare_sip(socket: &UdpSocket, dscp: u8, rcvbuf: usize) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    let fd = socket.as_fd();
    let reference = SockRef::from(socket);
    socket.set_nonblocking(true)?;
    set_dscp(&reference, address.ip(), dscp)?;
    set_rcvbuf(fd, rcvbuf)?;
    set_timestamps(fd)?;
    match address.ip() {
        IpAddr::V4(_) => {
            set_int(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            set_int(fd, libc::IPPROTO_IP, libc::IP_RECVERR, 1)?;
            // Never DF, and never believe an ICMP about the MTU: a forged one would shrink SIP.
            set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT)?;
        }
        IpAddr::V6(_) => {
            set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?;
            let omit = libc::IPV6_PMTUDISC_OMIT;
            set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, omit)?;
        }
    }
    Ok(address)
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn set_dscp(socket: &SockRef<'_>, ip: IpAddr, dscp: u8) -> io::Result<()> {
    let class = u32::from(dscp & 63) << 2;
    match ip {
        IpAddr::V4(_) => socket.set_tos_v4(class),
        IpAddr::V6(_) => socket.set_tclass_v6(class),
    }
}

/// FORCE passes the system's limit and needs CAP_NET_ADMIN; without it, what the limit gives.
pub(super) fn set_rcvbuf(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    set_int(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes)
        .or_else(|_| set_int(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes))
}

fn set_timestamps(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

fn set_int(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int that lives through the call, and its size is told.
    // JUSTIFICATION: socket2 does not cover these options.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, option, (&raw const value).cast(), size)
    })?;
    Ok(())
}
