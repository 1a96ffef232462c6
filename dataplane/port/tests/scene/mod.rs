//! A child process to be killed: this test's own binary with a role in its environment.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use strowger_port::eventfd::EventFd;
use strowger_port::rng;

const ROLE: &str = "STROWGER_TEST_ROLE";
const DIRECTORY: &str = "STROWGER_TEST_DIRECTORY";

/// A directory removed at the end, and the child killed.
pub struct Scene {
    /// Where both meet.
    pub directory: PathBuf,
    child: Option<Child>,
    pause: EventFd,
}

impl Scene {
    /// An empty scene.
    pub fn new() -> Scene {
        let name = format!("strowger-kill-{:016x}", rng::random_u64().unwrap());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        Scene { directory, child: None, pause: EventFd::new().unwrap() }
    }

    /// Starts this binary again, to run the test `role` alone.
    pub fn start(&mut self, role: &str) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", role, "--nocapture"])
            .env(ROLE, role)
            .env(DIRECTORY, &self.directory)
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Sleeps a millisecond; fails if the child has ended by itself.
    pub fn pause(&mut self) {
        self.pause.wait(Some(1)).unwrap();
        let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
        assert_eq!(ended, None, "the child ended by itself");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The directory, if this process was started to play `role`.
pub fn role(role: &str) -> Option<PathBuf> {
    let mine = std::env::var(ROLE).is_ok_and(|mine| mine == role);
    mine.then(|| PathBuf::from(std::env::var(DIRECTORY).unwrap()))
}

/// A random number below `bound`.
pub fn random_below(bound: u64) -> u64 {
    rng::random_u64().unwrap() % bound
}
