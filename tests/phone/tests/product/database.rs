//! The database is late, locked, or away.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::rest::text;
use crate::server::ask;
use crate::talk::{Talk, desk};
use crate::tell;

/// Another process's write transaction on a database of SQLite, until it is dropped.
pub(crate) struct Lock {
    shell: Child,
    words: Option<ChildStdin>,
}

impl Lock {
    pub(crate) fn take(file: &Path) -> Lock {
        let mut shell = Command::new("sqlite3")
            .args(["-cmd", ".timeout 10000"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell of sqlite3 is installed");
        let mut words = shell.stdin.take().unwrap();
        words.write_all(b"BEGIN IMMEDIATE;\n.print locked\n").unwrap();
        let mut said = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim_end(), "locked");
        Lock { shell, words: Some(words) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of its input is the end of its transaction.
        drop(self.words.take());
        let _ended = self.shell.wait();
    }
}

#[test]
fn the_control_plane_waits_for_its_database_and_then_serves() {
    let home = Home::new();
    // Its disk is not there yet.
    let (disk, log) = (home.join("disk"), home.join("log"));
    let file = disk.join("strowger.db");
    let config = format!("database.url = \"sqlite:{}\"\n", file.display());
    let late = std::thread::spawn(move || {
        eventually("it says what it waits for", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            said.contains("waiting for the database").then_some(())
        });
        // It neither gives up nor says so again and again.
        std::thread::sleep(Duration::from_secs(2));
        let said = fs::read_to_string(&log).unwrap();
        assert_eq!(said.matches("waiting for the database").count(), 1, "{said}");
        assert!(!said.contains("the control plane runs"), "{said}");
        fs::create_dir(&disk).unwrap();
    });
    let demo = Demo::start_with(&home, &config);
    late.join().unwrap();
    assert!(file.exists());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.rest.cdrs(1);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_new_life_of_the_dataplane_takes_calls_while_the_database_is_locked() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.rest.cdrs(1);
    let lock = Lock::take(&demo.file("strowger.db"));
    // Each life has an origin of its own for its records; those of the next ones are known.
    for _ in 0..2 {
        demo.replace(demo.planes().switchd);
        Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    }
    assert_eq!(demo.rest.list("/api/v1/cdrs").len(), 1, "the database was not locked");
    drop(lock);
    let origin = |cdr: &Value| cdr["id"].as_str().unwrap().parse::<i64>().unwrap() >> 40;
    let origins: Vec<i64> = demo.rest.cdrs(3).iter().map(origin).collect();
    assert_eq!(origins, [1, 2, 3]);
    assert_tidy(&demo);
    demo.stop();
}

/// A server of a test's own, which it may stop.
struct Cluster {
    dir: PathBuf,
    url: String,
}

impl Cluster {
    /// Starts one, where PostgreSQL is wanted at all.
    fn start(home: &Home) -> Option<Cluster> {
        std::env::var_os("STROWGER_TEST_POSTGRES")?;
        let dir = home.join("server");
        let said = script("start", &dir);
        let url = said.lines().find_map(|line| line.strip_prefix("STROWGER_TEST_POSTGRES="));
        let url = url.unwrap_or_else(|| panic!("no server: {said}")).to_owned();
        Some(Cluster { dir, url })
    }

    /// As a crash of it.
    fn halt(&self) {
        script("halt", &self.dir);
    }

    fn resume(&self) {
        script("resume", &self.dir);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        script("stop", &self.dir);
    }
}

fn script(word: &str, dir: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres.sh");
    // What the server inherits it would hold open for as long as it runs.
    let (said, log) = (dir.with_extension("said"), dir.with_extension("log"));
    let (out, errors) = (fs::File::create(&said).unwrap(), fs::File::create(&log).unwrap());
    let mut command = Command::new(script);
    let done = command.arg(word).arg(dir).stdin(Stdio::null()).stdout(out).stderr(errors).status();
    let wrong = || fs::read_to_string(&log).unwrap_or_default();
    assert!(done.unwrap().success(), "postgres.sh {word}: {}", wrong());
    fs::read_to_string(&said).unwrap()
}

#[test]
fn calls_go_on_while_the_server_is_away_and_no_record_is_lost() {
    let home = Home::new();
    let Some(cluster) = Cluster::start(&home) else {
        tell("SKIPPED PostgreSQL that goes away: STROWGER_TEST_POSTGRES names no server");
        return;
    };
    let config = format!("log.level = \"info\"\ndatabase.url = \"{}\"\n", cluster.url);
    let demo = Demo::start_with(&home, &config);
    let planes = demo.planes();
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    assert_eq!(demo.rest.cdrs(1).len(), 1);
    let talk = Talk::new(&ada, "1002", &bob);
    cluster.halt();
    talk.heard(25);
    talk.end_after(Duration::from_millis(300));
    // One that nobody knew of when the server went, asked and ended without it.
    Talk::new(&bob, "1001", &ada).end_after(Duration::from_millis(300));
    cluster.resume();
    let cdrs = demo.rest.cdrs(3);
    for cdr in &cdrs {
        assert_eq!(text(cdr, "outcome.reason"), "normal", "{cdr:#}");
    }
    assert_eq!(demo.planes(), planes, "a plane was started again\n{}", demo.log());
    assert_eq!(ask(&cluster.url, "SELECT COUNT(*) FROM cdrs"), "3");
    assert_tidy(&demo);
    demo.stop();
}
