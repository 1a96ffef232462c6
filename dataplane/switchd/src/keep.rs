//! This process's place on its directories, and what a new supervisor finds there.

use crate::complain;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use strowger_path::Steering;
use strowger_port::eventfd::EventFd;
use strowger_port::keep::{Claim, Offered};
use strowger_port::mmsg::bind_sip;
use strowger_port::process;
use strowger_tuning::Config;

const KIND: &str = "switchd";
const ME: &str = concat!("strowger-switchd ", env!("CARGO_PKG_VERSION"));

/// What the process was given, or bound.
pub(crate) struct Sockets {
    /// One for each UDP listener.
    pub(crate) sip: Vec<UdpSocket>,
    /// Those that listen for connections and that the supervisor keeps, in any order.
    pub(crate) streams: Vec<TcpListener>,
    /// What brings media to the shards; `None` = a socket for each port.
    pub(crate) media: Option<Steering>,
}

/// Takes the place, before anything is read or written there (a second dataplane would take the
/// first one's call table away), and the SIP sockets: those that the supervisor handed on, else
/// bound here. Certificates are read after it: who finds no dataplane to be told of a new one need
/// not tell it. So is what steers media. Answers supervisors from now on, for the rest of the start
/// may take long.
///
/// # Errors
/// One line for a person: another dataplane runs there.
pub(crate) fn claim(config: &Config) -> Result<(Offered, Sockets), String> {
    let data = &config.node.data;
    let claim = Claim::take(data, &config.run_dir(), KIND, ME)
        .map_err(|e| format!("{}: no place for a dataplane: {e}", data.display()))?;
    let inherited = process::take_inherited("STROWGER_SIP_FDS").map_err(|e| e.to_string())?;
    let sip: Vec<UdpSocket> = if inherited.is_empty() {
        let bind = |a| bind_sip(a, false).map_err(|e| format!("sip.listen: {a}: {e}"));
        config.sip.listen.iter().copied().map(bind).collect::<Result<_, _>>()?
    } else {
        inherited.into_iter().map(UdpSocket::from).collect()
    };
    let streams = process::take_inherited("STROWGER_STREAM_FDS").map_err(|e| e.to_string())?;
    let streams: Vec<TcpListener> = streams.into_iter().map(TcpListener::from).collect();
    let handed = process::take_inherited("STROWGER_MEDIA_FDS").map_err(|e| e.to_string())?;
    let media = strowger_path::choose(config, handed, complain)?;
    let handles = sip.iter().map(|socket| socket.try_clone().map(OwnedFd::from));
    let handles = handles.chain(streams.iter().map(|s| s.try_clone().map(OwnedFd::from)));
    let offered = handles.collect::<Result<Vec<_>, _>>().and_then(|mut handles| {
        // Behind the sockets of signalling; its first ones are no sockets, which tells them apart.
        let media = media.as_ref().map_or(Ok(Vec::new()), Steering::copies)?;
        handles.extend(media);
        claim.offer(handles)
    });
    Ok((offered.map_err(|e| format!("keep: {e}"))?, Sockets { sip, streams, media }))
}

/// What the main thread and those of the shards tell each other. The main thread sleeps without
/// limit, so whatever it is told is followed by a ring.
pub(crate) struct Flags {
    /// How many shards can take calls.
    pub(crate) ready: AtomicUsize,
    /// The shards are to end.
    pub(crate) end: AtomicBool,
    /// How many shards still have calls to end.
    pub(crate) busy: AtomicUsize,
    /// The thread of a shard has ended, in a panic too.
    pub(crate) ended: AtomicBool,
    /// Wakes the main thread.
    pub(crate) bell: EventFd,
}

impl Flags {
    /// Nothing told by any of so many shards.
    ///
    /// # Errors
    /// One line for a person: no bell.
    pub(crate) fn new(shards: u8) -> Result<Arc<Flags>, String> {
        let bell = EventFd::new().map_err(|e| format!("eventfd: {e}"))?;
        let [end, ended] = [const { AtomicBool::new(false) }; 2];
        let (ready, busy) = (AtomicUsize::new(0), AtomicUsize::new(shards.into()));
        Ok(Arc::new(Flags { ready, end, busy, ended, bell }))
    }

    /// Tells whether a shard can take calls, if that is another word than its last one, `was`.
    pub(crate) fn set_ready(&self, was: &mut bool, ready: bool) {
        if std::mem::replace(was, ready) == ready {
            return;
        }
        match ready {
            true => self.ready.fetch_add(1, Ordering::AcqRel),
            false => self.ready.fetch_sub(1, Ordering::AcqRel),
        };
        self.bell.ring();
    }
}

/// Held by a shard's thread; its drop is the end of that thread.
pub(crate) struct AtEnd(pub(crate) Arc<Flags>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
        self.0.bell.ring();
    }
}
