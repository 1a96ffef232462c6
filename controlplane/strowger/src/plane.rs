//! One plane as the supervisor sees it: a child, or a process that a former supervisor started.

use crate::complain;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use strowger_port::keep;
use strowger_port::process::{self, HandOn, Process};

/// How long a plane may take to end after SIGTERM, milliseconds.
const END_MS_MAX: u32 = 5_000;
/// Pause before a plane that died twice in a row is started again; doubled each time up to the
/// second figure. The first time there is none: calls wait for it.
const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// A plane that lived so long starts again without pause.
const LIVED_WELL: Duration = Duration::from_secs(5);
/// How often a plane that was taken over before it was ready is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Bytes of the word that says that a plane is ready.
const READY_BYTES_MAX: usize = 16;

/// How the planes' allocator treats memory, unless the environment says otherwise (ADR 0077): in
/// pages of 2 MiB where the kernel has them to give, and kept for a minute of quiet before it goes
/// back, because a page that comes anew is cleared and mapped while a call waits.
const HEAP: [(&str, &str); 2] =
    [("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"), ("MIMALLOC_PURGE_DELAY", "60000")];

/// One of the two planes.
pub(crate) struct Plane {
    /// Name of its place: `switchd`, `controld`.
    kind: &'static str,
    program: PathBuf,
    running: Option<Running>,
    start_at: Instant,
    pause: Duration,
    ready: bool,
}

struct Running {
    process: Process,
    since: Instant,
    tie: Tie,
}

/// How a plane tells that it is ready and how it ended.
enum Tie {
    /// Our own child, and where it will say that it is ready, until it has.
    Child(Child, Option<UnixStream>),
    /// Another supervisor's.
    Adopted,
}

impl Plane {
    pub(crate) fn new(kind: &'static str, program: PathBuf) -> Plane {
        let (pause, start_at) = (Duration::ZERO, Instant::now());
        Plane { kind, program, running: None, start_at, pause, ready: false }
    }

    /// It has been ready once.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// It is to be started now.
    pub(crate) fn is_due(&self) -> bool {
        self.running.is_none() && Instant::now() >= self.start_at
    }

    /// It died several times in a row.
    pub(crate) fn is_tired(&self) -> bool {
        self.pause >= RESTART_PAUSE_MIN * 8
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Takes over a living plane that a former supervisor left, with its sockets; `None` = there is
    /// none.
    pub(crate) fn adopt(&mut self, run: &Path) -> io::Result<Option<Vec<OwnedFd>>> {
        let Some(found) = keep::find(run, self.kind)? else { return Ok(None) };
        let pid = found.process.pid();
        complain(&format!("{}, process {pid}, is taken over", found.program));
        self.ready |= found.ready;
        let tie = Tie::Adopted;
        self.running = Some(Running { process: found.process, since: Instant::now(), tie });
        Ok(Some(found.sockets))
    }

    /// Starts it as a child.
    pub(crate) fn start(&mut self, args: &[&OsStr], kept: Vec<HandOn<'_>>) -> io::Result<()> {
        let (mine, theirs) = UnixStream::pair()?;
        mine.set_nonblocking(true)?;
        let mut hand_on = kept;
        hand_on.push(HandOn { name: "STROWGER_READY_FD", fds: vec![theirs.as_fd()] });
        let unsaid = HEAP.iter().filter(|(name, _)| std::env::var_os(name).is_none());
        let heap: Vec<_> = unsaid.map(|(name, value)| (*name, OsStr::new(value))).collect();
        let mut child = process::spawn(self.program.as_os_str(), args, &heap, &hand_on)?;
        // Nobody has waited for it yet, so the number is its own whatever became of it.
        let process = match Process::open(child.id()) {
            Ok(process) => process,
            Err(e) => {
                // What cannot be watched must not run.
                let _gone = child.kill().and_then(|()| child.wait());
                return Err(e);
            }
        };
        let tie = Tie::Child(child, Some(mine));
        self.running = Some(Running { process, since: Instant::now(), tie });
        Ok(())
    }

    /// Puts a start off, as after a death.
    pub(crate) fn put_off(&mut self) {
        self.start_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).clamp(RESTART_PAUSE_MIN, RESTART_PAUSE_MAX);
    }

    /// What wakes the supervisor for this plane.
    pub(crate) fn bells(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let running = self.running.as_ref();
        let ready = running.and_then(|running| match &running.tie {
            Tie::Child(_, ready) => ready.as_ref().map(AsFd::as_fd),
            Tie::Adopted => None,
        });
        running.map(|running| running.process.as_fd()).into_iter().chain(ready)
    }

    /// When the supervisor is to look without being woken; `None` = never.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        match &self.running {
            None => Some(self.start_at),
            Some(Running { tie: Tie::Adopted, .. }) if !self.ready => {
                Some(Instant::now() + ASK_AGAIN)
            }
            Some(_) => None,
        }
    }

    /// Looks at the process: notices its readiness and its death.
    pub(crate) fn look(&mut self, run: &Path) {
        let Some(running) = &mut self.running else { return };
        let pid = running.process.pid();
        match &mut running.tie {
            Tie::Child(_, ready) => {
                let mut said = [0; READY_BYTES_MAX];
                let heard = ready.as_mut().map(|ready| ready.read(&mut said));
                // Whatever it says, it says once; then the stream's end would wake us for ever.
                if !matches!(&heard, Some(Err(e)) if e.kind() == ErrorKind::WouldBlock) {
                    self.ready |= matches!(heard, Some(Ok(1..)));
                    *ready = None;
                }
            }
            Tie::Adopted if !self.ready => {
                let found = keep::find(run, self.kind).ok().flatten();
                self.ready = found.is_some_and(|f| f.ready && f.process.pid() == pid);
            }
            Tie::Adopted => {}
        }
        if running.process.wait(Some(0)).unwrap_or(false) {
            self.bury();
        }
    }

    /// Collects what is left of a dead plane and says when it starts again.
    fn bury(&mut self) {
        let Some(running) = self.running.take() else { return };
        if running.since.elapsed() >= LIVED_WELL {
            self.pause = Duration::ZERO;
        }
        self.put_off();
        let status = match running.tie {
            Tie::Child(mut child, _) => child.wait().map(|status| format!(" ({status})")),
            // Its status is its parent's to know.
            Tie::Adopted => Ok(String::new()),
        };
        let status = status.unwrap_or_default();
        complain(&format!("{} ended{status}, starting it again", self.name()));
    }

    /// Ends it in order.
    pub(crate) fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        let _gone_already = running.process.terminate();
        if !running.process.wait(Some(END_MS_MAX)).unwrap_or(false) {
            complain(&format!("{} did not end in {END_MS_MAX} ms, killing it", self.name()));
            let _gone_already = running.process.kill();
            let _ended = running.process.wait(Some(END_MS_MAX));
        }
        if let Tie::Child(mut child, _) = running.tie {
            let _status = child.try_wait();
        }
    }
}
