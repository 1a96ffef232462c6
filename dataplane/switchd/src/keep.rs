//! This process's place on its directories, and what a new supervisor finds there.

use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use strowger_port::eventfd::EventFd;
use strowger_port::keep::{Claim, Offered};
use strowger_port::mmsg::bind_sip;
use strowger_port::process;
use strowger_tuning::Config;

const KIND: &str = "switchd";
const ME: &str = concat!("strowger-switchd ", env!("CARGO_PKG_VERSION"));

/// Takes the place, before anything is read or written there (a second dataplane would take the
/// first one's call table away), and the SIP sockets: those that the supervisor handed on, else
/// bound here. Answers supervisors from now on, for the rest of the start may take long.
///
/// # Errors
/// One line for a person: another dataplane runs there.
pub(crate) fn claim(config: &Config) -> Result<(Offered, Vec<UdpSocket>), String> {
    let data = &config.node.data;
    let claim = Claim::take(data, &config.run_dir(), KIND, ME)
        .map_err(|e| format!("{}: no place for a dataplane: {e}", data.display()))?;
    let inherited = process::take_inherited("STROWGER_SIP_FDS").map_err(|e| e.to_string())?;
    let sockets: Vec<UdpSocket> = if inherited.is_empty() {
        let bind = |a| bind_sip(a, false).map_err(|e| format!("sip.listen: {a}: {e}"));
        config.sip.listen.iter().copied().map(bind).collect::<Result<_, _>>()?
    } else {
        inherited.into_iter().map(UdpSocket::from).collect()
    };
    let handles = sockets.iter().map(|socket| socket.try_clone().map(OwnedFd::from));
    let offered = handles.collect::<Result<_, _>>().and_then(|handles| claim.offer(handles));
    Ok((offered.map_err(|e| format!("keep: {e}"))?, sockets))
}

/// What the main thread and the shard's tell each other. The main thread sleeps without limit, so
/// whatever it is told is followed by a ring.
pub(crate) struct Flags {
    /// Calls can be placed.
    pub(crate) ready: AtomicBool,
    /// The shard is to end.
    pub(crate) end: AtomicBool,
    /// The shard's thread has ended, in a panic too.
    pub(crate) ended: AtomicBool,
    /// Wakes the main thread.
    pub(crate) bell: EventFd,
}

impl Flags {
    /// Nothing told.
    ///
    /// # Errors
    /// One line for a person: no bell.
    pub(crate) fn new() -> Result<Arc<Flags>, String> {
        let bell = EventFd::new().map_err(|e| format!("eventfd: {e}"))?;
        let [ready, end, ended] = [const { AtomicBool::new(false) }; 3];
        Ok(Arc::new(Flags { ready, end, ended, bell }))
    }

    /// Tells whether calls can be placed.
    pub(crate) fn set_ready(&self, ready: bool) {
        if self.ready.swap(ready, Ordering::AcqRel) != ready {
            self.bell.ring();
        }
    }
}

/// Held by the shard's thread; its drop is the end of that thread.
pub(crate) struct AtEnd(pub(crate) Arc<Flags>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        self.0.bell.ring();
    }
}
