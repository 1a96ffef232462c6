//! One process of a kind on a directory, and how a new supervisor finds it and its sockets.
//!
//! Planes do not need their supervisor: when it dies they run on, and the next one takes them over.
//! For this each plane claims its place before anything else ([`Claim::take`]): it locks
//! `KIND.lock` in the data directory, so that a second one ends at once instead of writing into the
//! same files, and listens at `KIND.keep` in the run directory. A thread that sleeps in accept(2)
//! answers whoever connects there as the same user or root: who it is, whether it is ready, and the
//! sockets that it was given ([`Claim::offer`]). [`find`] is the other end.
//!
//! One seqpacket message, little-endian, the sockets by SCM_RIGHTS in their order:
//!
//! | offset | size | field |
//! |--:|--:|---|
//! | 0 | 8 | `STRWKEEP` |
//! | 8 | 4 | [`KEEP_VERSION`] |
//! | 12 | 4 | 1 = ready |
//! | 16 | 8 | when the process began, [`started`] |
//! | 24 | n | program and version, UTF-8, at most [`PROGRAM_BYTES_MAX`] |
//!
//! Locks are flock(2): they go with the process, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::eventfd::EventFd;
use crate::process::{Process, started};
use crate::seqpacket::{FDS_MAX, SeqPacket};
use crate::sys::wait_readable;

/// Version of the message.
pub const KEEP_VERSION: u32 = 1;
/// Longest name of a program with its version, bytes; the rest is cut off.
pub const PROGRAM_BYTES_MAX: usize = 64;
/// Most sockets a process offers.
pub const SOCKETS_MAX: usize = FDS_MAX;

const MAGIC: [u8; 8] = *b"STRWKEEP";
const HEAD_BYTES: usize = 24;
const MESSAGE_BYTES_MAX: usize = HEAD_BYTES + PROGRAM_BYTES_MAX;
/// How long either side waits for the other one.
const TALK_MS_MAX: u32 = 2_000;
/// Pause after a connection that the system could not give.
const RETRY_MS: u32 = 100;
/// Longest text in a lock's file that is read.
const HOLDER_BYTES_MAX: u64 = 256;
const LOCK_MODE: u32 = 0o600;

/// Takes the lock at `path` for as long as the file lives, and writes into it who has it.
///
/// # Errors
/// `ResourceBusy`: another process has it; the message names the file and the process. Else the
/// system's, with the path.
pub fn lock(path: &Path, program: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(LOCK_MODE);
    let mut file = options.open(path).map_err(|e| with_path(path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whoever has just taken it may not have written yet.
            let _empty = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
            let holder = holder.lines().next().filter(|line| !line.is_empty());
            let holder = holder.unwrap_or("another process").to_owned();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let said = format!("{name} is held by {holder}");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, said));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let pid = std::process::id();
    let began = started(pid)?;
    file.set_len(0)?;
    writeln!(file, "{program}, process {pid}, began {began}")?;
    Ok(file)
}

/// A plane's place: its lock, and where a supervisor finds it.
#[derive(Debug)]
pub struct Claim {
    lock: File,
    listener: SeqPacket,
    program: String,
}

/// The claim of a plane that answers.
#[derive(Clone, Debug)]
pub struct Offered {
    ready: Arc<AtomicBool>,
}

impl Claim {
    /// Takes the place of `kind` on the directories `data` and `run`, which exist. Call it before
    /// anything in them is read or written.
    ///
    /// # Errors
    /// `ResourceBusy`: another process has the place; the message names it. Else the system's, with
    /// the path.
    pub fn take(data: &Path, run: &Path, kind: &str, program: &str) -> io::Result<Claim> {
        let lock = lock(&data.join(format!("{kind}.lock")), program)?;
        let path = socket_path(run, kind);
        let listener = SeqPacket::listen(&path).map_err(|e| with_path(&path, &e))?;
        Ok(Claim { lock, listener, program: program.to_owned() })
    }

    /// Answers from now on, in a thread of its own, as long as the process lives.
    ///
    /// # Errors
    /// Too many sockets, or no thread.
    pub fn offer(self, sockets: Vec<OwnedFd>) -> io::Result<Offered> {
        if sockets.len() > SOCKETS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let ready = Arc::new(AtomicBool::new(false));
        let offered = Offered { ready: Arc::clone(&ready) };
        let (began, pause) = (started(std::process::id())?, EventFd::new()?);
        let body = move || {
            let _held = &self.lock;
            loop {
                // Neither ends the service: the next one may come through.
                let heard = wait_readable(self.listener.as_fd(), None);
                if heard.and_then(|_| answer(&self, &sockets, began, &ready)).is_err() {
                    let _time_over = pause.wait(Some(RETRY_MS));
                }
            }
        };
        std::thread::Builder::new().name("keep".into()).spawn(body)?;
        Ok(offered)
    }
}

impl Offered {
    /// Tells from now on that calls can be placed.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }
}

fn answer(claim: &Claim, sockets: &[OwnedFd], began: u64, ready: &AtomicBool) -> io::Result<()> {
    let Some(peer) = claim.listener.accept()? else { return Ok(()) };
    peer.set_timeout(TALK_MS_MAX)?;
    if !peer.is_peer_trusted()? {
        return Ok(());
    }
    let message = encode(ready.load(Ordering::Acquire), began, &claim.program);
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    // Whoever asked may be gone.
    let _gone = peer.send(&message, &sockets);
    Ok(())
}

/// A living plane, found by a supervisor.
#[derive(Debug)]
pub struct Found {
    /// The process.
    pub process: Process,
    /// Its program and version.
    pub program: String,
    /// Calls can be placed, as far as it can tell.
    pub ready: bool,
    /// The sockets it was given, in their order.
    pub sockets: Vec<OwnedFd>,
}

/// The living process of `kind` on the run directory; `None` = there is none.
///
/// # Errors
/// `PermissionDenied`: another user's process listens there. `InvalidData`: it speaks another
/// version, or is not who it says. `TimedOut`: it lives and does not answer.
pub fn find(run: &Path, kind: &str) -> io::Result<Option<Found>> {
    let socket = match SeqPacket::connect(&socket_path(run, kind)) {
        Ok(socket) => socket,
        Err(e) if is_nobody(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    socket.set_timeout(TALK_MS_MAX)?;
    if !socket.is_peer_trusted()? {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // Held before it speaks: the number cannot have become another process's in between without
    // the time of its beginning telling.
    let pid = socket.peer_pid()?;
    let Ok(process) = Process::open(pid) else { return Ok(None) };
    let mut buffer = [0; MESSAGE_BYTES_MAX + 1];
    let (bytes, sockets) = match socket.receive(&mut buffer) {
        Ok(received) => received,
        Err(e) if is_nobody(&e) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
            let said = format!("process {pid} does not answer");
            return Err(io::Error::new(io::ErrorKind::TimedOut, said));
        }
        Err(e) => return Err(e),
    };
    let stranger = || {
        let said = format!("process {pid} speaks another version");
        io::Error::new(io::ErrorKind::InvalidData, said)
    };
    let (ready, began, program) = decode(bytes).ok_or_else(stranger)?;
    if started(pid).ok() != Some(began) {
        return Err(stranger());
    }
    Ok(Some(Found { process, program, ready, sockets }))
}

/// No listener, or one that died meanwhile.
fn is_nobody(error: &io::Error) -> bool {
    let kinds = [
        io::ErrorKind::NotFound,
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn socket_path(run: &Path, kind: &str) -> PathBuf {
    run.join(format!("{kind}.keep"))
}

fn encode(ready: bool, began: u64, program: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&KEEP_VERSION.to_le_bytes());
    bytes.extend_from_slice(&u32::from(ready).to_le_bytes());
    bytes.extend_from_slice(&began.to_le_bytes());
    let cut = program.floor_char_boundary(PROGRAM_BYTES_MAX);
    bytes.extend_from_slice(program.get(..cut).unwrap_or_default().as_bytes());
    bytes
}

/// Readiness, beginning, program; `None` = no message of this version.
fn decode(bytes: &[u8]) -> Option<(bool, u64, String)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (ready, rest) = rest.split_first_chunk::<4>()?;
    let (began, program) = rest.split_first_chunk::<8>()?;
    let ours = *magic == MAGIC && u32::from_le_bytes(*version) == KEEP_VERSION;
    if !ours || program.len() > PROGRAM_BYTES_MAX {
        return None;
    }
    let program = std::str::from_utf8(program).ok()?.to_owned();
    Some((u32::from_le_bytes(*ready) == 1, u64::from_le_bytes(*began), program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::net::UdpSocket;

    #[test]
    fn a_place_has_one_holder_and_is_named() {
        let scratch = Scratch::new("claim");
        let path = scratch.path();
        let claim = Claim::take(path, path, "switchd", "switchd 1").unwrap();
        let refused = Claim::take(path, path, "switchd", "switchd 2").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        let me = format!("switchd.lock is held by switchd 1, process {}, ", std::process::id());
        assert!(refused.to_string().starts_with(&me), "{refused}");
        Claim::take(path, path, "controld", "controld 1").unwrap();
        drop(claim);
        Claim::take(path, path, "switchd", "switchd 2").unwrap();
    }

    #[test]
    fn a_living_process_is_found_with_its_sockets() {
        let scratch = Scratch::new("found");
        let path = scratch.path();
        assert!(find(path, "switchd").unwrap().is_none());
        let claim = Claim::take(path, path, "switchd", "switchd 1").unwrap();
        let sockets = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let offered = claim.offer(sockets.map(OwnedFd::from).into()).unwrap();
        for ready in [false, true] {
            let found = find(path, "switchd").unwrap().unwrap();
            assert_eq!(found.process.pid(), std::process::id());
            assert_eq!((found.program.as_str(), found.ready), ("switchd 1", ready));
            let got: Vec<_> = found.sockets.into_iter().map(UdpSocket::from).collect();
            let got: Vec<_> = got.iter().map(|socket| socket.local_addr().unwrap()).collect();
            assert_eq!(got, addresses);
            offered.set_ready();
        }
    }

    #[test]
    fn the_dead_are_not_found() {
        let scratch = Scratch::new("dead");
        let path = scratch.path();
        // The socket's file stays behind, as after a kill.
        drop(Claim::take(path, path, "switchd", "switchd 1").unwrap());
        assert!(path.join("switchd.keep").exists());
        assert!(find(path, "switchd").unwrap().is_none());
    }

    #[test]
    fn other_forms_are_refused() {
        let message = encode(true, 7, "switchd 1");
        assert_eq!(decode(&message), Some((true, 7, "switchd 1".to_owned())));
        for at in [0, 8] {
            let mut other = message.clone();
            other[at] ^= 1;
            assert_eq!(decode(&other), None);
        }
        for length in 0..HEAD_BYTES {
            assert_eq!(decode(&message[..length]), None);
        }
        let long = "\u{e9}".repeat(PROGRAM_BYTES_MAX);
        let cut = decode(&encode(false, 0, &long)).unwrap().2;
        assert_eq!(cut.len(), PROGRAM_BYTES_MAX);
        let mut longer = encode(false, 0, &long);
        longer.push(b'x');
        assert_eq!(decode(&longer), None);
    }
}
