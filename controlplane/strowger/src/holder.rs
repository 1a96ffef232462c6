//! Who has a port that we want: found in what the kernel shows of sockets and of processes.
//!
//! Best effort: a process of another user shows its sockets to nobody but itself and root, so then
//! only the user is named. Nothing is searched before an address is taken.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Most sockets that are looked at, most processes, and most handles of one.
const LOOKED_AT_MAX: usize = 65_536;
/// State of a TCP socket that listens, as the kernel's table writes it.
const LISTENING: &str = "0A";

/// Which of the kernel's tables a socket stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Udp,
    Tcp,
}

impl Kind {
    const fn tables(self) -> [&'static str; 2] {
        match self {
            Kind::Udp => ["udp", "udp6"],
            Kind::Tcp => ["tcp", "tcp6"],
        }
    }
}

/// Who has the port of an address, in words; `None` when that is not to be seen.
pub(crate) fn holder(kind: Kind, address: SocketAddr) -> Option<String> {
    holder_in(Path::new("/proc"), kind, address)
}

fn holder_in(proc: &Path, kind: Kind, address: SocketAddr) -> Option<String> {
    let tables = kind.tables().map(|table| fs::read_to_string(proc.join("net").join(table)));
    let tables: Vec<String> = tables.into_iter().flatten().collect();
    let lines = tables.iter().flat_map(|table| table.lines()).take(LOOKED_AT_MAX);
    let (user, inode) = lines.filter_map(|line| entry(line, kind, address.port())).next()?;
    Some(match process_of(proc, inode) {
        Some((name, pid)) => format!("{name} (process {pid}) has it"),
        None => format!("a process of user {user} has it"),
    })
}

/// User and number of the socket of a line, if it has the port.
fn entry(line: &str, kind: Kind, port: u16) -> Option<(u32, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let has = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    let state = fields.nth(1)?;
    if has != port || (kind == Kind::Tcp && state != LISTENING) {
        return None;
    }
    let user = fields.nth(3)?.parse().ok()?;
    Some((user, fields.nth(1)?.parse().ok()?))
}

/// Name and number of a process that holds a socket.
fn process_of(proc: &Path, inode: u64) -> Option<(String, u32)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir(proc).ok()?.flatten().take(LOOKED_AT_MAX);
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| {
        let handles = fs::read_dir(proc.join(pid.to_string()).join("fd"));
        let mut handles = handles.into_iter().flatten().flatten().take(LOOKED_AT_MAX);
        handles.any(|handle| fs::read_link(handle.path()).is_ok_and(|to| to == Path::new(&wanted)))
    })?;
    let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).ok()?;
    Some((name.trim().to_owned(), pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn whoever_has_a_port_is_named() {
        let own = std::process::id();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = udp.local_addr().unwrap();
        let said = holder(Kind::Udp, at).unwrap();
        assert!(said.ends_with(&format!(" (process {own}) has it")), "{said}");
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let said = holder(Kind::Tcp, tcp.local_addr().unwrap()).unwrap();
        assert!(said.contains(&format!("(process {own})")), "{said}");
        drop(udp);
        assert_eq!(holder(Kind::Udp, at), None, "nobody has it any more");
    }

    #[test]
    fn a_line_of_the_kernels_table_says_user_and_socket() {
        let line = "  7: 0100007F:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                     1000        0 31337 1 0000000000000000 100 0 0 10 0";
        assert_eq!(entry(line, Kind::Tcp, 5_060), Some((1_000, 31_337)));
        assert_eq!(entry(line, Kind::Tcp, 5_061), None);
        let connected = line.replace(" 0A ", " 01 ");
        assert_eq!(entry(&connected, Kind::Tcp, 5_060), None);
        assert_eq!(entry(&connected, Kind::Udp, 5_060), Some((1_000, 31_337)));
        for broken in ["", "sl local_address", "1: nothing", "1: 0:zz 0 0A"] {
            assert_eq!(entry(broken, Kind::Tcp, 5_060), None, "{broken}");
        }
        // Whose process shows nothing is at least a user's.
        let proc = std::env::temp_dir().join(format!("strowger-holder-{}", std::process::id()));
        fs::create_dir_all(proc.join("net")).unwrap();
        fs::write(proc.join("net/tcp"), format!("sl\n{line}\n")).unwrap();
        let said = holder_in(&proc, Kind::Tcp, ([127, 0, 0, 1], 5_060).into());
        assert_eq!(said.as_deref(), Some("a process of user 1000 has it"));
        fs::remove_dir_all(&proc).unwrap();
    }
}
