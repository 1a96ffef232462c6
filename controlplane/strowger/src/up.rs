//! `strowger up`: starts both planes or takes them over, starts again what dies, ends both.
//!
//! The planes do not need it: when it is killed they run on, and the next `strowger up` on the same
//! directory finds them ([`strowger_port::keep`]), gets the sockets back, and keeps both as before.
//! While it lives it holds a lock, so there is never a second one. It sleeps until something ends,
//! is ready, or is asked for.

use crate::keeper::{Addresses, Handed, Kept, Ports, apart};
use crate::plane::Plane;
use crate::{Failure, complain, say, tune};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strowger_port::eventfd::wait_any_fd;
use strowger_port::keep;
use strowger_port::process::HandOn;
use strowger_port::signals::{HangUp, Signals};
use strowger_tuning::{Config, Words};

/// The lock of the one supervisor, in the data directory.
const LOCK_FILE: &str = "up.lock";
const ME: &str = concat!("strowger ", env!("CARGO_PKG_VERSION"));
/// How long another supervisor's end is waited for, and how often it is looked for.
const LOCK_MAX: Duration = Duration::from_millis(500);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Runs until SIGTERM, SIGINT or SIGHUP.
pub(crate) fn run(words: &Words) -> Result<(), Failure> {
    let config = effective(words).map_err(Failure::Usage)?;
    let run = config.run_dir();
    make_private_dir(&config.node.data)?;
    make_private_dir(&run)?;
    let _held = lock(&config.node.data)?;
    let signals =
        Signals::block(HangUp::Ends).map_err(|e| Failure::Running(format!("signals: {e}")))?;
    let mut data = Plane::new("switchd", beside_me("strowger-switchd")?);
    let mut control = Plane::new("controld", beside_me("strowger-controld")?);
    let (sip, admin) = (adopt(&mut data, &run)?, adopt(&mut control, &run)?);
    let taken_over = sip.is_some() || admin.is_some();
    let handed = Handed { sip: sip.unwrap_or_default(), admin: admin.unwrap_or_default() };
    let ports = if words.demo { Ports::NextFree } else { Ports::Named };
    let before = Addresses::read(&run);
    let kept = Kept::open(&config, ports, handed, before.as_ref()).map_err(Failure::Running)?;
    let addresses = kept.addresses().map_err(|e| Failure::Running(format!("sockets: {e}")))?;
    for line in addresses.differences(&config, ports) {
        complain(&line);
    }
    if let Err(e) = addresses.write(&run) {
        complain(&format!("{}: {e}", run.display()));
    }
    let args = arguments(words, &config);
    tune::tell(config, words.demo);
    Supervisor { run, kept, data, control, args, announced: false, taken_over }.supervise(&signals)
}

fn effective(words: &Words) -> Result<Config, String> {
    let config = words.load()?;
    match beyond_loopback(&config) {
        Some(key) if words.demo => {
            let why = "has known passwords and listens on loopback addresses only";
            Err(format!("{key}: --demo {why}"))
        }
        Some(_) | None => Ok(config),
    }
}

/// The first key that opens something to other hosts.
fn beyond_loopback(config: &Config) -> Option<&'static str> {
    let keys = [
        ("sip.listen", config.sip.listen.iter().all(|a| a.ip().is_loopback())),
        ("sip.stream", config.sip.stream.iter().all(|a| a.listen.ip().is_loopback())),
        ("media.addresses", config.media.addresses.iter().all(|a| a.is_loopback())),
        ("admin.listen", config.admin.listen.ip().is_loopback()),
        ("acme.listen", !config.acme.is_wanted() || config.acme.listen.ip().is_loopback()),
    ];
    keys.into_iter().find(|(_, loopback)| !loopback).map(|(key, _)| key)
}

fn make_private_dir(dir: &Path) -> Result<(), Failure> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| Failure::Running(format!("{}: {e}", dir.display())))
}

/// Takes the place of the one supervisor. One that was killed a moment ago may not be gone yet.
fn lock(data: &Path) -> Result<File, Failure> {
    let give_up = Instant::now() + LOCK_MAX;
    loop {
        match keep::lock(&data.join(LOCK_FILE), ME) {
            Ok(lock) => return Ok(lock),
            Err(e) if e.kind() == ErrorKind::ResourceBusy && Instant::now() < give_up => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(e) => {
                let data = data.display();
                return Err(Failure::Running(format!("{data}: no place for a supervisor: {e}")));
            }
        }
    }
}

fn beside_me(name: &str) -> Result<PathBuf, Failure> {
    let me = std::env::current_exe().map_err(|e| Failure::Running(format!("own path: {e}")))?;
    Ok(me.with_file_name(name))
}

fn adopt(plane: &mut Plane, run: &Path) -> Result<Option<Vec<OwnedFd>>, Failure> {
    plane.adopt(run).map_err(|e| {
        let name = plane.program().display();
        Failure::Running(format!("{name} lives and cannot be taken over: {e}"))
    })
}

/// What each plane is told; only the control plane knows of the demo.
fn arguments(words: &Words, config: &Config) -> [Vec<OsString>; 2] {
    let mut data = vec![OsString::from("--data"), config.node.data.clone().into_os_string()];
    if let Some(file) = &words.config {
        data.extend([OsString::from("--config"), file.clone().into_os_string()]);
    }
    let mut control = data.clone();
    if words.demo {
        control.push("--demo".into());
    }
    [data, control]
}

struct Supervisor {
    run: PathBuf,
    kept: Kept,
    data: Plane,
    control: Plane,
    /// Of the dataplane, of the control plane.
    args: [Vec<OsString>; 2],
    /// `ready` was said.
    announced: bool,
    /// At least one plane runs since before.
    taken_over: bool,
}

impl Supervisor {
    fn supervise(mut self, signals: &Signals) -> Result<(), Failure> {
        loop {
            self.data.look(&self.run);
            self.control.look(&self.run);
            self.start_what_is_due();
            if !self.announced && self.data.is_ready() && self.control.is_ready() {
                self.announced = true;
                // Nobody may be reading; calls can be placed all the same.
                let _unheard = say(&ready_line(&self.kept)?);
            }
            if self.is_hopeless() {
                self.end();
                return Err(Failure::Running("a plane does not start; see above".into()));
            }
            self.sleep(signals).map_err(|e| Failure::Running(format!("poll: {e}")))?;
            if signals.take().is_some() {
                self.end();
                return Ok(());
            }
        }
    }

    /// A plane that dies again and again before the first `ready` is an error, not a crash loop;
    /// but what was taken over goes on, for it may carry calls.
    fn is_hopeless(&self) -> bool {
        let tired = self.data.is_tired() || self.control.is_tired();
        tired && !self.announced && !self.taken_over
    }

    fn start_what_is_due(&mut self) {
        let Supervisor { run, kept, data, control, args: [data_args, control_args], .. } = self;
        if data.is_due() {
            if let Some(sockets) = found(data, run) {
                (kept.sip, kept.streams, kept.media) = apart(sockets);
            } else if data.is_due() {
                let fds = kept.sip.iter().map(AsFd::as_fd).collect();
                let sip = HandOn { name: "STROWGER_SIP_FDS", fds };
                let fds = kept.streams.iter().map(AsFd::as_fd).collect();
                let streams = HandOn { name: "STROWGER_STREAM_FDS", fds };
                let fds = kept.media.iter().map(AsFd::as_fd).collect();
                let media = HandOn { name: "STROWGER_MEDIA_FDS", fds };
                start(data, data_args, vec![sip, streams, media]);
            }
        }
        if control.is_due() {
            if let Some(socket) = found(control, run).and_then(|mut sockets| sockets.pop()) {
                kept.admin = TcpListener::from(socket);
            } else if control.is_due() {
                let fds = vec![kept.admin.as_fd()];
                start(control, control_args, vec![HandOn { name: "STROWGER_ADMIN_FDS", fds }]);
            }
        }
    }

    fn sleep(&self, signals: &Signals) -> std::io::Result<()> {
        let planes = [&self.data, &self.control];
        let bells = planes.iter().flat_map(|plane| plane.bells());
        let bells: Vec<BorrowedFd<'_>> = bells.chain([signals.as_fd()]).collect();
        let until = planes.iter().filter_map(|plane| plane.look_at()).min();
        let timeout_ms = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            u32::try_from(left.as_millis()).unwrap_or(u32::MAX).saturating_add(1)
        });
        wait_any_fd(&bells, timeout_ms).map(|_| ())
    }

    /// The control plane last: it takes the last records from the journal.
    fn end(&mut self) {
        self.data.end();
        self.control.end();
    }
}

/// Takes over a plane that came up without us, as when the last supervisor was killed right after
/// it had started it. One that lives and does not answer is left alone for a while.
fn found(plane: &mut Plane, run: &Path) -> Option<Vec<OwnedFd>> {
    match plane.adopt(run) {
        Ok(found) => found,
        Err(e) => {
            complain(&format!("{} does not answer: {e}", plane.program().display()));
            plane.put_off();
            None
        }
    }
}

fn start(plane: &mut Plane, args: &[OsString], kept: Vec<HandOn<'_>>) {
    let args: Vec<&OsStr> = args.iter().map(OsString::as_os_str).collect();
    if let Err(e) = plane.start(&args, kept) {
        complain(&format!("{}: {e}", plane.program().display()));
        plane.put_off();
    }
}

fn ready_line(kept: &Kept) -> Result<String, Failure> {
    let wrong = || Failure::Running("sockets: no address".into());
    let Addresses { sip, admin } = kept.addresses().map_err(|_| wrong())?;
    let sip = sip.first().ok_or_else(wrong)?;
    // Addresses need no escapes, and the order of the keys is part of the interface.
    Ok(format!("ready {{\"sip\":\"{sip}\",\"admin\":\"http://{admin}\"}}"))
}
