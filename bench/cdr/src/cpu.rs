//! Processor time of this process and of the database's server, from the kernel's exact counts.
//!
//! On a machine that does other things as well the records of a second say little; what each
//! record costs both sides says more.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Processor time up to a moment.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Cpu {
    /// Of this process.
    pub(crate) client: Duration,
    /// Of the server's living processes; zero without a server of our own.
    pub(crate) server: Duration,
}

impl Cpu {
    pub(crate) fn now() -> Cpu {
        let server = server().iter().map(|process| spent(process)).sum();
        Cpu { client: spent(Path::new("/proc/self")), server }
    }

    /// Puts the server's processes ahead of other load, as this one is, where that may be asked
    /// for: each begins a session of its own, so what its parent was given does not count.
    pub(crate) fn lead_server() {
        for process in server() {
            let _may_not = fs::write(process.join("autogroup"), "-20");
        }
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            client: self.client.saturating_sub(before.client),
            server: self.server.saturating_sub(before.server),
        }
    }
}

/// The server's processes; none without a server of our own.
fn server() -> Vec<PathBuf> {
    let cluster = std::env::var("STROWGER_TEST_POSTGRES_DIR");
    let postmaster = cluster.ok().and_then(|dir| postmaster(Path::new(&dir)));
    postmaster.map(children).unwrap_or_default()
}

/// The process that all of the cluster in `dir` are children of.
fn postmaster(dir: &Path) -> Option<u32> {
    let text = fs::read_to_string(dir.join("data/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn children(of: u32) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let parent = format!("\nPPid:\t{of}\n");
    let is_child = |path: &PathBuf| {
        fs::read_to_string(path.join("status")).is_ok_and(|status| status.contains(&parent))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_child).collect()
}

/// What all threads of a process ran: the first number of `schedstat`, nanoseconds.
fn spent(process: &Path) -> Duration {
    let Ok(threads) = fs::read_dir(process.join("task")) else { return Duration::ZERO };
    let ran = threads.flatten().filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(ran.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_does_is_counted() {
        let before = Cpu::now();
        let mut sum = 0u64;
        while Cpu::now().since(before).client < Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert_eq!(Cpu::now().since(before).server, Duration::ZERO);
    }

    #[test]
    fn children_are_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = children(std::process::id());
        assert!(found.contains(&PathBuf::from(format!("/proc/{}", child.id()))), "{found:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(postmaster(Path::new("/nowhere")), None);
    }
}
