//! `strowger up`: starts both planes, starts again what dies, ends both in order.

use crate::args::{UpOptions, load_config};
use crate::keeper::Kept;
use crate::{Failure, complain, say};
use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use strowger_port::process::{self, HandOn};
use strowger_port::signals::Signals;
use strowger_tuning::Config;

/// How long a plane may take to end after SIGTERM.
const END_MAX: Duration = Duration::from_secs(5);
/// Pause before a plane that died again is started again, doubled each time up to the second
/// figure. The first death in a row costs none: calls have no audio meanwhile.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A plane that lived so long starts again without pause.
const LIVED_WELL: Duration = Duration::from_secs(30);
/// How often the supervisor looks.
const LOOK: Duration = Duration::from_millis(20);

struct Plane {
    program: PathBuf,
    child: Option<Running>,
    start_at: Instant,
    pause: Duration,
    ready: bool,
}

struct Running {
    child: Child,
    since: Instant,
    ready: UnixStream,
}

impl Plane {
    fn new(program: PathBuf) -> Plane {
        let pause = Duration::ZERO;
        Plane { program, child: None, start_at: Instant::now(), pause, ready: false }
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn start(&mut self, args: &[&OsStr], kept: &[HandOn<'_>]) -> std::io::Result<()> {
        let (mine, theirs) = UnixStream::pair()?;
        mine.set_nonblocking(true)?;
        let mut hand_on = kept.to_vec();
        hand_on.push(HandOn { name: "STROWGER_READY_FD", fds: vec![theirs.as_fd()] });
        let child = process::spawn(self.program.as_os_str(), args, &[], &hand_on)?;
        self.child = Some(Running { child, since: Instant::now(), ready: mine });
        Ok(())
    }

    /// Looks at the child: collects its readiness, notices its death.
    fn look(&mut self) {
        let Some(running) = &mut self.child else { return };
        let mut said = [0u8; 16];
        if matches!(running.ready.read(&mut said), Ok(1..)) {
            self.ready = true;
        }
        if let Ok(Some(status)) = running.child.try_wait() {
            if running.since.elapsed() >= LIVED_WELL {
                self.pause = Duration::ZERO;
            }
            self.start_at = Instant::now() + self.pause;
            self.pause = (self.pause * 2).clamp(RESTART_PAUSE_MIN, RESTART_PAUSE_MAX);
            self.child = None;
            complain(&format!("{} ended ({status}), starting it again", self.name()));
        }
    }

    fn end(&mut self) {
        let Some(mut running) = self.child.take() else { return };
        let _gone_already = process::terminate(&running.child);
        let until = Instant::now() + END_MAX;
        while Instant::now() < until {
            if let Ok(Some(_)) = running.child.try_wait() {
                return;
            }
            std::thread::sleep(LOOK);
        }
        complain(&format!("{} did not end in {END_MAX:?}, killing it", self.name()));
        let _gone_already = running.child.kill();
        let _status = running.child.wait();
    }
}

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(options: &UpOptions) -> Result<(), Failure> {
    let config = effective(options).map_err(Failure::Usage)?;
    make_private_dir(&config.node.data)?;
    make_private_dir(&config.run_dir())?;
    let kept = Kept::open(&config, options.demo).map_err(Failure::Running)?;
    let signals = Signals::block().map_err(|e| Failure::Running(format!("signals: {e}")))?;
    supervise(options, &config, &kept, &signals)
}

fn effective(options: &UpOptions) -> Result<Config, String> {
    let mut config = load_config(options.config.as_deref())?;
    if let Some(data) = &options.data {
        config.node.data.clone_from(data);
    }
    match beyond_loopback(&config) {
        Some(key) if options.demo => {
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
        ("media.addresses", config.media.addresses.iter().all(|a| a.is_loopback())),
        ("admin.listen", config.admin.listen.ip().is_loopback()),
    ];
    keys.into_iter().find(|(_, loopback)| !loopback).map(|(key, _)| key)
}

fn make_private_dir(dir: &Path) -> Result<(), Failure> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| Failure::Running(format!("{}: {e}", dir.display())))
}

fn beside_me(name: &str) -> Result<PathBuf, Failure> {
    let me = std::env::current_exe().map_err(|e| Failure::Running(format!("own path: {e}")))?;
    Ok(me.with_file_name(name))
}

fn supervise(
    options: &UpOptions,
    config: &Config,
    kept: &Kept,
    signals: &Signals,
) -> Result<(), Failure> {
    let sip: Vec<BorrowedFd<'_>> = kept.sip.iter().map(AsFd::as_fd).collect();
    let sip = [HandOn { name: "STROWGER_SIP_FDS", fds: sip }];
    let admin = [HandOn { name: "STROWGER_ADMIN_FDS", fds: vec![kept.admin.as_fd()] }];
    let mut args: Vec<&OsStr> = vec![OsStr::new("--data"), config.node.data.as_os_str()];
    if let Some(file) = &options.config {
        args.extend([OsStr::new("--config"), file.as_os_str()]);
    }
    let mut control_args = args.clone();
    if options.demo {
        control_args.push(OsStr::new("--demo"));
    }
    let mut data = Plane::new(beside_me("strowger-switchd")?);
    let mut control = Plane::new(beside_me("strowger-controld")?);
    let mut announced = false;
    let mut ended = false;
    while !ended {
        for (plane, args, kept) in [(&mut data, &args, &sip), (&mut control, &control_args, &admin)]
        {
            plane.look();
            let due = plane.child.is_none() && Instant::now() >= plane.start_at;
            if due && let Err(e) = plane.start(args, kept) {
                return Err(Failure::Running(format!("{}: {e}", plane.program.display())));
            }
        }
        if !announced && data.ready && control.ready {
            announced = true;
            say(&ready_line(kept)?)?;
        }
        if !announced && exited_for_good(&data, &control) {
            break;
        }
        std::thread::sleep(LOOK);
        ended = signals.take().is_some();
    }
    // The control plane last: it takes the last records from the journal.
    data.end();
    control.end();
    match announced || ended {
        true => Ok(()),
        false => Err(Failure::Running("a plane does not start; see above".into())),
    }
}

/// Before the first `ready`, a plane that dies again and again is an error, not a crash loop.
fn exited_for_good(data: &Plane, control: &Plane) -> bool {
    let tired = RESTART_PAUSE_MIN * 8;
    data.pause >= tired || control.pause >= tired
}

fn ready_line(kept: &Kept) -> Result<String, Failure> {
    let (sip, admin) = kept.addresses().map_err(|e| Failure::Running(format!("sockets: {e}")))?;
    // Addresses need no escapes, and the order of the keys is part of the interface.
    Ok(format!("ready {{\"sip\":\"{sip}\",\"admin\":\"http://{admin}\"}}"))
}
