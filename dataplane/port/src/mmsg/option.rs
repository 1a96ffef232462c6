//! Socket options.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

use super::stream::BACKLOG_MAX;
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

/// Opens a socket that listens for connections. IPv6 for IPv6 alone, as of SIP sockets; the
/// connections of a former life that linger do not hold the address.
///
/// # Errors
/// The system's.
pub fn bind_stream(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open_stream(address)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_MAX)?;
    Ok(socket.into())
}

/// Begins a connection from `local`, any port, to `peer`.
pub(super) fn begin_stream(local: IpAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let socket = open_stream(peer)?;
    if !local.is_unspecified() {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&peer.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Sets what a connection of SIP needs: small messages leave at once, and a peer that is silent to
/// what we send is given up.
pub(super) fn prepare_stream(
    stream: &TcpStream,
    local: IpAddr,
    (dscp, unacked_ms): (u8, u32),
) -> io::Result<()> {
    let socket = SockRef::from(stream);
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    set_dscp(&socket, local, dscp)?;
    socket.set_tcp_user_timeout(Some(Duration::from_millis(unacked_ms.into())))
}

fn open_stream(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
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

/// Receive buffer of a socket that takes the packets of all media ports of a shard, bytes; the
/// kernel doubles it. 70 ms of 200,000 packets a second.
pub const SHARED_RCVBUF_BYTES: usize = 8 << 20;
/// Send buffer of a raw socket, bytes: what a network card has not taken yet, of all ports.
const RAW_SNDBUF_BYTES: usize = 4 << 20;
/// Receive buffer of sockets that nothing is to be received by: the least there is.
const NO_RCVBUF_BYTES: usize = 1;
/// Classic BPF: return 0, which keeps no byte of a packet.
const DROP_ALL: SockFilter = SockFilter::new(6, 0, 0, 0);

/// Opens a socket that takes packets of other ports than its own, which a program of the kernel
/// chooses it for: it is told each packet's own address and port. Its own port, any, is on
/// loopback, where no stranger comes.
///
/// # Errors
/// The system's.
pub fn bind_shared(is_ipv6: bool) -> io::Result<UdpSocket> {
    let address = loopback(is_ipv6);
    let socket = open(address)?;
    set_rcvbuf(socket.as_fd(), SHARED_RCVBUF_BYTES)?;
    set_timestamps(socket.as_fd())?;
    match is_ipv6 {
        false => set_int(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVORIGDSTADDR, 1)?,
        true => set_int(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVORIGDSTADDR, 1)?,
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a socket that drops whatever it gets, and tells nobody.
///
/// # Errors
/// The system's.
pub fn bind_blackhole(is_ipv6: bool) -> io::Result<UdpSocket> {
    let address = loopback(is_ipv6);
    let socket = open(address)?;
    socket.attach_filter(&[DROP_ALL])?;
    set_rcvbuf(socket.as_fd(), NO_RCVBUF_BYTES)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a socket that sends packets with headers of our own, from `address`: routes are chosen as
/// for a socket that is bound there. It receives nothing.
///
/// # Errors
/// The system's: `CAP_NET_RAW` is missing.
pub fn bind_raw(address: IpAddr, dscp: u8) -> io::Result<OwnedFd> {
    let local = SocketAddr::new(address, 0);
    let kind = Type::RAW.nonblocking().cloexec();
    // IPPROTO_RAW: the header is ours, of both families.
    let protocol = Protocol::from(libc::IPPROTO_RAW);
    let socket = Socket::new(Domain::for_address(local), kind, Some(protocol))?;
    // The header has it too; this is for the queues of the host.
    set_dscp(&SockRef::from(&socket), address, dscp)?;
    set_rcvbuf(socket.as_fd(), NO_RCVBUF_BYTES)?;
    set_sndbuf(socket.as_fd(), RAW_SNDBUF_BYTES)?;
    socket.bind(&local.into())?;
    Ok(socket.into())
}

fn loopback(is_ipv6: bool) -> SocketAddr {
    let ip = match is_ipv6 {
        false => IpAddr::V4(Ipv4Addr::LOCALHOST),
        true => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, 0)
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

/// As [`set_rcvbuf`], for sending.
fn set_sndbuf(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
        .or_else(|_| set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
}

fn set_timestamps(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

pub(super) fn set_int(
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
